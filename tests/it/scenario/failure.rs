//! A new version that does not come up: the old one serves, and the reason is kept.

use super::harness::{Host, Load, WEB, WEB_DOMAIN, WEB_PROD, assert_lossless};

/// The version in [`WEB`] replaced by another, with a deadline of its own.
fn web(tag: &str, deadline: &str) -> String {
    WEB.replace("v1", tag).replace("20s", deadline)
}

/// Only the old version answered, and all of it.
fn assert_only_v1(load: Load) {
    let tally = load.finish();
    assert_lossless(&tally);
    assert_eq!(tally["versions"].as_object().unwrap().keys().collect::<Vec<_>>(), ["v1"], "{tally}");
}

#[test]
fn r11_a_version_that_never_gets_healthy_leaves_the_old_one_serving() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let old = host.instance(WEB_PROD);
    host.write("web.yaml", &web("bad", "2s"));
    let load = host.load(WEB_DOMAIN);
    host.landfall("apply").exits(1).says("not ready within 2s").says("`landfall show ");
    assert_only_v1(load);
    assert_eq!(host.instance(WEB_PROD), old);
    assert_eq!(host.statuses(WEB_PROD), ["failed", "success"]);
    host.last_deploy(WEB_PROD)
        .says("http /healthz answered 503")
        .says("| listening on port 8080 as bad")
        .says("removed");
}

#[test]
fn r12_what_failed_is_held_until_it_is_asked_for_again_or_changes() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let old = host.instance(WEB_PROD);
    host.write("web.yaml", &web("bad", "1s"));
    host.landfall("apply").exits(1);

    host.landfall("apply").exits(3).says("held:").says("`landfall apply --retry web-<id>/prod`");
    host.landfall("diff").exits(2).says("bad failed").says("1 held");
    host.landfall("status").exits(3).says("held:");
    assert_eq!(host.statuses(WEB_PROD), ["failed", "success"], "a held stage was tried again");
    host.landfall("apply --retry").exits(1);
    assert_eq!(host.statuses(WEB_PROD), ["failed", "failed", "success"]);

    // What is held is kept well all the same.
    host.engine.act("stop", &old.id);
    host.landfall("apply").exits(3);
    assert_eq!(host.instance(WEB_PROD), old);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");

    host.write("web.yaml", &web("v2", "20s"));
    host.landfall("apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v2");
    host.landfall("diff").exits(0);
}

#[test]
fn r8_an_app_that_ends_fails_at_once_with_its_exit_code_and_last_words() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let old = host.instance(WEB_PROD);
    host.write("web.yaml", &web("crash", "20s"));
    let load = host.load(WEB_DOMAIN);
    host.landfall("apply").exits(1).says("exit 7").never_says("not ready within");
    assert_only_v1(load);
    assert_eq!(host.instance(WEB_PROD), old);
    host.last_deploy(WEB_PROD).says("exit 7").says("| boom: cannot open the database");
    host.landfall("apply").exits(3).says("exit 7");
}

#[test]
fn r11_a_first_version_that_fails_leaves_nothing_behind() {
    let host = Host::new();
    host.write("web.yaml", &web("bad", "1s"));
    host.landfall("apply").exits(1);
    assert!(host.instances(WEB_PROD).is_empty());
    assert_eq!(host.get(WEB_DOMAIN, "/").status, 404, "a route leads to nothing");
    host.landfall("status").exits(3).says("missing").says("held:");
    host.landfall("apply").exits(3);
}

#[test]
fn r8_docker_s_own_health_decides_where_it_is_asked_for_or_the_image_has_one() {
    let host = Host::new();
    let asked = web("hc", "20s").replace("http: { path: /healthz }", "docker: {}");
    host.deployed("web.yaml", &asked);
    host.landfall("status").exits(0).says("healthy");

    host.write("web.yaml", &asked.replace("tag: hc", "tag: hc-bad").replace("20s", "3s"));
    host.landfall("apply").exits(1).says("not ready within 3s: Docker's health check says unhealthy");
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "hc");

    // No check at all: the image has one, and it is not healthy before 0.7 s.
    let silent = web("hc", "20s").replace("http: { path: /healthz }, ", "");
    host.write("web.yaml", &silent.replace("prod:", "other:").replace("web.<id>", "other.<id>"));
    host.landfall("apply --allow-prune").exits(0);
    assert_eq!(host.get("other.<id>.test", "/healthz").status, 200);
}

#[test]
fn r8_tcp_waits_for_the_app_itself_and_not_for_docker_s_port() {
    let host = Host::new();
    host.write("web.yaml", &web("slow", "20s").replace("http: { path: /healthz }", "tcp: {}"));
    host.landfall("apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "slow");
}

#[test]
fn r8_without_any_check_it_has_to_run_for_ten_seconds_and_its_health_is_unknown() {
    let host = Host::without_proxy();
    let plain = web("v1", "20s")
        .replace("http: { path: /healthz }, ", "")
        .replace(", route: { domains: [ web.<id>.test ] }", "");
    host.write("web.yaml", &plain);
    host.landfall("apply").exits(0).says("running, health unknown after 10");
    host.landfall("status").exits(0).says("unknown");
}

#[test]
fn r11_one_stage_that_fails_does_not_keep_another_from_going_live() {
    let host = Host::new();
    host.write("bad.yaml", &web("bad", "1s").replace("web", "bad").replace("<images>/bad", "<images>/web"));
    host.write("good.yaml", WEB);
    host.landfall("apply").exits(1).says("1 done, 1 failed");
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    assert_eq!(host.statuses("bad-<id>/prod"), ["failed"]);
    host.landfall("apply").exits(3).says("1 held, 1 unchanged");
}
