//! R5: what a person runs by hand moves into Landfall while its clients ask all the time.

use serde_json::{Value, json};

use super::harness::{Host, Load, WEB, WEB_DOMAIN, WEB_PROD, assert_replaced};
use super::npm_proxy::behind;

const NAME: &str = "hand-<id>";

/// `docker run` of the app's first version, past Landfall; returns its id.
fn run_by_hand(host: &Host, more: &Value) -> String {
    let image = host.text("<images>/web:v1");
    host.engine.done("POST", &format!("/images/create?fromImage={}&tag=v1", image.trim_end_matches(":v1")), None);
    let mut config = json!({ "Image": image, "Labels": { "com.docker.compose.project": "old" } });
    config["HostConfig"] = more.clone();
    host.engine.run(&host.text(NAME), &config)
}

fn at_v2() -> String {
    WEB.replace("tag: v1", "tag: v2")
}

#[test]
fn r5_r9_a_container_and_its_proxy_host_made_by_hand_are_replaced_under_load_without_a_lost_request() {
    let host = Host::without_proxy();
    let npm = behind(&host, "lf-<id>");
    let old = run_by_hand(&host, &json!({ "NetworkMode": host.text("lf-<id>") }));
    let row = npm.by_hand().create_host(&json!({
        "domain_names": [host.text(WEB_DOMAIN)], "forward_scheme": "http", "forward_host": host.text(NAME),
        "forward_port": 8080,
    }));
    let load = Load::start(&format!("http://{}/", npm.probe()), &host.text(WEB_DOMAIN), &host.path(""));
    let before = host.engine.inspect(&old);
    host.write("web.yaml", &at_v2());
    host.landfall("adopt --proxy-host web-<id>/prod").exits(0);
    host.landfall("adopt hand-<id> web-<id>/prod")
        .exits(0)
        .says("nothing of it was changed")
        .says("Compose project `old`");
    assert_eq!(host.engine.inspect(&old), before);
    load.flows();
    host.landfall("diff").exits(2).says("v1 → v2").says("next to hand-<id>").says("adopted, to be replaced");
    host.landfall("apply").exits(0);
    let tally = load.finish();
    assert_eq!((&tally["lost"], &tally["unexpected"]), (&json!(0), &json!(0)), "{tally}");
    for version in ["v1", "v2"] {
        assert!(tally["versions"][version]["count"].as_u64() > Some(0), "{version}: {tally}");
    }
    assert_eq!(npm.host(&host.text(WEB_DOMAIN)).expect("the host")["id"], json!(row));
    assert!(host.engine.inspect(&old).is_none(), "the container made by hand is still there");
    assert_eq!(host.instance(WEB_PROD).version, "v2");
    host.landfall("diff").exits(0);
    host.landfall("status").exits(0);
    host.landfall("history").exits(0).says("adopted hand-<id>");
}

#[test]
fn r5_r9_a_container_that_is_kept_as_it_is_serves_without_a_restart_and_is_replaced_later_without_a_lost_request() {
    let host = Host::new();
    let binding = json!([{ "HostIp": "127.0.0.1", "HostPort": host.text("<port>") }]);
    let old = run_by_hand(&host, &json!({ "PortBindings": { "8080/tcp": binding } }));
    let started = |host: &Host| host.engine.inspect(&old).expect("the container")["State"]["StartedAt"].clone();
    let before = started(&host);
    host.write("web.yaml", WEB);
    host.landfall("adopt hand-<id> web-<id>/prod --as-is").exits(0);
    host.landfall("apply").exits(0);
    assert_eq!((started(&host), host.get(WEB_DOMAIN, "/").version), (before, "v1".into()));
    host.landfall("diff").exits(0);
    let load = host.load(WEB_DOMAIN);
    host.write("web.yaml", &at_v2());
    host.landfall("apply").exits(0);
    assert_replaced(&load.finish(), "v1", "v2");
    assert!(host.engine.inspect(&old).is_none(), "the container made by hand is still there");
    host.landfall("diff").exits(0);
}
