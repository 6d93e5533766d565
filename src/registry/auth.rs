//! Logging in: a name and password as they are, or a token bought with them (or with nothing) from the service that
//! the registry names.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use reqwest::{Method, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;

use super::ask::Question;
use super::challenge::Challenge;
use super::{Access, Credentials, Registry, RegistryError};
use crate::model::{Repository, hash};

/// Largest answer of a token service, in bytes; tokens have a few kB.
const MAX_TOKEN: usize = 256 * 1024;
/// Lifetime of a token that does not say (the distribution specification's default).
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// Longest that a token is trusted, whatever it says.
const MAX_LIFE: Duration = Duration::from_secs(3600);
/// A token is dropped so long before its end, so that it does not expire on its way.
const MARGIN: Duration = Duration::from_secs(10);

/// What a login is good for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    registry: String,
    repository: String,
    /// The name, and a hash of the password: another password must not profit from what an earlier one bought.
    login: Option<(String, String)>,
}

impl Key {
    pub(super) fn new(access: &Access, repository: &Repository) -> Self {
        let login = access.credentials().map(|Credentials { username, password }| {
            (username.clone(), hash::sha256_hex(password.expose_secret().as_bytes()))
        });
        Self { registry: access.host(), repository: repository.path().to_owned(), login }
    }
}

/// The value of an `Authorization` header, and until when.
#[derive(Debug, Clone)]
pub(super) struct Login {
    value: SecretString,
    until: Option<Instant>,
}

impl Login {
    pub(super) fn is_valid(&self) -> bool {
        self.until.is_none_or(|until| Instant::now() < until)
    }

    /// As a header that is never printed; none when the token holds bytes that no header can.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::try_from(self.value.expose_secret()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    fn basic(credentials: &Credentials) -> Self {
        let pair = format!("{}:{}", credentials.username, credentials.password.expose_secret());
        Self { value: format!("Basic {}", STANDARD.encode(pair)).into(), until: None }
    }

    /// The token is good for less than it says (see [`MARGIN`]), so it is not kept when it says very little.
    fn bearer(token: &SecretString, life: Duration) -> Self {
        let until = Instant::now() + life.min(MAX_LIFE).saturating_sub(MARGIN);
        Self { value: format!("Bearer {}", token.expose_secret()).into(), until: Some(until) }
    }
}

impl Registry {
    /// Answers a challenge.
    pub(super) async fn log_in(
        &self,
        access: &Access,
        repository: &Repository,
        challenge: Option<Challenge>,
    ) -> Result<Login, RegistryError> {
        match (challenge, access.credentials()) {
            (Some(Challenge::Basic), Some(credentials)) => Ok(Login::basic(credentials)),
            (Some(Challenge::Bearer { realm, service }), _) => {
                let url = token_url(access, repository, &realm, service.as_deref())?;
                self.token(access, repository, url).await
            }
            (None, Some(credentials)) => Err(refused(access, credentials)),
            (Some(Challenge::Basic) | None, None) => Err(needed(access, repository)),
        }
    }

    async fn token(&self, access: &Access, repository: &Repository, url: Url) -> Result<Login, RegistryError> {
        let basic = access.credentials().and_then(|credentials| Login::basic(credentials).header());
        let response = self.send_once(access, &Question::new(Method::GET, url, "application/json"), basic).await?;
        let status = response.status();
        let unexpected =
            |what: String| RegistryError::Unexpected { registry: access.host(), image: repository.to_string(), what };
        match (status, access.credentials()) {
            (StatusCode::OK, _) => {}
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, Some(user)) => return Err(refused(access, user)),
            (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, None) => return Err(needed(access, repository)),
            (StatusCode::TOO_MANY_REQUESTS, _) => return Err(super::ask::rate_limited(access, response.headers())),
            (status, _) if status.is_server_error() => {
                return Err(RegistryError::Unavailable { registry: access.host(), status: status.as_u16() });
            }
            (status, _) => return Err(unexpected(format!("status {} from its token service", status.as_u16()))),
        }
        let body = self.body(access, response, MAX_TOKEN).await?;
        // The text of a decoding error is dropped: it quotes the answer, which holds the token.
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| unexpected("no token".to_owned()))?;
        let token = answer.token.or(answer.access_token).ok_or_else(|| unexpected("no token".to_owned()))?;
        Ok(Login::bearer(&token.into(), answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs)))
    }
}

/// Both names are in use.
#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

/// Asks for reading one repository, whatever the registry suggested.
fn token_url(
    access: &Access,
    repository: &Repository,
    realm: &str,
    service: Option<&str>,
) -> Result<Url, RegistryError> {
    let bad = |reason: &str| RegistryError::Address { url: realm.to_owned(), reason: reason.to_owned() };
    let mut url = Url::parse(realm).map_err(|_| bad("it is not the address of a token service"))?;
    if !access.may_ask_for_token(&url) {
        return Err(RegistryError::PlainText { url: url.origin().ascii_serialization() });
    }
    if let Some(service) = service {
        url.query_pairs_mut().append_pair("service", service);
    }
    url.query_pairs_mut().append_pair("scope", &format!("repository:{}:pull", repository.path()));
    Ok(url)
}

/// The login we have is not accepted.
pub(super) fn refused(access: &Access, credentials: &Credentials) -> RegistryError {
    RegistryError::LoginRefused { registry: access.host(), username: credentials.username.clone() }
}

/// A login is asked for and we have none.
pub(super) fn needed(access: &Access, repository: &Repository) -> RegistryError {
    RegistryError::LoginNeeded { registry: access.host(), image: repository.to_string() }
}
