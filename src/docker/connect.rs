//! Connecting: the address, the API version learnt by one ping, and the repair of every request.
//!
//! bollard 0.21 drops the version prefix from the path and encodes `X-Registry-Auth` in the wrong base64 alphabet
//! (dockerd then drops the credentials in silence); both are put right in one request modifier.

use std::fmt;
use std::time::Duration;

use bollard::{BollardRequest, ClientVersion};
use bytes::Bytes;
use http_body_util::Empty;

use super::error::{causes, tidy};
use super::{Docker, DockerError, Limits};

/// The newest API that the client's types were written for.
const NEWEST: ApiVersion = ApiVersion { major: 1, minor: 53 };
/// The oldest API we know: that of Docker 20.10.
const OLDEST: ApiVersion = ApiVersion { major: 1, minor: 41 };
/// A ping answers in a millisecond; a daemon that needs longer is hung or still starting.
const PING: Duration = Duration::from_secs(5);
/// bollard's own timeout, in seconds: longer than any of ours, because every call has its own.
const CLIENT_TIMEOUT_SECS: u64 = 48 * 3600;

/// A version of Docker's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    /// As 1 in 1.41.
    pub major: usize,
    /// As 41 in 1.41.
    pub minor: usize,
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl ApiVersion {
    /// The oldest and the newest that Landfall speaks; of a newer daemon it speaks the newest it knows.
    pub const fn known() -> (Self, Self) {
        (OLDEST, NEWEST)
    }

    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self { major: major.parse().ok()?, minor: minor.parse().ok()? })
    }
}

impl Docker {
    /// Connects to `unix:///path`, a bare path, or `tcp://host:port`, and settles on an API version: one call.
    /// `https://` and `ssh://` are refused.
    pub async fn connect(address: &str) -> Result<Self, DockerError> {
        let target = Target::parse(address)?;
        let unreachable = |reason: String| DockerError::Unreachable { address: address.to_owned(), reason };
        let server = match tokio::time::timeout(PING, target.server_version()).await {
            Ok(Ok(version)) => version,
            Ok(Err(reason)) => return Err(unreachable(tidy(&reason))),
            Err(_) => return Err(unreachable(format!("no answer to a ping within {} s", PING.as_secs()))),
        };
        let version = choose(server)?;
        let client = ClientVersion { major_version: version.major, minor_version: version.minor };
        let api = match &target {
            Target::Unix(path) => bollard::Docker::connect_with_unix(path, CLIENT_TIMEOUT_SECS, &client),
            Target::Tcp(host) => bollard::Docker::connect_with_http(host, CLIENT_TIMEOUT_SECS, &client),
        }
        .map_err(|error| unreachable(causes(&error)))?
        .with_request_modifier(move |request| repair(request, version));
        Ok(Self { api, address: address.into(), version, limits: Limits::default() })
    }
}

/// Where a daemon listens.
pub(super) enum Target {
    Unix(String),
    Tcp(String),
}

impl Target {
    pub(super) fn parse(address: &str) -> Result<Self, DockerError> {
        let bad = |reason: &str| Err(DockerError::Address { address: address.to_owned(), reason: reason.to_owned() });
        if address.starts_with('/') {
            return Ok(Self::Unix(address.to_owned()));
        }
        match address.split_once("://") {
            Some(("unix", path)) if path.starts_with('/') => Ok(Self::Unix(path.to_owned())),
            Some(("unix", _)) => bad("the path of the socket must be absolute"),
            Some(("tcp" | "http", host)) if host.contains(':') && !host.contains('/') => Ok(Self::Tcp(host.to_owned())),
            Some(("tcp" | "http", _)) => bad("write it as tcp://host:port"),
            Some(("ssh", _)) => bad("forward the socket instead: ssh -L /run/remote.sock:/var/run/docker.sock host"),
            _ => bad("only unix:// and tcp:// are"),
        }
    }

    /// The newest API that the server speaks, by a header of its ping; none when it does not say.
    async fn server_version(&self) -> Result<Option<String>, String> {
        // A tenth of the cost of `GET /version`, and the same answer.
        let request = http::Request::head("/_ping").body(Empty::<Bytes>::new()).map_err(|error| error.to_string())?;
        let response = self.send(request).await?;
        if !response.status().is_success() {
            return Err(format!("a ping was answered with status {}", response.status().as_u16()));
        }
        Ok(response.headers().get("api-version").and_then(|value| value.to_str().ok()).map(str::to_owned))
    }
}

/// The newest version that both sides know.
fn choose(server: Option<String>) -> Result<ApiVersion, DockerError> {
    let server = server.unwrap_or_default();
    match ApiVersion::parse(&server) {
        Some(version) if version >= OLDEST => Ok(version.min(NEWEST)),
        _ => {
            let server = if server.is_empty() { "an unknown version".to_owned() } else { tidy(&server) };
            Err(DockerError::TooOld { server, oldest: OLDEST.to_string() })
        }
    }
}

/// Puts the version on the path and the credentials into the URL-safe alphabet. Does nothing to a request of a
/// bollard that has learnt it.
fn repair(mut request: BollardRequest, version: ApiVersion) -> BollardRequest {
    if let Some(header) = request.headers_mut().get_mut("x-registry-auth") {
        let fixed = header.to_str().map(|text| text.replace('+', "-").replace('/', "_"));
        if let Some(mut value) = fixed.ok().and_then(|text| http::HeaderValue::try_from(text).ok()) {
            value.set_sensitive(true);
            *header = value;
        }
    }
    if !request.uri().path().starts_with("/v1.")
        && let Some(uri) = prefixed(request.uri(), version)
    {
        *request.uri_mut() = uri;
    }
    request
}

fn prefixed(uri: &http::Uri, version: ApiVersion) -> Option<http::Uri> {
    let mut parts = uri.clone().into_parts();
    let path = parts.path_and_query.take()?;
    parts.path_and_query = Some(format!("/v{version}{path}").parse().ok()?);
    http::Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_newest_that_both_sides_know() {
        let chosen = |server: &str| choose(Some(server.to_owned())).map(|v| v.to_string());
        assert_eq!(chosen("1.41").unwrap(), "1.41");
        assert_eq!(chosen("1.99").unwrap(), "1.53");
        for bad in ["1.40", "", "nonsense"] {
            assert!(matches!(chosen(bad), Err(DockerError::TooOld { .. })), "{bad}");
        }
    }

    #[test]
    fn addresses_that_cannot_be_used_say_what_to_write() {
        for bad in ["ssh://host", "https://h:2376", "unix://relative", "tcp://host", "npipe:////./x", ""] {
            assert!(matches!(Target::parse(bad), Err(DockerError::Address { .. })), "{bad}");
        }
        assert!(Target::parse("/run/docker.sock").is_ok());
    }
}
