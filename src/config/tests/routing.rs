//! Which proxy there is, and how a stage is routed through it.

use super::rules::{stage, titles, with};
use super::*;
use crate::model::route::{Certificate, Https, Reach};
use crate::model::{Domain, NpmSettings, ProxySettings, RouteOptions, SecretRef};

/// Settings with a Nginx Proxy Manager; `keys` come first and may leave out what follows.
fn npm(keys: &str) -> String {
    format!("settings: {{ proxy: {{ nginx_proxy_manager: {{ {keys} }} }} }}\n")
}

const WHOLE: &str = "url: \"http://127.0.0.1:81\", email: bot@example.com, password: { credential: npm }";

/// One stage behind a Nginx Proxy Manager.
fn routed(route: &str) -> String {
    let keys = format!("settings: {{ proxy: {{ nginx_proxy_manager: {{ {WHOLE} }} }},");
    with(&format!("route: {route}")).replace("settings: {", &keys)
}

fn resolved(text: &str) -> NpmSettings {
    match loaded(text).desired.settings.proxy.clone() {
        ProxySettings::NginxProxyManager(npm) => npm,
        other => panic!("{other:?}"),
    }
}

fn options(route: &str) -> RouteOptions {
    loaded(&routed(route)).desired.stages.clone().into_values().next().unwrap().route.as_ref().clone()
}

#[test]
fn a_proxy_manager_has_an_address_a_user_and_defaults() {
    let expected = NpmSettings {
        url: "http://127.0.0.1:81".into(),
        email: "bot@example.com".into(),
        password: SecretRef::Credential("npm".into()),
        upstream: Reach::Network,
        probe: "127.0.0.1:80".into(),
    };
    assert_eq!(resolved(&npm(WHOLE)), expected);
    let text = npm(
        "url: https://NPM.example.com:8443/api/, email: Bot.X@Example.COM, password: { file: /run/p }, upstream: host, probe: \"NPM.example.com:8080\"",
    );
    let expected = NpmSettings {
        url: "https://npm.example.com:8443".into(),
        email: "bot.x@example.com".into(),
        password: SecretRef::File("/run/p".into()),
        upstream: Reach::Host,
        probe: "npm.example.com:8080".into(),
    };
    assert_eq!(resolved(&text), expected);
}

#[test]
fn the_address_of_a_proxy_manager_is_scheme_host_and_port() {
    for (written, url, probe) in [
        ("http://localhost:81/", "http://localhost:81", "localhost:80"),
        ("http://127.0.0.1:81/api", "http://127.0.0.1:81", "127.0.0.1:80"),
        ("http://[::1]:81", "http://[::1]:81", "[::1]:80"),
        ("http://[0:0::1]", "http://[::1]", "[::1]:80"),
        ("http://npm_app:80", "http://npm_app", "npm_app:80"),
        ("https://npm.lan:443/", "https://npm.lan", "npm.lan:80"),
        ("https://npm.lan:0081", "https://npm.lan:81", "npm.lan:80"),
    ] {
        let npm = resolved(&npm(&WHOLE.replace("http://127.0.0.1:81", written)));
        assert_eq!((npm.url.as_str(), npm.probe.as_str()), (url, probe), "{written}");
    }
    let no_address = "this is not the address of Nginx Proxy Manager";
    for (written, title) in [
        ("npm.lan:81", "the address has no scheme"),
        ("HTTP://npm.lan", "the address has no scheme"),
        ("http://npm.lan/nginx", "the address has a path, `/nginx`"),
        ("http://npm.lan//", "the address has a path, `//`"),
        ("http://npm.lan/api/v2", "the address has a path, `/api/v2`"),
        ("http://npm.lan/?a=b", "the address has more than host and port"),
        ("http://npm.lan#x", "the address has more than host and port"),
        ("http://u:p@npm.lan", "the address holds credentials"),
        ("http://", no_address),
        ("http://:81", no_address),
        ("http://npm.lan:", no_address),
        ("http://npm.lan:0", no_address),
        ("http://npm.lan:+81", no_address),
        ("http://npm.lan:65536", no_address),
        ("http://npm.lan:81:82", no_address),
        ("http://::1", no_address),
        ("http://[::1", no_address),
        ("http://[::1]81", no_address),
        ("http://[npm]", no_address),
        ("http://1.2.3.999", no_address),
        ("http://npm lan", no_address),
        ("http://*.lan", no_address),
    ] {
        assert_eq!(titles(&npm(&WHOLE.replace("http://127.0.0.1:81", written))), [title], "{written}");
    }
}

