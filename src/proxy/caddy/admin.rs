//! One call to Caddy's admin API: a connection of its own, a limit on time and size, the body as JSON.
//!
//! A read of the configuration gives its `ETag`, which every write names in `If-Match`. Nothing of a body is ever logged:
//! what others have in their configuration may be secret (R28).

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HOST, HeaderValue, IF_MATCH, ORIGIN};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::error::CaddyError;
use super::smallest::Write;
use crate::proxy::client::{Answer, AnyError, ask};

/// Time for a call: an answer takes milliseconds, but a question waits for a change that is being made, and Caddy then
/// loads all that its configuration names.
const CALL: Duration = Duration::from_secs(40);
/// Time for a connection: it is on this host, or near.
const CONNECT: Duration = Duration::from_secs(10);
/// A question that was dropped was dropped sooner than this.
const AT_ONCE: Duration = Duration::from_secs(5);
/// Most bytes of an answer: a configuration of ten thousand routes is about 5 MB.
const MAX_ANSWER: usize = 32 << 20;
/// Most of its words that are repeated.
const MAX_MESSAGE: usize = 600;
/// Where all of the configuration is.
const CONFIG: &str = "/config/";

/// The admin API at one address.
#[derive(Debug)]
pub(super) struct Admin {
    address: String,
}

/// The configuration as it was read.
#[derive(Debug)]
pub(super) struct Config {
    pub(super) value: Value,
    etag: HeaderValue,
    /// The `ETag` came before the body: older versions than 2.8 send it after.
    pub(super) is_recent: bool,
}

impl Admin {
    /// The API at `http://host:port` or `unix/` and a path; nothing is contacted yet.
    pub(super) fn new(address: &str) -> Self {
        Self { address: address.to_owned() }
    }

    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Reads the whole configuration. A connection that broke is tried once more; who is silent is not waited for twice.
    pub(super) async fn config(&self) -> Result<Config, CaddyError> {
        let began = Instant::now();
        match self.read().await {
            Err(CaddyError::NoAnswer { .. }) if began.elapsed() < AT_ONCE => self.read().await,
            answer => answer,
        }
    }

    async fn read(&self) -> Result<Config, CaddyError> {
        let (answer, is_recent) = self.call(&Method::GET, CONFIG, None, None).await?;
        let etag = answer.headers.get(ETAG).filter(|etag| is_its_etag(etag)).cloned();
        let etag = etag.ok_or_else(|| self.not_it(format!("GET {CONFIG} has no ETag of a configuration")))?;
        Ok(Config { value: parse(&answer.body, || what(&Method::GET, CONFIG))?, etag, is_recent })
    }

