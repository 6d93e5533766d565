//! What the tests of the embedded proxy share: a proxy in this process, and apps behind it.
//!
//! Nothing here waits by sleeping: conditions are awaited, with one deadline for all of them.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use landfall::model::{Domain, ObservedProxy, RouteOptions, StageKey, StoreId};
use landfall::proxy::{Change, Embedded, Proxy};
use landfall::router::{Limits, LogTo, Options, RouterError, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use uuid::Uuid;

use super::router_wire::{Client, Raw};

/// Longest time that anything in these tests may take.
const DEADLINE: Duration = Duration::from_secs(20);

/// Awaits something that must happen.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(DEADLINE, future).await {
        Ok(value) => value,
        Err(late) => panic!("did not happen: {what} ({late})"),
    }
}

/// Awaits a condition that nothing signals.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    soon(what, async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub fn store(number: u128) -> StoreId {
    StoreId(Uuid::from_u128(number))
}

pub fn stage(text: &str) -> StageKey {
    text.parse().unwrap()
}

pub fn domains(names: &[&str]) -> Vec<Domain> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// A proxy that runs in this process.
pub struct Router {
    pub addr: SocketAddr,
    pub tls: SocketAddr,
    pub dir: Arc<tempfile::TempDir>,
    pub proxy: Arc<Proxy>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), RouterError>>,
}

impl Router {
    pub async fn start() -> Self {
        Self::start_with(Limits::default()).await
    }

    pub async fn start_with(limits: Limits) -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        std::fs::create_dir(dir.path().join("certificates")).unwrap();
        Self::start_in(dir, limits).await.expect("starts")
    }

    /// Starts in a directory that may hold what an earlier one left.
    pub async fn start_in(dir: Arc<tempfile::TempDir>, limits: Limits) -> Result<Self, RouterError> {
        Self::start_as(dir, |options| options.limits = limits).await
    }

    /// The same with anything else about it.
    pub async fn start_as(dir: Arc<tempfile::TempDir>, adjust: impl FnOnce(&mut Options)) -> Result<Self, RouterError> {
        let (stop, stopped) = oneshot::channel::<()>();
        let (is_ready, ready) = oneshot::channel();
        let control = dir.path().join("proxy.sock");
        let mut options = Options {
            listen: vec!["127.0.0.1:0".parse().unwrap()],
            listen_tls: vec!["127.0.0.1:0".parse().unwrap()],
            certificates: Some(dir.path().join("certificates")),
            access_log: Some(LogTo::File(dir.path().join("access.log"))),
            reopen: Arc::default(),
            ..Options::new(control.clone(), dir.path().join("table"))
        };
        adjust(&mut options);
        let shutdown = async { drop(stopped.await) };
        let task = tokio::spawn(serve(options, shutdown, |bound| is_ready.send(bound.clone()).unwrap()));
        let Ok(bound) = soon("the proxy starts", ready).await else {
            return Err(task.await.unwrap().expect_err("not ready, so an error"));
        };
        let proxy = Arc::new(Proxy::embedded(&control));
        // Where a side is not served, nobody is.
        let first = |side: &[SocketAddr]| side.first().copied().unwrap_or(SocketAddr::from(([127, 0, 0, 1], 0)));
        let (addr, tls) = (first(&bound.http), first(&bound.https));
        Ok(Self { addr, tls, dir, proxy, stop: Some(stop), task })
    }

    /// The whole table, as a pass sees it.
    pub async fn observe(&self) -> ObservedProxy {
        Embedded::new(&self.control()).observe().await
    }

    pub fn control(&self) -> PathBuf {
        self.dir.path().join("proxy.sock")
    }

    /// Routes names of `shop/prod` of store 1 to an app.
    pub async fn route(&self, names: &[&str], upstream: SocketAddr) -> landfall::proxy::Saved {
        let (key, names, upstream) = (stage("shop/prod"), domains(names), upstream.to_string());
        let options = RouteOptions::default().by_name();
        let change = Change { options: &options, ..Change::new(store(1), &key, &names, &upstream) };
        self.proxy.switch(&change).await.expect("switched")
    }

    /// Sets the routes of a stage of store 1 over the control socket, with everything that can be said of them.
    pub async fn set(&self, of: &str, mut routes: serde_json::Value) {
        let stage = stage(of);
        routes["owner"] = serde_json::json!({ "store": store(1), "project": stage.project, "stage": stage.stage });
        let (status, answer) = control(&self.control(), "PUT", "/routes", &routes.to_string()).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Sets the routes of `shop/prod`: `a.test` at several upstreams.
    pub async fn spread(&self, upstreams: &[SocketAddr], sticky: bool) {
        self.set("shop/prod", serde_json::json!({ "domains": ["a.test"], "upstreams": upstreams, "sticky": sticky }))
            .await;
    }

    /// A connection to the public side.
    pub async fn client(&self) -> Client {
        Client::connect(self.addr).await
    }

    /// Gives the signal to stop.
    pub fn signal(&mut self) {
        drop(self.stop.take());
    }

    /// Stops, and waits until it has.
    pub async fn stop(mut self) -> Arc<tempfile::TempDir> {
        self.signal();
        soon("the proxy stops", self.task).await.unwrap().unwrap();
        self.dir
    }
}

