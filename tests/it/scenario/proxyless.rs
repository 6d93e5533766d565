//! Without a proxy: a domain is refused before anything is touched, everything else works.

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD};

fn without_domain() -> String {
    WEB.replace(", route: { domains: [ web.<id>.test ] }", "")
}

#[test]
fn a_domain_without_a_running_proxy_is_refused_before_anything_is_touched() {
    let mut host = Host::without_proxy();
    host.write("web.yaml", WEB);
    host.landfall("apply").exits(4).says("`landfall proxy --control ").says("nothing was changed");
    assert!(host.instances(WEB_PROD).is_empty());
    let (status, _) = host.engine.call("GET", &host.text("/networks/lf-<id>"), None);
    assert_eq!(status, 404, "a network was made");
    assert!(host.history(WEB_PROD).is_empty());

    host.start_proxy();
    host.landfall("apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    let old = host.instance(WEB_PROD);

    host.stop_proxy();
    host.write("web.yaml", &WEB.replace("v1", "v2"));
    host.landfall("apply").exits(4);
    host.landfall("diff").exits(1).says("`landfall proxy --control ");
    host.landfall("status").exits(3).says("the proxy does not answer");
    assert_eq!(host.instance(WEB_PROD), old);
}

#[test]
fn with_proxy_none_a_domain_is_an_error_of_the_configuration_and_the_rest_deploys() {
    let host = Host::without_proxy();
    host.settings("proxy: { none: {} }");
    host.write("web.yaml", WEB);
    host.landfall("validate").exits(1).says("web.yaml:10");
    host.landfall("apply").exits(4);

    host.write("web.yaml", &without_domain());
    host.landfall("apply").exits(0);
    host.landfall("diff").exits(0);
    host.landfall("status").exits(0);
    host.write("web.yaml", &without_domain().replace("v1", "v2"));
    host.landfall("apply").exits(0);
    assert_eq!(host.instance(WEB_PROD).version, "v2");
    let held = host.engine.inspect(&host.instance(WEB_PROD).id).unwrap();
    assert_eq!(held["HostConfig"]["PortBindings"], serde_json::json!({}), "a port is published for no proxy");
}

#[test]
fn a_stage_without_a_domain_needs_no_proxy() {
    let host = Host::without_proxy();
    host.write("web.yaml", &without_domain());
    host.landfall("apply").exits(0);
    host.landfall("diff").exits(0);
}
