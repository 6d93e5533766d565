//! The HTTP client: one per process, made at its first use; requests with a limit on time, redirects and size.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue, LOCATION};
use reqwest::{Client, Response, StatusCode, Url};

use crate::client::{self, BodyError};

use super::ask::Question;
use super::auth::{Key, Login};
use super::budget::Budgets;
use super::ca::Ca;
use super::pages::Pages;
use super::platforms::Known;
use super::{Access, RegistryError};

/// Time for one request with its answer, unless told otherwise; a manifest has a few kB.
const REQUEST: Duration = Duration::from_secs(30);
/// Most redirects of one request; registries use one, to a content network.
const MAX_REDIRECTS: usize = 5;
/// Most logins that are remembered: one per repository.
const MAX_LOGINS: usize = 1000;

/// Most clients that are kept for authorities of the user's: one per file, and one more whenever it is renewed.
const MAX_AUTHORITIES: usize = 100;

/// A client for all registries. It remembers tokens until they expire and what each registry asked of it; clones share
/// what they know.
#[derive(Clone)]
pub struct Registry {
    timeout: Duration,
    shared: Arc<Shared>,
}

/// What all clones of a client have together.
#[derive(Default)]
struct Shared {
    client: OnceLock<Result<Client, String>>,
    plain: OnceLock<Result<Client, String>>,
    trusting: Mutex<HashMap<String, Client>>,
    logins: Mutex<HashMap<Key, Login>>,
    budgets: Budgets,
    platforms: Known,
    pages: Pages,
}

impl Registry {
    /// A client that has not asked anything yet. Costs nothing: certificates are read at the first question.
    pub fn new() -> Self {
        Self::with_timeout(REQUEST)
    }

    /// The same with another limit for one request.
    pub fn with_timeout(timeout: Duration) -> Self {
        Self { timeout, shared: Arc::default() }
    }

    /// Sends a request and follows redirects; `authorization` goes to the registry's own origin only.
    pub(super) async fn send(
        &self,
        access: &Access,
        question: &Question,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let mut question = question.clone();
        for _ in 0..=MAX_REDIRECTS {
            let authorization = authorization.clone().filter(|_| access.is_own_origin(&question.url));
            let response = self.send_once(access, &question, authorization).await?;
            match redirect(access, &response)? {
                None => return Ok(response),
                Some(next) => question.url = next,
            }
        }
        Err(RegistryError::Unreachable { registry: access.host(), reason: "too many redirects".to_owned() })
    }

    /// Sends one request, to wherever it says, if the registry's budget has room for it.
    pub(super) async fn send_once(
        &self,
        access: &Access,
        question: &Question,
        authorization: Option<HeaderValue>,
    ) -> Result<Response, RegistryError> {
        let Question { method, url, headers } = question;
        self.spend(access, method, url)?;
        let mut headers = headers.clone();
        headers.extend(authorization.map(|value| (AUTHORIZATION, value)));
        tracing::debug!(%method, host = url.host_str(), path = url.path(), "registry request");
        let request = self.client(access, url)?.request(method.clone(), url.clone()).headers(headers);
        let response = request.send().await.map_err(|error| self.failure(access, &error))?;
        self.heed(access, response.status(), response.headers());
        Ok(response)
    }

    /// Reads a body up to a limit.
    pub(super) async fn body(
        &self,
        access: &Access,
        response: Response,
        limit: usize,
    ) -> Result<Vec<u8>, RegistryError> {
        client::body(response, limit).await.map_err(|error| match error {
            BodyError::TooLong => {
                let reason = format!("an answer of more than {limit} bytes");
                RegistryError::Unreachable { registry: access.host(), reason }
            }
            BodyError::Broken(error) => self.failure(access, &error),
        })
    }

    fn failure(&self, access: &Access, error: &reqwest::Error) -> RegistryError {
        if error.is_timeout() {
            return RegistryError::Timeout { registry: access.host(), limit: self.timeout };
        }
        let (registry, reason) = (access.host(), client::causes(error));
        if client::is_untrusted(error) {
            return RegistryError::Untrusted { registry, reason };
        }
        RegistryError::Unreachable { registry, reason }
    }

    pub(super) fn budgets(&self) -> &Budgets {
        &self.shared.budgets
    }

    pub(super) fn known(&self) -> &Known {
        &self.shared.platforms
    }

    pub(super) fn pages(&self) -> &Pages {
        &self.shared.pages
    }

    pub(super) fn login(&self, key: &Key) -> Option<Login> {
        let mut logins = self.shared.logins.lock().unwrap_or_else(PoisonError::into_inner);
        logins.retain(|_, login| login.is_valid());
        logins.get(key).cloned()
    }

    pub(super) fn remember(&self, key: Key, login: Login) {
        let mut logins = self.shared.logins.lock().unwrap_or_else(PoisonError::into_inner);
        if logins.len() >= MAX_LOGINS {
            logins.clear();
        }
        logins.insert(key, login);
    }

    /// The client for a URL. Plain text is for this host and trusted networks, so it never goes through the proxy
    /// of the environment.
    fn client(&self, access: &Access, url: &Url) -> Result<Client, RegistryError> {
        let made = match (url.scheme(), access.ca()) {
            ("http", _) => self.shared.plain.get_or_init(|| client::build(self.timeout, client::plain)).clone(),
            (_, None) => self.shared.client.get_or_init(|| client::build(self.timeout, |builder| builder)).clone(),
            (_, Some(ca)) => self.trusting(ca),
        };
        made.map_err(|reason| RegistryError::Unreachable { registry: access.host(), reason })
    }

    /// A client that trusts authorities of the user's besides.
    fn trusting(&self, ca: &Ca) -> Result<Client, String> {
        let mut clients = self.shared.trusting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&ca.id) {
            return Ok(client.clone());
        }
        if clients.len() >= MAX_AUTHORITIES {
            clients.clear();
        }
        let client = client::build(self.timeout, |builder| ca.trusted(builder))?;
        clients.insert(ca.id.clone(), client.clone());
        Ok(client)
    }
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
    access.follow(response.url(), location).map(Some)
}