/// A proxy with one route, `a.test`, to an upstream that the test plays.
pub async fn with_raw() -> (Router, Raw) {
    let (router, app) = (Router::start().await, Raw::start().await);
    router.route(&["a.test"], app.addr()).await;
    (router, app)
}

pub type Answer = Response<BoxBody<Bytes, Infallible>>;

pub fn text(status: u16, body: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Full::new(body.into()).boxed());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// An app behind the proxy.
pub struct App {
    pub addr: SocketAddr,
    /// Requests that have reached it.
    pub seen: Arc<AtomicU64>,
    /// Connections that it accepted.
    pub connections: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl App {
    /// An app that answers as told.
    pub async fn start<F, A>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        Self::start_at("127.0.0.1:0".parse().unwrap(), answer).await
    }

    /// The same, at an address.
    pub async fn start_at<F, A>(addr: SocketAddr, answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> A + Clone + Send + Sync + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = TcpListener::bind(addr).await.unwrap();
        let addr = listener.local_addr().unwrap();
        let (seen, connections) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (counter, accepted) = (Arc::clone(&seen), Arc::clone(&connections));
        let task = tokio::spawn(async move {
            // Dropped with the task, which closes every connection: the app has died.
            let mut open = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                accepted.fetch_add(1, Ordering::SeqCst);
                let (answer, counter) = (answer.clone(), Arc::clone(&counter));
                let service = hyper::service::service_fn(move |request| {
                    counter.fetch_add(1, Ordering::SeqCst);
                    let answering = answer(request);
                    async move { Ok::<_, Infallible>(answering.await) }
                });
                open.spawn(async move {
                    let io = TokioIo::new(stream);
                    drop(
                        hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await,
                    );
                });
            }
        });
        Self { addr, seen, connections, task }
    }

    /// An app that only says which one it is.
    pub async fn named(name: &'static str) -> Self {
        Self::start(move |_| async move { text(200, name) }).await
    }

    /// An app whose answers wait for the gate, but say so.
    pub async fn gated(name: &'static str) -> (Self, Gate) {
        let gate = Gate::default();
        let held = gate.clone();
        let app = Self::start(move |_| {
            let held = held.clone();
            async move {
                held.pass().await;
                text(200, name)
            }
        })
        .await;
        (app, gate)
    }

    pub fn seen(&self) -> u64 {
        self.seen.load(Ordering::SeqCst)
    }

    /// It dies, with every connection.
    pub async fn kill(self) {
        self.task.abort();
        drop(self.task.await);
    }
}

/// Something requests wait at.
#[derive(Clone, Default)]
pub struct Gate(Arc<(AtomicU64, Notify, tokio::sync::OnceCell<()>)>);

impl Gate {
    pub async fn pass(&self) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        loop {
            let opened = self.0.1.notified();
            if self.0.2.initialized() {
                return;
            }
            opened.await;
        }
    }

    pub fn open(&self) {
        drop(self.0.2.set(()));
        self.0.1.notify_waiters();
    }

    /// As many requests wait, or have waited.
    pub async fn reached_by(&self, count: u64) {
        until("requests reach the gate", async || self.0.0.load(Ordering::SeqCst) >= count).await;
    }
}

/// One call on the control socket, as text.
pub async fn control(socket: &Path, method: &str, path: &str, body: &str) -> (u16, serde_json::Value) {
    let mut stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let length = body.len();
    let request =
        format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}");
    // A body that is refused for its size is not read to the end.
    drop(stream.write_all(request.as_bytes()).await);
    let mut answer = String::new();
    soon("an answer on the control socket", stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(serde_json::Value::Null))
}
