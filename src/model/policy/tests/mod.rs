//! What a stage's image is known to be, and which tag is the newest.

mod properties;

use serde_json::{Value, json};

use super::*;
use crate::model::ContainerSpec;
use crate::model::hash::spec_hash;

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
        Choice::AskStage => "a stage".into(),
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

/// What the newest of some tags is, how many fit, and how many cannot be read.
#[track_caller]
fn assert_selects(tracked: Value, tags: &str, newest: &str, matched: usize, skipped: usize) {
    let found = select(&track(tracked), tags.split_whitespace(), 1);
    let name = found.newest.first().map_or("none", Tag::as_str);
    assert_eq!((name, found.matched, found.skipped), (newest, matched, skipped));
}

#[test]
fn semver_takes_the_greatest_version_in_its_range_and_skips_what_is_none() {
    let range = |text: &str| json!({ "semver": text });
    assert_selects(range(">=1.0.0"), "v1.2.0 1.10.0 1.9.9 v0.9.0 2.0.0-rc.1 latest 1.2 1.2.3_4 01.2.3", "1.10.0", 3, 4);
    assert_selects(range("^1"), "1.0.0 2.0.0 v1.0.1", "v1.0.1", 2, 0);
    assert_selects(range(">=1, <1.5"), "1.4.9 1.5.0 1.5.0-rc.1", "1.4.9", 1, 0);
    // Versions that are as new as each other are told apart by name, whatever comes first.
    assert_selects(range("*"), "v1.2.0 1.2.0", "v1.2.0", 2, 0);
    assert_selects(range("*"), "1.2.0 v1.2.0", "v1.2.0", 2, 0);
    assert_selects(range("=1.2.3"), "1.2.4 vv1.2.3 V1.2.3", "none", 0, 2);
}

#[test]
fn semver_takes_a_pre_release_only_where_the_range_names_one_of_the_same_version() {
    let range = |text: &str| json!({ "semver": text });
    assert_selects(range(">=1.0.0-rc.1"), "1.0.0-rc.2 1.0.0-rc.10 1.1.0-rc.1", "1.0.0-rc.10", 2, 0);
    assert_selects(range(">=1.0.0-rc.1"), "1.0.0-rc.10 1.0.0", "1.0.0", 2, 0);
    assert_selects(range("*"), "1.0.0-rc.1", "none", 0, 0);
}

#[test]
fn glob_orders_by_what_its_first_star_stands_for_with_numbers_as_numbers() {
    let glob = |text: &str| json!({ "glob": text });
    assert_selects(glob("dev-*"), "dev-99 dev-142 dev-7 prod-200 xdev-200 dev", "dev-142", 3, 0);
    assert_selects(glob("*-build-*"), "9-build-100 10-build-1 10-build-9 10-build-10", "10-build-10", 4, 0);
    // The shortest text that the first star can stand for: 2 and 10, and not `2-build`.
    assert_selects(glob("*-build-*"), "2-build-build-9 10-build-1", "10-build-1", 2, 0);
    assert_selects(glob("v*.[0-9]"), "v2.10 v2.9 v10.1 v1.x", "v10.1", 2, 0);
    assert_selects(glob("[!v]?-*"), "ab-1 vb-2 a-3 abc-4", "ab-1", 1, 0);
    assert_selects(glob("v1.*"), "v1.2 v1x9", "v1.2", 1, 0);
    assert_selects(glob("*"), "007 7 ÄÖ a/b", "7", 2, 2);
}

#[test]
fn regex_orders_by_its_capture_as_it_is_told() {
    let regex = |text: &str, order: &str| json!({ "regex": { "match": text, "order": order } });
    assert_selects(regex("b([0-9]+)-.*", "numeric"), "b9-z b10-a b10 xb11-a", "b10-a", 2, 0);
    assert_selects(regex("b(.*)", "numeric"), "b9 b1x b b18446744073709551616", "b18446744073709551616", 2, 2);
    assert_selects(
        regex("app-(.*)", "semver"),
        "app-1.9.0 app-v1.10.0 app-1.10 app-2.0.0-rc.1",
        "app-2.0.0-rc.1",
        3,
        1,
    );
    assert_selects(regex("[0-9]{8}-.*", "alphabetical"), "20240102-a 20231231-z 20240102-b", "20240102-b", 3, 0);
    // A group named `order` goes before the first one.
    assert_selects(regex("([a-z]+)-(?<order>[0-9]+)", "numeric"), "z-1 a-2", "a-2", 2, 0);
    // A tag that fits without its group has nothing to be ordered by.
    assert_selects(regex("a(-[0-9]+)?", "alphabetical"), "a a-1", "a-1", 1, 1);
    // All of the tag, whichever alternative comes first.
    assert_selects(regex("a|ab", "alphabetical"), "ab xa abc", "ab", 1, 0);
    assert_selects(regex("(?i)V([0-9]+)", "numeric"), "v1 V2", "V2", 2, 0);
}

#[test]
fn a_policy_that_nothing_fits_has_no_newest() {
    for (track, _) in policies() {
        assert_selects(track.clone(), "", "none", 0, 0);
        assert_selects(track, "0.0.1", "none", 0, 0);
    }
}

#[test]
fn a_pattern_that_cannot_work_says_why_and_what_to_write() {
    let glob = |text: &str| text.parse::<GlobPolicy>().unwrap_err().0;
    assert!(glob("v1").contains("no `*` to order by; for one tag alone write `track: { tag: … }`"));
    for (bad, why) in [
        ("v?", "no `*`"),
        ("a**", "`**`"),
        ("[a*", "never closed"),
        ("[]*", "names no character"),
        ("{a,b}*", "no tag holds `{`"),
        ("a/*", "no tag holds `/`"),
        ("[a/]*", "no tag holds `/`"),
        (r"\**", "no tag holds"),
        ("[z-a]*", "invalid character class range"),
        ("", "no `*`"),
    ] {
        assert!(glob(bad).contains(why), "{bad}: {}", glob(bad));
    }
    let regex = |text: &str| RegexPolicy::new(text, Order::Numeric).unwrap_err().0;
    for (bad, why) in [
        ("(a", "unclosed group"),
        ("a)|(b", "unopened group"),
        ("(?=a)", "look-around"),
        (r"(a)\1", "backreferences are not supported"),
        ("(?:[a-z]{1,100}){1,100}", "too large"),
        (&"a".repeat(300), "longer than 256"),
    ] {
        assert!(regex(bad).contains(why), "{bad}: {}", regex(bad));
        assert_eq!(regex(bad).lines().count(), 1);
    }
    let range = |text: &str| text.parse::<SemverPolicy>().unwrap_err().0;
    for bad in ["", "latest", ">=v1.0.0", ">=1 || >=2", "1.2.3.4"] {
        assert!(range(bad).contains("write it like `>=1.2, <2`"), "{bad}: {}", range(bad));
    }
}

#[test]
fn r19_what_is_tracked_is_not_in_the_spec_hash() {
    let settings = serde_json::from_value(json!({
        "domain": null, "network": "landfall", "proxy": "embedded", "resync": 60000, "prune": "guarded",
        "ports": [20000, 29999], "policy": { "host_paths": [], "privileged": [], "docker_socket": [] },
    }))
    .unwrap();
    let hash = |track: &Value| spec_hash(stage(track).hash_input(&settings));
    let fixed = hash(&json!({ "tag": "v1" }));
    for (track, _) in policies() {
        assert_eq!(hash(&track), fixed, "{track}");
    }
}
