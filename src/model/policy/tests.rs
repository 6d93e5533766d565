//! What a stage's image is known to be, and which tag is the newest.

use serde_json::{Value, json};

use super::*;
use crate::model::ContainerSpec;

fn track(value: Value) -> Track {
    serde_json::from_value(value).unwrap()
}

fn stage(track: &Value) -> DesiredStage {
    serde_json::from_value(json!({
        "key": "shop/prod", "repository": "ghcr.io/acme/shop", "track": track, "pull_policy": "missing",
        "container": ContainerSpec::default(), "strategy": "blue_green", "drain": 0, "stop_grace_period": 0,
        "ready": { "check": "running", "interval": 1000, "timeout": 1000, "deadline": 1000 }, "domains": [],
    }))
    .unwrap()
}

fn pin(repository: &str, tag: &str) -> Pin {
    let digest = format!("sha256:{}", "a".repeat(64)).parse().unwrap();
    Pin { repository: repository.parse().unwrap(), tag: tag.parse().unwrap(), digest, local: false }
}

/// What of a choice matters here, in words.
fn chosen(track: &Value, pin: Option<&Pin>, ask: bool) -> String {
    let with =
        |image: Option<ImageRef>| image.map_or_else(String::new, |image| format!(", pinned {}", image.version()));
    match choose(&stage(track), pin, ask) {
        Choice::Known(image) => format!("known {}", image.version()),
        Choice::AskRegistry(_, tag) => format!("ask for {tag}"),
        Choice::AskHost(_, tag) => format!("ask the host for {tag}"),
        Choice::AskTags { pinned, .. } => format!("ask for tags{}", with(pinned)),
        Choice::AskMoved { tag, pinned, .. } => format!("ask where {tag} is{}", with(pinned)),
    }
}

fn policies() -> [(Value, &'static str); 4] {
    [
        (json!({ "semver": ">=1.0.0" }), "1.2.0"),
        (json!({ "glob": "dev-*" }), "dev-7"),
        (json!({ "regex": { "match": "build-([0-9]+)", "order": "numeric" } }), "build-7"),
        (json!({ "mutable": "latest" }), "latest"),
    ]
}

#[test]
fn a_pinned_policy_asks_nobody_until_a_pass_asks() {
    for (track, tag) in policies() {
        let pin = pin("ghcr.io/acme/shop", tag);
        assert_eq!(chosen(&track, Some(&pin), false), format!("known {tag}"));
        let question = if tag == "latest" { "ask where latest is" } else { "ask for tags" };
        assert_eq!(chosen(&track, Some(&pin), true), format!("{question}, pinned {tag}"));
        assert_eq!(chosen(&track, None, false), question);
    }
}

#[test]
fn a_pin_of_another_repository_or_one_that_the_policy_refuses_by_now_is_not_used() {
    for (track, tag) in policies() {
        for unusable in [pin("ghcr.io/acme/other", tag), pin("ghcr.io/acme/shop", "0.9.0")] {
            for ask in [false, true] {
                assert!(!chosen(&track, Some(&unusable), ask).contains("pinned"), "{track}");
                assert!(!chosen(&track, Some(&unusable), ask).contains("known"), "{track}");
            }
        }
    }
}

#[test]
fn a_fixed_tag_that_is_pinned_is_never_asked_for_again() {
    let track = json!({ "tag": "v1" });
    for ask in [false, true] {
        assert_eq!(chosen(&track, Some(&pin("ghcr.io/acme/shop", "v1")), ask), "known v1");
        assert_eq!(chosen(&track, Some(&pin("ghcr.io/acme/shop", "v2")), ask), "ask for v1");
    }
}

#[test]
fn what_is_tracked_is_stored_as_it_is_written() {
    let all = policies().map(|(track, _)| track);
    for value in all.into_iter().chain([json!({ "tag": "v1" })]) {
        assert_eq!(serde_json::to_value(track(value.clone())).unwrap(), value);
    }
}
