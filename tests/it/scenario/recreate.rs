//! `recreate`: two instances cannot share a volume or a port of the host, so the old one stops first, and comes back
//! when the new one fails.

use std::net::TcpListener;

use super::harness::{Answer, Host, ask};

/// A project with a writable volume.
pub(super) const DB: &str = "
projects:
  db-<id>:
    image: <images>/web
    port: 8080
    volumes: [ \"state:/state\" ]
    ready: { http: { path: /healthz }, deadline: 2s, interval: 100ms }
    stop_grace_period: 2s
    stages:
      prod: { track: { tag: v1 }, route: { domains: [ db.<id>.test ] } }
";
pub(super) const DB_PROD: &str = "db-<id>/prod";
pub(super) const DOMAIN: &str = "db.<id>.test";

/// A project with a port of the host.
const PORT: &str = "
projects:
  db-<id>:
    image: <images>/web
    port: 8080
    ports: [ \"<port>:8080\" ]
    ready: { http: { path: /healthz }, deadline: 20s, interval: 100ms }
    stop_grace_period: 2s
    stages:
      prod: { track: { tag: v1 } }
";

fn at_port(host: &Host, port: &str) -> std::io::Result<Answer> {
    ask(&host.text(&format!("127.0.0.1:{port}")), "GET", "localhost", "/", "")
}

/// The deploy log holds these lines in this order.
#[track_caller]
pub fn assert_order(log: &str, lines: &[&str]) {
    let at = |line: &&str| log.find(*line).unwrap_or_else(|| panic!("no {line:?} in:\n{log}"));
    assert!(lines.iter().map(at).is_sorted(), "not {lines:?}:\n{log}");
}

#[test]
fn r34_what_is_written_to_a_volume_is_there_in_the_next_version() {
    let host = Host::new();
    host.deployed("db.yaml", DB);
    let old = host.instance(DB_PROD);
    let written = host.request("PUT", DOMAIN, "/write?/state/note", "kept since v1");
    assert_eq!(written.status, 200, "{written:?}");
    let volume = host.text("db-<id>-prod-state");
    assert!(host.engine.has_volume(&volume));

    host.write("db.yaml", &DB.replace("v1", "v2"));
    host.landfall("diff").exits(2).says("stop");
    host.landfall("apply").exits(0);
    let read = host.get(DOMAIN, "/file?/state/note");
    assert_eq!((read.version.as_str(), read.body.as_str()), ("v2", "kept since v1"));
    let new = host.instance(DB_PROD);
    assert_ne!(new.id, old.id);
    let (stop, start) = (format!("stop {}", old.name), format!("start {}", new.name));
    assert_order(
        &host.last_deploy(DB_PROD).out,
        &["image ", &stop, &start, "switch ", &format!("remove {}", old.name)],
    );
    host.landfall("diff").exits(0);
}

#[test]
fn r11_when_the_new_version_of_a_recreate_fails_the_old_one_runs_again() {
    let host = Host::new();
    host.deployed("db.yaml", DB);
    let old = host.instance(DB_PROD);
    host.request("PUT", DOMAIN, "/write?/state/note", "kept");
    for tag in ["bad", "crash"] {
        host.write("db.yaml", &DB.replace("v1", tag));
        host.landfall("apply").exits(1);
        assert_eq!(host.instance(DB_PROD), old, "after {tag}");
        let read = host.get(DOMAIN, "/file?/state/note");
        assert_eq!((read.version.as_str(), read.body.as_str()), ("v1", "kept"), "after {tag}");
        host.last_deploy(DB_PROD).says(&format!("{} runs again", old.name));
        assert_eq!(host.statuses(DB_PROD)[0], "failed");
        host.landfall("apply").exits(3);
    }
    host.write("db.yaml", DB);
    host.landfall("diff").exits(0);
    assert_eq!(host.instance(DB_PROD), old);
}

#[test]
fn a_published_port_moves_to_the_next_version() {
    let host = Host::without_proxy();
    host.deployed("db.yaml", PORT);
    assert_eq!(at_port(&host, "<port>").unwrap().version, "v1");
    host.write("db.yaml", &PORT.replace("v1", "v2"));
    host.landfall("apply").exits(0);
    assert_eq!(at_port(&host, "<port>").unwrap().version, "v2");
    host.landfall("diff").exits(0);
    host.landfall("status").exits(0);
}

#[test]
fn r11_a_published_port_that_someone_else_has_is_named_and_the_old_version_runs_again() {
    let host = Host::without_proxy();
    host.deployed("db.yaml", PORT);
    let old = host.instance(DB_PROD);
    let other = host.text("<other port>");
    let foreign = TcpListener::bind(format!("0.0.0.0:{other}")).unwrap();
    host.write("db.yaml", &PORT.replace("<port>", "<other port>"));
    host.landfall("apply").exits(1).says(&other);
    assert_eq!(host.instance(DB_PROD), old);
    assert_eq!(at_port(&host, "<port>").unwrap().version, "v1");
    assert_eq!(host.statuses(DB_PROD), ["failed", "success"]);
    host.last_deploy(DB_PROD).says(&other).says("runs again");
    host.landfall("apply").exits(3).says(&other).says("--retry");

    drop(foreign);
    host.landfall("apply --retry").exits(0);
    assert_eq!(at_port(&host, "<other port>").unwrap().version, "v1");
    assert!(at_port(&host, "<port>").is_err());
}

#[test]
fn while_a_recreate_replaces_the_instance_a_page_says_so_where_that_is_asked_for() {
    let host = Host::new();
    let text = DB.replace("domains: [ db.<id>.test ]", "domains: [ db.<id>.test ], maintenance: true");
    host.deployed("db.yaml", &text);
    host.write("db.yaml", &text.replace("v1", "v2"));
    let over = std::sync::atomic::AtomicBool::new(false);
    let seen = std::thread::scope(|scope| {
        let load = scope.spawn(|| {
            let mut seen = std::collections::BTreeMap::<u16, u32>::new();
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                *seen.entry(host.get(DOMAIN, "/").status).or_default() += 1;
            }
            seen
        });
        host.landfall("apply").exits(0);
        over.store(true, std::sync::atomic::Ordering::Relaxed);
        load.join().unwrap()
    });
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), [200, 503], "{seen:?}");
    assert_eq!(host.get(DOMAIN, "/").version, "v2");
    host.landfall("diff").exits(0);
}

#[test]
fn a_page_stands_in_for_an_app_until_it_is_led_back_to() {
    let host = Host::new();
    host.deployed("db.yaml", DB);
    host.landfall("route db-<id>/prod --to maintenance").exits(0);
    let page = host.get(DOMAIN, "/");
    assert_eq!((page.status, page.version.as_str()), (503, ""), "{page:?}");
    host.landfall("diff").exits(0);
    host.landfall("status").says("route db-<id>/prod --to instance");
    // A deploy meanwhile is not seen by anybody.
    host.write("db.yaml", &DB.replace("v1", "v2"));
    host.landfall("apply").exits(0);
    assert_eq!(host.get(DOMAIN, "/").status, 503);
    host.landfall("route db-<id>/prod --to instance").exits(0);
    assert_eq!(host.get(DOMAIN, "/").version, "v2");
    host.landfall("diff").exits(0);
    host.landfall("route db-<id>/none --to instance").exits(4).says("db-<id>/none");
}
