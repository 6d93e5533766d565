//! What is said of routes that are written wrong: what is wrong, where, and what to write instead.

use super::rules::{titles, with};
use super::*;

const CADDY: &str = "proxy: { caddy: {} }";
const NPM: &str =
    "proxy: { nginx_proxy_manager: { url: \"http://127.0.0.1:81\", email: a@b, password: { credential: npm } } }";

/// One stage with this route.
pub(super) fn routed(keys: &str) -> String {
    with(&format!("route: {{ {keys} }}"))
}

/// The same behind another proxy.
fn behind(proxy: &str, keys: &str) -> String {
    routed(keys).replace("settings: {", &format!("settings: {{ {proxy},"))
}

/// Two stages of two projects, each with its route.
pub(super) fn two(shop: &str, api: &str) -> String {
    let project = |name: &str, route: &str| {
        format!(
            "  {name}: {{ image: a/b, port: 80, stages: {{ prod: {{ track: {{ tag: t }}, route: {{ {route} }} }} }} }}\n"
        )
    };
    format!("projects:\n{}{}", project("shop", shop), project("api", api))
}

/// All that is said of each text has all of these words.
pub(super) fn says(text: &str, words: &[&str]) {
    let shown = refused(text);
    for words in words {
        assert!(shown.contains(words), "{words}:\n{shown}");
    }
}

#[test]
fn a_subdomain_is_a_name_without_a_path() {
    let text = routed("subdomain: shop/api").replace("settings: {", "settings: { domain: apps.example.com,");
    assert_eq!(titles(&text), ["`shop/api` has a path, and a subdomain is a name without one"]);
    says(&text, &["write the whole `shop.apps.example.com/api` below `domains`"]);
}

#[test]
fn paths_of_one_host_share_one_certificate() {
    let host = |certificate: &str, path: &str| format!("domains: [ a.b.c{path} ], {certificate}");
    let two_of = |one: &str, other: &str| two(&host(one, ""), &host(other, "/api"));
    for (one, other) in [
        ("certificate: { file: shop }", "certificate: { file: other }"),
        ("certificate: letsencrypt", "certificate: { file: shop }"),
        ("certificate: { wildcard: \"*.b.c\" }", "certificate: letsencrypt"),
    ] {
        let text = two_of(one, other);
        let named = |certificate: &str| certificate.replace("certificate: ", "");
        let (one, other) = (named(other), named(one));
        let title = format!("`a.b.c` would have two certificates: `{one}` of `api/prod` and `{other}` of `shop/prod`");
        assert_eq!(titles(&text), [title]);
        says(&text, &["paths of one host share its certificate", "the other one"]);
    }
    for (one, other) in [
        ("certificate: { file: shop }", "certificate: { file: shop }"),
        ("certificate: { file: shop }", "certificate: none"),
        ("sticky: false", "certificate: letsencrypt"),
    ] {
        assert_eq!(titles(&two_of(one, other)), [""; 0], "{one} {other}");
    }
    let apart = two("domains: [ a.b.c ], certificate: { file: a }", "domains: [ b.b.c/x ], certificate: { file: b }");
    assert_eq!(titles(&apart), [""; 0]);
}

#[test]
fn a_key_that_caddy_knows_too_is_said_to_need_one_of_the_two() {
    for (keys, named) in [
        ("upstreams: [ \"10.0.0.5:80\" ]", "`upstreams`"),
        ("sticky: true", "`sticky`"),
        ("strip_prefix: true", "`strip_prefix`"),
    ] {
        let text = behind(NPM, &format!("domains: [ a.b.c ], {keys}"));
        assert_eq!(titles(&text), [format!("{named} needs the embedded proxy or Caddy")]);
        assert!(!refused(&text).contains("locations"), "{}", refused(&text));
    }
    let text = behind(NPM, "domains: [ a.b.c/api ]");
    assert_eq!(titles(&text), ["a path, as in `a.b.c/api`, needs the embedded proxy or Caddy"]);
    says(&text, &["there is `locations`"]);
}

