//! What goes wrong with a proxy, and whether time or a person helps.

use std::path::PathBuf;

use super::caddy::CaddyError;
use super::nginx_proxy_manager::NpmError;
use crate::model::name::InvalidName;
use crate::model::{Domain, Retry};

/// What went wrong with the proxy. Unless it is [`Unsettled`](Self::Unsettled), what was in force before still is.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// Nobody answers on the control socket; nothing was sent.
    #[error("the proxy does not answer on {}: {source}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was asked and gave no answer, or nothing that can be read.
    #[error("the proxy gave no answer to {what}: {reason}")]
    NoAnswer {
        /// Method and path.
        what: String,
        /// Why.
        reason: String,
    },
    /// The domain belongs to somebody else (R1).
    #[error("{domain} belongs to {owner}")]
    Conflict {
        /// The domain.
        domain: Domain,
        /// Who has it.
        owner: String,
    },
    /// The proxy refused, and says why.
    #[error("the proxy refused: {reason}")]
    Refused {
        /// Its words.
        reason: String,
        /// It is its own trouble (a full disk, say), not the request.
        is_its_trouble: bool,
    },
    /// After the change something else is in force.
    #[error("the proxy accepted the change, but what is in force is not what was asked for")]
    Unproven,
    /// A switch was not proven, and putting the old routes back did not work either: either may be in force.
    #[error("{switch}; and putting the old routes back: {restore}")]
    Unsettled {
        /// What happened to the switch.
        switch: Box<ProxyError>,
        /// What happened when putting back.
        restore: Box<ProxyError>,
    },
    /// Nginx Proxy Manager said no, or nothing.
    #[error(transparent)]
    Npm(#[from] NpmError),
    /// Caddy said no, or nothing.
    #[error(transparent)]
    Caddy(#[from] CaddyError),
    /// No host there has exactly these domains.
    #[error("no host of nginx proxy manager has exactly the domains {wanted}{}", near_text(.near))]
    NothingToAdopt {
        /// The domains, as text.
        wanted: String,
        /// Hosts that have some of them.
        near: Vec<String>,
    },
    /// This proxy has no hosts that a person could have made.
    #[error("only hosts of nginx proxy manager can be adopted, and `settings.proxy` names another proxy")]
    NoAdoption,
    /// There is no proxy, or what was saved is another's.
    #[error("no proxy is configured that could route this")]
    NoProxy,
    /// The upstream is not `host:port`.
    #[error(transparent)]
    Upstream(#[from] InvalidName),
}

impl ProxyError {
    /// Whether time helps. A proxy that does not answer is an outside fault: it backs off and quarantines nothing (R12).
    pub fn retry(&self) -> Retry {
        match self {
            Self::Unreachable { .. }
            | Self::NoAnswer { .. }
            | Self::Refused { is_its_trouble: true, .. }
            | Self::Unproven
            | Self::Unsettled { .. } => Retry::Backoff,
            Self::Npm(error) => error.retry(),
            Self::Caddy(error) => error.retry(),
            Self::Refused { is_its_trouble: false, .. }
            | Self::Conflict { .. }
            | Self::NothingToAdopt { .. }
            | Self::NoAdoption
            | Self::NoProxy
            | Self::Upstream(_) => Retry::OnChange,
        }
    }

    /// Whether the change may have been made all the same, if only for a moment.
    pub fn may_have_changed(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Unproven | Self::Unsettled { .. } => true,
            Self::Npm(error) => error.may_have_changed(),
            Self::Caddy(error) => error.is_ambiguous(),
            Self::Unreachable { .. }
            | Self::Conflict { .. }
            | Self::Refused { .. }
            | Self::NothingToAdopt { .. }
            | Self::NoAdoption
            | Self::NoProxy
            | Self::Upstream(_) => false,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { socket, source } => Some(match source.kind() {
                std::io::ErrorKind::PermissionDenied => {
                    format!("this user may not use {}: run as root or as the proxy's group", socket.display())
                }
                _ => format!(
                    "start it: `systemctl start landfall-proxy`, or `landfall proxy --control {}`",
                    socket.display()
                ),
            }),
            Self::NoAnswer { .. } | Self::Unproven => Some("look at the log of `landfall proxy`".to_owned()),
            Self::Conflict { domain, .. } => Some(format!(
                "give {domain} up here or there; if a store that is no more has it, take it out of the proxy by hand"
            )),
            Self::Npm(error) => error.hint(),
            Self::Caddy(error) => error.hint(),
            Self::NothingToAdopt { near, .. } if near.is_empty() => Some(
                "`landfall apply` makes the host; if something else there has a domain, `landfall diff` names it"
                    .to_owned(),
            ),
            Self::NothingToAdopt { .. } => {
                Some("give the stage exactly the domains that the host has, here or there".to_owned())
            }
            Self::Unsettled { switch, .. } => switch.hint(),
            Self::NoProxy => Some("give `settings.proxy`, or remove the stage's domains".to_owned()),
            Self::Refused { .. } | Self::NoAdoption | Self::Upstream(_) => None,
        }
    }
}

fn near_text(near: &[String]) -> String {
    if near.is_empty() { String::new() } else { format!("; {} has some of them", near.join(", ")) }
}
