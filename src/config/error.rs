//! Why a configuration could not be loaded. Whoever gets one keeps the last good configuration in force (R2).

use std::path::PathBuf;

use crate::git::{CommitId, GitError};
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
    /// The commit is there and holds no YAML file below the folder.
    #[error("commit {commit} holds no YAML file {}", below(folder))]
    EmptyCommit {
        /// Which one.
        commit: CommitId,
        /// The folder, `""` for all of it.
        folder: String,
    },
    /// git cannot be asked, or says no.
    #[error(transparent)]
    Git(#[from] GitError),
    /// Something in it is wrong.
    #[error("{0}")]
    Invalid(Diagnostics),
}

impl LoadError {
    /// Only a change of the files helps, but for what git says of the world outside.
    pub const fn retry(&self) -> Retry {
        match self {
            Self::Git(error) => error.retry(),
            Self::Missing { .. }
            | Self::Empty { .. }
            | Self::Unreadable { .. }
            | Self::EmptyCommit { .. }
            | Self::Invalid(_) => Retry::OnChange,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Missing { .. } => "name the directory with --config or LANDFALL_CONFIG",
            Self::Empty { .. } => "put a file `*.yaml` with `projects:` there; see examples/config",
            Self::Unreadable { source, .. } if source.kind() == std::io::ErrorKind::NotADirectory => {
                "name the directory that holds the files, not one of them"
            }
            Self::Unreadable { .. } => "check its permissions and the user that Landfall runs as",
            Self::EmptyCommit { .. } => "commit a file `*.yaml` with `projects:` there; see examples/config",
            Self::Git(error) => return Some(error.hint()),
            Self::Invalid(_) => return None,
        };
        Some(hint.to_owned())
    }

    /// Everything that is wrong, where the files could be read at all.
    pub const fn diagnostics(&self) -> Option<&Diagnostics> {
        match self {
            Self::Invalid(diagnostics) => Some(diagnostics),
            Self::Missing { .. }
            | Self::Empty { .. }
            | Self::Unreadable { .. }
            | Self::EmptyCommit { .. }
            | Self::Git(_) => None,
        }
    }

    /// The error as people read it: with source lines where there are some.
    pub fn render(&self, color: bool) -> String {
        match self.diagnostics() {
            Some(diagnostics) => diagnostics.render(color),
            None => self.to_string(),
        }
    }
}

fn below(folder: &str) -> String {
    if folder.is_empty() { "at all".to_owned() } else { format!("below `{folder}`") }
}
