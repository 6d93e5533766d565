//! What goes wrong with Caddy, in words that name its address, its own reason and the remedy.

use crate::model::Retry;

/// What went wrong with Caddy.
#[derive(Debug, thiserror::Error)]
pub enum CaddyError {
    /// No connection: nothing was sent.
    #[error("caddy does not answer at {admin}: {reason}")]
    Unreachable {
        /// Its admin API.
        admin: String,
        /// Why.
        reason: String,
    },
    /// It was asked and gave no answer, or none that can be read.
    #[error("caddy gave no answer to {what}: {reason}")]
    NoAnswer {
        /// Method and path.
        what: String,
        /// Why.
        reason: String,
    },
    /// It answered with an error; what ran before still runs.
    #[error("caddy answers {what} with {status} \"{message}\"")]
    Refused {
        /// Method and path.
        what: String,
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The answer is not one of Caddy's admin API.
    #[error("{admin} is not the admin API of a caddy that can be driven: {reason}")]
    NotIt {
        /// The address.
        admin: String,
        /// What came instead.
        reason: String,
    },
    /// It does not take questions that come this way.
    #[error("caddy does not let us in at {admin}: {message}")]
    Denied {
        /// The address.
        admin: String,
        /// Its words.
        message: String,
    },
    /// Each time that it was read, somebody else changed it before it was written.
    #[error("the configuration of caddy was changed {tries} times by others while it was being changed")]
    Contended {
        /// How often it was tried.
        tries: u32,
    },
    /// The server of the settings is not there.
    #[error("caddy has no server `{name}`; it has {known}")]
    NoServer {
        /// The name in the settings.
        name: String,
        /// Those that there are, as text.
        known: String,
    },
    /// There is a server with the name of ours that is not ours.
    #[error("caddy has no server for this, and a server `{name}` that Landfall did not make")]
    ServerTaken {
        /// Its name.
        name: String,
    },
    /// The server has no https.
    #[error(
        "caddy serves no https in its server `{name}`: it listens on the port for plain HTTP alone, or automatic HTTPS is off"
    )]
    NoCertificates {
        /// Its name.
        name: String,
    },
    /// No server is left to listen where one would have to.
    #[error("caddy has no server on its port {port} for {what}, and nothing is left of `listen` for one")]
    NoPort {
        /// `http` or `https`.
        what: &'static str,
        /// The port.
        port: u16,
    },
}

impl CaddyError {
    /// Whether time helps (R12).
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. } | Self::NoAnswer { .. } | Self::Refused { .. } | Self::Contended { .. } => {
                Retry::Backoff
            }
            Self::NotIt { .. }
            | Self::Denied { .. }
            | Self::NoServer { .. }
            | Self::ServerTaken { .. }
            | Self::NoCertificates { .. }
            | Self::NoPort { .. } => Retry::OnChange,
        }
    }

    /// True when a write may have been made all the same: an answer that was lost, or one of 5xx, which may be that of
    /// something in between.
    pub const fn is_ambiguous(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Unreachable { .. }
            | Self::NotIt { .. }
            | Self::Denied { .. }
            | Self::Contended { .. }
            | Self::NoServer { .. }
            | Self::ServerTaken { .. }
            | Self::NoCertificates { .. }
            | Self::NoPort { .. } => false,
        }
    }

    /// True when the next look, which reads the configuration, meets it as well.
    pub const fn blocks_a_look(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::NotIt { .. } | Self::Denied { .. } => true,
            Self::NoAnswer { .. }
            | Self::Refused { .. }
            | Self::Contended { .. }
            | Self::NoServer { .. }
            | Self::ServerTaken { .. }
            | Self::NoCertificates { .. }
            | Self::NoPort { .. } => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => {
                "is it running, and is `admin` in `settings.proxy` where its admin API listens? A Caddy with \
                 `admin off` cannot be driven"
            }
            Self::NotIt { .. } => {
                "`admin` in `settings.proxy` is the address of Caddy's admin API, by default \
                 http://127.0.0.1:2019; Caddy has to be 2.6 or newer"
            }
            Self::Denied { .. } => {
                "name the address that Landfall uses in `origins` of Caddy's `admin`, or use that which is there"
            }
            Self::Contended { .. } => "something else changes Caddy's configuration all the time: which is it?",
            Self::NoServer { .. } => "correct `server` in `settings.proxy`, or leave it out",
            Self::ServerTaken { .. } => "give `server` in `settings.proxy` the name of the one to use",
            Self::NoCertificates { .. } => {
                "give `server` in `settings.proxy` the name of one that has it, or remove `certificate` from the route"
            }
            Self::NoPort { .. } => {
                "give `listen` in `settings.proxy` an address that Caddy does not use yet, or `server` the name of the \
                 server to use"
            }
            Self::Refused { status, .. } if *status >= 500 => {
                "its log says more; what it served before it still serves"
            }
            Self::NoAnswer { .. } | Self::Refused { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
