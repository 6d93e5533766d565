//! The control side: HTTP and JSON over the Unix socket, as the table in `control` says.
//!
//! It only translates; what is allowed is decided by `table`, and done by `switchboard`.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;

use super::control::{
    Changed, Health, InFlightCount, MAX_DRAIN_MS, Refused, RemoveRoutes, Saved, SetRoutes, UpstreamAddr,
};
use super::folders::Folders;
use super::switchboard::{ChangeError, Switchboard};
use super::table::Conflict;
use super::tls::Certificates;
use crate::model::name::InvalidName;
use crate::socket::{self, BodyError, MAX_CONNECTIONS, json, read};

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

impl From<BodyError> for Denied {
    fn from(BodyError { status, text }: BodyError) -> Self {
        Self::new(status, text)
    }
}

/// Serves the control socket, until dropped.
pub async fn serve(
    listener: &UnixListener,
    board: &Arc<Switchboard>,
    certificates: &Arc<Certificates>,
    folders: &Arc<Folders>,
) -> Infallible {
    let shared = (Arc::clone(board), Arc::clone(certificates), Arc::clone(folders));
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
    let answer = move |request, _| {
        let (board, certificates, folders) = shared.clone();
        async move {
            let answer = answer(&board, &certificates, folders, request).await;
            answer.unwrap_or_else(|denied| json(denied.status, &denied.why))
        }
    };
    socket::serve(listener, &room, answer).await
}

async fn answer(
    board: &Arc<Switchboard>,
    certificates: &Certificates,
    folders: Arc<Folders>,
    request: Request<Incoming>,
) -> Result<Answer, Denied> {
    let (parts, body) = request.into_parts();
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/health") => {
            let troubles = tokio::task::spawn_blocking(move || folders.troubles()).await.unwrap_or_default();
            Ok(json(StatusCode::OK, &Health { troubles, ..board.health() }))
        }
        (&Method::GET, "/table") => Ok(json(StatusCode::OK, &board.table())),
        (&Method::GET, "/certificates") => Ok(json(StatusCode::OK, &certificates.states())),
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
