//! The embedded proxy reaches instances by their address on Landfall's network: no port of the host is published, and an
//! address that moved is drift.

use serde_json::json;

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD, assert_answered, assert_lossless, eventually};

/// The address of a container in the host's own network.
fn address(host: &Host, container: &str) -> String {
    let info = host.engine.inspect(container).expect("it is there");
    let own = &info["NetworkSettings"]["Networks"][host.text("lf-<id>")]["IPAddress"];
    own.as_str().expect("an address").to_owned()
}

fn by_address() -> Host {
    let host = Host::new();
    host.settings("proxy: { embedded: { upstream: network } }");
    host.deployed("web.yaml", WEB);
    host
}

#[test]
fn r9_a_swap_by_addresses_loses_nothing_and_publishes_no_port() {
    let host = by_address();
    let old = host.instance(WEB_PROD);
    assert_eq!(host.engine.inspect(&old.id).unwrap()["HostConfig"]["PortBindings"], json!({}));
    let load = host.load(WEB_DOMAIN);
    host.deployed("web.yaml", &WEB.replace("v1", "v2"));
    load.flows();
    let tally = load.finish();
    assert_lossless(&tally);
    assert_answered(&tally, &["v1".to_owned(), "v2".to_owned()]);
    host.landfall("diff").exits(0);
}

#[test]
fn r20_an_address_that_moved_is_drift_and_traffic_follows_it() {
    let host = by_address();
    let own = host.instance(WEB_PROD);
    let before = address(&host, &own.id);
    host.engine.act("stop", &own.id);
    // Somebody else gets the address meanwhile.
    let image = host.engine.inspect(&own.id).unwrap()["Image"].clone();
    let network = host.text("lf-<id>");
    let other = json!({ "Image": image, "HostConfig": { "NetworkMode": network } });
    host.engine.run(&host.text("other-<id>"), &other);
    host.engine.act("start", &own.id);
    assert_ne!(address(&host, &own.id), before, "it has another address");
    host.landfall("diff").exits(2).says("leads to");
    host.landfall("apply").exits(0);
    let answer = eventually("it answers", || Some(host.get(WEB_DOMAIN, "/")).filter(|answer| answer.status == 200));
    assert_eq!(answer.version, "v1");
    host.landfall("diff").exits(0);
}

#[test]
fn r20_after_a_reboot_no_request_follows_an_old_address_until_a_pass_looked() {
    let mut host = by_address();
    let own = host.instance(WEB_PROD);
    host.stop_proxy();
    // As the proxy finds it that starts with the host.
    let table = host.data().join("proxy-table.json");
    let text = std::fs::read_to_string(&table).expect("a table");
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("the run of the host");
    assert!(text.contains(boot.trim()), "{text}");
    std::fs::write(&table, text.replace(boot.trim(), "another-run")).expect("a table");
    host.start_proxy();
    assert_eq!(host.get(WEB_DOMAIN, "/").status, 503);
    host.landfall("apply").exits(0);
    let answer = host.get(WEB_DOMAIN, "/");
    assert_eq!((answer.status, answer.version.as_str()), (200, "v1"));
    assert_eq!(host.instance(WEB_PROD).id, own.id, "no container was touched");
    host.landfall("diff").exits(0);
}
