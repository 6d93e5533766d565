//! How projects reach each other: every stage has the stable name `<project>-<stage>` (R33).

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD};

const API: &str = "
projects:
  api-<id>:
    image: <images>/web
    port: 8080
    ready: { http: { path: /healthz }, deadline: 20s, interval: 100ms }
    stop_grace_period: 2s
    stages:
      prod: { track: { tag: v1 } }
";

#[test]
fn r33_a_project_reaches_another_by_name_before_during_and_after_a_replace() {
    let host = Host::new();
    host.write("api.yaml", API);
    host.deployed("web.yaml", WEB);
    let asked = || host.get(WEB_DOMAIN, "/fetch?http://api-<id>-prod:8080/").body;
    assert!(asked().starts_with("200 from v1: hello"), "{}", asked());
    let web = host.instance(WEB_PROD);

    host.write("api.yaml", &API.replace("v1", "v2"));
    host.landfall("apply").exits(0);
    assert!(asked().starts_with("200 from v2: hello"), "{}", asked());
    assert_eq!(host.instance(WEB_PROD), web);
    let log = host.last_deploy("api-<id>/prod").out;
    let (taken, given_up) = (log.find("name api-").unwrap(), log.find("unname api-").unwrap());
    assert!(log.find("ready after").unwrap() < taken && taken < given_up, "{log}");

    // `recreate` has its name before it starts.
    host.write("api.yaml", &API.replace("    stages:", "    strategy: recreate\n    stages:"));
    host.landfall("apply").exits(0);
    assert!(asked().starts_with("200 from v1: hello"), "{}", asked());
    assert_eq!(host.get(WEB_DOMAIN, "/fetch?http://nobody-<id>-prod:8080/").status, 502);
}
