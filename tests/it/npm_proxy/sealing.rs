//! R28: the token is kept sealed, and a key that is lost, changed or open to others is told, with what to do. Stages
//! without a route do not need it.

use std::os::unix::fs::PermissionsExt as _;

use landfall::plan::Options;

use super::ground::{Behind, QUICK};
use crate::execute::ground::{image, web};

/// What is done to the data directory, and what is said then.
type Harm = (fn(&Behind), &'static [&'static str]);

const HARMS: [Harm; 3] = [
    (
        |behind| std::fs::remove_file(behind.host.path("data/sealing.key")).unwrap(),
        &["npm.token is sealed, and the key that opens it is gone", "sealing.key"],
    ),
    (
        |behind| std::fs::write(behind.host.path("data/sealing.key"), [7; 32]).unwrap(),
        &["needs the key", "and the key here is"],
    ),
    (
        |behind| {
            let open = std::fs::Permissions::from_mode(0o644);
            std::fs::set_permissions(behind.host.path("data/sealing.key"), open).unwrap();
        },
        &["sealing.key", "chmod 0600"],
    ),
];

/// The routed stage, and one that is not.
fn with_another(version: &str) -> String {
    web(version, QUICK)
        + "      jobs:\n        track: { digest: \"DIGEST\" }\n"
            .replace("DIGEST", image(version).digest.as_str())
            .as_str()
}

#[tokio::test]
async fn r28_a_key_that_cannot_be_used_is_told_and_stops_only_what_needs_the_proxy() {
    for (harm, words) in HARMS {
        let behind = Behind::at_v1().await;
        harm(&behind);
        behind.npm.reset_calls();
        behind.host.write(&with_another("v1"));
        let plan = behind.host.look().await.expect("a look").plan.to_string();
        for word in words {
            assert!(plan.contains(word), "{word}: {plan}");
        }
        let options = Options { partial: true, ..Options::default() };
        let converged = behind.host.converge_with(options).await.expect("a pass");
        assert_eq!(converged.results.len(), 1, "{:?}", converged.results);
        assert!(converged.results.values().all(landfall::execute::StageResult::is_ok), "{:?}", converged.results);
        assert_eq!(behind.npm.calls().len(), 0, "nobody was asked");
        assert_eq!(behind.answer("web.test").await, "v1");

        // What the remedy says: without the sealed file a login makes all well again.
        std::fs::remove_file(behind.host.path("data/npm.token")).unwrap();
        let key = behind.host.path("data/sealing.key");
        if key.exists() {
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        }
        behind.host.converge().await;
        assert!(behind.host.look().await.unwrap().plan.is_noop());
        assert_eq!(behind.npm.logins(), 1);
    }
}

#[tokio::test]
async fn r28_a_key_from_the_credentials_directory_seals_and_no_file_is_made() {
    let behind = Behind::with(&[&image("v1")]).await;
    std::fs::write(behind.host.path("credentials/landfall_sealing_key"), [3; 40]).unwrap();
    behind.host.apply(&web("v1", QUICK)).await;
    assert!(behind.host.path("data/npm.token").exists() && !behind.host.path("data/sealing.key").exists());
    behind.npm.reset_calls();
    assert!(behind.host.look().await.unwrap().plan.is_noop());
    assert_eq!(behind.npm.logins(), 0, "the sealed token is used");
}

#[tokio::test]
async fn a_host_in_another_proxy_is_told_when_its_stage_leaves_it_and_then_forgotten() {
    let behind = Behind::at_v1().await;
    behind.host.settings("");
    let said = behind.host.look().await.unwrap().plan.to_string();
    assert!(said.contains("stays there and leads to an instance that goes: remove it by hand"), "{said}");
    behind.host.converge().await;
    assert!(behind.said("warning: proxy host"), "{:?}", behind.host.events());
    assert_eq!(behind.host.version_at("web.test").await, "v1");
    assert!(behind.recorded().stages.values().all(|stage| stage.host.is_none()));
    let plan = behind.host.look().await.unwrap().plan;
    assert!(plan.is_noop() && !plan.to_string().contains("by hand"), "{plan}");
}
