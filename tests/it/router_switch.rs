//! Switching: nothing is lost, nothing goes to the old upstream afterwards, and what was in flight ends where it began.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use landfall::proxy::Change;
use tokio::sync::mpsc;

use super::router_support::{App, Router, domains, soon, stage, store, text, until, with_raw};
use super::router_wire::{Client, OK};

/// How many versions follow each other under load.
const VERSIONS: u64 = 8;
/// Clients that keep their connection, and as many that open one per request.
const CLIENTS: usize = 8;

/// What the clients of a load saw.
#[derive(Default)]
struct Seen {
    over: AtomicBool,
    /// The newest version whose switch was acknowledged.
    acknowledged: AtomicU64,
    answers: AtomicU64,
    /// Versions that answered.
    versions: Mutex<BTreeSet<u64>>,
    /// Everything that must not be.
    faults: Mutex<Vec<String>>,
}

impl Seen {
    async fn ask(&self, client: &mut Client) {
        let at_least = self.acknowledged.load(Ordering::SeqCst);
        let fault = match client.try_get("a.test", "/").await {
            None => Some("a connection was closed".to_owned()),
            Some(reply) if reply.status != 200 => Some(format!("status {}", reply.status)),
            Some(reply) => {
                let version: u64 = reply.text().parse().unwrap();
                self.versions.lock().unwrap().insert(version);
                (version < at_least).then(|| format!("{version} answered after the switch to {at_least}"))
            }
        };
        self.faults.lock().unwrap().extend(fault);
        self.answers.fetch_add(1, Ordering::SeqCst);
    }

    async fn keep_alive(self: Arc<Self>, mut client: Client) -> Client {
        while !self.over.load(Ordering::SeqCst) && self.faults.lock().unwrap().is_empty() {
            self.ask(&mut client).await;
        }
        client
    }

    async fn fresh(self: Arc<Self>, addr: std::net::SocketAddr) {
        while !self.over.load(Ordering::SeqCst) && self.faults.lock().unwrap().is_empty() {
            self.ask(&mut Client::connect(addr).await).await;
        }
    }

    /// Some more requests are answered.
    async fn go_on(&self) {
        let goal = self.answers.load(Ordering::SeqCst) + 40;
        until("more answers", async || self.answers.load(Ordering::SeqCst) >= goal).await;
    }
}

