//! Why a pass ended before its plan. What happens to single stages is in the plan and in the results instead.

use std::path::PathBuf;

use crate::config::LoadError;
use crate::docker::DockerError;
use crate::model::StageKey;
use crate::proxy::ProxyError;
use crate::secrets::SecretError;
use crate::store::StoreError;

/// Why a pass ended before its plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// Docker cannot be asked.
    #[error(transparent)]
    Docker(#[from] DockerError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key of the fingerprints cannot be made or read.
    #[error(transparent)]
    Key(#[from] SecretError),
    /// The proxy said no, or nothing.
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    /// The stage has no domain.
    #[error("{0} has no route")]
    NotRouted(StageKey),
    /// What an earlier run left open could not be closed.
    #[error("an interrupted deploy could not be cleaned up: {0}")]
    Recover(String, Option<String>),
    /// There is no store, and yet containers of one (R16).
    #[error("there is no store in {}, but stages of this configuration run under store {other}", .data.display())]
    StoreLost {
        /// Where it was looked for.
        data: PathBuf,
        /// The store that the containers name.
        other: String,
        /// Their names.
        containers: Vec<String>,
    },
    /// A name on the command line picks nothing: a typing error, not an empty result.
    #[error("`{name}` is neither a project nor a stage here")]
    UnknownSelection {
        /// As it was given.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A thread of ours ended early.
    #[error("a fault of Landfall itself: {0}")]
    Internal(String),
}

impl Error {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Load(error) => error.hint(),
            Self::Docker(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Key(error) => error.hint(),
            Self::Proxy(error) => error.hint(),
            Self::NotRouted(_) => Some("give it the domains that the host has: `route: { domains: [ … ] }`".into()),
            Self::Recover(_, hint) => hint.clone(),
            Self::StoreLost { containers, .. } => Some(format!(
                "restore landfall.db from a backup or point --data at it; to start anew instead, remove its containers first: docker rm -f {}",
                containers.join(" ")
            )),
            Self::UnknownSelection { known, .. } => {
                (!known.is_empty()).then(|| format!("known here: {}", known.join(", ")))
            }
            Self::Internal(_) => Some("please report this".into()),
        }
    }
}
