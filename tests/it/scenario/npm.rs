//! The contract server's nginx in a container: it finds apps by name, as the real one does.

use serde_json::json;

use super::harness::{Answer, Host, ask, eventually};
use crate::npm::{Nginx, Npm, Options};

/// An installation on a network of the host's own.
fn npm(host: &Host) -> Npm {
    let network = host.text("lf-<id>");
    host.engine.create_network(&network);
    let nginx = Nginx::Container { docker: host.docker.clone(), network, image: host.text("<images>/web:v1") };
    Npm::start(&Options::new("2.15.1", nginx))
}

/// An app on that network.
fn app(host: &Host, name: &str, tag: &str) {
    host.push(tag, &[&format!("VERSION={tag}")]);
    let image = host.text(&format!("<images>/web:{tag}"));
    if !host.engine.has_image(&image) {
        let image = image.replace(&format!(":{tag}"), &format!("&tag={tag}"));
        host.engine.done("POST", &format!("/images/create?fromImage={image}"), None);
    }
    let spec = json!({ "Image": image, "HostConfig": { "NetworkMode": host.text("lf-<id>") } });
    host.engine.run(&host.text(name), &spec);
}

fn version(npm: &Npm, domain: &str) -> String {
    ask(&npm.probe(), "GET", domain, "/", "").map(|answer| answer.version).unwrap_or_default()
}

#[test]
fn nginx_in_a_container_finds_apps_by_name_and_moves_between_them() {
    let host = Host::without_proxy();
    let npm = npm(&host);
    app(&host, "one-<id>", "v4-<id>");
    app(&host, "two-<id>", "v5-<id>");
    let body = json!({
        "domain_names": ["web.test"], "forward_scheme": "http", "forward_host": host.text("one-<id>"), "forward_port": 8080,
        "locations": [{
            "path": "/two", "forward_scheme": "http", "forward_host": host.text("two-<id>"), "forward_port": 8080
        }],
    });
    let id = npm.by_hand().create_host(&body);
    assert_eq!(npm.hosts()[0]["meta"], json!({ "nginx_online": true, "nginx_err": null }));
    eventually("the first app is served", || (version(&npm, "web.test") == host.text("v4-<id>")).then_some(()));
    // For a moment an old worker may still take a connection, hence the second wait.
    let of = |answer: std::io::Result<Answer>| answer.ok().filter(|answer| answer.version == host.text("v5-<id>"));
    eventually("the location is served", || of(ask(&npm.probe(), "GET", "web.test", "/two", "")));
    npm.by_hand().edit(id, &json!({ "forward_host": host.text("two-<id>") }));
    eventually("the second app is served", || (version(&npm, "web.test") == host.text("v5-<id>")).then_some(()));

    // A name that Docker does not know is fine for the host itself, and not for a location.
    let changed = npm.by_hand().edit(id, &json!({ "forward_host": "nowhere" }));
    assert_eq!(changed["meta"]["nginx_online"], true);
    let gone = |answer: std::io::Result<Answer>| answer.ok().filter(|answer| answer.status == 502);
    eventually("nobody is found", || gone(ask(&npm.probe(), "GET", "web.test", "/", "")));
    let location = json!([{ "path": "/x", "forward_scheme": "http", "forward_host": "nowhere", "forward_port": 80 }]);
    let changed = npm.by_hand().edit(id, &json!({ "locations": location }));
    let told = changed["meta"]["nginx_err"].as_str().unwrap();
    assert!(told.contains("host not found in upstream \"nowhere\" in /data/nginx/proxy_host/1.conf:"), "{told}");
}

#[test]
fn nginx_in_a_container_stops_and_starts_on_its_ports_and_is_removed_at_the_end() {
    let host = Host::without_proxy();
    let npm = npm(&host);
    app(&host, "one-<id>", "v4-<id>");
    let probe = npm.probe();
    let body = json!({
        "domain_names": ["web.test"], "forward_scheme": "http", "forward_host": host.text("one-<id>"), "forward_port": 8080,
    });
    npm.stop_nginx();
    let (status, _) = npm.by_hand().ask("POST", "/nginx/proxy-hosts", Some(&body));
    assert_eq!((status, npm.hosts().len(), npm.conf(1).is_some()), (500, 1, true));
    npm.start_nginx();
    assert_eq!(npm.probe(), probe);
    eventually("the app is served", || (version(&npm, "web.test") == host.text("v4-<id>")).then_some(()));
    let container = npm.container().unwrap();
    drop(npm);
    assert_eq!(host.engine.inspect(&container), None);
}
