//! What goes wrong with Nginx Proxy Manager, in words that name the address, the host and the remedy. Never a password,
//! a token, or a body as it came (R28): bodies of certificates and access lists hold keys and passwords.

use crate::model::Retry;
use crate::secrets::SecretError;

/// What went wrong with Nginx Proxy Manager.
#[derive(Debug, thiserror::Error)]
pub enum NpmError {
    /// No connection: nothing was sent.
    #[error("nginx proxy manager does not answer at {url}: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why.
        reason: String,
    },
    /// It was asked and gave no answer, or none that can be read.
    #[error("nginx proxy manager gave no answer to {what}: {reason}")]
    NoAnswer {
        /// Method and path.
        what: String,
        /// Why.
        reason: String,
    },
    /// It answered with an error.
    #[error("nginx proxy manager answers {what} with {status} \"{message}\"")]
    Refused {
        /// Method and path.
        what: String,
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
    /// The answer is not one of Nginx Proxy Manager.
    #[error("{url} is not the admin address of nginx proxy manager: {reason}")]
    NotIt {
        /// The address.
        url: String,
        /// What came instead.
        reason: String,
    },
    /// Wrong password, or no such user.
    #[error("nginx proxy manager refuses the login of {email}: {message}")]
    LoginRefused {
        /// Who we said we are.
        email: String,
        /// Its words.
        message: String,
    },
    /// The user has two-factor login, which no program can do by itself.
    #[error("nginx proxy manager asks {email} for a second factor")]
    TwoFactor {
        /// Who.
        email: String,
    },
    /// A login was refused a moment ago, and is not tried again yet.
    #[error("{reason}; the next try is in {wait_secs} s, or as soon as the password in use changes")]
    LoginPaused {
        /// What it said then.
        reason: String,
        /// Seconds until the next try.
        wait_secs: u64,
        /// It was the second factor that it asked for.
        two_factor: bool,
    },
    /// The user is logged in and may not do it.
    #[error("nginx proxy manager does not let {email} do {what}")]
    Denied {
        /// Who.
        email: String,
        /// Method and path.
        what: String,
    },
    /// The password, or the key that its token is sealed with, cannot be used.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// There is a sealing key, and it cannot be used.
    #[error("{reason}")]
    Key {
        /// Why.
        reason: String,
        /// What to do about it.
        hint: Option<String>,
    },
    /// The change was accepted, and nginx does not run with it.
    #[error("nginx refuses {host}: {reason}")]
    Offline {
        /// Which host.
        host: String,
        /// Nginx's words.
        reason: String,
    },
    /// The change was accepted and requests are not answered as they should be.
    #[error("{domain} is not served at {probe}: {reason}")]
    NotServed {
        /// The domain asked for.
        domain: String,
        /// Where.
        probe: String,
        /// What came instead.
        reason: String,
        /// The proxy answered that it does not reach the instance.
        upstream: bool,
    },
    /// Let's Encrypt, or certbot, did not give a certificate.
    #[error("no certificate from let's encrypt: {reason}")]
    NoCertificate {
        /// Certbot's words.
        reason: String,
    },
    /// The host was changed or removed by someone else in between.
    #[error("{host} is gone")]
    Gone {
        /// Which host.
        host: String,
    },
}

impl NpmError {
    /// A sealing key that cannot be used.
    pub(super) fn key(error: &SecretError) -> Self {
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        Self::Key { reason: format!("{error}{cause}"), hint: error.hint() }
    }

    /// Whether time helps (R12). A login that is refused stays refused until someone does something.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Refused { .. }
            | Self::Offline { .. }
            | Self::NotServed { .. }
            | Self::NoCertificate { .. }
            | Self::Gone { .. } => Retry::Backoff,
            Self::NotIt { .. }
            | Self::LoginRefused { .. }
            | Self::TwoFactor { .. }
            | Self::LoginPaused { .. }
            | Self::Denied { .. }
            | Self::Secret(_)
            | Self::Key { .. } => Retry::OnChange,
        }
    }

    /// True when a write may have been made all the same: an answer that was lost, or one of 5xx, says nothing.
    pub const fn is_ambiguous(&self) -> bool {
        match self {
            Self::NoAnswer { .. } => true,
            Self::Refused { status, .. } => *status >= 500,
            Self::Unreachable { .. }
            | Self::NotIt { .. }
            | Self::LoginRefused { .. }
            | Self::TwoFactor { .. }
            | Self::LoginPaused { .. }
            | Self::Denied { .. }
            | Self::Secret(_)
            | Self::Key { .. }
            | Self::Offline { .. }
            | Self::NotServed { .. }
            | Self::NoCertificate { .. }
            | Self::Gone { .. } => false,
        }
    }

    /// True when traffic may have been touched, if only for a moment.
    pub const fn may_have_changed(&self) -> bool {
        self.is_ambiguous() || matches!(self, Self::Offline { .. } | Self::NotServed { .. })
    }

    /// True when the next look, which logs in and lists, meets it as well.
    pub const fn blocks_a_look(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NotIt { .. }
            | Self::LoginRefused { .. }
            | Self::TwoFactor { .. }
            | Self::LoginPaused { .. }
            | Self::Secret(_)
            | Self::Key { .. } => true,
            // The list may be answered all the same.
            Self::NoAnswer { .. }
            | Self::Refused { .. }
            | Self::Denied { .. }
            | Self::Offline { .. }
            | Self::NotServed { .. }
            | Self::NoCertificate { .. }
            | Self::Gone { .. } => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreachable { .. } => {
                "is it running, and is `url` in `settings.proxy` the address of its admin page?"
            }
            Self::NotIt { .. } => "`url` in `settings.proxy` is the address of its admin page, by default port 81",
            Self::LoginRefused { .. } => {
                "check `email` and `password` in `settings.proxy`, and that the user is enabled"
            }
            Self::TwoFactor { .. } | Self::LoginPaused { two_factor: true, .. } => {
                "give Landfall a user of its own, without two-factor login"
            }
            Self::LoginPaused { .. } => "correct `email` or `password` in `settings.proxy`",
            Self::Denied { .. } => {
                "give the user the permission to manage proxy hosts, and visibility of all items for hosts that it did \
                 not make"
            }
            Self::Offline { .. } => "correct the host in nginx proxy manager; nginx names the line",
            Self::NotServed { upstream: true, .. } => {
                "does nginx proxy manager reach the instance? `upstream: network` needs its container in Landfall's \
                 network; `landfall doctor` looks"
            }
            Self::NotServed { .. } => {
                "`probe` in `settings.proxy` has to be where it serves plain HTTP; a stage that answers 404 or the like \
                 everywhere needs a `ready` path that answers 200"
            }
            Self::NoCertificate { .. } => {
                "the names have to lead to nginx proxy manager from the internet, at port 80; its log says more"
            }
            Self::Refused { status, .. } if *status >= 500 => "its log says more: `docker logs` of its container",
            Self::Secret(error) => return error.hint(),
            Self::Key { hint, .. } => return hint.clone(),
            Self::NoAnswer { .. } | Self::Refused { .. } | Self::Gone { .. } => return None,
        };
        Some(hint.to_owned())
    }
}
