//! The reverse proxy as the daemon sees it: look, switch with proof, put back, drain. One file per provider.
//!
//! Invariants (R9): writes to one proxy are serialised; a switch that was not proven has been put back, unless the error
//! is [`ProxyError::Unsettled`]. It must not decide what is routed where: that is the plan's business.

mod client;
mod embedded;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::name::InvalidName;
use crate::model::{Domain, ObservedProxy, ProxySettings, Retry, StageKey, StoreId};
use crate::router::control;
pub use embedded::Embedded;

/// The configured proxy.
pub enum Proxy {
    /// `landfall proxy`, over its control socket.
    Embedded(Embedded),
    /// There is none.
    None,
}

/// What a switch replaced, for putting it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// Entries of the embedded proxy's table.
    Embedded(control::Saved),
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Requests and tunnels still in flight; 0: the old instance is idle.
    pub left: u64,
    /// How long it took.
    pub took: Duration,
}

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
            Self::Refused { is_its_trouble: false, .. } | Self::Conflict { .. } | Self::NoProxy | Self::Upstream(_) => {
                Retry::OnChange
            }
        }
    }

    /// Whether the change may have been made all the same, if only for a moment.
    pub fn may_have_changed(&self) -> bool {
        match self {
            Self::NoAnswer { .. } | Self::Unproven | Self::Unsettled { .. } => true,
            Self::Unreachable { .. }
            | Self::Conflict { .. }
            | Self::Refused { .. }
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
                _ => format!("start it: `landfall proxy --listen 0.0.0.0:80 --control {}`", socket.display()),
            }),
            Self::NoAnswer { .. } | Self::Unproven => Some("look at the log of `landfall proxy`".to_owned()),
            Self::Conflict { domain, .. } => Some(format!(
                "give {domain} up here or there; if that store is no more, remove the domain's line from the proxy's \
                 table on disk and restart the proxy"
            )),
            Self::Unsettled { switch, .. } => switch.hint(),
            Self::NoProxy => Some("give `settings.proxy`, or remove the stage's domains".to_owned()),
            Self::Refused { .. } | Self::Upstream(_) => None,
        }
    }
}

impl Proxy {
    /// The proxy of the settings; the embedded one is driven over `socket`.
    pub fn new(settings: ProxySettings, socket: &Path) -> Self {
        match settings {
            ProxySettings::Embedded => Self::Embedded(Embedded::new(socket)),
            ProxySettings::None => Self::None,
        }
    }

    /// What it routes, in one call. A route without upstream has the empty text for one.
    pub async fn observe(&self) -> ObservedProxy {
        match self {
            Self::Embedded(embedded) => embedded.observe().await,
            Self::None => ObservedProxy::None,
        }
    }

    /// Gives a stage exactly these domains, at this upstream (`host:port`), and proves that they are in force. Domains it
    /// had beside them are dropped; those of other stages of the store move over.
    pub async fn switch(
        &self,
        store: StoreId,
        key: &StageKey,
        domains: &[Domain],
        upstream: &str,
    ) -> Result<Saved, ProxyError> {
        match self {
            Self::Embedded(embedded) => embedded.switch(store, key, domains, upstream).await.map(Saved::Embedded),
            Self::None => Err(ProxyError::NoProxy),
        }
    }

    /// Puts back what a switch replaced, and proves it.
    pub async fn restore(&self, saved: Saved) -> Result<(), ProxyError> {
        match (self, saved) {
            (Self::Embedded(embedded), Saved::Embedded(saved)) => embedded.restore(&saved).await,
            (Self::None, Saved::Embedded(_)) => Err(ProxyError::NoProxy),
        }
    }

    /// Takes all domains from a stage; none is fine.
    pub async fn unroute(&self, store: StoreId, key: &StageKey) -> Result<(), ProxyError> {
        match self {
            Self::Embedded(embedded) => embedded.unroute(store, key).await,
            Self::None => Ok(()),
        }
    }

    /// Requests and tunnels in flight at an upstream; 0 for one that is not known, or without a proxy.
    pub async fn in_flight(&self, upstream: &str) -> Result<u64, ProxyError> {
        match self {
            Self::Embedded(embedded) => embedded.in_flight(upstream).await,
            Self::None => Ok(0),
        }
    }

    /// Waits until an upstream that has lost its routes has nothing in flight, but not longer than this (an hour at most).
    pub async fn drain(&self, upstream: &str, at_most: Duration) -> Result<Drained, ProxyError> {
        match self {
            Self::Embedded(embedded) => embedded.drain(upstream, at_most).await,
            Self::None => Ok(Drained { left: 0, took: Duration::ZERO }),
        }
    }
}
