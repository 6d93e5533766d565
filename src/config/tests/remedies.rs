//! Routes that come from a project, are written in another form, do nothing, or lead back: what to write instead.

use super::routes::{routed, says, two};
use super::rules::{titles, with};
use super::*;

/// Titles of the warnings.
fn warnings(text: &str) -> Vec<String> {
    loaded(text).warnings.list.into_iter().map(|one| one.title).collect()
}

/// Two stages of one project, whose route is the project's.
fn shared(route: &str) -> String {
    let stage = "{ track: { tag: t } }";
    format!(
        "projects:\n  shop:\n    image: a/b\n    port: 80\n    route: {{ {route} }}\n    stages: {{ prod: {stage}, staging: {stage} }}\n"
    )
}

#[test]
fn a_route_that_is_taken_from_the_project_is_said_to_be_of_which_stage() {
    let text = shared("subdomain: \"{stage}\", sticky: true, caching: true")
        .replace("projects:", "settings: { domain: b.c }\nprojects:");
    assert_eq!(titles(&text), ["`caching` needs Nginx Proxy Manager"]);
    says(&text, &["of `shop/prod` and `shop/staging`, which take it from their project"]);
    let one = text.replace("staging: { track", "staging: { route: { caching: false }, track");
    says(&one, &["of `shop/prod`, which takes it from its project"]);
    let many: String = (0..5).map(|n| format!("s{n}: {{ track: {{ tag: t }} }}, ")).collect();
    let many = text.replace("{ prod: { track: { tag: t } }, ", &format!("{{ {many}"));
    says(&many, &["of `shop/s0`, `shop/s1`, `shop/s2` and 3 more, which take it from their project"]);
    let own = routed("domains: [ a.b.c ], caching: true");
    assert!(!refused(&own).contains("project"), "{}", refused(&own));
}

#[test]
fn two_stages_that_take_one_domain_from_their_project_are_told_to_differ() {
    let title = "`a.b.c` leads to both `shop/prod` and `shop/staging`, which take it from their project";
    let domains = shared("domains: [ a.b.c ]");
    assert_eq!(titles(&domains), [title]);
    says(&domains, &["move `domains` into the stages, or use `{stage}`"]);
    let below = shared("subdomain: a").replace("projects:", "settings: { domain: b.c }\nprojects:");
    assert_eq!(titles(&below), [title]);
    says(&below, &["move `subdomain` into the stages"]);
    assert_eq!(titles(&shared("domains: [ \"{stage}.b.c\" ]")), [""; 0]);
    let twice = routed("domains: [ a.b.c, A.b.c ]");
    assert_eq!(titles(&twice), ["`a.b.c` is written twice"]);
    says(&twice, &["remove one of the two"]);
}

#[test]
fn a_value_of_another_kind_says_how_to_write_it() {
    for (lines, help) in [
        ("route: { domains: shop.b.c }", "write `[ shop.b.c ]`"),
        ("route: { domains: [ a.b.c ], upstreams: \"10.0.0.5:80\" }", "write `[ \"10.0.0.5:80\" ]`"),
        ("route:\n          domains: \"{stage}.b.c\"", "write `[ \"{stage}.b.c\" ]`"),
        ("route:\n          domains: shop-{stage}.b.c", "write `[ \"shop-{stage}.b.c\" ]`"),
        ("route: shop.b.c", "write `{ domains: [ shop.b.c ] }`"),
        ("route: { domains: [ a.b.c ], upstreams: [ \"http://10.0.0.5:80\" ] }", "as in `10.0.0.5:80`"),
        ("route: { domains: [ a.b.c ], upstreams: [ \"https://10.0.0.5\" ] }", "asked over plain HTTP"),
    ] {
        says(&with(lines), &[help]);
    }
    let all = "write `none`, `letsencrypt`, `{ file: shop }`, `{ wildcard: \"*.example.com\" }` or `{ id: 3 }`";
    for wrong in ["auto", "true", "[ letsencrypt ]"] {
        says(&routed(&format!("domains: [ a.b.c ], certificate: {wrong}")), &[all]);
    }
    says(&routed("domains: [ a.b.c ], certificate: 3"), &["write `{ id: 3 }`"]);
    says(&routed("domains: [ a.b.c ], certificate: { letsencrypt: true }"), &["write `letsencrypt`"]);
}

