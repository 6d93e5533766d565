//! An authority that does not do its part: it is silent, down, or asks to be left alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use landfall::router::Options;
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::Authority;
use super::acme::{is_served, now, route, scratch};
use super::pebble::{Pebble, kept};
use super::state;
use crate::router_support::{App, Router, until};

/// A server that takes connections and says nothing on them; it counts them.
struct Mute {
    directory: String,
    asked: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Mute {
    /// One that keeps connections open, or drops them at once.
    async fn new(keeps: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let directory = format!("https://localhost:{}/dir", listener.local_addr().unwrap().port());
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let task = tokio::spawn(async move {
            let mut open = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                open.extend(keeps.then_some(stream));
            }
        });
        Self { directory, asked, task: task.abort_handle() }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn serves(&self) -> impl FnOnce(&mut Options) + use<> {
        let directory = self.directory.clone();
        |options| options.acme.directory = directory
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_comes_while_an_order_runs_is_served_with_what_is_on_disk_at_once() {
    let (mute, dir, app, authority) = (Mute::new(true).await, scratch(), App::named("app").await, Authority::new());
    let router = Router::start_as(Arc::clone(&dir), mute.serves()).await.unwrap();
    route(&router, &["a.test"], &app).await;
    until("an order for a.test runs", async || mute.asked() == 1).await;
    let (chain, key) = authority.issue_as(&["b.test"], |params| {
        params.not_before = (SystemTime::now() - Duration::from_secs(3_600)).into();
        params.not_after = (SystemTime::now() + Duration::from_secs(90 * 86_400)).into();
    });
    std::fs::write(kept(dir.path()).join("b.test.pem"), key + &chain).unwrap();
    route(&router, &["a.test", "b.test"], &app).await;
    until("b.test is served", async || is_served(&authority.client(&[]), router.tls, "b.test").await).await;
    let book: Value = serde_json::from_slice(&std::fs::read(kept(dir.path()).join("failures.json")).unwrap()).unwrap();
    assert!(book["a.test"]["failures"] == 1 && book["a.test"]["error"].is_null(), "its order still runs: {book}");
    assert_eq!(mute.asked(), 1, "and it is the only one");
}

/// What the control socket tells of each of these hosts, once there is a failure to tell of all.
async fn failures(router: &Router, hosts: &[&str]) -> Vec<Value> {
    let mut states = Vec::new();
    for host in hosts {
        until("a failure is told", async || state(router, host).await["last_failure"].is_string()).await;
        states.push(state(router, host).await);
    }
    states
}

/// How many failures the book on disk has for a host.
fn counted(dir: &tempfile::TempDir, host: &str) -> u64 {
    let book: Value = serde_json::from_slice(&std::fs::read(kept(dir.path()).join("failures.json")).unwrap()).unwrap();
    book[host]["failures"].as_u64().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_down_is_asked_once_for_all_hosts_also_over_a_restart() {
    let (mute, dir, app, hosts) = (Mute::new(false).await, scratch(), App::named("app").await, ["a.test", "b.test"]);
    let router = Router::start_as(Arc::clone(&dir), mute.serves()).await.unwrap();
    route(&router, &hosts, &app).await;
    let told = failures(&router, &hosts).await;
    let next = told[0]["next_try"].as_u64().unwrap();
    assert!(next > now() + 30 && next <= now() + 60, "in a minute: {}", next - now());
    assert_eq!((&told[0]["last_failure"], &told[0]["next_try"]), (&told[1]["last_failure"], &told[1]["next_try"]));
    assert_eq!((counted(&dir, "a.test"), counted(&dir, "b.test")), (0, 0), "no host is charged for it");
    router.stop().await;

    let router = Router::start_as(Arc::clone(&dir), mute.serves()).await.unwrap();
    assert_eq!(failures(&router, &hosts).await, told, "a restart changes nothing");
    assert_eq!(mute.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_authority_is_back_all_hosts_get_their_certificates_without_further_pause() {
    let (mut pebble, dir, app, hosts) = (Pebble::new(), scratch(), App::named("app").await, ["a.test", "b.test"]);
    let adjust = |options: &mut Options| {
        pebble.serves(options);
        options.acme.pause = Duration::from_secs(1);
    };
    let router = Router::start_as(Arc::clone(&dir), adjust).await.unwrap();
    route(&router, &hosts, &app).await;
    failures(&router, &hosts).await;
    pebble.start().await;
    let client = pebble.client().await;
    for host in hosts {
        until("it is issued", async || is_served(&client, router.tls, host).await).await;
        until("the failure is over", async || state(&router, host).await["last_failure"].is_null()).await;
    }
    assert_eq!((counted(&dir, "a.test"), counted(&dir, "")), (0, 0), "nothing is held against anybody");
}

/// What an authority says of orders: its own address, the path that is asked for, and how many were before → status with
/// headers, and body.
type OfOrders = fn(&str, &str, usize) -> (&'static str, Value);

/// An authority with an account for everyone. Gives its directory.
async fn faulty(authority: &Authority, asked: Arc<AtomicUsize>, of_orders: OfOrders) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let (chain, key) = authority.issue(&["localhost"]);
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes()).collect::<Result<_, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    landfall::client::install_tls_provider();
    let side = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let (acceptor, directory) = (TlsAcceptor::from(Arc::new(side)), format!("{base}/dir"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            answer(&acceptor, stream, &base, &asked, of_orders).await;
        }
    });
    directory
}

/// Answers one request.
async fn answer(acceptor: &TlsAcceptor, stream: TcpStream, base: &str, asked: &AtomicUsize, of_orders: OfOrders) {
    let mut stream = BufReader::new(acceptor.accept(stream).await.unwrap());
    let (mut first, mut line, mut length) = (String::new(), String::new(), 0);
    stream.read_line(&mut first).await.unwrap();
    while line != "\r\n" {
        line.clear();
        stream.read_line(&mut line).await.unwrap();
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    stream.read_exact(&mut vec![0; length]).await.unwrap();
    let path = first.split(' ').nth(1).unwrap();
    let (status, body) = match path {
        "/dir" => {
            let url = |name: &str| format!("{base}/{name}");
            ("200 OK", json!({ "newNonce": url("nonce"), "newAccount": url("account"), "newOrder": url("order") }))
        }
        "/nonce" => ("200 OK", Value::Null),
        "/account" => ("201 Created", json!({ "status": "valid" })),
        _ => of_orders(base, path, asked.fetch_add(1, Ordering::SeqCst)),
    };
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let head = format!("Replay-Nonce: bm9uY2U\r\nLocation: {base}{path}/1\r\nContent-Length: {}", body.len());
    let answer = format!("HTTP/1.1 {status}\r\n{head}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(answer.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
}

/// A proxy that asks such an authority, and how often it asked for orders.
async fn asking(of_orders: OfOrders) -> (Router, Arc<AtomicUsize>) {
    let (authority, asked, dir) = (Authority::new(), Arc::new(AtomicUsize::new(0)), scratch());
    let (directory, ca) = (faulty(&authority, Arc::clone(&asked), of_orders).await, dir.path().join("ca.pem"));
    std::fs::write(&ca, authority.pem()).unwrap();
    let adjust = |options: &mut Options| (options.acme.directory, options.acme.ca) = (directory, Some(ca));
    (Router::start_as(dir, adjust).await.unwrap(), asked)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_says_when_to_come_back_is_left_alone_until_then() {
    let (app, hosts) = (App::named("app").await, ["a.test", "b.test"]);
    let limited = |_: &str, _: &str, _| {
        let problem = json!({ "type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many new orders" });
        ("429 Too Many Requests\r\nRetry-After: 7200", problem)
    };
    let (router, asked) = asking(limited).await;
    route(&router, &hosts, &app).await;
    for told in failures(&router, &hosts).await {
        assert!(told["last_failure"].as_str().unwrap().contains("too many new orders"), "{told}");
        let wait = told["next_try"].as_u64().unwrap() - now();
        assert!(wait > 7_100 && wait <= 7_200, "two hours, not a minute: {wait}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_has_an_order_looked_at_in_an_age_of_the_universe_is_asked_as_if_it_had_not() {
    let refused = |base: &str, path: &str, before| {
        let url = |name: &str| format!("{base}/{name}");
        let order = |status| json!({ "status": status, "authorizations": [url("proof")], "finalize": url("end") });
        let problem = json!({ "type": "urn:ietf:params:acme:error:unauthorized", "detail": "not this one" });
        match path {
            "/order" => ("201 Created", order("pending")),
            "/proof" => {
                let identifier = json!({ "type": "dns", "value": "a.test" });
                ("200 OK", json!({ "status": "valid", "identifier": identifier, "challenges": [] }))
            }
            _ if before < 3 => ("200 OK\r\nRetry-After: 9999999999999999999", order("pending")),
            _ => {
                let mut order = order("invalid");
                order["error"] = problem;
                ("200 OK", order)
            }
        }
    };
    let (app, (router, asked)) = (App::named("app").await, asking(refused).await);
    route(&router, &["a.test"], &app).await;
    for told in failures(&router, &["a.test"]).await {
        assert!(told["last_failure"].as_str().unwrap().contains("not this one"), "{told}");
    }
    assert!(asked.load(Ordering::SeqCst) > 3);
}
