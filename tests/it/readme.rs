//! The README promises only what is seen: its YAML loads and its commands run. Its sample output is held to a real run
//! by `tests/readme.sh`.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Commands that a whole part of CI runs; `.ci/run` must name the script.
const RUN_BY_CI: [(&str, &str); 2] = [("deploy/demo.sh", "deploy/demo.sh"), ("tests/run.sh", "tests/run.sh")];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn readme() -> String {
    std::fs::read_to_string(root().join("README.md")).unwrap()
}

/// The fenced blocks of a language.
pub fn blocks(text: &str, language: &str) -> Vec<String> {
    let opening = format!("```{language}\n");
    text.split(&opening).skip(1).filter_map(|rest| rest.split("```").next().map(str::to_owned)).collect()
}

fn landfall(dir: &Path, args: &[&str]) -> std::process::Output {
    Command::new(env!("CARGO_BIN_EXE_landfall")).current_dir(dir).args(args).output().unwrap()
}

#[test]
fn every_yaml_block_of_the_readme_is_a_valid_configuration() {
    let blocks = blocks(&readme(), "yaml");
    assert!(!blocks.is_empty());
    for block in blocks {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("readme.yaml"), &block).unwrap();
        let output = landfall(dir.path(), &["validate", "."]);
        assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn every_shell_block_of_the_readme_is_run_here_or_by_ci() {
    let ci = std::fs::read_to_string(root().join(".ci/run")).unwrap();
    for line in blocks(&readme(), "sh").iter().flat_map(|block| block.lines()) {
        if let Some((_, script)) = RUN_BY_CI.iter().find(|(command, _)| line == *command) {
            assert!(ci.contains(script), ".ci/run does not run {script}");
        } else if let Some(args) = line.strip_prefix("landfall ") {
            let output = landfall(&a_repository(), &args.split(' ').collect::<Vec<_>>());
            assert!(output.status.success(), "{line}\n{}", String::from_utf8_lossy(&output.stderr));
        } else if line == "sudo deploy/install.sh" {
            installs_below_a_root();
        } else {
            assert_eq!(line, "cargo build --release --locked", "nothing runs this line");
        }
    }
}

/// A git repository that holds the examples, as a reader of the README has one.
fn a_repository() -> PathBuf {
    let dir = tempfile::tempdir().unwrap().keep();
    let script = format!(
        "mkdir -p {0}/examples && cp -r {1}/examples/config {0}/examples/ && cd {0} && git init -q . && git add -A && \
         git -c user.name=t -c user.email=t@t.test commit -qm one",
        dir.display(),
        root().display()
    );
    assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
    dir
}

fn installs_below_a_root() {
    let dir = tempfile::tempdir().unwrap();
    let output = Command::new(root().join("deploy/install.sh"))
        .arg("--root")
        .arg(dir.path())
        .env("LANDFALL_BIN", env!("CARGO_BIN_EXE_landfall"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for made in ["usr/local/bin/landfall", "etc/systemd/system/landfall.service", "etc/landfall/credentials"] {
        assert!(dir.path().join(made).exists(), "{made}");
    }
}
