//! Why a pull failed. dockerd tells it by words only, so this reads them; the words are those of dockerd 20.10 to 29.

use std::fmt;

use crate::model::retry::Retry;

/// The kinds of failure that call for different answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullFailure {
    /// No or wrong credentials.
    Unauthorized,
    /// The credentials are good and may not read it; Docker Hub says so of what does not exist, too.
    Denied,
    /// No such repository, tag or digest.
    NotFound,
    /// Too many requests.
    RateLimited,
    /// The registry does not answer, or answers with an error of its own.
    Unavailable,
    /// What came is not what its digest promises, or is no image.
    Corrupt,
    /// The image is for another platform.
    WrongPlatform,
    /// The host's disk is full.
    DiskFull,
    /// dockerd insists on TLS and the registry speaks plain HTTP, or its certificate is not trusted.
    Tls,
    /// None of these.
    Other,
}

/// Parts of dockerd's messages in lower case; the first that is found decides, so the specific ones come first.
const WORDS: &[(&str, PullFailure)] = &[
    ("toomanyrequests", PullFailure::RateLimited),
    ("too many requests", PullFailure::RateLimited),
    ("no space left on device", PullFailure::DiskFull),
    ("server gave http response to https client", PullFailure::Tls),
    ("x509:", PullFailure::Tls),
    ("no matching manifest", PullFailure::WrongPlatform),
    ("does not match the specified platform", PullFailure::WrongPlatform),
    ("verification failed", PullFailure::Corrupt),
    ("unknown blob", PullFailure::Corrupt),
    ("blob unknown", PullFailure::Corrupt),
    ("unexpected end of json input", PullFailure::Corrupt),
    ("error unmarshalling content", PullFailure::Corrupt),
    ("failed to register layer", PullFailure::Corrupt),
    ("manifest unknown", PullFailure::NotFound),
    ("manifest_unknown", PullFailure::NotFound),
    ("name unknown", PullFailure::NotFound),
    ("repository name not known", PullFailure::NotFound),
    ("pull access denied", PullFailure::Denied),
    ("denied", PullFailure::Denied),
    ("unauthorized", PullFailure::Unauthorized),
    ("authentication required", PullFailure::Unauthorized),
    ("no basic auth credentials", PullFailure::Unauthorized),
    ("unexpected http status", PullFailure::Unavailable),
    ("unexpected status", PullFailure::Unavailable),
    ("received unexpected", PullFailure::Unavailable),
    ("internal server error", PullFailure::Unavailable),
    ("connection refused", PullFailure::Unavailable),
    ("connection reset", PullFailure::Unavailable),
    ("no such host", PullFailure::Unavailable),
    ("i/o timeout", PullFailure::Unavailable),
    ("timeout", PullFailure::Unavailable),
    ("request canceled", PullFailure::Unavailable),
    ("context deadline exceeded", PullFailure::Unavailable),
    ("unreachable", PullFailure::Unavailable),
    ("eof", PullFailure::Unavailable),
    ("not found", PullFailure::NotFound),
];

impl PullFailure {
    /// Reads dockerd's message.
    pub(super) fn of(message: &str) -> Self {
        let lower = message.to_ascii_lowercase();
        WORDS.iter().find(|(words, _)| lower.contains(words)).map_or(Self::Other, |(_, kind)| *kind)
    }

    /// Whether time may help.
    pub fn retry(self) -> Retry {
        match self {
            // A layer may be damaged on its way; a damaged registry looks the same, and the pauses grow.
            Self::RateLimited | Self::Unavailable | Self::Corrupt | Self::DiskFull | Self::Other => Retry::Backoff,
            Self::Unauthorized | Self::Denied | Self::NotFound | Self::WrongPlatform | Self::Tls => Retry::OnChange,
        }
    }

    /// What a person can do.
    pub(super) fn hint(self) -> Option<&'static str> {
        match self {
            Self::Unauthorized => Some("give `registries.<name>` a username and a password for this host"),
            Self::Denied => Some("check the image's name, and that the account of `registries.<name>` may read it"),
            Self::NotFound => Some("check the image's name and that the registry still keeps this digest"),
            Self::RateLimited => Some("log in with `registries.<name>`, or use a mirror"),
            Self::WrongPlatform => Some("build the image for this host's platform"),
            Self::DiskFull => Some("free space where Docker keeps its data: `docker system df` tells what uses it"),
            Self::Tls => Some("let dockerd trust this registry: `insecure-registries` or /etc/docker/certs.d"),
            Self::Unavailable | Self::Corrupt | Self::Other => None,
        }
    }
}

impl fmt::Display for PullFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unauthorized => "the registry asks for credentials",
            Self::Denied => "access denied",
            Self::NotFound => "not in the registry",
            Self::RateLimited => "too many requests",
            Self::Unavailable => "the registry does not answer properly",
            Self::Corrupt => "damaged image",
            Self::WrongPlatform => "wrong platform",
            Self::DiskFull => "the disk is full",
            Self::Tls => "no trusted connection",
            Self::Other => "failed",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_dockerd_says_of_a_failed_pull_is_told_apart() {
        let cases = [
            ("Head \"https://r/v2/a/manifests/1\": unauthorized: authentication required", PullFailure::Unauthorized),
            ("Head \"http://r/v2/a/manifests/1\": no basic auth credentials", PullFailure::Unauthorized),
            ("pull access denied for a, repository does not exist or may require 'docker login'", PullFailure::Denied),
            ("denied: requested access to the resource is denied", PullFailure::Denied),
            ("manifest for a:1 not found: manifest unknown: manifest unknown", PullFailure::NotFound),
            ("toomanyrequests: You have reached your pull rate limit", PullFailure::RateLimited),
            ("received unexpected HTTP status: 503 Service Unavailable", PullFailure::Unavailable),
            (
                "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
                PullFailure::Unavailable,
            ),
            ("unexpected EOF", PullFailure::Unavailable),
            ("unexpected end of JSON input", PullFailure::Corrupt),
            ("error unmarshalling content: invalid character '<' looking for beginning of value", PullFailure::Corrupt),
            ("filesystem layer verification failed for digest sha256:00", PullFailure::Corrupt),
            ("unknown blob", PullFailure::Corrupt),
            ("write /var/lib/docker/tmp/x: no space left on device", PullFailure::DiskFull),
            ("http: server gave HTTP response to HTTPS client", PullFailure::Tls),
            ("no matching manifest for linux/amd64 in the manifest list entries", PullFailure::WrongPlatform),
            ("something new", PullFailure::Other),
        ];
        for (message, kind) in cases {
            assert_eq!(PullFailure::of(message), kind, "{message}");
        }
    }
}
