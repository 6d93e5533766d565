//! Certificates from files: what is put there is served without a restart, and what is bad costs only itself.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use landfall::proxy::Embedded;
use landfall::router::Limits;
use serde_json::json;

use super::{Authority, state, with_certificates};
use crate::router_support::{Router, until};

/// A proxy that looks for certificates all the time, with one for `a.test`.
async fn looking() -> (Router, Authority) {
    let (authority, dir) = (Authority::new(), Arc::new(tempfile::tempdir().unwrap()));
    authority.place(dir.path(), &[&["a.test"]]);
    let limits = Limits { look_every: Duration::from_millis(10), ..Limits::default() };
    (Router::start_in(dir, limits).await.expect("starts"), authority)
}

fn file(router: &Router, name: &str) -> PathBuf {
    router.dir.path().join("certificates").join(name)
}

async fn is_served(router: &Router, authority: &Authority, host: &str) -> bool {
    authority.connect(router.tls, host, &[]).await.is_ok()
}

/// The first certificate that a client is shown.
async fn shown(router: &Router, authority: &Authority, host: &str) -> Vec<u8> {
    let stream = authority.connect(router.tls, host, &[]).await.expect("served");
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_pair_that_comes_changes_or_goes_is_followed_without_a_restart() {
    let (router, authority) = looking().await;
    assert!(!is_served(&router, &authority, "b.test").await);
    authority.place(router.dir.path(), &[&["b.test"]]);
    until("the new one is served", async || is_served(&router, &authority, "b.test").await).await;
    let before = shown(&router, &authority, "b.test").await;
    authority.place(router.dir.path(), &[&["b.test", "c.test"]]);
    until("the changed one is served", async || is_served(&router, &authority, "c.test").await).await;
    assert_ne!(shown(&router, &authority, "b.test").await, before);
    std::fs::remove_file(file(&router, "b.test.crt")).unwrap();
    until("the old one is served no more", async || !is_served(&router, &authority, "b.test").await).await;
    assert!(is_served(&router, &authority, "a.test").await, "the others stay all the while");
}

#[tokio::test]
async fn a_bad_pair_costs_neither_the_good_ones_nor_what_was_good_of_itself() {
    let (router, authority) = looking().await;
    let before = shown(&router, &authority, "a.test").await;
    let (other, _) = authority.issue(&["a.test", "b.test"]);
    std::fs::write(file(&router, "a.test.crt"), other).unwrap();
    std::fs::write(file(&router, "broken.crt"), "nonsense").unwrap();
    std::fs::write(file(&router, "broken.key"), "nonsense").unwrap();
    std::fs::write(file(&router, "alone.crt"), "no key beside it").unwrap();
    std::fs::create_dir(file(&router, "directory.crt")).unwrap();
    std::fs::write(file(&router, "large.crt"), vec![b'-'; 300 * 1024]).unwrap();
    // Looked at in one go: when this one is served, all of them were seen.
    authority.place(router.dir.path(), &[&["z.test"]]);
    until("a good one beside them is served", async || is_served(&router, &authority, "z.test").await).await;
    assert_eq!(shown(&router, &authority, "a.test").await, before, "with a key that is not its own it is not taken");
    assert!(!is_served(&router, &authority, "b.test").await);
}

#[tokio::test]
async fn what_a_route_asks_for_and_there_is_none_of_is_told_with_its_reason() {
    let (router, authority) = looking().await;
    std::fs::write(file(&router, "broken.crt"), "nonsense").unwrap();
    std::fs::write(file(&router, "broken.key"), "nonsense").unwrap();
    let tls = |certificate| json!({ "certificate": certificate, "redirect": false, "hsts": false, "http2": true });
    for (host, certificate, trouble) in [
        ("a.test", json!({ "file": "a.test" }), None),
        ("b.test", json!({ "file": "b" }), Some("is missing: there is no `b.crt` with `b.key`")),
        ("c.test", json!({ "file": "a.test" }), Some("is missing: `a.test.crt` is for a.test alone")),
        ("d.test", json!({ "file": "broken" }), Some("cannot be used: ")),
        ("e.test", json!({ "wildcard": "*.test" }), Some("is missing: no pair of files is for this name")),
    ] {
        let stage = format!("{}/prod", &host[..1]);
        router.set(&stage, json!({ "domains": [host], "upstreams": ["127.0.0.1:9"], "tls": tls(certificate) })).await;
        let told = async || state(&router, host).await["trouble"].as_str().map(str::to_owned);
        match trouble {
            Some(text) => until(text, async || told().await.is_some_and(|told| told.contains(text))).await,
            None => assert_eq!(told().await, None),
        }
    }
    let lacking = Embedded::new(&router.control()).uncertified().await;
    assert_eq!(lacking.keys().map(String::as_str).collect::<Vec<_>>(), ["b.test", "c.test", "d.test", "e.test"]);
    authority.place(router.dir.path(), &[&["e.test"]]);
    until("it is there", async || state(&router, "e.test").await["trouble"].is_null()).await;
}

#[tokio::test]
async fn a_proxy_that_listens_nowhere_for_https_says_so_of_each_host_that_asks_for_it() {
    let (authority, dir) = (Authority::new(), Arc::new(tempfile::tempdir().unwrap()));
    authority.place(dir.path(), &[&["a.test"]]);
    let router = Router::start_as(dir, |options| options.listen_tls.clear()).await.expect("starts");
    let tls = json!({ "certificate": { "file": "a.test" }, "redirect": false, "hsts": false, "http2": true });
    router.set("a/prod", json!({ "domains": ["a.test"], "upstreams": ["127.0.0.1:9"], "tls": tls })).await;
    let told = async || state(&router, "a.test").await["trouble"].to_string().contains("--listen-tls");
    until("it is told", told).await;
}

#[tokio::test]
async fn an_expired_certificate_is_served_until_there_is_a_better_one_and_told_of() {
    let (router, authority) = looking().await;
    let (chain, key) = authority.issue_as(&["old.b.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2020, 3, 1);
    });
    std::fs::write(file(&router, "old.key"), key).unwrap();
    std::fs::write(file(&router, "old.crt"), chain).unwrap();
    let expired = async || {
        let refused = authority.connect(router.tls, "old.b.test", &[]).await;
        refused.is_err_and(|error| error.to_string().contains("certificate expired"))
    };
    until("the client is shown the expired one", expired).await;
    let old = state(&router, "old.b.test").await;
    assert_eq!((old["from"].as_str(), old["ends"].as_u64()), (Some("file old.crt"), Some(1_583_020_800)));
    assert!(state(&router, "a.test").await.is_object() && state(&router, "c.test").await.is_null());
    authority.place(router.dir.path(), &[&["*.b.test"]]);
    until("one that is good is preferred", async || is_served(&router, &authority, "old.b.test").await).await;
}

#[tokio::test]
async fn without_any_certificate_plain_requests_are_served_all_the_same() {
    let (router, authority) = with_certificates(&[]).await;
    assert!(!is_served(&router, &authority, "a.test").await);
    assert_eq!(router.client().await.get("a.test", "/").await.status, 404);
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let without_directory = Router::start_in(dir, Limits::default()).await.unwrap();
    assert_eq!(without_directory.client().await.get("a.test", "/").await.status, 404);
}
