//! One call to a control socket: connect, ask, read a bounded answer, all within a deadline.
//!
//! A connection per call: there are few, and none can be stale.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;

use super::ProxyError;
use crate::router::control::Refused;

/// Longest time for one call: the proxy is on this host and answers in a millisecond, but a change waits for its disk.
pub const CALL: Duration = Duration::from_secs(10);
/// Most bytes of an answer: a full table of ten thousand routes is about 4 MB, and ten times that with all the upstreams
/// that each may have.
const MAX_ANSWER: usize = 64 << 20;

/// Reads something.
pub async fn get<T: DeserializeOwned>(socket: &Path, path: &str, deadline: Duration) -> Result<T, ProxyError> {
    call(socket, Method::GET, path, None::<&()>, deadline).await
}

/// Asks for something, with a JSON body.
pub async fn call<T: DeserializeOwned>(
    socket: &Path,
    method: Method,
    path: &str,
    body: Option<&impl Serialize>,
    deadline: Duration,
) -> Result<T, ProxyError> {
    let what = format!("{method} {}", path.split('?').next().unwrap_or_default());
    let no_answer = |reason: String| ProxyError::NoAnswer { what: what.clone(), reason };
    let body = body.map(serde_json::to_vec).transpose().map_err(|error| no_answer(error.to_string()))?;
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, "landfall")
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.unwrap_or_default())))
        .map_err(|error| no_answer(error.to_string()))?;
    let unreachable = |source| ProxyError::Unreachable { socket: socket.to_owned(), source };
    let stream = tokio::time::timeout(CALL, UnixStream::connect(socket)).await;
    let stream = stream.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(unreachable)?;
    let answered = tokio::time::timeout(deadline, ask(stream, request, MAX_ANSWER)).await;
    let Answer { status, headers: _, body: answer } = answered
        .unwrap_or_else(|_| Err(format!("nothing within {deadline:?}").into()))
        .map_err(|error| no_answer(error.to_string()))?;
    if status == StatusCode::OK {
        serde_json::from_slice(&answer).map_err(|error| no_answer(format!("it cannot be read: {error}")))
    } else {
        Err(refused(status, &answer))
    }
}

pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Those before the body, and those after it.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// One question over a stream of its own; the answer's body has a limit in bytes.
pub(super) async fn ask(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Answer, AnyError> {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let exchange = async {
        let response = sender.send_request(request).await?;
        let (head, body) = response.into_parts();
        let body = Limited::new(body, limit).collect().await?;
        let mut headers = head.headers;
        headers.extend(body.trailers().cloned().unwrap_or_default());
        Ok(Answer { status: head.status, headers, body: body.to_bytes() })
    };
    // The connection is driven here and not in a task: nothing outlives the call.
    let mut connection = std::pin::pin!(connection);
    let mut exchange = std::pin::pin!(exchange);
    tokio::select! {
        biased;
        answer = exchange.as_mut() => answer,
        _ = connection.as_mut() => exchange.await,
    }
}

/// The proxy's own words, if they are words.
fn refused(status: StatusCode, answer: &[u8]) -> ProxyError {
    match serde_json::from_slice(answer) {
        Ok(Refused { domain: Some(domain), owner: Some(owner), .. }) => {
            ProxyError::Conflict { domain, owner: owner.to_string() }
        }
        Ok(Refused { error, .. }) => ProxyError::Refused { reason: error, is_its_trouble: status.is_server_error() },
        Err(_) => ProxyError::Refused { reason: status.to_string(), is_its_trouble: status.is_server_error() },
    }
}
