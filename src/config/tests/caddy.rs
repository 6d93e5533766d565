//! A Caddy as the proxy: where it is, and how it reaches instances.

use super::rules::titles;
use super::*;
use crate::model::route::Reach;
use crate::model::{CaddySettings, ProxySettings};

fn caddy(keys: &str) -> String {
    format!("settings: {{ proxy: {{ caddy: {{ {keys} }} }} }}\n")
}

fn resolved(text: &str) -> CaddySettings {
    match loaded(text).desired.settings.proxy.clone() {
        ProxySettings::Caddy(caddy) => caddy,
        other => panic!("{other:?}"),
    }
}

fn warnings(text: &str) -> Vec<String> {
    loaded(text).warnings.list.into_iter().map(|d| d.title).collect()
}

#[test]
fn a_caddy_has_defaults_for_everything() {
    let usual = CaddySettings {
        admin: "http://127.0.0.1:2019".into(),
        upstream: Reach::Host,
        server: None,
        listen: Vec::new(),
    };
    assert_eq!(resolved(&caddy("")), usual);
    let text = caddy(
        "admin: \"unix//run/caddy/admin.sock\", upstream: network, server: srv0, listen: [ \":8080\", \"[::1]:8081\" ]",
    );
    let expected = CaddySettings {
        admin: "unix//run/caddy/admin.sock".into(),
        upstream: Reach::Network,
        server: Some("srv0".into()),
        listen: vec![":8080".into(), "[::1]:8081".into()],
    };
    assert_eq!(resolved(&text), expected);
}

#[test]
fn the_admin_address_of_a_caddy_is_host_and_port_or_a_socket() {
    for (written, admin) in [
        ("http://localhost:2019/", "http://localhost:2019"),
        ("http://127.0.0.1", "http://127.0.0.1:2019"),
        ("http://[0:0::1]:99", "http://[::1]:99"),
        ("unix//run/caddy//", "unix//run/caddy"),
    ] {
        assert_eq!(resolved(&caddy(&format!("admin: \"{written}\""))).admin, admin, "{written}");
    }
    for written in ["127.0.0.1:2019", "https://127.0.0.1:2019", "http://127.0.0.1:2019/config", "http://u:p@127.0.0.1"]
    {
        let found = titles(&caddy(&format!("admin: \"{written}\"")));
        assert_eq!(found, [format!("`{written}` is not the address of Caddy's admin API")], "{written}");
    }
    assert_eq!(titles(&caddy("admin: unix/run/x")), ["`run/x` is not an absolute path"]);
}

#[test]
fn an_admin_address_that_others_may_reach_is_a_warning() {
    for fine in ["http://127.8.8.8:2019", "http://[::1]:2019", "unix//run/caddy.sock"] {
        assert_eq!(warnings(&caddy(&format!("admin: \"{fine}\""))), [""; 0], "{fine}");
    }
    let open = "whoever reaches `caddy` may change what Caddy serves: its admin API has no password";
    assert_eq!(warnings(&caddy("admin: \"http://caddy:2019\"")), [open]);
}

#[test]
fn a_server_and_where_it_listens_are_checked() {
    for name in ["", "a/b", "..", "a b", "é"] {
        let found = titles(&caddy(&format!("server: \"{name}\"")));
        assert_eq!(found, [format!("`{name}` cannot be the name of a server")]);
    }
    for address in ["80", ":0", ":http", "a b:80", "tcp/:80", ":80-90"] {
        let found = titles(&caddy(&format!("listen: [ \"{address}\" ]")));
        assert_eq!(found, [format!("`{address}` is no address to listen on")]);
    }
    let many = vec!["\":80\""; 17].join(", ");
    assert_eq!(titles(&caddy(&format!("listen: [ {many} ]"))), ["17 addresses are too many"]);
}
