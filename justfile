# The commands of every day; `just` alone lists them. Each is short enough to be typed without just.

set positional-arguments := true

[private]
default:
    @just --list

# Formatting and lints, as CI holds them
check:
    cargo fmt --check
    cargo clippy --all-targets --features faults,planted --locked -- -D warnings
    cargo clippy --locked -- -D warnings

# All tests on real parts (private dockerd, registries); arguments as of tests/run.sh
test *args:
    tests/run.sh "$@"

# Tests that need no Docker and no root
fast *args:
    tests/run.sh --fast "$@"

# Only what the compiler does not hold: directions, fences, shape of files
tidy:
    cargo test --locked --test it tidy

# Everything that CI holds
ci:
    .ci/run

# From an empty host to the second version under load; `just demo down` removes it
demo *args:
    deploy/demo.sh "$@"

# Write the JSON Schema anew after a change of the YAML types
schema:
    cargo run --locked --quiet -- schema > target/landfall.schema.json
    mv target/landfall.schema.json schema/landfall.schema.json

# Licences, bans, sources and advisories of the dependency graph (cargo install cargo-deny)
deny:
    cargo deny check

# Accept changed snapshots after reading them (cargo install cargo-insta)
snapshots:
    cargo insta review