#[test]
fn a_password_that_goes_to_another_host_in_the_clear_is_a_warning() {
    let warnings = |url: &str| {
        let list = loaded(&npm(&WHOLE.replace("http://127.0.0.1:81", url))).warnings.list;
        list.into_iter().map(|d| d.title).collect::<Vec<_>>()
    };
    for fine in ["http://127.0.0.1:81", "http://127.8.8.8", "http://localhost:81", "http://[::1]:81", "https://npm.lan"]
    {
        assert_eq!(warnings(fine), [""; 0], "{fine}");
    }
    assert_eq!(warnings("http://npm.lan:81"), ["the password goes to `npm.lan` in the clear"]);
    assert_eq!(warnings("http://[fd00::1]:81"), ["the password goes to `[fd00::1]` in the clear"]);
}

#[test]
fn what_a_proxy_manager_cannot_be_without_is_asked_for() {
    let no = |key: &str| format!("`nginx_proxy_manager` has no `{key}`");
    assert_eq!(titles(&npm("")), [no("email"), no("password"), no("url")]);
    assert_eq!(titles(&npm("url: https://a.b, email: a@b")), [no("password")]);
    let found = refused(&npm(""));
    for example in ["url: http://127.0.0.1:81", "email: landfall@example.com", "{ credential: npm_password }"] {
        assert!(found.contains(example), "{found}");
    }
}

#[test]
fn email_and_probe_of_a_proxy_manager_are_checked() {
    for bad in ["bot", "\"@b\"", "a@", "a@b@c", "\"a b@c\"", "\"a\\tb@c\"", &format!("{}@b", "a".repeat(254))] {
        let found = titles(&npm(&WHOLE.replace("bot@example.com", bad)));
        assert!(found.len() == 1 && found[0].ends_with("is not an email address"), "{bad}: {found:?}");
    }
    for bad in
        ["npm.lan", "\":80\"", "\"npm.lan:\"", "\"npm.lan:0\"", "\"::1:80\"", "\"http://npm.lan:80\"", "\"a:80/\""]
    {
        let found = titles(&npm(&format!("{WHOLE}, probe: {bad}")));
        assert!(found.len() == 1 && found[0].ends_with("is not a host and port"), "{bad}: {found:?}");
    }
    assert_eq!(resolved(&npm(&format!("{WHOLE}, probe: \"[::1]:8080\""))).probe, "[::1]:8080");
}

#[test]
fn r28_a_password_in_the_place_of_a_reference_is_not_repeated() {
    for keys in [
        WHOLE.replace("{ credential: npm }", "hunter2"),
        WHOLE.replace("{ credential: npm }", "{ plain: hunter2 }"),
        WHOLE.replace("{ credential: npm }", "[ hunter2 ]"),
        WHOLE.replace("http://127.0.0.1:81", "http://bot:hunter2@127.0.0.1:81"),
        format!("{WHOLE}, token: hunter2"),
        format!("{WHOLE}, pasword: hunter2"),
    ] {
        let text = npm(&keys);
        let shown = refused(&text);
        assert!(!shown.contains("hunter2"), "{shown}");
        let Err(LoadError::Invalid(found)) = load_tree(tree(&[("site.yaml", &text)])) else { panic!("accepted") };
        assert!(!serde_json::to_string(&found).unwrap().contains("hunter2"), "{text}");
    }
}

#[test]
fn a_route_is_plain_http_until_it_has_a_certificate() {
    let plain = RouteOptions::default();
    assert_eq!(options("{ domains: [ a.b.c ] }"), plain);
    assert_eq!(options("{ domains: [ a.b.c ], certificate: none, https: off, hsts: false, http2: false }"), plain);
    let secured = RouteOptions { https: Https::Redirect, http2: true, ..plain.clone() };
    let by_id = RouteOptions { certificate: Certificate::Id(12), ..secured.clone() };
    assert_eq!(options("{ domains: [ a.b.c ], certificate: { id: 12 } }"), by_id);
    let wildcard = RouteOptions { certificate: Certificate::Wildcard("*.b.c".into()), ..secured };
    assert_eq!(options("{ domains: [ A.B.c ], certificate: { wildcard: \"*.B.c\" } }"), wildcard);
    let all = RouteOptions {
        certificate: Certificate::Id(1),
        https: Https::Redirect,
        websockets: false,
        http2: false,
        hsts: true,
        block_exploits: true,
        ..RouteOptions::default()
    };
    let text = "{ domains: [ a.b.c ], certificate: { id: 1 }, https: redirect, websockets: false, http2: false, hsts: true, block_exploits: true }";
    assert_eq!(options(text), all);
    assert_eq!(options("{ domains: [ a.b.c ], certificate: { id: 1 }, https: allow }").https, Https::Allow);
}

