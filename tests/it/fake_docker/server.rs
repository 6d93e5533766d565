//! The socket: counts a call, lets its fault happen, and hands it to the handler of its kind.

use std::path::Path;

use axum::body::{Body, Bytes, to_bytes};
use axum::response::{IntoResponse as _, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::task::{JoinHandle, JoinSet};

use super::answer;
use super::fault::Fault;
use super::op::{Call, Op};
use super::{Shared, containers, events, images, inspect, listing, logs, networks, start, volumes};

/// Largest body that is read: an archive of secret files, or a spec.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// The connection is closed in place of an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed on request")]
struct Closed;

/// Listens until the handle is aborted; the connections end with it.
pub fn serve(socket: &Path, world: Shared) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).expect("a socket to listen on");
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            let world = world.clone();
            let service = service_fn(move |request| handle(world.clone(), request));
            // Ends with an error when either side closes it early.
            connections.spawn(async move {
                drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
            });
            while connections.try_join_next().is_some() {}
        }
    })
}

/// A request with everything a handler may want.
pub struct Asked {
    pub op: Op,
    pub object: String,
    query: Vec<(String, String)>,
    body: Bytes,
    pub fault: Option<Fault>,
}

impl Asked {
    /// A value of the query, decoded; empty when absent.
    pub fn query(&self, name: &str) -> &str {
        self.query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// True for `name=1` and `name=true`.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.query(name), "1" | "true" | "True")
    }

    /// The body as it came.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as JSON; null when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

async fn handle(world: Shared, request: http::Request<Incoming>) -> Result<Response, Closed> {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path().to_owned();
    let query = parts.uri.query().unwrap_or_default().to_owned();
    let (version, rest) = split_version(&path);
    let (op, object) = Op::parse(&parts.method, rest);
    let registry_auth = parts.headers.get("x-registry-auth").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let body = to_bytes(Body::new(body), MAX_BODY).await.unwrap_or_default();
    let json = serde_json::from_slice(&body).unwrap_or_default();
    let call = Call { op, object: object.clone(), path: path.clone(), query: query.clone(), registry_auth, body: json };
    let (fault, mut hanging) = {
        let mut world = world.lock();
        let judged = world.judge.clone().filter(|_| op.is_mutation()).and_then(|judge| judge(&call));
        world.calls.push(call);
        let queued = || world.faults.get_mut(&op).and_then(std::collections::VecDeque::pop_front);
        (judged.or_else(queued), world.hanging.subscribe())
    };
    // Ends with an error only when the fake is gone, and then nobody waits for the answer.
    let _ = hanging.wait_for(|ops| !ops.contains(&op)).await;
    if let Some(refusal) = refuse_version(&world, op, version) {
        return Ok(refusal);
    }
    let query = serde_urlencoded_pairs(&query);
    answered(&world, Asked { op, object, query, body, fault }).await
}

async fn answered(world: &Shared, asked: Asked) -> Result<Response, Closed> {
    Ok(match asked.fault.clone() {
        Some(Fault::Status(status, message)) => answer::error(status, &message),
        Some(Fault::Stall) => answer::stalled(),
        Some(Fault::Stale) => listing::stale(world, &asked),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Body(text)) => ([("content-type", "application/json")], text).into_response(),
        Some(Fault::Swallow) => {
            dispatch(world, asked).await;
            world.lock().swallowed += 1;
            std::future::pending().await
        }
        Some(Fault::LoseAnswer) => {
            dispatch(world, asked).await;
            answer::error(500, "the answer was lost")
        }
        Some(Fault::Break) => {
            dispatch(world, asked).await;
            return Err(Closed);
        }
        Some(Fault::LastLine(_) | Fault::Cut) | None => dispatch(world, asked).await,
    })
}

/// Does what was asked, and keeps what there was before, should it have changed anything.
async fn dispatch(world: &Shared, asked: Asked) -> Response {
    let before = world.lock().containers.clone();
    let answer = done(world, asked).await;
    let mut world = world.lock();
    if world.containers != before {
        world.before_last_change = before;
    }
    answer
}

async fn done(world: &Shared, asked: Asked) -> Response {
    match asked.op {
        Op::Ping => ping(world),
        Op::Version => answer::value(200, &json!({ "ApiVersion": world.lock().version, "Version": "fake" })),
        Op::Info => answer::value(200, &json!({ "OSType": "linux", "Architecture": "x86_64" })),
        Op::Events => events::events(world, &asked),
        Op::List => listing::list(world, &asked),
        Op::Create => containers::create(world, &asked),
        Op::Inspect => inspect::inspect(world, &asked).await,
        Op::Logs => logs::logs(world, &asked),
        Op::Upload => containers::upload(world, &asked),
        Op::Start => start::start(world, &asked).await,
        Op::Stop | Op::Kill => containers::stop(world, &asked).await,
        Op::Unpause => containers::unpause(world, &asked),
        Op::Rename => containers::rename(world, &asked),
        Op::Remove => containers::remove(world, &asked).await,
        Op::Networks => networks::list(world),
        Op::CreateNetwork => networks::create(world, &asked),
        Op::RemoveNetwork => networks::remove(world, &asked),
        Op::Connect => networks::connect(world, &asked),
        Op::Disconnect => networks::disconnect(world, &asked),
        Op::Volume => volumes::inspect(world, &asked),
        Op::CreateVolume => volumes::create(world, &asked),
        Op::Image => images::inspect(world, &asked),
        Op::Tag => images::tag(world, &asked),
        Op::Pull => images::pull(world, &asked),
        Op::RemoveImage => images::remove(world, &asked),
        Op::Unknown => answer::error(404, "page not found"),
    }
}

fn ping(world: &Shared) -> Response {
    let mut response = answer::empty(200);
    let version = world.lock().version.parse().expect("a version is a header value");
    response.headers_mut().insert("api-version", version);
    response
}

/// `/v1.41/containers/json` → 1.41 and `/containers/json`.
fn split_version(path: &str) -> (Option<&str>, &str) {
    let Some(after) = path.strip_prefix("/v") else { return (None, path) };
    match after.find('/') {
        Some(end) if after[..end].contains('.') => (Some(&after[..end]), &after[end..]),
        _ => (None, path),
    }
}

fn refuse_version(world: &Shared, op: Op, version: Option<&str>) -> Option<Response> {
    let newest = world.lock().version.clone();
    let minor = |text: &str| text.split_once('.').and_then(|(_, minor)| minor.parse::<u32>().ok());
    match version {
        None if op == Op::Ping => None,
        None => Some(answer::error(400, "the fake wants an API version in every path")),
        Some(asked) if minor(asked) > minor(&newest) => {
            let text = format!("client version {asked} is too new. Maximum supported API version is {newest}");
            Some(answer::error(400, &text))
        }
        Some(_) => None,
    }
}

/// Decodes a query by the same rules that made it.
fn serde_urlencoded_pairs(query: &str) -> Vec<(String, String)> {
    let url = format!("http://fake/?{query}");
    let url = reqwest::Url::parse(&url).expect("a query that came in a request");
    url.query_pairs().map(|(key, value)| (key.into_owned(), value.into_owned())).collect()
}