async fn version(number: u64) -> App {
    App::start(move |_| async move { text(200, number.to_string()) }).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r9_switches_under_load_lose_nothing_and_the_drained_old_one_may_die_at_once() {
    let router = Router::start().await;
    let mut old = version(0).await;
    router.route(&["a.test"], old.addr).await;
    let seen = Arc::new(Seen::default());
    let mut keeping = Vec::new();
    let mut fresh = Vec::new();
    for _ in 0..CLIENTS {
        keeping.push(tokio::spawn(Arc::clone(&seen).keep_alive(router.client().await)));
        fresh.push(tokio::spawn(Arc::clone(&seen).fresh(router.addr)));
    }
    seen.go_on().await;
    for number in 1..=VERSIONS {
        let new = version(number).await;
        router.route(&["a.test"], new.addr).await;
        seen.acknowledged.store(number, Ordering::SeqCst);
        let drained = router.proxy.drain(&old.addr.to_string(), Duration::from_secs(10)).await.unwrap();
        assert_eq!(drained.left, Some(0));
        std::mem::replace(&mut old, new).kill().await;
        seen.go_on().await;
    }
    seen.over.store(true, Ordering::SeqCst);
    for client in keeping {
        assert!(soon("the clients end", client).await.unwrap().is_open(), "an idle connection was closed");
    }
    for client in fresh {
        soon("the clients end", client).await.unwrap();
    }
    assert_eq!(*seen.faults.lock().unwrap(), Vec::<String>::new());
    assert_eq!(*seen.versions.lock().unwrap(), (0..=VERSIONS).collect(), "every version answered");
}

#[tokio::test]
async fn r9_a_request_in_flight_finishes_on_the_old_upstream_and_the_drain_tells_when() {
    let router = Router::start().await;
    let (old, gate) = App::gated("old").await;
    router.route(&["a.test"], old.addr).await;
    let mut waiting = router.client().await;
    waiting.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gate.reached_by(1).await;
    let addr = old.addr.to_string();
    assert_eq!(router.proxy.in_flight(&addr).await.unwrap(), Some(1));

    let new = App::named("new").await;
    router.route(&["a.test"], new.addr).await;
    assert_eq!(router.client().await.get("a.test", "/").await.text(), "new");
    let drained = router.proxy.drain(&addr, Duration::from_millis(50)).await.unwrap();
    assert_eq!(drained.left, Some(1), "it says what is left when the time is up");
    assert!(drained.took >= Duration::from_millis(50));

    let proxy = Arc::clone(&router.proxy);
    let drain = tokio::spawn(async move { proxy.drain(&addr, Duration::from_secs(15)).await.unwrap() });
    gate.open();
    assert_eq!(waiting.reply().await.unwrap().text(), "old");
    assert_eq!(soon("the drain ends", drain).await.unwrap().left, Some(0));
    assert_eq!(waiting.get("a.test", "/").await.text(), "new", "the same connection follows the switch");
}

#[tokio::test]
async fn a_slow_download_goes_on_across_a_switch_and_counts_until_its_last_byte() {
    let router = Router::start().await;
    let (feed, rest) = mpsc::channel::<Result<Frame<Bytes>, std::convert::Infallible>>(1);
    let rest = Arc::new(Mutex::new(Some(rest)));
    let old = App::start(move |_| {
        let mut rest = rest.lock().unwrap().take().unwrap();
        let stream = futures_util::stream::poll_fn(move |cx| rest.poll_recv(cx));
        async move { http::Response::new(StreamBody::new(stream).boxed()) }
    })
    .await;
    router.route(&["a.test"], old.addr).await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut head = soon("a head", client.head()).await.unwrap();
    feed.send(Ok(Frame::data(Bytes::from("one")))).await.unwrap();
    assert_eq!(soon("a part", client.chunk(&mut head.headers)).await, Some(Some(b"one".to_vec())));

    router.route(&["a.test"], App::named("new").await.addr).await;
    let addr = old.addr.to_string();
    assert_eq!(router.proxy.in_flight(&addr).await.unwrap(), Some(1));
    feed.send(Ok(Frame::data(Bytes::from("two")))).await.unwrap();
    assert_eq!(soon("a part", client.chunk(&mut head.headers)).await, Some(Some(b"two".to_vec())));
    drop(feed);
    assert_eq!(soon("the end", client.chunk(&mut head.headers)).await, Some(None));
    assert_eq!(router.proxy.drain(&addr, Duration::from_secs(15)).await.unwrap().left, Some(0));
}

#[tokio::test]
async fn a_client_that_goes_away_no_longer_counts() {
    let router = Router::start().await;
    let (app, gate) = App::gated("app").await;
    router.route(&["a.test"], app.addr).await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gate.reached_by(1).await;
    drop(client);
    assert_eq!(router.proxy.drain(&app.addr.to_string(), Duration::from_secs(15)).await.unwrap().left, Some(0));
}

#[tokio::test]
async fn idle_connections_to_an_upstream_that_lost_its_routes_are_closed() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok");

    router.proxy.unroute(store(1), &stage("shop/prod"), None).await.unwrap();
    assert!(upstream.is_closed().await);
    assert_eq!(client.get("a.test", "/").await.status, 404);
}

#[tokio::test]
async fn what_a_switch_replaced_can_be_put_back_at_once() {
    let router = Router::start().await;
    let (old, new) = (App::named("old").await, App::named("new").await);
    router.route(&["a.test", "b.test"], old.addr).await;
    let key = stage("shop/next");
    let both = domains(&["b.test", "c.test"]);
    let saved = router.proxy.switch(&Change::new(store(1), &key, &both, &new.addr.to_string())).await.unwrap();
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.text(), "old");
    assert_eq!(client.get("b.test", "/").await.text(), "new", "it moved between stages of one store");
    router.proxy.restore(&saved).await.unwrap();
    assert_eq!(client.get("b.test", "/").await.text(), "old");
    assert_eq!(client.get("c.test", "/").await.status, 404);
}