#[test]
fn a_certificate_of_another_proxy_says_which_this_one_takes() {
    let file = "domains: [ a.b.c ], certificate: { file: shop }";
    let id = "domains: [ a.b.c ], certificate: { id: 3 }";
    for (proxy, keys, takes) in [
        (CADDY, file, "this proxy takes `letsencrypt` and `{ wildcard: \"*.example.com\" }`"),
        (CADDY, id, "this proxy takes `letsencrypt` and `{ wildcard: \"*.example.com\" }`"),
        (NPM, file, "this proxy takes `letsencrypt`, `{ id: 3 }` and"),
        ("resync: 5m", id, "this proxy takes `letsencrypt`, `{ file: shop }` and"),
    ] {
        says(&behind(proxy, keys), &[takes]);
    }
    assert_eq!(titles(&behind(CADDY, file)), ["`certificate: { file: … }` needs the embedded proxy"]);
    assert_eq!(titles(&behind(CADDY, id)), ["`certificate: { id: … }` needs Nginx Proxy Manager"]);
}

#[test]
fn a_path_is_written_as_it_begins() {
    for (domain, title, help) in [
        ("a.b.c/{tag}", "`a.b.c/{tag}` has a path, and a domain with a placeholder cannot have one", "into the name"),
        ("a.b.c/api/*", "`a.b.c/api/*` ends in `*`, and a path leads to all below it", "write `a.b.c/api`"),
        ("a.b.c/*", "`a.b.c/*` ends in `*`, and a path leads to all below it", "write `a.b.c`"),
        ("*.b.c/*", "`*.b.c/*` is a wildcard, and a route needs whole names", "list the domains"),
        ("a.b.c/", "`a.b.c/` has a `/` at the end", "write `a.b.c`"),
        ("a.b.c/api/", "`a.b.c/api/` has a `/` at the end", "write `a.b.c/api`"),
    ] {
        let text = routed(&format!("domains: [ \"{domain}\" ]"));
        assert_eq!(titles(&text), [title]);
        says(&text, &[help]);
    }
}

#[test]
fn a_redirect_that_leads_nowhere_says_why() {
    let text =
        |domains: &str, redirects: &str| routed(&format!("domains: [ {domains} ], redirects: {{ {redirects} }}"));
    for (redirects, found, help) in [
        ("a.b.c: a.b.c", &["`a.b.c` redirects to itself"][..], "remove it"),
        ("x.b.c: x.b.c", &["`x.b.c` redirects to itself"], "`redirects` is `from: to`"),
        (
            "a.b.c: www.b.c",
            &["`a.b.c` redirects and is served as well"],
            "`redirects` is `from: to`; to send `www.b.c` here write `{ www.b.c: a.b.c }`",
        ),
        ("x.b.c: y.b.c, y.b.c: x.b.c", &["redirects lead in a circle: `x.b.c` → `y.b.c` → `x.b.c`"], "at once"),
        (
            "x.b.c: y.b.c, y.b.c: a.b.c",
            &["`x.b.c` redirects to what redirects itself: `x.b.c` → `y.b.c` → `a.b.c`"],
            "stands in `domains`",
        ),
        ("x.b.c: y.b.c", &["`x.b.c` redirects to `y.b.c`, which is no domain of this route"], "add it to `domains`"),
    ] {
        let text = text("a.b.c", redirects);
        assert_eq!(titles(&text), found, "{redirects}");
        says(&text, &[help]);
    }
    let both = text("a.b.c, b.b.c", "a.b.c: b.b.c");
    assert_eq!(titles(&both), ["`a.b.c` redirects and is served as well"]);
    says(&both, &["write it in one of the two places"]);
}

#[test]
fn a_mistake_in_the_name_of_a_redirect_marks_the_name() {
    let marked = |redirects: &str, keys: &str| {
        let text = routed(&format!("domains: [ a.b.c ], redirects: {{ {redirects} }}{keys}"));
        let Err(LoadError::Invalid(found)) = load_tree(tree(&[("site.yaml", &text)])) else { panic!("accepted") };
        found.list.iter().map(|one| text[one.place.start..one.place.end].to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(marked("x_/y: a.b.c", ""), ["x_/y"]);
    assert_eq!(marked("a.b.c: www.b.c", ""), ["a.b.c"]);
    assert_eq!(marked("x.b.c: x.b.c", ""), ["x.b.c"]);
    assert_eq!(marked("x.b.c: a..b", ""), ["a..b"]);
    assert_eq!(marked("x.y.b.c: a.b.c", ", certificate: { wildcard: \"*.b.c\" }"), ["x.y.b.c"]);
    let clash =
        two("domains: [ a.b.c ], redirects: { x.b.c: a.b.c }", "domains: [ d.b.c ], redirects: { x.b.c: d.b.c }");
    says(&clash, &["`x.b.c` leads to both"]);
}
