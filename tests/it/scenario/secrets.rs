//! Secrets reach the app and nothing else (R28), and a changed one is a reason to deploy.

use std::path::Path;

use super::harness::{Host, Ran, WEB, WEB_DOMAIN, WEB_PROD};

const FIRST: &str = "first-value-of-the-secret";
const SECOND: &str = "second-value-of-the-secret";
const FILE: &str = "content-of-the-secret-file";

fn web() -> String {
    let secrets = "    secret_environment: { DB_URL: { credential: db_url } }
    secret_files: { /run/secrets/key: { credential: key } }
    stages:";
    WEB.replace("    stages:", secrets)
}

/// Runs a command as loud as it gets, and looks for secrets in what it says.
#[track_caller]
fn loud(host: &Host, arguments: &str) -> Ran {
    let mut command = host.command(arguments);
    command.env("RUST_LOG", "trace");
    host.run(command).never_says(FIRST).never_says(SECOND).never_says(FILE)
}

/// No file below a directory holds any of the values.
fn assert_nowhere_below(dir: &Path) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            assert_nowhere_below(&path);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        for value in [FIRST, SECOND, FILE] {
            let found = bytes.windows(value.len()).any(|window| window == value.as_bytes());
            assert!(!found, "{} holds {value}", path.display());
        }
    }
}

fn with_credentials() -> Host {
    let host = Host::new();
    host.credential("db_url", FIRST);
    host.credential("key", FILE);
    host.write("web.yaml", &web());
    host
}

#[test]
fn r28_a_secret_is_in_the_app_and_nowhere_else() {
    let host = with_credentials();
    loud(&host, "validate").exits(0);
    loud(&host, "diff").exits(2);
    loud(&host, "apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/env?DB_URL").body.trim(), FIRST);
    assert_eq!(host.get(WEB_DOMAIN, "/file?/run/secrets/key").body, FILE);
    let own = host.instance(WEB_PROD);
    let mode = host.engine.file_mode(&own.id, "/run/secrets/key");
    assert_eq!(mode, 0o400, "{mode:o}");

    for command in ["diff", "diff -o json", "status -o json", "history -o json", "logs web-<id>/prod"] {
        loud(&host, command).exits(0);
    }
    let id = host.history(WEB_PROD)[0]["id"].as_str().unwrap().to_owned();
    loud(&host, &format!("show {id} -o json")).exits(0);
    let labels = host.engine.inspect(&own.id).unwrap()["Config"]["Labels"].to_string();
    assert!(!labels.contains(FIRST) && !labels.contains(FILE), "{labels}");
    assert_nowhere_below(&host.data());
}

#[test]
fn r19_a_changed_secret_is_shown_as_changed_and_deployed() {
    let host = with_credentials();
    host.landfall("apply").exits(0);
    let old = host.instance(WEB_PROD);
    host.credential("db_url", SECOND);
    loud(&host, "diff").exits(2).says("secret changed: DB_URL");
    loud(&host, "apply").exits(0);
    assert_ne!(host.instance(WEB_PROD).id, old.id);
    assert_eq!(host.get(WEB_DOMAIN, "/env?DB_URL").body.trim(), SECOND);
    loud(&host, "diff").exits(0);

    host.credential("key", "another content of the file");
    loud(&host, "diff").exits(2).says("secret changed: /run/secrets/key");
    loud(&host, "apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/file?/run/secrets/key").body, "another content of the file");
    assert_nowhere_below(&host.data());
}

#[test]
fn r28_a_failing_deploy_tells_no_secret_either() {
    let host = with_credentials();
    host.write("web.yaml", &web().replace("v1", "crash"));
    loud(&host, "apply").exits(1);
    let id = host.history(WEB_PROD)[0]["id"].as_str().unwrap().to_owned();
    loud(&host, &format!("show {id}")).exits(0);
    loud(&host, "status").exits(3);
    assert_nowhere_below(&host.data());
}

#[test]
fn a_secret_that_cannot_be_read_counts_as_unchanged_in_diff_and_is_refused_by_apply() {
    let host = with_credentials();
    host.landfall("apply").exits(0);
    let old = host.instance(WEB_PROD);
    std::fs::remove_file(host.path("credentials").join("db_url")).unwrap();
    host.landfall("validate").exits(0);
    host.landfall("diff").exits(0).says("credential db_url does not exist; it counts as unchanged").never_says("()");
    host.landfall("apply").exits(4).says("db_url").says("nothing was changed");
    assert_eq!(host.instance(WEB_PROD), old);

    host.credential("db_url", FIRST);
    host.landfall("apply").exits(0).says("1 unchanged");
}

#[test]
fn a_secret_from_the_environment_or_a_file_reaches_the_app() {
    let host = Host::new();
    let file = host.path("elsewhere");
    std::fs::write(&file, format!("{SECOND}\n")).unwrap();
    let secrets = format!(
        "    secret_environment: {{ A: {{ env: STORY_SECRET }}, B: {{ file: {} }} }}\n    stages:",
        file.display()
    );
    host.write("web.yaml", &WEB.replace("    stages:", &secrets));
    let mut command = host.command("apply");
    command.env("STORY_SECRET", FIRST);
    host.run(command).exits(0).never_says(FIRST).never_says(SECOND);
    assert_eq!(host.get(WEB_DOMAIN, "/env?A").body.trim(), FIRST);
    assert_eq!(host.get(WEB_DOMAIN, "/env?B").body.trim(), SECOND);
    host.landfall("apply").exits(4).says("STORY_SECRET");
    assert_nowhere_below(&host.data());
}
