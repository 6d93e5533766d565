//! A command's end: connect, ask, and follow what happens line by line.
//!
//! A connection per request: there are few, and none can be stale.

use std::io;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Method, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::{Denial, HttpError, Request, Said, Status};
use crate::execute::Event;

/// Longest time for a connection, a status, or the beginning of an answer; the daemon is on this host.
const CALL: Duration = Duration::from_secs(10);
/// Longest silence in an answer: the daemon sends an empty line much more often.
const SILENCE: Duration = Duration::from_secs(60);
/// Most bytes of one line: the plan of ten thousand stages as JSON.
const MAX_LINE: usize = 64 << 20;

/// A connection to the daemon, of which nothing was asked yet.
#[derive(Debug)]
pub struct Call {
    stream: UnixStream,
}

/// What the daemon is at.
///
/// # Errors
/// It does not answer.
pub async fn status(socket: &Path) -> Result<Status, HttpError> {
    let call = Call::open(socket).await?;
    let response = call.send(Method::GET, "/v1/status", Bytes::new()).await?;
    let is_ok = response.status() == StatusCode::OK;
    let body = tokio::time::timeout(CALL, Limited::new(response.into_body(), MAX_LINE).collect()).await;
    let body = body.map_err(late)?.map_err(broken)?.to_bytes();
    if is_ok { serde_json::from_slice(&body).map_err(broken) } else { Err(denied(&body)) }
}

impl Call {
    /// Connects.
    ///
    /// # Errors
    /// Nobody answers there, or we are not let in.
    pub async fn open(socket: &Path) -> Result<Self, HttpError> {
        let stream = tokio::time::timeout(CALL, UnixStream::connect(socket)).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        stream
            .map(|stream| Self { stream })
            .map_err(|source| HttpError::Unreachable { socket: socket.to_owned(), source })
    }

    /// Asks for something, tells what happens, and answers with what is to be printed at the end.
    ///
    /// # Errors
    /// The daemon says no, or its answer breaks off.
    pub async fn ask(self, request: &Request, tell: impl Fn(&Event)) -> Result<Value, HttpError> {
        let body = serde_json::to_vec(request).map_err(broken)?;
        let response = self.send(Method::POST, "/v1/want", body.into()).await?;
        let is_ok = response.status() == StatusCode::OK;
        let mut lines = Lines { body: response.into_body(), rest: Vec::new() };
        if !is_ok {
            return Err(denied(&lines.whole().await?));
        }
        loop {
            match lines.next().await? {
                Said::Event(event) => tell(&event),
                Said::End(value) => return Ok(value),
                Said::Left(denial) => return Err(HttpError::Left(denial)),
            }
        }
    }

    async fn send(self, method: Method, path: &str, body: Bytes) -> Result<Response<Incoming>, HttpError> {
        let request = http::Request::builder().method(method).uri(path).header(HOST, "landfall");
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(body)).map_err(broken)?;
        let exchange = async {
            let (mut sender, connection) = handshake(TokioIo::new(self.stream)).await?;
            // It ends with the answer: nobody asks a second time.
            tokio::spawn(connection);
            sender.send_request(request).await
        };
        tokio::time::timeout(CALL, exchange).await.map_err(late)?.map_err(broken)
    }
}

/// An answer that comes in lines.
struct Lines {
    body: Incoming,
    /// What came after the last whole line.
    rest: Vec<u8>,
}

impl Lines {
    /// The next line that says something.
    async fn next(&mut self) -> Result<Said, HttpError> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.rest.drain(..=end).collect();
                match line.trim_ascii() {
                    [] => continue,
                    text => return serde_json::from_slice(text).map_err(broken),
                }
            }
            if !self.more().await? {
                return Err(HttpError::Broken { reason: "it went away".into() });
            }
        }
    }

    /// All that comes, as one.
    async fn whole(&mut self) -> Result<Vec<u8>, HttpError> {
        while self.more().await? {}
        Ok(std::mem::take(&mut self.rest))
    }

    /// Waits for more; false at the end.
    async fn more(&mut self) -> Result<bool, HttpError> {
        let Some(frame) = tokio::time::timeout(SILENCE, self.body.frame()).await.map_err(late)? else {
            return Ok(false);
        };
        if let Ok(data) = frame.map_err(broken)?.into_data() {
            self.rest.extend_from_slice(&data);
        }
        if self.rest.len() > MAX_LINE {
            return Err(HttpError::Broken { reason: format!("a line of more than {MAX_LINE} bytes") });
        }
        Ok(true)
    }
}

fn broken(error: impl std::fmt::Display) -> HttpError {
    HttpError::Broken { reason: error.to_string() }
}

fn late(_: tokio::time::error::Elapsed) -> HttpError {
    HttpError::Broken { reason: "nothing came for too long".into() }
}

/// The daemon's own words, if they are words.
fn denied(body: &[u8]) -> HttpError {
    let denial = serde_json::from_slice(body).unwrap_or_else(|_| Denial {
        error: format!("the daemon refused: {}", String::from_utf8_lossy(body).trim()),
        hint: None,
    });
    HttpError::Denied(denial)
}