#[test]
fn https_off_may_be_written_as_people_and_older_parsers_write_it() {
    for off in ["off", "\"off\"", "'off'", "false", "False", "FALSE"] {
        assert_eq!(options(&format!("{{ domains: [ a.b.c ], https: {off} }}")).https, Https::Off, "{off}");
    }
    let expected = "expected `redirect`, `allow` or `off`, found";
    for (other, found) in
        [("true", "`true`"), ("on", "`on`"), ("Off", "`Off`"), ("\"false\"", "`false`"), ("1", "the number 1")]
    {
        let text = routed(&format!("{{ domains: [ a.b.c ], https: {other} }}"));
        assert_eq!(titles(&text), [format!("{expected} {found}")], "{other}");
    }
    assert_eq!(titles(&routed("{ domains: [ a.b.c ], https: }")), ["this key has no value"]);
    assert_eq!(titles(&routed("{ domains: [ a.b.c ], https: [] }")), [format!("{expected} a list")]);
}

#[test]
fn a_stage_changes_single_options_of_its_projects_route() {
    let project = "    route: { certificate: { wildcard: \"*.b.c\" }, hsts: true, block_exploits: true }\n    stages:";
    let text = routed("{ domains: [ a.b.c ], hsts: false, websockets: false }").replace("    stages:", project);
    let stage = loaded(&text).desired.stages.clone().into_values().next().unwrap();
    let expected = RouteOptions {
        certificate: Certificate::Wildcard("*.b.c".into()),
        https: Https::Redirect,
        websockets: false,
        http2: true,
        hsts: false,
        block_exploits: true,
        ..RouteOptions::default()
    };
    assert_eq!((stage.domains.len(), stage.route), (1, expected.shared()));
    let plain = routed("{ domains: [ a.b.c ], certificate: none, hsts: false }").replace("    stages:", project);
    let stage = loaded(&plain).desired.stages.clone().into_values().next().unwrap();
    assert_eq!(*stage.route, RouteOptions { block_exploits: true, ..RouteOptions::default() });
    let unrouted = routed("{}").replace("    stages:", project);
    assert_eq!(
        loaded(&unrouted).desired.stages.clone().into_values().next().unwrap().route,
        RouteOptions::default().shared()
    );
}

