//! The shipped JSON Schema: it is the generated one, every example fits it, and it never refuses what the loader takes.

use std::path::{Path, PathBuf};

use landfall::config::{Tree, json_schema, load, load_tree};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn validator() -> jsonschema::Validator {
    let schema = serde_json::from_str(&json_schema()).expect("the schema is JSON");
    jsonschema::validator_for(&schema).expect("the schema is a schema")
}

/// As editors read it: YAML 1.2, where `no` is text.
fn as_json(yaml: &str) -> serde_json::Value {
    let options = serde_yaml::options! { strict_booleans: true };
    serde_yaml::from_str_with_options(yaml, options).expect("the document is YAML")
}

/// `UPDATE=1 cargo test config_schema` writes the file.
#[test]
fn the_shipped_schema_is_the_generated_one() {
    let path = root().join("schema/landfall.schema.json");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, json_schema()).expect("the schema can be written");
    }
    let shipped = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(shipped == json_schema(), "schema/landfall.schema.json is out of date: run this test with UPDATE=1");
}

fn yaml_files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("the directory can be read").path();
        if path.is_dir() {
            yaml_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            found.push(path);
        }
    }
}

#[test]
fn every_example_fits_the_schema_and_loads() {
    let examples = root().join("examples");
    let mut files = Vec::new();
    yaml_files(&examples, &mut files);
    let validator = validator();
    for file in &files {
        let text = std::fs::read_to_string(file).expect("an example can be read");
        let errors: Vec<String> =
            validator.iter_errors(&as_json(&text)).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", file.display());
    }
    let config = examples.join("config");
    assert_eq!(config.exists(), examples.exists(), "examples has a folder config");
    if config.exists() {
        assert!(!files.is_empty(), "examples/config holds YAML");
        let loaded = load(&config).unwrap_or_else(|error| panic!("{error}"));
        assert!(!loaded.desired.stages.is_empty());
        assert!(loaded.warnings.is_empty(), "{}", loaded.warnings);
    }
}

/// One stage behind Nginx Proxy Manager, with keys of a route.
fn with_route(keys: &str) -> String {
    format!("{NPM}\n{}", with_stage(&format!("route: {{ domains: [ a.b.c ], {keys} }}")))
}

/// The line that drives one.
const NPM: &str =
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b, password: { env: P } } } }";

/// One stage with everything around it, and a line of its own.
fn with_stage(lines: &str) -> String {
    format!(
        "projects:\n  a:\n    image: a/b\n    port: 80\n    stages:\n      s:\n        track: {{ tag: \"1\" }}\n        {lines}\n"
    )
}

const BAD: &[&str] = &[
    "project: {}",
    "projects:",
    "projects: []",
    "projects: { A: { image: x, stages: { s: { track: { tag: a } } } } }",
    "projects: { a: { stages: { s: { track: { tag: a } } } } }",
    "projects: { a: { image: x } }",
    "projects: { a: { image: x, stages: {} } }",
    "projects: { a: { image: x, stages: { s: {} } } }",
    "projects: { a: { image: x, stages: { s: } } }",
    "projects: { a: { image: x, port: 0, stages: { s: { track: { tag: a } } } } }",
    "projects: { a: { image: x, port: 65536, stages: { s: { track: { tag: a } } } } }",
    "projects: { a: { image: x, port: eighty, stages: { s: { track: { tag: a } } } } }",
    "projects: { a: { image: 5, stages: { s: { track: { tag: a } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { tag: a, digest: b } } } } }",
    "projects: { a: { image: x, stages: { s: { track: {} } } } }",
    "projects: { a: { image: x, stages: { s: { track: latest } } } }",
    "projects: { a: { image: x, stages: { s: { track: { tag: [a] } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { regex: a } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { regex: { match: a } } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { regex: { match: a, order: newest } } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { regex: { match: a, order: numeric, by: b } } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { semver: [a] } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { glob: \"*\", semver: \"*\" } } } } }",
    "projects: { a: { image: x, track: { tag: a }, stages: { s: { track: { tag: a } } } } }",
    "settings: { proxy: embedded }",
    "settings: { proxy: { embedded: { x: 1 } } }",
    "settings: { proxy: { embedded: {}, none: {} } }",
    "settings: { proxy: { nginx_proxy_manager: {} } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, password: { env: P } } } }",
    "settings: { proxy: { nginx_proxy_manager: { email: a@b, password: { env: P } } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: a.b, email: a@b, password: { env: P } } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: HTTPS://a.b, email: a@b, password: { env: P } } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: bot, password: { env: P } } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b@c, password: { env: P } } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b, password: hunter2 } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b, password: { env: P }, x: 1 } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b, password: { env: P }, upstream: docker } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b, password: { env: P }, probe: 80 } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b, password: { env: P }, probe: a.b } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b, password: { env: P } }, none: {} } }",
    "settings: { prune: sometimes }",
    "settings: { resync: 60 }",
    "settings: { history: 90 }",
    "settings: { max_concurrent_deploys: 0 }",
    "settings: { max_concurrent_deploys: 65 }",
    "settings: { max_concurrent_deploys: all }",
    "settings: { source: { on_rewrite: never } }",
    "settings: { source: { worktree: sometimes } }",
    "settings: { history: { days: 0 } }",
    "settings: { history: { per_stage: 0 } }",
    "settings: { history: { days: 90d } }",
    "settings: { history: { years: 1 } }",
    "settings: { ports: 20000 }",
    "settings: { policy: { host_paths: /srv } }",
    "settings: { policy: [] }",
    "settings:",
    "registries: { r: { url: ghcr.io } }",
    "registries: { r: { url: https://ghcr.io, insecure: \"no\" } }",
    "registries: { r: { url: https://ghcr.io, password: hunter2, username: a } }",
];

