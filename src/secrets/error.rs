//! Why a secret cannot be had: which one, and what to do. Never its value (R28).

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use crate::model::Retry;
use crate::model::secret::SecretRef;

use super::keyfile::Distrust;
use super::seal::CREDENTIAL;

/// Why a secret cannot be read, or what is kept of one cannot be sealed or opened.
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
    /// The key that seals is there, and cannot be read or made.
    #[error("the sealing key {} cannot be used", path.display())]
    SealingKey {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that is not only ours, where only ours is trusted.
    #[error("{} {why}", path.display())]
    Untrusted {
        /// The file.
        path: PathBuf,
        /// What speaks against it.
        why: Distrust,
    },
    /// Something was sealed, and there is no key at all.
    #[error("{sealed} is sealed, and the key that opens it is gone")]
    LostKey {
        /// What is sealed.
        sealed: String,
        /// Where the key is kept.
        key: PathBuf,
    },
    /// It was sealed with a key that is not this one.
    #[error("the sealed {what} needs the key {sealed_with}, and the key here is {have}")]
    OtherKey {
        /// What it was opened for.
        what: String,
        /// Id of its key.
        sealed_with: String,
        /// Id of the key that is here.
        have: String,
    },
    /// Not what was written, or not written for this.
    #[error("the sealed {what} is damaged, or was sealed for something else")]
    Damaged {
        /// What it was opened for.
        what: String,
    },
    /// A sealed file cannot be read or written.
    #[error("the sealed file {} cannot be used", path.display())]
    SealedFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Without random bytes nothing can be sealed.
    #[error("the operating system gives no random bytes")]
    NoRandom {
        /// Its answer.
        source: getrandom::Error,
    },
}

impl SecretError {
    /// Something sealed is there, and its key is not.
    pub(super) fn lost_key(sealed: impl Display, key: &Path) -> Self {
        Self::LostKey { sealed: sealed.to_string(), key: key.to_owned() }
    }

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
            Self::Io { source, .. } | Self::SealingKey { source, .. } | Self::SealedFile { source, .. }
                if source.kind() == io::ErrorKind::PermissionDenied =>
            {
                Some("let the user who runs landfall use it".into())
            }
            Self::Key { path, .. } => Some(format!(
                "put it back from a backup, or remove {}: a new one is made, and secrets count as unchanged until the next deploy",
                path.display()
            )),
            Self::Untrusted { path, why } => Some(remedy(path, *why)),
            Self::LostKey { sealed, key } => Some(format!(
                "put the credential `{CREDENTIAL}` or {} back, or remove {sealed}: it is made anew, with a new key",
                key.display()
            )),
            Self::OtherKey { sealed_with, .. } => {
                Some(format!("put the key {sealed_with} back, or remove what is sealed: it is made anew"))
            }
            Self::SealingKey { path, .. } => Some(format!(
                "put {} back from a backup; without one, remove it and what was sealed with it: both are made anew",
                path.display()
            )),
            Self::Damaged { .. } => Some("remove it: it is made anew".into()),
            Self::SealedFile { .. } | Self::NoRandom { .. } | Self::Unusable { .. } | Self::Io { .. } => None,
        }
    }
}

fn remedy(path: &Path, why: Distrust) -> String {
    match why {
        Distrust::NotAFile => format!("put the file itself at {}, mode 0600", path.display()),
        Distrust::Owner(_) => format!("`chown root {}`, unless somebody else put it there", path.display()),
        Distrust::Mode(_) => format!("`chmod 0600 {}`; if others may have read it, remove it instead", path.display()),
    }
}
