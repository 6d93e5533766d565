//! The control side: HTTP and JSON over the Unix socket, as the table in `control` says.
//!
//! It only translates; what is allowed is decided by `table`, and done by `switchboard`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::control::{Changed, InFlightCount, MAX_DRAIN_MS, Refused, RemoveRoutes, Saved, SetRoutes, UpstreamAddr};
use super::switchboard::{ChangeError, Switchboard};
use super::table::Conflict;
use crate::model::name::InvalidName;

/// Most bytes of a body: ten thousand domains of the longest kind are about twice this, and no stage has them.
const MAX_BODY: usize = 1 << 20;
/// Longest time for a head or a body to arrive; both ends are on this host.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections served at once: a daemon and a few people.
const MAX_CONNECTIONS: usize = 64;
/// Pause after an accept that failed: trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

type Answer = Response<Full<Bytes>>;

/// A request that is not answered with what it asked for.
struct Denied {
    status: StatusCode,
    why: Box<Refused>,
}

impl Denied {
    fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, why: Box::new(Refused { error: error.into(), domain: None, owner: None }) }
    }

    fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }
}

/// Serves the control socket, until dropped.
pub async fn serve(listener: &UnixListener, board: &Arc<Switchboard>) -> Infallible {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // Closed never: it lives here.
        let permit = Arc::clone(&room).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _)) => {
                let board = Arc::clone(board);
                tokio::spawn(async move {
                    connection(stream, board).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a control connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: UnixStream, board: Arc<Switchboard>) {
    let service = service_fn(move |request| {
        let board = Arc::clone(&board);
        async move {
            Ok::<_, Infallible>(answer(&board, request).await.unwrap_or_else(|denied| json(denied.status, &denied.why)))
        }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever asked may go before the answer is read.
    drop(serving.await);
}

async fn answer(board: &Arc<Switchboard>, request: Request<Incoming>) -> Result<Answer, Denied> {
    let (parts, body) = request.into_parts();
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/health") => Ok(json(StatusCode::OK, &board.health())),
        (&Method::GET, "/table") => Ok(json(StatusCode::OK, &board.table())),
        (&Method::PUT, "/routes") => {
            let change: SetRoutes = read(body).await?;
            changed(board.change(move |table| table.set(&change)).await)
        }
        (&Method::DELETE, "/routes") => {
            let change: RemoveRoutes = read(body).await?;
            changed(board.change(move |table| table.remove(&change)).await)
        }
        (&Method::PUT, "/routes/restore") => {
            let saved: Saved = read(body).await?;
            changed(board.change(move |table| table.restore(&saved)).await)
        }
        (&Method::GET, "/inflight") => {
            let in_flight = board.in_flight(&upstream(parts.uri.query())?);
            Ok(json(StatusCode::OK, &InFlightCount { in_flight }))
        }
        (&Method::GET, "/drained") => {
            let at_most = parameter(parts.uri.query(), "timeout_ms").and_then(|text| text.parse::<u64>().ok());
            let at_most = at_most.ok_or_else(|| Denied::bad("give timeout_ms as a number"))?;
            let at_most = Duration::from_millis(at_most.min(MAX_DRAIN_MS));
            Ok(json(StatusCode::OK, &board.drained(&upstream(parts.uri.query())?, at_most).await))
        }
        _ => Err(Denied::new(StatusCode::NOT_FOUND, "no such request")),
    }
}

fn changed(result: Result<Changed, ChangeError>) -> Result<Answer, Denied> {
    let error = match result {
        Ok(changed) => return Ok(json(StatusCode::OK, &changed)),
        Err(error) => error,
    };
    let text = error.to_string();
    match error {
        ChangeError::Conflict(Conflict::Foreign { domain, owner }) => {
            let why = Box::new(Refused { error: text, domain: Some(domain), owner: Some(*owner) });
            Err(Denied { status: StatusCode::CONFLICT, why })
        }
        ChangeError::Conflict(Conflict::Full) => Err(Denied::new(StatusCode::INSUFFICIENT_STORAGE, text)),
        ChangeError::Disk { .. } => {
            tracing::error!(error = %text, "a change of routes was refused");
            Err(Denied::new(StatusCode::INTERNAL_SERVER_ERROR, text))
        }
        ChangeError::Stopping => Err(Denied::new(StatusCode::SERVICE_UNAVAILABLE, text)),
    }
}

async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, Denied> {
    let collected = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    let body = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) => return Err(Denied::bad(format!("the body cannot be read: {error}"))),
        Err(_) => return Err(Denied::new(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time")),
    };
    serde_json::from_slice(&body).map_err(|error| Denied::bad(format!("the body is not right: {error}")))
}

fn upstream(query: Option<&str>) -> Result<UpstreamAddr, Denied> {
    let text = parameter(query, "upstream").ok_or_else(|| Denied::bad("give upstream as host:port"))?;
    text.parse().map_err(|error: InvalidName| Denied::bad(error.0))
}

/// A query parameter. Of all that may be percent-encoded only what occurs in an upstream is decoded.
fn parameter(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.into_iter().find(|(key, _)| *key == name)?;
    Some(value.replace("%3A", ":").replace("%5B", "[").replace("%5D", "]"))
}

fn json(status: StatusCode, value: &impl Serialize) -> Answer {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        // Our types have only text keys, so that this cannot be; still no reason to panic.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into_bytes()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