#[test]
fn options_that_contradict_each_other_are_refused() {
    for (keys, found) in [
        ("https: redirect", &["`https` needs a certificate"][..]),
        ("https: allow, certificate: none", &["`https` needs a certificate"]),
        ("certificate: { id: 1 }, https: off", &["`https: off` leaves the certificate unused"]),
        ("certificate: { id: 1 }, https: false", &["`https: off` leaves the certificate unused"]),
        ("certificate: { id: 1 }, https: allow, hsts: true", &["`hsts` needs `https: redirect`"]),
        ("hsts: true", &["`hsts` needs `https: redirect`"]),
        ("http2: true", &["`http2` needs a certificate"]),
        ("https: redirect, hsts: true, http2: true", &["`https` needs a certificate", "`http2` needs a certificate"]),
        ("certificate: { id: 0 }", &["certificates are numbered from 1"]),
        ("certificate: { id: x }", &["expected a whole number, found the text `x`"]),
        ("certificate: { id: \"1\" }", &["expected a whole number, found the text `1`"]),
        ("certificate: { id: -1 }", &["expected a whole number from 0 to 4294967295, found the number -1"]),
        ("certificate: { wildcard: b.c }", &["`b.c` is not a wildcard"]),
        ("certificate: { wildcard: \"*.*.c\" }", &["`*.*.c` is not a wildcard"]),
        ("certificate: { wildcard: \"*\" }", &["`*` is not a wildcard"]),
        ("certificate: { wildcard: \"*.\" }", &["`*.` is not a wildcard"]),
        ("certificate: { wildcard: \"*.b\" }", &["a certificate for `*.b` does not cover `a.b.c`"]),
        ("certificate: { wildcard: \"*.a.b.c\" }", &["a certificate for `*.a.b.c` does not cover `a.b.c`"]),
        ("certificate: { none: {} }", &["expected only its name, as text, found a mapping"]),
        ("certificate: {}", &["nothing is chosen"]),
        ("certificate: { letsencrypt: {} }", &["expected only its name, as text, found a mapping"]),
        ("certificate: { file: shop }", &["`certificate: { file: … }` needs the embedded proxy"]),
        ("access_list: 3", &["expected text, found the number 3"]),
        ("access_list: \" \"", &["` ` is not the name of an access list"]),
        ("locations: [ { path: api, upstream: \"a:1\" } ]", &["`api` is not a path that a location can begin at"]),
        ("locations: [ { path: /, upstream: \"a:1\" } ]", &["`/` is not a path that a location can begin at"]),
        (
            "locations: [ { path: \"/a;b\", upstream: \"a:1\" } ]",
            &["`/a;b` is not a path that a location can begin at"],
        ),
        ("locations: [ { path: /a, upstream: \"a\" } ]", &["`a` is not a host and port"]),
        (
            "locations: [ { path: /a, upstream: \"a:1\" }, { path: /a/, upstream: \"b:1\" } ]",
            &["`/a` leads to two places"],
        ),
        ("redirects: { a.b.c: a.b.c }", &["`a.b.c` redirects to itself"]),
        ("redirects: { x.b.c: y.b.c }", &["`x.b.c` redirects to `y.b.c`, which is no domain of this route"]),
        ("redirects: { x.b.c/y: a.b.c }", &["`x.b.c/y` is not a domain name"]),
        ("upstreams: [ \"10.0.0.5:80\" ]", &["`upstreams` needs the embedded proxy or Caddy"]),
        ("sticky: true", &["`sticky` needs the embedded proxy or Caddy"]),
        ("strip_prefix: true", &["`strip_prefix` needs the embedded proxy or Caddy"]),
        (
            "advanced: \"return 404;\"",
            &["`advanced` is put into the proxy's configuration as it is, which gives power over the proxy"],
        ),
    ] {
        assert_eq!(titles(&routed(&format!("{{ domains: [ a.b.c ], {keys} }}"))), found, "{keys}");
    }
}

#[test]
fn a_wildcard_has_to_cover_every_domain_wherever_it_is_written() {
    let text = routed("{ domains: [ a.b.c, b.c ], subdomain: x.y, certificate: { wildcard: \"*.b.c\" } }");
    let text = text.replace("settings: {", "settings: { domain: b.c,");
    let not = |domain: &str| format!("a certificate for `*.b.c` does not cover `{domain}`");
    assert_eq!(titles(&text), [not("b.c"), not("x.y.b.c")]);
}

#[test]
fn what_the_configured_proxy_does_not_do_is_refused() {
    for (keys, title) in [
        ("certificate: { id: 1 }", "`certificate: { id: … }` needs Nginx Proxy Manager"),
        ("block_exploits: true", "`block_exploits` needs Nginx Proxy Manager"),
        ("caching: true", "`caching` needs Nginx Proxy Manager"),
        ("access_list: team", "`access_list` needs Nginx Proxy Manager"),
        ("locations: [ { path: /api, upstream: \"a:1\" } ]", "`locations` needs Nginx Proxy Manager"),
        ("advanced: \"return 404;\"", "`advanced` needs Nginx Proxy Manager"),
    ] {
        let text = with(&format!("route: {{ domains: [ a.b.c ], {keys} }}"));
        assert_eq!(titles(&text), [title], "{keys}");
        assert!(refused(&text).contains("nginx_proxy_manager: {"), "{}", refused(&text));
        let unknown = text.replace("settings: {", "settings: { resync: soon,");
        assert_eq!(titles(&unknown)[0], "`soon` is not a duration", "{keys}");
        assert!(!titles(&unknown).contains(&title.to_owned()), "{keys}");
    }
    for (keys, title) in [
        ("certificate: letsencrypt", "`certificate` needs a proxy"),
        ("https: redirect", "`https` needs a proxy"),
        ("hsts: true", "`hsts` needs a proxy"),
        ("http2: true", "`http2` needs a proxy"),
        ("websockets: false", "`websockets: false` needs the embedded proxy or Nginx Proxy Manager"),
        ("maintenance: true", "`maintenance` needs the embedded proxy"),
        ("sticky: true", "`sticky` needs the embedded proxy or Caddy"),
    ] {
        let none = with(&format!("route: {{ {keys} }}")).replace("settings: {", "settings: { proxy: { none: {} },");
        assert_eq!(titles(&none), [title], "{keys}");
    }
    let all = stage(
        "route: { domains: [ a.b.c ], certificate: none, https: off, websockets: true, http2: false, hsts: false, block_exploits: false }",
    );
    assert_eq!(*all.route, RouteOptions::default());
}

