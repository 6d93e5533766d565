//! Routes that come from a project, are written in another form, do nothing, or lead back: what to write instead.

use super::routes::{routed, says};
use super::rules::with;

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
    says(&routed("domains: [ a.b.c ], certificate: auto"), &[all]);
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
