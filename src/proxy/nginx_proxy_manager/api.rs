//! One call to the API: a connection of its own, a limit on time and size, the body as JSON.
//!
//! Connections are not kept: the admin server reloads with every write and closes idle ones, so that a kept connection
//! breaks on the next call. Nothing of a body is ever logged (R28).

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use crate::client::{self, BodyError};

use super::error::NpmError;

/// Time for a call: half a second is usual, ten on a busy machine with many hosts.
pub(super) const CALL: Duration = Duration::from_secs(40);
/// Most bytes of an answer: a thousand hosts with their certificates are about 2 MB.
const MAX_ANSWER: usize = 32 << 20;
/// Most of its words that are repeated.
const MAX_MESSAGE: usize = 600;

/// The API at one address.
#[derive(Debug)]
pub(super) struct Api {
    url: String,
    client: Result<Client, String>,
}

/// What it answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Null when it was not JSON.
    pub(super) body: Value,
}

impl Api {
    /// The API below an address without a slash at its end; nothing is contacted yet.
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), client: unpooled(CALL, url.starts_with("https:")) }
    }

    /// Asks, whatever the answer is. `path` begins with `/`.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretString>,
        body: Option<&Value>,
    ) -> Result<Answer, NpmError> {
        self.ask_within(method, path, token, body, CALL).await
    }

    /// The same with another limit on its time.
    pub(super) async fn ask_within(
        &self,
        method: Method,
        path: &str,
        token: Option<&SecretString>,
        body: Option<&Value>,
        at_most: Duration,
    ) -> Result<Answer, NpmError> {
        let what = what(&method, path);
        let http = self.client.as_ref().map_err(|reason| self.unreachable(reason.clone()))?;
        let mut request = http.request(method, format!("{}/api{path}", self.url)).timeout(at_most);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, bearer(token)?);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| {
            if error.is_connect() {
                self.unreachable(client::causes(&error))
            } else {
                no_answer(&what, reason(&error, at_most))
            }
        })?;
        let status = response.status();
        let body = client::body(response, MAX_ANSWER).await.map_err(|error| match error {
            BodyError::TooLong => no_answer(&what, format!("more than {MAX_ANSWER} bytes")),
            BodyError::Broken(error) => no_answer(&what, reason(&error, at_most)),
        })?;
        tracing::debug!(%what, status = status.as_u16(), "nginx proxy manager answered");
        match serde_json::from_slice(&body) {
            Ok(body) => Ok(Answer { status, body }),
            Err(error) if status.is_success() => Err(no_answer(&what, format!("no JSON: {error}"))),
            Err(_) => Ok(Answer { status, body: Value::Null }),
        }
    }

    fn unreachable(&self, reason: String) -> NpmError {
        NpmError::Unreachable { url: self.url.clone(), reason }
    }
}

impl Answer {
    /// True for an error in its own form, rather than that of some other server.
    pub(super) fn is_its_error(&self) -> bool {
        self.body.get("error").is_some()
    }

    /// Its words for an error, in one line.
    pub(super) fn message(&self) -> String {
        let error = self.body.get("error");
        let text = error.and_then(|e| e.get("message").or(Some(e))).and_then(Value::as_str);
        let text = text.unwrap_or_else(|| self.status.canonical_reason().unwrap_or("no reason"));
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_MESSAGE).collect()
    }

    /// This answer as an error.
    pub(super) fn refused(&self, what: String) -> NpmError {
        NpmError::Refused { what, status: self.status.as_u16(), message: self.message() }
    }
}

/// A call in words, without its query.
pub(super) fn what(method: &Method, path: &str) -> String {
    format!("{method} {}", path.split('?').next().unwrap_or_default())
}

fn no_answer(what: &str, reason: String) -> NpmError {
    NpmError::NoAnswer { what: what.to_owned(), reason }
}

/// Marked as sensitive, so that no layer below shows it.
fn bearer(token: &SecretString) -> Result<HeaderValue, NpmError> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()))
        .map_err(|_| no_answer("POST /tokens", "a token that cannot be sent back".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A client that opens a connection for each call.
pub(super) fn unpooled(timeout: Duration, tls: bool) -> Result<Client, String> {
    client::build(timeout, |builder| {
        let builder = builder.pool_max_idle_per_host(0).no_proxy();
        if tls { builder } else { client::plain(builder) }
    })
}

fn reason(error: &reqwest::Error, at_most: Duration) -> String {
    if error.is_timeout() { format!("nothing within {} s", at_most.as_secs()) } else { client::causes(error) }
}
