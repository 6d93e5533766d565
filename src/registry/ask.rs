//! The one way of every question about a repository: with the login that is known, once more with a new one, and each
//! status turned into what it means.

use std::time::Duration;

use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, Response, StatusCode, Url};

use super::auth::{Key, Login, needed, refused};
use super::{Access, Registry, RegistryError, challenge};
use crate::model::Repository;

/// Longest pause that a registry may ask for; more is a mistake of its clock.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What a registry is asked about one repository.
pub(super) struct Question {
    pub method: Method,
    pub url: Url,
    pub accept: &'static str,
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
        let Question { method, url, accept } = question;
        let key = Key::new(access, repository);
        let known = self.login(&key).as_ref().and_then(Login::header);
        let first = self.send(access, method.clone(), url.clone(), accept, known).await?;
        if first.status() != StatusCode::UNAUTHORIZED {
            return checked(first, access, repository, image);
        }
        let login = self.log_in(access, repository, challenge::parse(first.headers())).await?;
        let second = self.send(access, method, url, accept, login.header()).await?;
        let response = checked(second, access, repository, image)?;
        self.remember(key, login);
        Ok(response)
    }
}

/// Turns a status into what it means.
fn checked(
    response: Response,
    access: &Access,
    repository: &Repository,
    image: &str,
) -> Result<Response, RegistryError> {
    let registry = access.host();
    let image = || image.to_owned();
    Err(match (response.status(), access.credentials()) {
        (StatusCode::OK, _) => return Ok(response),
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
    let text = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    RegistryError::RateLimited { registry: access.host(), retry_after: text.and_then(retry_after) }
}

/// Seconds, or a date.
fn retry_after(text: &str) -> Option<Duration> {
    let text = text.trim();
    let seconds = text.parse::<u64>().ok();
    let until_date = || {
        let date = chrono::DateTime::parse_from_rfc2822(text).ok()?;
        u64::try_from((date.to_utc() - chrono::Utc::now()).num_seconds()).ok()
    };
    seconds.or_else(until_date).map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_that_a_registry_asks_for_is_seconds_or_a_date() {
        assert_eq!(retry_after("30"), Some(Duration::from_secs(30)));
        let date = (chrono::Utc::now() + chrono::TimeDelta::seconds(100)).to_rfc2822();
        assert!(retry_after(&date).is_some_and(|wait| (90..=100).contains(&wait.as_secs())));
        assert_eq!(retry_after("999999999"), Some(MAX_RETRY_AFTER));
        for none in ["", "soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(retry_after(none), None, "{none}");
        }
    }
}
