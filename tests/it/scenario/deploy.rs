//! The main job: a version goes live, another one replaces it, and nobody notices.

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD, assert_replaced};

#[test]
fn r18_a_first_version_is_explained_goes_live_and_leaves_nothing_to_do() {
    let host = Host::new();
    host.write("web.yaml", WEB);
    host.landfall("diff").exits(2).says("web-<id>/prod   new → v1").says("(web.yaml:10; first deploy)");
    for made in ["landfall.db", "lock", "fingerprint.key"] {
        assert!(!host.data().join(made).exists(), "diff made {made} (R21)");
    }
    host.landfall("status").exits(3).says("missing");

    host.landfall("apply").exits(0).says("1 done, 0 failed, 0 held, 0 unchanged");
    host.landfall("diff").exits(0).says("1 unchanged");
    host.landfall("apply").exits(0).says("0 done, 0 failed, 0 held, 1 unchanged");
    let answer = host.get(WEB_DOMAIN, "/");
    assert_eq!((answer.status, answer.version.as_str()), (200, "v1"));
    host.landfall("status").exits(0).says("http://web.<id>.test").says("running");
    assert_eq!(host.statuses(WEB_PROD), ["success"]);
}

#[test]
fn r9_a_second_version_replaces_the_first_under_load_without_a_lost_request() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let old = host.instance(WEB_PROD);

    host.write("web.yaml", &WEB.replace("v1", "v2"));
    host.landfall("diff").exits(2).says("v1 → v2").says("track.tag").says("next to ").says("retire");
    let load = host.load(WEB_DOMAIN);
    host.landfall("apply").exits(0);
    assert_replaced(&load.finish(), "v1", "v2");

    let new = host.instance(WEB_PROD);
    assert_eq!((new.version.as_str(), new.state.as_str()), ("v2", "running"));
    assert!(host.engine.inspect(&old.id).is_none(), "the old container is still there");
    host.landfall("diff").exits(0);
    assert_eq!(host.statuses(WEB_PROD), ["success", "success"]);
    host.last_deploy(WEB_PROD).says("version v1 → v2").says("ready after").says("traffic goes to").says("success");
}

#[test]
fn r6_the_image_is_pulled_first_and_tagged_as_ours() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let held = host.engine.inspect(&host.instance(WEB_PROD).id).unwrap();
    let digest = held["Config"]["Labels"]["landfall.digest"].as_str().unwrap().trim_start_matches("sha256:").to_owned();
    let tag = host.text(&format!("landfall/web-<id>-prod:{}", &digest[..12]));
    assert!(host.engine.has_image(&tag), "{tag}");

    // A version that the registry does not have touches nothing.
    host.write("web.yaml", &WEB.replace("v1", "v99"));
    host.landfall("apply").exits(1).says("v99");
    assert_eq!(host.instance(WEB_PROD).id, held["Id"].as_str().unwrap());
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    host.landfall("diff").exits(1).says("v99");
}

#[test]
fn r14_the_log_of_a_deploy_tells_its_steps_in_their_order() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let shown = host.last_deploy(WEB_PROD).out;
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("no {text:?} in:\n{shown}"));
    let steps =
        ["first deploy", "create web-", "start web-", "gate http /healthz", "ready after", "switch web.", "success"];
    let places: Vec<usize> = steps.iter().map(|step| at(step)).collect();
    // `success` is in the facts above the log as well, so the log's own is looked for at its end.
    assert!(places[..6].is_sorted() && shown.trim_end().ends_with("success"), "{shown}");
}
