//! What can go wrong with Docker, in our words; each error names its object and never holds a secret.

use std::fmt::Write as _;
use std::time::Duration;

use bollard::errors::Error as ApiError;

use super::pull_error::PullFailure;
use crate::model::retry::Retry;

/// Longest message of Docker's that is kept, in characters: a proxy in between may answer with a whole page.
const MAX_MESSAGE: usize = 1000;

/// An error of a Docker call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DockerError {
    /// The address cannot be used.
    #[error("docker address `{address}` is not supported: {reason}")]
    Address {
        /// As it was given.
        address: String,
        /// Why.
        reason: String,
    },
    /// Nobody answers there, or the connection broke.
    #[error("docker does not answer at {address}: {reason}")]
    Unreachable {
        /// As it was given.
        address: String,
        /// The causes, outermost first.
        reason: String,
    },
    /// The server's API is older than the oldest we speak.
    #[error("docker speaks API {server}, and {oldest} or later is needed")]
    TooOld {
        /// Newest version that the server speaks.
        server: String,
        /// Oldest version that we speak.
        oldest: String,
    },
    /// No answer in time; whether the change happened is unknown, so look again.
    #[error("docker did not {what} within {} s", limit.as_secs())]
    Timeout {
        /// What was asked.
        what: String,
        /// How long we waited.
        limit: Duration,
    },
    /// A text that may not become part of a URL (R30).
    #[error("`{name}` is not a name that docker can have")]
    InvalidName {
        /// The text, cut at 80 characters.
        name: String,
    },
    /// The container name belongs to another container.
    #[error("the container name {name} is taken by container {holder}")]
    NameTaken {
        /// The name.
        name: String,
        /// Id of the container that has it; empty when Docker did not say.
        holder: String,
    },
    /// A port of the host is taken; the container was not started.
    #[error("docker did not {what}: the host port is taken: {message}")]
    PortTaken {
        /// What was asked.
        what: String,
        /// Docker's words, which name the port.
        message: String,
    },
    /// A container, image, network or volume is not there.
    #[error("docker did not {what}: {message}")]
    NotFound {
        /// What was asked.
        what: String,
        /// Docker's words, which name the object.
        message: String,
    },
    /// An image could not be fetched.
    #[error("docker did not pull {image}: {kind}: {message}")]
    Pull {
        /// The image.
        image: String,
        /// Why, as far as Docker's text tells.
        kind: PullFailure,
        /// Docker's words.
        message: String,
    },
    /// Docker answered with an error status.
    #[error("docker did not {what}: {message} (status {status})")]
    Refused {
        /// What was asked.
        what: String,
        /// HTTP status.
        status: u16,
        /// Docker's words.
        message: String,
    },
    /// The answer was not what the API promises. Its text is left out: it may hold secrets.
    #[error("docker's answer could not be understood when asked to {what}")]
    Unreadable {
        /// What was asked.
        what: String,
    },
    /// A file of the configuration that a mount needs was not copied to the host (R34).
    #[error("no copy of the file mounted at {target} is on the host")]
    MissingFile {
        /// Path in the container.
        target: String,
    },
}

impl DockerError {
    /// Whether time may help (R12).
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } | Self::PortTaken { .. } | Self::NotFound { .. } => {
                Retry::Backoff
            }
            Self::Pull { kind, .. } => kind.retry(),
            Self::Refused { status, .. } => {
                if *status >= 500 {
                    Retry::Backoff
                } else {
                    Retry::OnChange
                }
            }
            Self::Address { .. }
            | Self::TooOld { .. }
            | Self::InvalidName { .. }
            | Self::NameTaken { .. }
            | Self::Unreadable { .. }
            | Self::MissingFile { .. } => Retry::OnChange,
        }
    }

    /// What a person can do, where there is something to say.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Address { .. } => "use unix:///var/run/docker.sock, or tcp://host:port on a network you trust",
            Self::Unreachable { reason, .. } if reason.contains("ermission denied") => {
                "run as root, or add the user to the group `docker`"
            }
            Self::Unreachable { .. } => "is the Docker daemon running? `systemctl status docker` tells",
            Self::TooOld { .. } => "Docker 20.10 or later is needed",
            Self::NameTaken { .. } => "remove or rename that container; Landfall does not touch what it did not make",
            Self::PortTaken { .. } => "another container or program listens on that port of the host",
            Self::Pull { kind, .. } => return kind.hint().map(str::to_owned),
            Self::Timeout { .. } => {
                "the Docker daemon, or what it waits for, is slow or hung: `journalctl -u docker` tells"
            }
            Self::InvalidName { .. }
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::Unreadable { .. }
            | Self::MissingFile { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// True when the object that was asked for is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// True for an answer of this status (other than 404) whose text contains `part`.
    pub(super) fn is_refused(&self, wanted: u16, part: &str) -> bool {
        matches!(self, Self::Refused { status, message, .. } if *status == wanted && message.contains(part))
    }

    /// Translates an error of the API client. Texts of decoding errors are dropped: they quote the answer.
    pub(super) fn from_bollard(what: &str, address: &str, limit: Duration, error: ApiError) -> Self {
        let what = what.to_owned();
        match error {
            ApiError::DockerResponseServerError { status_code: 404, message } => {
                Self::NotFound { what, message: tidy(&message) }
            }
            ApiError::DockerResponseServerError { status_code: status, message } => {
                Self::Refused { what, status, message: tidy(&message) }
            }
            ApiError::DockerStreamError { error } => Self::Refused { what, status: 200, message: tidy(&error) },
            ApiError::RequestTimeoutError => Self::Timeout { what, limit },
            error @ (ApiError::HyperLegacyError { .. }
            | ApiError::HyperResponseError { .. }
            | ApiError::IOError { .. }
            | ApiError::SocketNotFoundError(_)) => {
                Self::Unreachable { address: address.to_owned(), reason: tidy(&causes(&error)) }
            }
            // The rest of a foreign enum: decoding and encoding errors.
            _ => Self::Unreadable { what },
        }
    }

    /// The same error with these texts blacked out, wherever Docker echoed them (R28).
    pub(super) fn without(mut self, secrets: &[&str]) -> Self {
        if let Self::Refused { message, .. }
        | Self::NotFound { message, .. }
        | Self::PortTaken { message, .. }
        | Self::Pull { message, .. } = &mut self
        {
            for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
                *message = message.replace(secret, "•••");
            }
        }
        self
    }
}

/// An error and its causes on one line.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            let _ = write!(text, ": {cause_text}");
        }
        next = cause.source();
    }
    text
}

/// One line of bounded length.
pub(super) fn tidy(message: &str) -> String {
    let line = message.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= MAX_MESSAGE {
        return line;
    }
    line.chars().take(MAX_MESSAGE).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_a_secret_that_docker_echoes_is_blacked_out() {
        let error = DockerError::Refused { what: "create x".into(), status: 400, message: "bad env A=hunter2".into() };
        assert_eq!(error.without(&["hunter2", ""]).to_string(), "docker did not create x: bad env A=••• (status 400)");
    }

    #[test]
    fn a_page_of_html_does_not_fill_the_log() {
        assert_eq!(tidy(&"x ".repeat(5000)).chars().count(), MAX_MESSAGE + 1);
        assert_eq!(tidy("a\n  b"), "a b");
    }
}
