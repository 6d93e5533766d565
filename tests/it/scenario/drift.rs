//! What is done to a container by hand is put right (R20).

use super::converge::{Came, Hand, REAL, converges, tell};
use super::harness::{Host, Instance, WEB, WEB_DOMAIN, WEB_PROD};

/// Nothing is under way.
const AT_REST: &str = "at rest";

/// Something done by hand is shown with its cause, put right without a new container, and then nothing is left to do.
fn is_put_right(host: &Host, cause: &str, by_hand: impl FnOnce(&Instance)) -> Came {
    let before = host.instance(WEB_PROD);
    by_hand(&before);
    host.landfall("status").exits(3).says("drifted: ").says(cause);
    host.landfall("diff").exits(2).says(cause).says("1 to repair");
    let came = converges(host, "v1", false, cause);
    assert_eq!(host.instance(WEB_PROD), before, "{cause}");
    assert_eq!(host.history(WEB_PROD).len(), 1, "{cause}: a repair is no deploy");
    came
}

#[test]
fn r20_a_container_stopped_paused_renamed_or_disconnected_by_hand_is_put_right() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let hands = [
        (Hand::Stop, "its container is not running"),
        // Docker restarts what was killed from outside, but not what `docker kill` did.
        (Hand::Kill, "its container is not running"),
        (Hand::Pause, "its container is paused"),
        (Hand::Rename, "was renamed to by-hand-<id>"),
    ];
    for (hand, cause) in hands {
        let came = is_put_right(&host, cause, |own| hand.act(&host, own));
        tell(hand.name(), AT_REST, REAL, &[came]);
    }
    let names = host.text("lf-<id>-names");
    let names = is_put_right(&host, "is not in network lf-<id>-names", |own| host.engine.disconnect(&names, &own.id));
    let network = is_put_right(&host, "is not in network lf-<id>", |own| Hand::Disconnect.act(&host, own));
    tell(Hand::Disconnect.name(), AT_REST, REAL, &[names, network]);
}

#[test]
fn r20_a_container_removed_by_hand_comes_back_as_a_deploy_for_drift() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let old = host.instance(WEB_PROD);
    Hand::Remove.act(&host, &old);
    host.landfall("status").exits(3).says("missing");
    host.landfall("diff").exits(2).says("its container is gone");
    let came = converges(&host, "v1", false, "removed");
    assert_ne!(host.instance(WEB_PROD).id, old.id);
    assert_eq!(host.history(WEB_PROD)[0]["trigger"], "drift");
    tell(Hand::Remove.name(), AT_REST, REAL, &[came]);
}

#[test]
fn r20_a_proxy_that_lost_its_table_is_told_again_and_one_that_restarts_serves_by_itself() {
    let mut host = Host::new();
    host.deployed("web.yaml", WEB);
    let old = host.instance(WEB_PROD);
    host.stop_proxy();
    host.start_proxy();
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    host.landfall("diff").exits(0);

    host.stop_proxy();
    std::fs::remove_file(host.data().join("proxy-table.json")).unwrap();
    host.start_proxy();
    assert_eq!(host.get(WEB_DOMAIN, "/").status, 404);
    host.landfall("status").exits(3).says("web.<id>.test is not routed");
    host.landfall("apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    assert_eq!(host.instance(WEB_PROD), old);
    host.landfall("diff").exits(0);
}

#[test]
fn r9_a_domain_that_comes_goes_or_moves_needs_no_new_container() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let old = host.instance(WEB_PROD);
    host.write("web.yaml", &WEB.replace("[ web.<id>.test ]", "[ web.<id>.test, www.<id>.test ]"));
    host.landfall("apply").exits(0);
    assert_eq!(host.get("www.<id>.test", "/").version, "v1");
    host.write("web.yaml", &WEB.replace("web.<id>.test", "www.<id>.test"));
    host.landfall("apply").exits(0);
    assert_eq!((host.get(WEB_DOMAIN, "/").status, host.get("www.<id>.test", "/").status), (404, 200));
    assert_eq!(host.instance(WEB_PROD), old);

    // To another stage: served throughout.
    let other = "      next: { track: { tag: v2 }, route: { domains: [ web.<id>.test ] } }\n";
    host.write("web.yaml", WEB);
    host.landfall("apply").exits(0);
    let moved = WEB.replace("[ web.<id>.test ]", "[ old.<id>.test ]") + other;
    host.write("web.yaml", &moved);
    let load = host.load(WEB_DOMAIN);
    host.landfall("apply").exits(0);
    super::harness::assert_replaced(&load.finish(), "v1", "v2");
    assert_eq!(host.get("old.<id>.test", "/").version, "v1");
    host.landfall("diff").exits(0);
}
