//! Why a configuration could not be loaded. Whoever gets one keeps the last good configuration in force (R2).

use std::path::PathBuf;

use crate::model::Retry;

use super::diagnostic::Diagnostics;

/// Why a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The directory is not there.
    #[error("the config directory {} does not exist", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory is there and holds no YAML file.
    #[error("the config directory {} holds no YAML file", dir.display())]
    Empty {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory cannot be read at all.
    #[error("the config directory {} cannot be read", dir.display())]
    Unreadable {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Something in it is wrong.
    #[error("{0}")]
    Invalid(Diagnostics),
}

impl LoadError {
    /// Only a change of the files helps.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Missing { .. } | Self::Empty { .. } | Self::Unreadable { .. } | Self::Invalid(_) => Retry::OnChange,
        }
    }

    /// What to do about it.
    pub const fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("name the directory with --config or LANDFALL_CONFIG"),
            Self::Empty { .. } => Some("put a file `*.yaml` with `projects:` there; see examples/config"),
            Self::Unreadable { .. } => Some("check its permissions and the user that Landfall runs as"),
            Self::Invalid(_) => None,
        }
    }
}
