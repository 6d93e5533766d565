//! What can go wrong with a registry; each error names the registry or the image and never holds a secret.

use std::time::Duration;

use chrono::{DateTime, Utc};

use crate::model::retry::Retry;

/// An error of a question to a registry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The address cannot be used.
    #[error("registry address `{url}` cannot be used: {reason}")]
    Address {
        /// The address.
        url: String,
        /// Why.
        reason: String,
    },
    /// Plain HTTP to another host, without the user's word for it.
    #[error("{url} would send names and passwords in plain text")]
    PlainText {
        /// The address.
        url: String,
    },
    /// The file of authorities cannot be used.
    #[error("`ca_file` {path} cannot be used: {reason}")]
    CaFile {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// It was reached and cannot be trusted, or speaks no TLS.
    #[error("registry {registry} cannot be trusted: {reason}")]
    Untrusted {
        /// Host and port.
        registry: String,
        /// The causes.
        reason: String,
    },
    /// No connection, or it broke.
    #[error("registry {registry} does not answer: {reason}")]
    Unreachable {
        /// Host and port.
        registry: String,
        /// The causes.
        reason: String,
    },
    /// No answer in time.
    #[error("registry {registry} did not answer within {} s", limit.as_secs())]
    Timeout {
        /// Host and port.
        registry: String,
        /// How long we waited.
        limit: Duration,
    },
    /// It asks for a login and we have none.
    #[error("registry {registry} asks for a login to read {image}")]
    LoginNeeded {
        /// Host and port.
        registry: String,
        /// Repository and tag.
        image: String,
    },
    /// It refuses the login we have.
    #[error("registry {registry} refuses the login of {username}")]
    LoginRefused {
        /// Host and port.
        registry: String,
        /// Who we said we are.
        username: String,
    },
    /// The login is good (or none is needed) and may not read this.
    #[error("registry {registry} does not let us read {image}")]
    Denied {
        /// Host and port.
        registry: String,
        /// Repository and tag.
        image: String,
    },
    /// No such repository or tag.
    #[error("{image} is not in the registry")]
    NotFound {
        /// Repository and tag.
        image: String,
    },
    /// Too many requests.
    #[error("registry {registry} answers too many requests{}", after(*retry_after))]
    RateLimited {
        /// Host and port.
        registry: String,
        /// When it wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// It asked for a pause before, so nothing was sent.
    #[error("registry {registry} asked not to be asked before {}", until.format("%Y-%m-%d %H:%M:%S UTC"))]
    Paused {
        /// Host and port.
        registry: String,
        /// The end of the pause.
        until: DateTime<Utc>,
    },
    /// An error of its own.
    #[error("registry {registry} answers with status {status}")]
    Unavailable {
        /// Host and port.
        registry: String,
        /// HTTP status.
        status: u16,
    },
    /// The image was built for other hosts.
    #[error("{image} is for {offered}, and this host is {host}")]
    WrongPlatform {
        /// Repository and digest.
        image: String,
        /// What it was built for.
        offered: String,
        /// What this host is.
        host: String,
    },
    /// An answer that no registry should give.
    #[error("registry {registry} answers {image} with {what}")]
    Unexpected {
        /// Host and port.
        registry: String,
        /// Repository and tag.
        image: String,
        /// What came.
        what: String,
    },
}

impl RegistryError {
    /// Whether time may help (R12).
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::RateLimited { .. }
            | Self::Paused { .. }
            | Self::Unavailable { .. }
            | Self::Unexpected { .. } => Retry::Backoff,
            Self::Address { .. }
            | Self::PlainText { .. }
            | Self::CaFile { .. }
            | Self::Untrusted { .. }
            | Self::LoginNeeded { .. }
            | Self::LoginRefused { .. }
            | Self::Denied { .. }
            | Self::NotFound { .. }
            | Self::WrongPlatform { .. } => Retry::OnChange,
        }
    }

    /// What a person can do, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::PlainText { .. } => "use https, or set `insecure: true` for this registry",
            Self::CaFile { .. } => {
                "name a file in PEM with the certificate of the authority that signed the registry's"
            }
            Self::Untrusted { .. } => "if its certificate is signed by an authority of yours, name that in `ca_file`",
            Self::LoginNeeded { .. } => "give it `username` and `password` under `registries`",
            Self::LoginRefused { .. } => "check the `password` under `registries`; a token may have expired",
            Self::Denied { .. } => "check the image's name and what the account may read",
            Self::NotFound { .. } => "check the image's name and tag",
            Self::WrongPlatform { host, .. } => {
                return Some(format!("build it for this host too, as with `docker buildx build --platform {host}`"));
            }
            Self::RateLimited { .. } | Self::Paused { .. } => "log in under `registries`, or use a mirror",
            Self::Address { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::Unavailable { .. }
            | Self::Unexpected { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn after(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!("; it asks to wait {} s", wait.as_secs()))
}
