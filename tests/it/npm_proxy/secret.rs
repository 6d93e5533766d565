//! R28: nothing that is secret between Landfall and Nginx Proxy Manager appears in what is said, logged at any level, or
//! kept: the password, tokens and their parts, private keys of certificates, passwords of access lists.

use std::collections::BTreeMap;

use serde_json::json;

use super::ground::{Behind, EMAIL, PASSWORD, QUICK};
use crate::execute::ground::{bytes_below, image, web};
use crate::npm::{Fault, Matcher};
use crate::router_support::soon;

/// Runs a command with everything logged: all that it says.
async fn said(behind: &Behind, line: &str) -> String {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.env_clear().env("RUST_LOG", "trace,hyper=trace,reqwest=trace,hyper_util=trace,landfall=trace");
    command.env("RUST_BACKTRACE", "1").args(line.split(' ')).envs(behind.host.variables());
    let output = soon(line, command.output()).await.expect("landfall runs");
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Every secret there is, by what it is called here.
fn secrets(behind: &Behind) -> BTreeMap<String, String> {
    let mut secrets = BTreeMap::from([
        ("the password".to_owned(), PASSWORD.to_owned()),
        ("the password that was refused".to_owned(), "a-wrong-one".to_owned()),
        ("the password of the access list".to_owned(), "open-sesame".to_owned()),
    ]);
    for (number, token) in behind.npm.tokens().iter().enumerate() {
        for (part, text) in token.split('.').enumerate().skip(1) {
            secrets.insert(format!("part {part} of token {number}"), text.to_owned());
        }
    }
    let certificates = behind.npm.by_hand().done("GET", "/nginx/certificates", None);
    let key = certificates[0]["meta"]["certificate_key"].as_str().expect("a key that the API shows").to_owned();
    secrets.insert("the key".to_owned(), key.lines().nth(1).expect("a line of it").to_owned());
    secrets
}

/// None of them is in any of these.
fn are_nowhere(secrets: &BTreeMap<String, String>, places: &BTreeMap<String, Vec<u8>>) {
    for (place, bytes) in places {
        for (name, secret) in secrets {
            let found = bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
            assert!(!found, "{name} is in {place}: {}", String::from_utf8_lossy(bytes));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_no_secret_of_the_proxy_is_in_any_word_log_or_file_whatever_goes_wrong() {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    let certificate = behind.npm.by_hand().certificate(&["*.test"], true);
    let list = behind.npm.by_hand().access_list("staff", &[("staff", "open-sesame")]);
    let secured = |version: &str| {
        web(version, QUICK)
            .replace("web.test ]", &format!("web.test ], certificate: {{ id: {certificate} }}, https: allow"))
    };
    let mut places = BTreeMap::new();
    let mut run = async |what: &str, line: &str| {
        let said = said(&behind, line).await;
        assert!(!said.is_empty() && !said.contains("panicked"), "{what}: {said}");
        places.insert(format!("{line} ({what})"), said.into_bytes());
    };
    behind.host.write(&secured("v1"));
    behind.credential("a-wrong-one");
    run("a password that is refused", "apply").await;
    behind.credential(PASSWORD);
    behind.npm.fail_next(Matcher::new("POST", "/nginx/proxy-hosts"), Fault::DoneThen(500));
    run("a create that is lost", "apply").await;
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "access_list_id": list, "forward_port": 9 }));
    run("drift", "diff").await;
    behind.npm.fail_next(Matcher::new("PUT", "/nginx/proxy-hosts/"), Fault::HalfBody);
    run("a change whose answer breaks off", "apply").await;
    behind.host.write(&secured("v2"));
    behind.npm.fail_next(Matcher::new("PUT", "/nginx/proxy-hosts/"), Fault::Offline("nginx: no\n".into()));
    run("a switch that nginx refuses", "apply").await;
    behind.npm.fail_next(Matcher::new("GET", "/nginx/certificates"), Fault::HalfBody);
    behind.npm.expire_tokens();
    run("a token that is too old", "status").await;
    behind.npm.replace_keys();
    run("a token of another key", "diff --json").await;
    behind.npm.fail_next(Matcher::new("GET", "/nginx/proxy-hosts"), Fault::Garbage);
    behind.npm.fail_next(Matcher::new("GET", "/nginx/proxy-hosts"), Fault::Garbage);
    run("something else in its place", "apply").await;
    behind.npm.disable_user(EMAIL);
    run("a user who is gone", "apply").await;
    for line in ["doctor", "history", "logs web/prod", "status --json"] {
        run("afterwards", line).await;
    }
    let seen: Vec<u8> = places.values().flatten().copied().collect();
    let seen = String::from_utf8_lossy(&seen);
    assert!(seen.contains("DEBUG") && seen.contains("logging in to nginx proxy manager"), "something is logged");
    for (path, bytes) in bytes_below(&behind.host.path("data")) {
        places.insert(path.display().to_string(), bytes);
    }
    assert!(places.keys().any(|place| place.contains("npm")), "the token is kept: {:?}", places.keys());
    are_nowhere(&secrets(&behind), &places);
}
