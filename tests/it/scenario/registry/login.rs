//! Images from a registry with a login.

use crate::scenario::harness::{Host, WEB_PROD, ground};

const PRIVATE: &str = "
registries:
  private:
    url: http://<private>
    username: landfall
    password: { credential: registry }
projects:
  web-<id>:
    image: <private>/private/web
    port: 8080
    ready: { http: { path: /healthz }, deadline: 20s, interval: 100ms }
    stages:
      prod: { track: { tag: v1 } }
";

#[test]
fn an_image_behind_a_login_is_deployed_with_the_right_password_and_with_no_other() {
    let host = Host::without_proxy();
    host.credential("registry", &ground("LANDFALL_TEST_REGISTRY_PASSWORD"));
    host.deployed("web.yaml", PRIVATE);
    let old = host.instance(WEB_PROD);
    assert_eq!(old.version, "v1");

    host.credential("registry", "a-wrong-password");
    host.landfall("diff").exits(0);
    host.write("web.yaml", &PRIVATE.replace("v1", "v2"));
    let registry = host.text("<private>");
    host.landfall("apply").exits(1).says(&registry).says("landfall").never_says("a-wrong-password");
    host.landfall("diff").exits(1).says(&registry);
    assert_eq!(host.instance(WEB_PROD), old);
    assert_eq!(host.statuses(WEB_PROD), ["success"], "a deploy was begun");

    std::fs::remove_file(host.path("credentials").join("registry")).unwrap();
    host.landfall("apply").exits(4).says("credential registry does not exist");

    // A login that is put right is tried without a word: it was no fault of the version (R12).
    host.credential("registry", &ground("LANDFALL_TEST_REGISTRY_PASSWORD"));
    host.landfall("apply").exits(0);
    assert_eq!(host.instance(WEB_PROD).version, "v2");
}

#[test]
fn a_registry_that_does_not_answer_is_named_and_held_against_nobody() {
    let host = Host::without_proxy();
    let text = PRIVATE.replace("<private>", "127.0.0.1:<other port>");
    host.credential("registry", "password");
    host.write("web.yaml", &text);
    host.landfall("apply").exits(1).says(&host.text("127.0.0.1:<other port>")).never_says("held:");
    host.landfall("apply").exits(1);
    assert!(host.instances(WEB_PROD).is_empty());
}
