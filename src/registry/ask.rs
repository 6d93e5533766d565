//! The one way of every question about a repository: with the login that is known, once more with a new one, and each
//! status turned into what it means.

use reqwest::header::{ACCEPT, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH};
use reqwest::{Method, Response, StatusCode, Url};

use super::auth::{Key, Login, needed, refused};
use super::budget::retry_after;
use super::{Access, Registry, RegistryError, challenge};
use crate::model::Repository;

/// What a registry is asked about one repository.
#[derive(Clone)]
pub(super) struct Question {
    pub method: Method,
    pub url: Url,
    /// All but the login.
    pub headers: HeaderMap,
}

impl Question {
    pub(super) fn new(method: Method, url: Url, accept: &'static str) -> Self {
        Self { method, url, headers: HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]) }
    }

    /// "The same as before" answers a question that tells what was before.
    fn is_answered_by(&self, status: StatusCode) -> bool {
        let is_conditional = self.headers.contains_key(IF_NONE_MATCH) || self.headers.contains_key(IF_MODIFIED_SINCE);
        status == StatusCode::OK || is_conditional && status == StatusCode::NOT_MODIFIED
    }
}

impl Registry {
    /// Asks, and once more with a login when the registry wants one or the old one ran out.
    pub(super) async fn ask(
        &self,
        question: Question,
        repository: &Repository,
        image: &str,
        access: &Access,
    ) -> Result<Response, RegistryError> {
        let key = Key::new(access, repository);
        let known = self.login(&key).as_ref().and_then(Login::header);
        let first = self.send(access, &question, known).await?;
        if first.status() != StatusCode::UNAUTHORIZED {
            return checked(&question, first, access, repository, image);
        }
        if !access.is_own_origin(first.url()) {
            // Its token service would get our credentials, and it is the registry's no more than this place is.
            return Err(unexpected(access, image.to_owned(), "a redirect to a place that asks for a login"));
        }
        let login = self.log_in(access, repository, challenge::parse(first.headers())).await?;
        let second = self.send(access, &question, login.header()).await?;
        let response = checked(&question, second, access, repository, image)?;
        self.remember(key, login);
        Ok(response)
    }
}

/// Turns a status into what it means.
fn checked(
    question: &Question,
    response: Response,
    access: &Access,
    repository: &Repository,
    image: &str,
) -> Result<Response, RegistryError> {
    let registry = access.host();
    let image = || image.to_owned();
    Err(match (response.status(), access.credentials()) {
        (status, _) if question.is_answered_by(status) => return Ok(response),
        (StatusCode::UNAUTHORIZED, Some(credentials)) => refused(access, credentials),
        (StatusCode::UNAUTHORIZED, None) => needed(access, repository),
        (StatusCode::FORBIDDEN, _) => RegistryError::Denied { registry, image: image() },
        (StatusCode::NOT_FOUND, _) => RegistryError::NotFound { image: image() },
        (StatusCode::TOO_MANY_REQUESTS, _) => rate_limited(access, response.headers()),
        (status, _) if status.is_server_error() => RegistryError::Unavailable { registry, status: status.as_u16() },
        (status, _) => unexpected(access, image(), &format!("status {}", status.as_u16())),
    })
}

/// An answer that no registry should give.
pub(super) fn unexpected(access: &Access, image: String, what: &str) -> RegistryError {
    RegistryError::Unexpected { registry: access.host(), image, what: what.to_owned() }
}

/// With the pause that the registry asks for.
pub(super) fn rate_limited(access: &Access, headers: &HeaderMap) -> RegistryError {
    RegistryError::RateLimited { registry: access.host(), retry_after: retry_after(headers) }
}
