//! `track`: what a stage may track, and what of it is refused.

use super::rules::{stage, titles, with};
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

/// A project with one stage that runs several instances.
fn several(lines: &str) -> String {
    with(&format!("max_instances: 3\n        {lines}")).replace("tag: \"1\"", "glob: dev-*")
}

#[test]
fn several_instances_have_domains_with_their_tag() {
    let text = several("route: { domains: [ \"{tag}.{project}.{stage}.test\", \"{digest}.test\" ] }");
    let desired = std::sync::Arc::clone(&loaded(&text).desired);
    assert!(desired.stages.is_empty());
    let stage = desired.several.values().next().expect("there is a stage");
    let patterns: Vec<String> = stage.patterns.iter().map(ToString::to_string).collect();
    assert_eq!(patterns, ["{tag}.shop.prod.test", "{digest}.test"]);
    let instance = stage.instance(&"dev-1".parse().unwrap(), None);
    assert_eq!((instance.key.to_string().as_str(), instance.domains.len()), ("shop/prod@dev-1", 1));
}

#[test]
fn what_several_instances_cannot_share_is_refused() {
    for (lines, title) in [
        ("route: { domains: [ a.test ] }", "`a.test` would lead to 3 instances"),
        ("route: { domains: [ \"{branch}.test\" ] }", "`{branch}.test` has a placeholder that is none"),
        ("volumes: [ \"data:/data\" ]", "several instances would write to one volume"),
        ("ports: [ \"80:80\" ]", "several instances cannot have one port of the host"),
    ] {
        assert_eq!(titles(&several(lines)), [title], "{lines}");
    }
    for fixed in ["tag: \"1\"", "mutable: edge"] {
        let kind = fixed.split(':').next().unwrap();
        let title = format!("`track: {{ {kind}: … }}` leads to one version, and `max_instances` asks for several");
        assert_eq!(titles(&several("").replace("glob: dev-*", fixed)), [title]);
    }
    for number in ["0", "101"] {
        let title = format!("`max_instances` is a number from 1 to 100, and not {number}");
        assert_eq!(titles(&several("").replace("max_instances: 3", &format!("max_instances: {number}"))), [title]);
    }
    let title = "`{tag}.test` differs from version to version, and a stage keeps its domains";
    assert_eq!(titles(&with("route: { domains: [ \"{tag}.test\" ] }")), [title]);
    assert_eq!(titles(&several("volumes: [ \"data:/data:ro\" ]")), [""; 0]);
}

#[test]
fn nobody_depends_on_a_stage_that_runs_several_instances() {
    let more = "      other: { track: { tag: \"1\" }, depends_on: [ shop/prod ] }\n";
    let title = "`shop/prod` runs several instances, and none of them can be depended on";
    assert_eq!(titles(&format!("{}{more}", several(""))), [title]);
}

#[test]
fn what_is_promoted_comes_from_another_stage_of_the_project() {
    let two = |promote: &str, more: &str| {
        let stage = format!("      next: {{ track: {{ promote: {promote} }} }}\n{more}");
        format!("{}{stage}", with(""))
    };
    let desired = std::sync::Arc::clone(&loaded(&two("{ from: prod, after: 30m }", "")).desired);
    let track = serde_json::to_value(&desired.stages[&"shop/next".parse().unwrap()].track).unwrap();
    assert_eq!(track, serde_json::json!({ "promote": { "from": "shop/prod", "after": 1_800_000 } }));
    for (promote, title) in [
        ("{ after: 30m }", "`promote` has no `from`"),
        ("{ from: prod }", "`promote` has no `after`"),
        ("{ from: pord, after: 1m }", "there is no stage `shop/pord`"),
        ("{ from: next, after: 1m }", "what `shop/next` runs would be promoted to itself"),
        ("{ from: shop/prod, after: 1m }", "`shop/prod` is not a name"),
    ] {
        assert_eq!(titles(&two(promote, "")), [title], "{promote}");
    }
    let circle = "      last: { track: { promote: { from: next, after: 1s } } }\n";
    assert_eq!(titles(&two("{ from: last, after: 1m }", circle)).len(), 2);
    let title = "`shop/prod` runs several instances, and none of them is the one to be promoted";
    let several = format!("{}      next: {{ track: {{ promote: {{ from: prod, after: 1m }} }} }}\n", several(""));
    assert_eq!(titles(&several), [title]);
}

#[test]
fn a_window_is_a_schedule_in_the_zone_of_the_settings_or_its_own() {
    let zone = |lines: &str| stage(lines).window.expect("a window").timezone.to_string();
    assert_eq!(zone("window: { cron: \"* 9-16 * * MON-FRI\" }"), "UTC");
    assert_eq!(zone("window: { cron: \"* 9 * * *\", timezone: Europe/Berlin }"), "Europe/Berlin");
    for (lines, title) in [
        ("window: { timezone: Europe/Berlin }", "`window` has no `cron`"),
        ("window: { cron: \"* 9 * *\" }", "`* 9 * *` is not a schedule"),
        ("window: { cron: \"* * * * *\", timezone: Berlin }", "`Berlin` is not a time zone"),
    ] {
        assert_eq!(titles(&with(lines)), [title], "{lines}");
    }
}
