//! `track`: what a stage may track, and what of it is refused.

use super::rules::{titles, with};
use super::*;

/// What a stage tracks, as it is stored.
fn tracked(track: &str) -> serde_json::Value {
    let loaded = loaded(&with("").replace("{ tag: \"1\" }", track));
    let stage = loaded.desired.stages.values().next().expect("there is a stage");
    serde_json::to_value(&stage.track).unwrap()
}

#[test]
fn a_policy_is_taken_as_it_is_written() {
    for (written, stored) in [
        ("{ semver: \">=1.2, <2\" }", r#"{"semver":">=1.2, <2"}"#),
        ("{ semver: 1.10 }", r#"{"semver":"^1.10"}"#),
        ("{ glob: dev-* }", r#"{"glob":"dev-*"}"#),
        ("{ glob: \"*\" }", r#"{"glob":"*"}"#),
        ("{ regex: { match: 'v(\\d+)', order: numeric } }", r#"{"regex":{"match":"v(\\d+)","order":"numeric"}}"#),
        ("{ regex: { order: semver, match: .* } }", r#"{"regex":{"match":".*","order":"semver"}}"#),
        ("{ regex: { match: .*, order: alphabetical } }", r#"{"regex":{"match":".*","order":"alphabetical"}}"#),
        ("{ mutable: latest }", r#"{"mutable":"latest"}"#),
        ("{ mutable: 16 }", r#"{"mutable":"16"}"#),
    ] {
        assert_eq!(tracked(written), serde_json::from_str::<serde_json::Value>(stored).unwrap(), "{written}");
    }
}

#[test]
fn a_policy_that_cannot_work_is_refused_at_load() {
    for (track, title) in [
        ("{ semver: latest }", "`latest` is not a range of versions"),
        ("{ semver: \"\" }", "`` is not a range of versions"),
        ("{ glob: dev }", "`dev` is not a pattern for tags"),
        ("{ glob: \"dev/*\" }", "`dev/*` is not a pattern for tags"),
        ("{ regex: { match: (, order: numeric } }", "`(` is not a regular expression for tags"),
        ("{ mutable: a b }", "`a b` is not a tag"),
        ("{ semver: \"*\", glob: \"*\" }", "2 are chosen at once"),
    ] {
        assert_eq!(titles(&with("").replace("{ tag: \"1\" }", track)), [title], "{track}");
    }
}

#[test]
fn what_only_a_registry_can_say_needs_one() {
    for track in ["semver: \"*\"", "glob: \"*\"", "regex: { match: .*, order: semver }", "mutable: latest"] {
        let key = track.split(':').next().unwrap();
        let text = with("pull_policy: never").replace("tag: \"1\"", track);
        assert_eq!(titles(&text), [format!("`pull_policy: never` cannot work with `track: {{ {key}: … }}`")]);
        for allowed in ["missing", "always"] {
            assert_eq!(titles(&text.replace("never", allowed)), [""; 0], "{allowed}");
        }
    }
}
