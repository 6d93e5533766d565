//! A configuration that cannot be read retires nothing (R2), and one that retires much is held (R3).

use std::fs;

use super::harness::{Host, Instance, WEB, WEB_DOMAIN, WEB_PROD};

/// Four stages of one project, without a domain.
const STAGES: &str = "
projects:
  app-<id>:
    image: <images>/web
    port: 8080
    volumes: [ \"state:/state\" ]
    ready: { http: { path: /healthz }, deadline: 20s, interval: 100ms }
    stages:
      a: { track: { tag: v1 } }
      b: { track: { tag: v1 } }
      c: { track: { tag: v1 } }
      d: { track: { tag: v1 } }
";

/// The stages of [`STAGES`] that run.
fn running(host: &Host) -> Vec<Instance> {
    ["a", "b", "c", "d"].into_iter().flat_map(|stage| host.instances(&format!("app-<id>/{stage}"))).collect()
}

/// Without the lines of some stages.
fn without(stages: &[&str]) -> String {
    let is_gone = |line: &&str| stages.iter().any(|stage| line.trim_start().starts_with(&format!("{stage}: {{")));
    STAGES.lines().filter(|line| !is_gone(line)).map(|line| format!("{line}\n")).collect()
}

#[test]
fn r2_nothing_is_retired_because_the_configuration_cannot_be_read() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let (old, held) = (host.instance(WEB_PROD), host.engine.inspect(&host.instance(WEB_PROD).id));
    let refused = |what: &str, message: &str| {
        host.landfall("apply").exits(4).says(message);
        host.landfall("diff").exits(1).says(message);
        host.landfall("validate").exits(1).says(message);
        host.landfall("status").exits(3).says(&old.name).says("v1");
        assert_eq!(host.engine.inspect(&old.id), held, "{what}");
        assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1", "{what}");
    };
    let extra = host.config().join("extra.yaml");
    for (what, text, message) in [
        ("half a file", "projects:\n  half-<id>: { image: \"<images>/we", "extra.yaml:2"),
        ("conflict markers", "<<<<<<< HEAD\nprojects: {}\n=======\n>>>>>>> main\n", "extra.yaml:1"),
        ("an unknown key", "projects:\n  web2-<id>: { imagee: x }\n", "imagee"),
        ("a name defined twice", WEB, "extra.yaml"),
    ] {
        host.write("extra.yaml", text);
        refused(what, message);
    }
    fs::write(&extra, b"projects: \xff\xfe\n").unwrap();
    refused("no UTF-8", "extra.yaml");
    fs::remove_file(&extra).unwrap();
    fs::create_dir(&extra).unwrap();
    refused("a directory in place of a file", "extra.yaml");
    fs::remove_dir(&extra).unwrap();
    std::os::unix::fs::symlink("nowhere", &extra).unwrap();
    refused("a link that leads nowhere", "extra.yaml");
    fs::remove_file(&extra).unwrap();

    let aside = host.path("aside");
    fs::rename(host.config(), &aside).unwrap();
    refused("no directory", "does not exist");
    fs::create_dir(host.config()).unwrap();
    refused("an empty directory", "holds no YAML file");
    fs::remove_dir(host.config()).unwrap();
    fs::rename(aside, host.config()).unwrap();
    host.landfall("diff").exits(0);
}

#[test]
fn r3_a_change_that_retires_many_stages_is_held_whole_until_it_is_allowed() {
    let host = Host::without_proxy();
    host.deployed("app.yaml", STAGES);
    let all = running(&host);
    assert_eq!(all.len(), 4);

    // Two of four, beside a change that is fine in itself: nothing of it is done.
    host.write("app.yaml", &without(&["c", "d"]).replace("a: { track: { tag: v1", "a: { track: { tag: v2"));
    host.landfall("diff").exits(2).says("held:").says("app-<id>/c, app-<id>/d");
    host.landfall("apply").exits(3).says("2 of 4 live stages would be retired").says("--allow-prune");
    host.landfall("status").exits(3);
    assert_eq!(running(&host), all);

    host.landfall("apply --allow-prune").exits(0);
    assert!(host.instances("app-<id>/c").is_empty() && host.instances("app-<id>/d").is_empty());
    assert_eq!(host.instance("app-<id>/a").version, "v2");
    for stage in ["a", "b", "c", "d"] {
        let volume = host.text(&format!("app-<id>-{stage}-state"));
        assert!(host.engine.has_volume(&volume), "{volume} went");
    }
    host.landfall("diff").exits(0);
    assert_eq!(host.statuses("app-<id>/c"), ["success"]);
}

#[test]
fn r3_one_of_many_goes_without_a_word_and_the_last_one_does_not() {
    let host = Host::without_proxy();
    host.deployed("app.yaml", STAGES);
    host.write("app.yaml", &without(&["d"]));
    host.landfall("diff").exits(2).says("1 to remove");
    host.landfall("apply").exits(0);
    assert_eq!(running(&host).len(), 3);

    host.write("app.yaml", &without(&["a", "b", "c"]).replace("      d:", "      e:"));
    host.landfall("apply").exits(3);
    assert_eq!(running(&host).len(), 3);
    // `prune: never` is not talked over.
    host.settings("prune: never");
    host.write("app.yaml", &without(&["c", "d"]));
    host.landfall("apply --allow-prune").exits(3).says("`settings.prune` is never");
    assert_eq!(running(&host).len(), 3);
}
