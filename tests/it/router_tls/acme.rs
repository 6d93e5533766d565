//! Certificates by ACME, of a real authority on loopback: issued, kept, renewed, and waited for when a host is not reached.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use landfall::router::Options;
use rustls::ClientConfig;
use serde_json::json;

use super::authority::connect_as;
use super::pebble::{Pebble, kept};
use super::{Authority, state};
use crate::router_support::{App, Router, until};
use crate::router_wire::Client;

/// A proxy that asks this authority.
async fn proxy(pebble: &Pebble, dir: &Arc<tempfile::TempDir>, adjust: impl FnOnce(&mut Options)) -> Router {
    let adjust = |options: &mut Options| {
        pebble.serves(options);
        adjust(options);
    };
    Router::start_as(Arc::clone(dir), adjust).await.expect("starts")
}

pub fn scratch() -> Arc<tempfile::TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

/// Has hosts led to an app, with a certificate of their own and plain HTTP redirected.
pub async fn route(router: &Router, hosts: &[&str], app: &App) {
    let tls = json!({ "certificate": "letsencrypt", "redirect": true, "http2": true });
    router.set("shop/prod", json!({ "domains": hosts, "upstreams": [app.addr], "tls": tls })).await;
}

pub async fn is_served(client: &ClientConfig, addr: SocketAddr, host: &str) -> bool {
    connect_as(client.clone(), addr, host).await.is_ok()
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_a_certificate_gets_it_over_http_and_a_restart_asks_for_nothing() {
    let (mut pebble, dir, app) = (Pebble::new(), scratch(), App::named("app").await);
    let router = proxy(&pebble, &dir, |_| {}).await;
    route(&router, &["a.test", "b.test"], &app).await;
    assert_eq!(router.client().await.get("a.test", "/").await.text(), "app", "reachable while there is none");
    router.stop().await;

    pebble.start().await;
    // What was tried in vain is not waited for here.
    std::fs::remove_dir_all(dir.path().join("acme")).unwrap();
    let router = proxy(&pebble, &dir, |_| {}).await;
    let client = pebble.client().await;
    for host in ["a.test", "b.test"] {
        until("it is issued", async || is_served(&client, router.tls, host).await).await;
    }
    let reply = router.client().await.get("a.test", "/x").await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://a.test/x")), "redirected from then on");
    let stream = connect_as(client.clone(), router.tls, "a.test").await.unwrap();
    assert_eq!(Client(tokio::io::BufReader::new(stream)).get("a.test", "/").await.text(), "app");
    until("it is told of", async || state(&router, "b.test").await["last_failure"].is_null()).await;
    let told = state(&router, "a.test").await;
    let (ends, next) = (told["ends"].as_u64().unwrap(), told["next_try"].as_u64().unwrap());
    assert!(told["from"] == "acme" && now() < next && next < ends, "{told}");
    let asked = "/.well-known/acme-challenge/token";
    assert_eq!(router.client().await.get("a.test", asked).await.text(), "app", "what is not ours is the app's");

    for path in [kept(dir.path()), kept(dir.path()).join("a.test.pem"), kept(dir.path()).join("account.json")] {
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    router.stop().await;
    let root = client;
    pebble.stop();
    let router = proxy(&pebble, &dir, |_| {}).await;
    assert!(is_served(&root, router.tls, "a.test").await, "at once, and without anybody to ask");
    until("the same is told of it", async || state(&router, "a.test").await == told).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_tls_is_served_the_host_is_proven_over_tls() {
    let (mut pebble, dir, app) = (Pebble::new(), scratch(), App::named("app").await);
    pebble.start().await;
    let router = proxy(&pebble, &dir, |options| options.listen.clear()).await;
    route(&router, &["a.test"], &app).await;
    let client = pebble.client().await;
    until("it is issued", async || is_served(&client, router.tls, "a.test").await).await;
    let mut challenged = client.clone();
    challenged.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    assert!(!is_served(&challenged, router.tls, "a.test").await, "nothing is proven any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_cannot_be_reached_waits_longer_each_time_also_over_a_restart_and_holds_up_nobody() {
    let (mut pebble, dir, app) = (Pebble::new(), scratch(), App::named("app").await);
    pebble.start().await;
    let elsewhere = |options: &mut Options| options.listen = vec!["127.0.0.1:0".parse().unwrap()];
    let only_http = |options: &mut Options| {
        elsewhere(options);
        options.listen_tls.clear();
    };
    let router = proxy(&pebble, &dir, only_http).await;
    route(&router, &["a.test"], &app).await;
    until("the failure is told", async || state(&router, "a.test").await["last_failure"].is_string()).await;
    let told = state(&router, "a.test").await;
    let failure = told["last_failure"].as_str().unwrap();
    assert!(failure.contains("127.0.0.1") || failure.contains("a.test"), "what the authority said: {failure}");
    let next = told["next_try"].as_u64().unwrap();
    assert!(next > now() + 30 && next <= now() + 60, "in a minute: {}", next - now());
    assert!(told["from"].is_null());
    assert_eq!(router.client().await.get("a.test", "/").await.text(), "app", "it is served all the while");
    router.stop().await;

    let router = proxy(&pebble, &dir, only_http).await;
    until("it is told again", async || state(&router, "a.test").await["next_try"].as_u64() == Some(next)).await;
    assert_eq!(state(&router, "a.test").await, told, "a restart changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_near_its_end_is_served_until_it_is_renewed_whatever_happened_to_the_authority() {
    let (mut pebble, dir, app) = (Pebble::new(), scratch(), App::named("app").await);
    pebble.start().await;
    let router = proxy(&pebble, &dir, |_| {}).await;
    route(&router, &["a.test"], &app).await;
    let client = pebble.client().await;
    until("it is issued", async || is_served(&client, router.tls, "a.test").await).await;
    router.stop().await;
    pebble.stop();

    let authority = Authority::new();
    let (chain, key) = authority.issue_as(&["a.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = (SystemTime::now() + Duration::from_secs(3_600)).into();
    });
    std::fs::write(kept(dir.path()).join("a.test.pem"), key + &chain).unwrap();
    let router = proxy(&pebble, &dir, |options| options.acme.pause = Duration::from_secs(1)).await;
    assert!(authority.connect(router.tls, "a.test", &[]).await.is_ok(), "the old one, at once");
    until("it is due, and nobody answers", async || state(&router, "a.test").await["last_failure"].is_string()).await;
    assert!(authority.connect(router.tls, "a.test", &[]).await.is_ok(), "still the old one");

    // It knows neither the account nor anything else any more.
    pebble.start().await;
    let client = pebble.client().await;
    // The pauses have doubled while it started, and the first answer is that the account is unknown.
    for _ in 0..2 {
        let next = state(&router, "a.test").await["next_try"].clone();
        until("it is tried again", async || state(&router, "a.test").await["next_try"] != next).await;
    }
    until("it is renewed", async || is_served(&client, router.tls, "a.test").await).await;
    until("the failure is over", async || state(&router, "a.test").await["last_failure"].is_null()).await;
}