#[test]
fn what_a_route_has_in_another_form_says_how_it_is_written_and_what_is_said_can_be_written() {
    let locations = "locations: [ { path: /api, upstream: \"10.0.0.5:80\" } ]";
    let redirects = "redirects: { www.example.com: example.com }";
    let upstreams = "upstreams: [ \"10.0.0.5:80\" ]";
    let domains = "domains: [ shop.example.com ]";
    for (key, wrong, example) in [
        (
            "locations",
            &[
                "/api",
                "3",
                "true",
                "[ /api ]",
                "[ [ /api ] ]",
                "{ /api: \"a:80\" }",
                "{ path: /api, upstream: \"a:80\" }",
            ][..],
            locations,
        ),
        ("redirects", &["www.b.c", "[ www.b.c ]", "[ { www.b.c: a.b.c } ]", "true"], redirects),
        (
            "upstreams",
            &["80", "[ 80 ]", "true", "{ a: 1 }", "[ { host: a, port: 80 } ]", "[ [ \"a:80\" ] ]"],
            upstreams,
        ),
        ("domains", &["3", "[ 3 ]", "true", "{ a.b.c: {} }", "[ { host: a.b.c } ]", "[ [ a.b.c ] ]"], domains),
    ] {
        for value in wrong {
            let text = format!("{key}: {value}");
            let said = refused(&routed(&text));
            assert!(said.contains(&format!("write it as in `{example}`")), "{text}: {said}");
            assert!(!said.contains("in quotes"), "{text}: {said}");
        }
    }
    for written in [redirects, upstreams, ""] {
        let route = format!("domains: [ example.com ], {written}");
        assert_eq!(titles(&routed(&route)), [""; 0], "{route}");
    }
    assert!(!titles(&routed(locations)).iter().any(|title| title.contains("expected")), "{locations}");
}

#[test]
fn what_yaml_takes_for_an_alias_or_a_mapping_is_told_to_be_quoted() {
    for (keys, help) in [
        ("domains: [ *.b.c ]", "a `*` begins an alias in YAML; write it in quotes: `\"*.b.c\"`"),
        ("certificate: { wildcard: *.b.c }", "write it in quotes: `\"*.b.c\"`"),
        ("subdomain: {tag}-shop", "a `{` begins a mapping in YAML; write it in quotes: `\"{tag}-shop\"`"),
        ("domains: [ {stage}.b.c ]", "write it in quotes: `\"{stage}.b.c\"`"),
        ("domains: [ shop-{tag}.b.c, x.y ]", "write it in quotes: `\"shop-{tag}.b.c\"`"),
        ("subdomain: {stage}", "write it in quotes: `\"{stage}\"`"),
        ("subdomain: *none", "a text that begins with `*` stands in quotes"),
    ] {
        says(&routed(keys), &[help]);
    }
    let block = with("route:\n          subdomain: {tag}-shop\n          sticky: true");
    says(&block, &["write it in quotes: `\"{tag}-shop\"`"]);
}

#[test]
fn a_key_that_does_nothing_is_a_warning() {
    let nowhere = "this route has no domain, so nothing leads to `shop/prod`";
    for (lines, found) in [
        (
            "route: { domains: [ a.b.c ], strip_prefix: true }",
            &["`strip_prefix` takes nothing off: no domain of this route has a path"][..],
        ),
        ("route: { domains: [ a.b.c, a.b.c/x ], strip_prefix: true }", &[]),
        (
            "route: { domains: [ a.b.c ], sticky: true }",
            &["`sticky` keeps a client at one of several places, and there is only one"],
        ),
        ("route: { domains: [ a.b.c ], sticky: true, upstreams: [ \"10.0.0.5:80\" ] }", &[]),
        (
            "route: { domains: [ a.b.c ], maintenance: true }",
            &["`maintenance` does nothing: `shop/prod` serves while it is replaced"],
        ),
        ("strategy: recreate\n        route: { domains: [ a.b.c ], maintenance: true }", &[]),
        ("route: {}", &[nowhere]),
        ("route: { hsts: false }", &[nowhere]),
        ("route: { domains: [] }", &[]),
        (
            "route: { domains: [ a.b.c ], certificate: { file: shop.crt } }",
            &["`shop.crt` is looked for as `shop.crt.crt` and `shop.crt.key`"],
        ),
    ] {
        assert_eq!(warnings(&with(lines)), found, "{lines}");
    }
    let idle = shared("sticky: true, strip_prefix: true, maintenance: true");
    assert_eq!(warnings(&idle), [""; 0], "a project says it for whichever of its stages needs it");
}

#[test]
fn previews_have_no_further_upstreams() {
    let text = with("max_instances: 3\n        route: { domains: [ \"{tag}.b.c\" ], upstreams: [ \"10.0.0.5:80\" ] }")
        .replace("tag: \"1\"", "glob: dev-*");
    assert_eq!(titles(&text), ["`upstreams` are places of one app, and `shop/prod` runs 3 instances"]);
}

#[test]
fn an_upstream_that_leads_back_to_the_proxy_is_refused() {
    let own = routed("domains: [ shop.b.c ], upstreams: [ \"Shop.b.c:80\" ]");
    assert_eq!(titles(&own), ["`Shop.b.c:80` leads back to the proxy: `shop.b.c` is a domain of `shop/prod`"]);
    says(&own, &["name the host where the app listens", "the domain"]);
    let other = two("domains: [ a.b.c ], upstreams: [ \"b.b.c:443\" ]", "domains: [ b.b.c/x ]");
    assert_eq!(titles(&other), ["`b.b.c:443` leads back to the proxy: `b.b.c` is a domain of `api/prod`"]);
    for elsewhere in ["c.b.c:80", "b.b.c:3000"] {
        let text = two(&format!("domains: [ a.b.c ], upstreams: [ \"{elsewhere}\" ]"), "domains: [ b.b.c ]");
        assert_eq!(titles(&text), [""; 0], "{elsewhere}");
    }
}
