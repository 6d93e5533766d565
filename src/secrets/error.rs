//! Why a secret cannot be had: which one, and what to do. Never its value (R28).

use std::io;
use std::path::PathBuf;

use crate::model::Retry;
use crate::model::secret::SecretRef;

/// Why a secret, or the key of their fingerprints, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// There is no such file or variable.
    #[error("{reference} does not exist")]
    Missing {
        /// The secret.
        reference: SecretRef,
        /// The file looked for; none for a variable.
        path: Option<PathBuf>,
    },
    /// The name of a credential is not the name of a file.
    #[error("{reference} is not a file name: it may not hold `/` or begin with `.`")]
    BadName {
        /// The secret.
        reference: SecretRef,
    },
    /// A path that is not absolute.
    #[error("{reference} is not an absolute path")]
    NotAbsolute {
        /// The secret.
        reference: SecretRef,
    },
    /// What is there is no secret of ours.
    #[error("{reference} {why}")]
    Unusable {
        /// The secret.
        reference: SecretRef,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The operating system refused.
    #[error("{reference} cannot be read")]
    Io {
        /// The secret.
        reference: SecretRef,
        /// Its answer.
        source: io::Error,
    },
    /// The key of the fingerprints cannot be read or made.
    #[error("the key {} cannot be used", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SecretError {
    /// Whether trying again helps: never by itself, someone has to put the secret right.
    pub fn retry(&self) -> Retry {
        Retry::OnChange
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Missing { path: Some(path), .. } => Some(format!("write it to {}, mode 0600", path.display())),
            Self::Missing { reference, path: None } => Some(format!(
                "set the {reference} for landfall itself, as with `Environment=` or `EnvironmentFile=` of its unit"
            )),
            Self::BadName { .. } => Some("use `{ file: /path }` for a file elsewhere".into()),
            Self::NotAbsolute { .. } => Some("begin it with `/`".into()),
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("let the user who runs landfall read it".into())
            }
            Self::Key { path, .. } => Some(format!(
                "put it back from a backup, or remove {}: a new one is made, and secrets count as unchanged until the next deploy",
                path.display()
            )),
            Self::Unusable { .. } | Self::Io { .. } => None,
        }
    }
}