#[test]
fn the_embedded_proxy_secures_redirects_and_shares_a_name_by_paths() {
    let stage = stage(
        "route: { domains: [ b.c, B.c/Api/v1 ], redirects: { www.b.c: b.c }, certificate: letsencrypt, hsts: true, sticky: true, upstreams: [ \"10.0.0.5:80\", \"10.0.0.5:80\" ], strip_prefix: true }",
    );
    let names: Vec<&str> = stage.domains.iter().map(Domain::as_str).collect();
    assert_eq!(names, ["b.c", "b.c/Api/v1", "www.b.c"]);
    assert_eq!(stage.domain().map(Domain::as_str), Some("b.c"));
    let host = stage.route.by_name();
    assert_eq!(host.named, Some(crate::model::NamedCertificate::Letsencrypt));
    assert!(host.redirect && host.hsts && host.http2 && host.sticky && host.strip_prefix);
    assert_eq!(host.upstreams, ["10.0.0.5:80"]);
    assert_eq!(host.redirects, [("www.b.c".parse().unwrap(), "b.c".parse().unwrap())].into());
}

#[test]
fn r32_raw_configuration_of_the_proxy_is_taken_where_the_policy_names_the_stage() {
    let text = routed("{ domains: [ a.b.c ], advanced: \"client_max_body_size 1g;\" }");
    let allowed = text.replace("policy: {", "policy: { advanced: [ shop/prod ],");
    let stage = loaded(&allowed).desired.stages.clone().into_values().next().unwrap();
    assert_eq!(stage.route.advanced.as_deref(), Some("client_max_body_size 1g;"));
    assert!(refused(&text).contains("add `shop/prod` to `settings.policy.advanced`"), "{}", refused(&text));
}

#[test]
fn the_embedded_proxy_reaches_instances_by_port_or_by_address() {
    let proxy = |keys: &str| {
        loaded(&format!("settings: {{ proxy: {{ embedded: {{ {keys} }} }} }}\n")).desired.settings.proxy.clone()
    };
    assert_eq!(proxy(""), ProxySettings::Embedded(Reach::Host));
    assert_eq!(proxy("upstream: host"), ProxySettings::Embedded(Reach::Host));
    assert_eq!(proxy("upstream: network"), ProxySettings::Embedded(Reach::Address));
    let recreated = with("strategy: recreate\n        route: { domains: [ a.b.c ] }");
    let by_address = recreated.replace("settings: {", "settings: { proxy: { embedded: { upstream: network } },");
    assert_eq!(titles(&by_address), ["`shop/prod` is recreated, and `upstream: network` leads to addresses"]);
}

#[test]
fn behind_a_proxy_manager_a_route_needs_a_port_and_has_at_most_a_hundred_domains() {
    let route = routed("{ domains: [ a.b.c ] }");
    assert_eq!(titles(&route.replace("    port: 80\n", "")), ["`shop/prod` has a route and its project no `port`"]);
    let domains = |count: usize| {
        let names: Vec<String> = (0..count).map(|i| format!("d{i}.b.c")).collect();
        format!("{{ domains: [ {} ] }}", names.join(", "))
    };
    assert_eq!(titles(&routed(&domains(100))), [""; 0]);
    let title = "Nginx Proxy Manager takes 100 domains for a route, and this has 101";
    assert_eq!(titles(&routed(&domains(101))), [title]);
    assert_eq!(titles(&with(&format!("route: {}", domains(101)))), [""; 0], "the embedded proxy has no such limit");
}
