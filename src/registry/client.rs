//! The HTTP client: one per process, made at its first use; requests with a limit on time, redirects and size.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, ClientBuilder, Method, Response, StatusCode, Url};

use super::auth::{Key, Login};
use super::{Access, RegistryError};

/// Time for a connection with its TLS handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for one request with its answer, unless told otherwise; a manifest has a few kB.
const REQUEST: Duration = Duration::from_secs(30);
/// Most redirects of one request; registries use one, to a content network.
const MAX_REDIRECTS: usize = 5;
/// Most logins that are remembered: one per repository.
const MAX_LOGINS: usize = 1000;

/// A client for all registries. It remembers tokens until they expire.
pub struct Registry {
    timeout: Duration,
    client: OnceLock<Result<Client, String>>,
    plain: OnceLock<Result<Client, String>>,
    logins: Mutex<HashMap<Key, Login>>,
}

/// Installs ring as the TLS provider of the process; safe to call again. Without one, making a client panics.
pub fn install_tls_provider() {
    // An error means that one is installed already, which is the wish.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

impl Registry {
    /// A client that has not asked anything yet. Costs nothing: certificates are read at the first question.
    pub fn new() -> Self {
        Self::with_timeout(REQUEST)
    }

    /// The same with another limit for one request.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { timeout, client: OnceLock::new(), plain: OnceLock::new(), logins: Mutex::default() }
    }

    /// Sends a request and follows redirects; `authorization` goes to the registry's own origin only.
    pub(super) async fn send(
        &self,
        access: &Access,
        method: Method,
        url: Url,
        accept: &'static str,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let mut url = url;
        for _ in 0..=MAX_REDIRECTS {
            let authorization = authorization.clone().filter(|_| access.is_own_origin(&url));
            let response = self.send_once(access, method.clone(), url.clone(), accept, authorization).await?;
            match redirect(access, &response)? {
                None => return Ok(response),
                Some(next) => url = next,
            }
        }
        Err(RegistryError::Unreachable { registry: access.host(), reason: "too many redirects".to_owned() })
    }

    /// Sends one request, to wherever it says.
    pub(super) async fn send_once(
        &self,
        access: &Access,
        method: Method,
        url: Url,
        accept: &'static str,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let mut headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]);
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        tracing::debug!(%method, host = url.host_str(), path = url.path(), "registry request");
        let request = self.client(access, &url)?.request(method, url).headers(headers);
        request.send().await.map_err(|error| self.failure(access, &error))
    }

    /// Reads a body up to a limit.
    pub(super) async fn body(
        &self,
        access: &Access,
        mut response: Response,
        limit: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failure(access, &error))? {
            if body.len() + chunk.len() > limit {
                let reason = format!("an answer of more than {limit} bytes");
                return Err(RegistryError::Unreachable { registry: access.host(), reason });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    fn failure(&self, access: &Access, error: &reqwest::Error) -> RegistryError {
        if error.is_timeout() {
            return RegistryError::Timeout { registry: access.host(), limit: self.timeout };
        }
        RegistryError::Unreachable { registry: access.host(), reason: causes(error) }
    }

    pub(super) fn login(&self, key: &Key) -> Option<Login> {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, login| login.is_valid());
        logins.get(key).cloned()
    }

    pub(super) fn remember(&self, key: Key, login: Login) {
        let mut logins = self.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.len() >= MAX_LOGINS {
            logins.clear();
        }
        logins.insert(key, login);
    }

    /// The client for a URL. Plain text is for this host and trusted networks, so it never goes through the proxy
    /// of the environment.
    fn client(&self, access: &Access, url: &Url) -> Result<&Client, RegistryError> {
        let made = match url.scheme() {
            "http" => self.plain.get_or_init(|| build(self.timeout, plain)),
            _ => self.client.get_or_init(|| build(self.timeout, |builder| builder)),
        };
        made.as_ref().map_err(|reason| RegistryError::Unreachable { registry: access.host(), reason: reason.clone() })
    }
}

/// Needs no certificates either: a host without any can still ask a registry of its own.
fn plain(builder: ClientBuilder) -> ClientBuilder {
    builder.no_proxy().tls_certs_only([])
}

impl Default for Registry {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for Registry {
    /// Without the logins (R28).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Registry")
    }
}

fn build(timeout: Duration, adjust: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Client, String> {
    install_tls_provider();
    let builder = Client::builder()
        .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(timeout)
        // Followed by hand: who gets the credentials is ours to decide.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false);
    adjust(builder).build().map_err(|error| causes(&error))
}

/// Where a redirect leads; none for another answer.
fn redirect(access: &Access, response: &Response) -> Result<Option<Url>, RegistryError> {
    const REDIRECTS: [StatusCode; 5] = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !REDIRECTS.contains(&response.status()) {
        return Ok(None);
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let next = location.and_then(|text| response.url().join(text).ok());
    match next {
        Some(next) if access.may_follow(response.url(), &next) => Ok(Some(next)),
        Some(next) => Err(RegistryError::PlainText { url: next.origin().ascii_serialization() }),
        None => Err(RegistryError::Unreachable { registry: access.host(), reason: "a redirect to nowhere".to_owned() }),
    }
}

/// The innermost causes: the outer ones repeat the address.
fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    if text.is_empty() { "the request could not be sent".to_owned() } else { text }
}