    /// Makes a change, unless the configuration is another by now: then false.
    pub(super) async fn write(&self, read: &Config, write: &Write) -> Result<bool, CaddyError> {
        let Write { method, path, body } = write;
        match self.call(method, path, Some(&read.etag), body.as_ref()).await {
            Ok(_) => Ok(true),
            Err(CaddyError::Refused { status: 412, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Requests in flight at each upstream that it knows.
    pub(super) async fn upstreams(&self) -> Result<Vec<(String, u64)>, CaddyError> {
        const PATH: &str = "/reverse_proxy/upstreams";
        let (answer, _) = self.call(&Method::GET, PATH, None, None).await?;
        let list = parse(&answer.body, || what(&Method::GET, PATH))?;
        let count = |entry: &Value| {
            let address = entry.get("address")?.as_str()?.to_owned();
            Some((address, entry.get("num_requests")?.as_u64()?))
        };
        Ok(list.as_array().into_iter().flatten().filter_map(count).collect())
    }

    /// One call; true beside an answer whose `ETag`, if it has one, came before its body. A refusal for its origin is
    /// answered with one: it is asked for only where somebody turned that on.
    async fn call(
        &self,
        method: &Method,
        path: &str,
        etag: Option<&HeaderValue>,
        body: Option<&Value>,
    ) -> Result<(Answer, bool), CaddyError> {
        let mut answer = self.ask(method, path, etag, body, false).await?;
        if answer.status == StatusCode::FORBIDDEN {
            answer = self.ask(method, path, etag, body, true).await?;
        }
        let what = what(method, path);
        tracing::debug!(%what, status = answer.status.as_u16(), "caddy answered");
        match answer.status {
            StatusCode::OK => {
                let is_recent = !answer.headers.contains_key(http::header::TRAILER);
                Ok((answer, is_recent))
            }
            StatusCode::FORBIDDEN => Err(CaddyError::Denied { admin: self.address.clone(), message: message(&answer) }),
            _ if !is_its_error(&answer) && !answer.status.is_server_error() => {
                Err(self.not_it(format!("it answers {what} with {}", answer.status)))
            }
            status => Err(CaddyError::Refused { what, status: status.as_u16(), message: message(&answer) }),
        }
    }

    async fn ask(
        &self,
        method: &Method,
        path: &str,
        etag: Option<&HeaderValue>,
        body: Option<&Value>,
        with_origin: bool,
    ) -> Result<Answer, CaddyError> {
        let no_answer = |reason: String| CaddyError::NoAnswer { what: what(method, path), reason };
        let body = body.map(serde_json::to_vec).transpose().map_err(|error| no_answer(error.to_string()))?;
        // Over a Unix socket there is no host, and versions before 2.10 take no other than none.
        let host = self.address.strip_prefix("http://").unwrap_or_default();
        let mut request = Request::builder().method(method).uri(path).header(HOST, host);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(etag) = etag {
            request = request.header(IF_MATCH, etag);
        }
        if with_origin {
            request = request.header(ORIGIN, format!("http://{host}"));
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())));
        let request = request.map_err(|error| no_answer(error.to_string()))?;
        let stream = self.connect().await?;
        let answered = tokio::time::timeout(CALL, ask(stream, request, MAX_ANSWER)).await;
        answered.unwrap_or_else(|_| Err(format!("nothing within {} s", CALL.as_secs()).into())).map_err(|error| {
            if is_no_http(&error) {
                self.not_it("what it answers is not HTTP".into())
            } else {
                no_answer(error.to_string())
            }
        })
    }

    async fn connect(&self) -> Result<Box<dyn Stream>, CaddyError> {
        let connect = async {
            Ok::<Box<dyn Stream>, std::io::Error>(match self.address.strip_prefix("unix/") {
                Some(path) => Box::new(UnixStream::connect(path).await?),
                None => Box::new(TcpStream::connect(self.address.trim_start_matches("http://")).await?),
            })
        };
        let connected = tokio::time::timeout(CONNECT, connect).await;
        connected.unwrap_or_else(|_| Err(std::io::ErrorKind::TimedOut.into())).map_err(|error: std::io::Error| {
            CaddyError::Unreachable { admin: self.address.clone(), reason: error.to_string() }
        })
    }

    fn not_it(&self, reason: String) -> CaddyError {
        CaddyError::NotIt { admin: self.address.clone(), reason }
    }
}

/// A connection, of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A call in words.
fn what(method: &Method, path: &str) -> String {
    format!("{method} {path}")
}

/// `"/config/ 0123abcd"`: the path that was read, and a hash.
fn is_its_etag(etag: &HeaderValue) -> bool {
    etag.to_str().is_ok_and(|text| text.strip_prefix("\"/config/ ").is_some_and(|rest| rest.ends_with('"')))
}

fn parse(body: &[u8], what: impl Fn() -> String) -> Result<Value, CaddyError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(Value::Null);
    }
    serde_json::from_slice(body)
        .map_err(|error| CaddyError::NoAnswer { what: what(), reason: format!("no JSON: {error}") })
}

fn is_its_error(answer: &Answer) -> bool {
    serde_json::from_slice::<Value>(&answer.body).is_ok_and(|body| body.get("error").is_some_and(Value::is_string))
}

/// Its words for an error, in one line.
fn message(answer: &Answer) -> String {
    let body = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
    let text = body.get("error").and_then(Value::as_str);
    let text = text.unwrap_or_else(|| answer.status.canonical_reason().unwrap_or("no reason"));
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
}

/// What answers speaks something else; nothing more is sent to it.
fn is_no_http(error: &AnyError) -> bool {
    error.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)
}