const BAD_STAGE: &[&str] = &[
    "image: x",
    "port: 80",
    "colour: red",
    "environment: text",
    "environment: { A: [b] }",
    "environment: [ 5 ]",
    "env_file: 5",
    "secret_environment: { A: text }",
    "secret_environment: { A: { vault: x } }",
    "volumes: a:/b",
    "volumes: [ { type: volume, source: a } ]",
    "volumes: [ { type: disk, source: a, target: /b } ]",
    "volumes: [ { type: volume, source: a, target: /b, colour: red } ]",
    "tmpfs: { a: b }",
    "command: { a: b }",
    "command: 5",
    "user: [a]",
    "read_only: \"true\"",
    "read_only: no",
    "init:",
    "shm_size: 1.5g",
    "ulimits: { nofile: many }",
    "ulimits: { nofile: { soft: 1 } }",
    "restart: sometimes",
    "restart: false",
    "healthcheck: { test: { a: b } }",
    "healthcheck: { retries: -1 }",
    "healthcheck: { interval: 5 }",
    "logging: json-file",
    "mem_limit: a lot",
    "cpus: [1]",
    "pids_limit: many",
    "ports: 80",
    "ports: [ { target: 80 } ]",
    "networks: { a: {} }",
    "ready: http",
    "ready: { http: /healthz }",
    "ready: { http: { path: healthz } }",
    "ready: { http: {} }",
    "ready: { tcp: true }",
    "strategy: rolling",
    "drain: 10",
    "monitor: 30",
    "drain: soon",
    "stop_grace_period: 1 minute",
    "route: shop.example.com",
    "route: { domains: shop.example.com }",
    "route: { certificate: lets_encrypt, domains: [a.example.com] }",
    "pull_policy: sometimes",
    "keep_images: 0",
    "keep_images: 101",
    "keep_images: all",
    "build: .",
];

const BAD_ROUTE: &[&str] = &[
    "certificate: lets_encrypt",
    "certificate: 3",
    "certificate: id",
    "certificate: { id: 0 }",
    "certificate: { id: -1 }",
    "certificate: { id: \"3\" }",
    "certificate: { id: 3, wildcard: \"*.b.c\" }",
    "certificate: { wildcard: b.c }",
    "certificate: { none: {} }",
    "certificate: {}",
    "certificate:",
    "certificate: { id: 3 }, https: true",
    "certificate: { id: 3 }, https: on",
    "certificate: { id: 3 }, https: Redirect",
    "https: Off",
    "https: no",
    "https: \"false\"",
    "https: 0",
    "https:",
    "https: {}",
    "websockets: yes",
    "http2: \"true\"",
    "hsts: 1",
    "block_exploits: on",
    "access_list: 3",
    "locations: {}",
];

#[test]
fn what_the_schema_refuses_the_loader_refuses() {
    let validator = validator();
    let bad = BAD.iter().map(|text| (*text).to_owned()).chain(BAD_STAGE.iter().map(|lines| with_stage(lines)));
    for text in bad.chain(BAD_ROUTE.iter().map(|keys| with_route(keys))) {
        assert!(!validator.is_valid(&as_json(&text)), "the schema accepts {text}");
        let tree = Tree::from_memory([("site.yaml".to_owned(), text.clone().into_bytes())]);
        assert!(load_tree(tree).is_err(), "the loader accepts {text}");
    }
}

