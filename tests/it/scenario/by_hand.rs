//! What a person does on a bad day, with the binary: back to the version before, another tag, hands off, a restart.

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD};

fn at(tag: &str) -> String {
    WEB.replace("tag: v1", &format!("tag: {tag}"))
}

fn version(host: &Host) -> String {
    host.get(WEB_DOMAIN, "/").version
}

#[test]
fn r13_a_rollback_is_one_command_and_holds_until_the_configuration_moves_on() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    host.deployed("web.yaml", &at("v2"));
    host.landfall("rollback web-<id>/prod").exits(0).says("success").says("back from v2");
    assert_eq!(version(&host), "v1");
    let refused = "went back to v1; v2 is refused until the stage's configuration changes";
    host.landfall("status").exits(3).says(refused).says("landfall deploy web-<id>/prod");
    host.landfall("diff").exits(2).says(refused);
    host.landfall("apply").exits(3).says("1 held");
    host.landfall("explain web-<id>").exits(0).says("wants    v2").says(refused).says("back from v2");
    assert_eq!((version(&host), host.history(WEB_PROD)[0]["trigger"].clone()), ("v1".into(), "rollback".into()));
    host.landfall("rollback web-<id>/prod").exits(4).says("no earlier version").says("landfall history web-<id>/prod");
    host.landfall("deploy web-<id>/prod").exits(0);
    assert_eq!(version(&host), "v2");
    host.landfall("diff").exits(0);
    host.landfall("deploy web-<id>/prod").exits(0).says("runs v2 already").says("landfall restart web-<id>/prod");
}

#[test]
fn r13_another_tag_by_hand_holds_and_a_tag_that_is_not_there_changes_nothing() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    host.landfall("deploy web-<id>/prod --tag v2").exits(0).says("deployed by hand");
    assert_eq!(version(&host), "v2");
    host.landfall("status").exits(3).says("v2 was deployed by hand; v1 waits");
    host.landfall("deploy web-<id>/prod --tag no-such").exits(4).says("no-such");
    host.landfall("deploy web-<id>/nope").exits(4).says("neither a project nor a stage").says("known here");
    assert_eq!(version(&host), "v2");
    host.write("web.yaml", &WEB.replace("drain: 2s", "drain: 1s"));
    host.landfall("apply").exits(0);
    assert_eq!(version(&host), "v1", "the configuration moved on");
}

#[test]
fn r20_hands_off_and_on_again() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let before = host.instance(WEB_PROD);
    host.landfall("suspend web-<id>/prod --for 2h").exits(0).says("for 2h");
    host.engine.act("stop", &before.id);
    host.landfall("apply").exits(3).says("suspended").says("for another 1 h");
    host.landfall("restart web-<id>/prod").exits(4).says("landfall resume web-<id>/prod");
    host.landfall("resume web-<id>/prod").exits(0).says("not suspended any more");
    host.landfall("apply").exits(0);
    assert_eq!(host.instance(WEB_PROD), before);
    host.landfall("restart web-<id>/prod").exits(0);
    assert_ne!(host.instance(WEB_PROD).id, before.id);
    host.landfall("suspend web-<id>/nope").exits(1).says("never applied");
}

#[test]
fn r5_what_is_released_outlives_its_configuration() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let before = host.instance(WEB_PROD);
    host.landfall("release web-<id>/prod").exits(0).says("stay as they are");
    host.landfall("apply").exits(3).says("released");
    host.write("web.yaml", "projects: {}\n");
    host.landfall("apply").exits(0);
    host.landfall("diff").exits(0);
    assert_eq!((host.instance(WEB_PROD), version(&host)), (before, "v1".into()));
}

#[test]
fn a_plan_that_was_shown_is_carried_out_and_no_other() {
    let host = Host::new();
    host.write("web.yaml", WEB);
    let shown = host.landfall("diff -o json").exits(2).json()["plan"].as_str().unwrap().to_owned();
    host.landfall("apply --plan 000000").exits(4).says("plan 000000 is not what would be done").says(&shown);
    assert_eq!(host.instances(WEB_PROD), []);
    host.landfall(&format!("apply --plan {shown}")).exits(0);
    assert_eq!(version(&host), "v1");
}