const GOOD_STAGE: &[&str] = &[
    "environment: { A: 1.10, B: true, C: \"\" }",
    "environment: [ A=1, B= ]",
    "secret_environment: { A: { env: B }, C: { file: /run/c }, D: { credential: d } }",
    "secret_files: { /etc/key: { credential: key } }",
    "volumes: [ \"a:/b\", { type: volume, source: x, target: /y, external: true }, { type: tmpfs, target: /t, tmpfs: { size: 1m, mode: 1777 } } ]",
    "tmpfs: /run",
    "tmpfs: [ \"/run:size=64m\" ]",
    "command: run --fast",
    "command: [ run, --port, 80 ]",
    "user: 1000",
    "user: \"1000:1000\"",
    "labels: { a.b/c: 1 }",
    "labels: [ a=b ]",
    "cap_drop: [ ALL ]",
    "shm_size: 64m",
    "shm_size: 67108864",
    "ulimits: { nofile: 1024, nproc: { soft: 1, hard: 2 } }",
    "extra_hosts: [ \"a:1.2.3.4\", \"b=::1\" ]",
    "extra_hosts: { a: host-gateway }",
    "dns: 1.1.1.1",
    "logging: { driver: local, options: { max-file: 3 } }",
    "restart: no",
    "restart: on-failure:3",
    "healthcheck: { test: [ CMD, /probe ], interval: 1m30s, timeout: 5s, retries: 3, start_period: 10s }",
    "healthcheck: { disable: true }",
    "mem_limit: 1g",
    "cpus: 0.5",
    "cpus: \"1\"",
    "pids_limit: -1",
    "ports: [ \"8080:80\", { target: 53, published: 53, protocol: udp } ]",
    "networks: [ backend ]",
    "ready: { http: { path: /, expect: 200-299, host: a.example.com }, interval: 500ms }",
    "ready: { tcp: {} }",
    "ready: { deadline: 5m }",
    "strategy: recreate",
    "route: { domains: [ a.example.com ] }",
    "route: { domains: [ a.b ], certificate: none, https: off, websockets: true, http2: false, hsts: false, block_exploits: false }",
    "route: { domains: [ a.b ], https: false }",
    "pull_policy: never",
    "security_opt: [ \"no-new-privileges:true\" ]",
];

const GOOD_ROUTE: &[&str] = &[
    "certificate: none",
    "certificate: { id: 3 }",
    "certificate: { id: 4294967295 }",
    "certificate: { wildcard: \"*.b.c\" }",
    "certificate: { id: 3 }, https: redirect, hsts: true",
    "certificate: { id: 3 }, https: allow, http2: false",
    "https: off",
    "https: \"off\"",
    "https: false",
    "https: FALSE",
    "websockets: false, block_exploits: true",
];

const GOOD: &[&str] = &[
    NPM,
    "settings: { proxy: { nginx_proxy_manager: { url: \"http://[::1]:81/api/\", email: Ä@b.c, password: { file: /p }, upstream: host, probe: \"[::1]:80\" } } }",
    "settings: { proxy: { nginx_proxy_manager: { url: https://a.b, email: a@b, password: { credential: p }, upstream: network, probe: a.b:8080 } } }",
    "settings: { proxy: { none: {} } }",
    "projects: { a: { image: x, stages: { s: { track: { semver: \">=1.2, <2\" } }, t: { track: { semver: 1.2 } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { glob: dev-* } }, t: { track: { mutable: 16 } } } } }",
    "projects: { a: { image: x, stages: { s: { track: { regex: { match: 'v(\\d+)', order: numeric } } } } } }",
];

#[test]
fn what_the_loader_takes_the_schema_takes() {
    let validator = validator();
    let good = GOOD.iter().map(|text| (*text).to_owned()).chain(GOOD_STAGE.iter().map(|lines| with_stage(lines)));
    for text in good.chain(GOOD_ROUTE.iter().map(|keys| with_route(keys))) {
        let tree = Tree::from_memory([("site.yaml".to_owned(), text.clone().into_bytes())]);
        if let Err(error) = load_tree(tree) {
            panic!("{text}\n{error}");
        }
        let instance = as_json(&text);
        let errors: Vec<String> =
            validator.iter_errors(&instance).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{text}: {errors:#?}");
    }
}
