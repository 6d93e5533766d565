//! Secrets: references → values in memory, read at the last moment, keyed fingerprints of them, and sealing of what
//! has to be kept of one.
//!
//! *Guarantees*: a value never appears in an error, a log or a `Debug` text (R28); it is read anew each time, so that
//! a changed secret counts at once. *Must not*: keep a value that is not sealed, or make a key unless asked to write (R21).

mod error;
mod key;
mod keyfile;
mod read;
mod seal;
pub mod sealed;

use std::collections::BTreeMap;
use std::path::PathBuf;

use secrecy::SecretString;

use crate::model::ContainerSpec;
use crate::model::secret::{Fingerprint, SecretRef};

pub use error::SecretError;
pub use key::Key;
pub use keyfile::Distrust;
pub use seal::{CREDENTIAL, KeyPlace, SealingKey};

/// Where secrets are read.
#[derive(Debug, Clone)]
pub struct Secrets {
    credentials: PathBuf,
}

/// What is known of the secrets of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretsSeen {
    /// It has none.
    None,
    /// All were read.
    Known(Fingerprint),
    /// One could not be read: which, why, and what to do.
    Unreadable(String),
    /// There is no key to make fingerprints with: nothing was deployed from here yet, or the key may not be read.
    NoKey,
}

impl Secrets {
    /// Reads credentials from files in this directory.
    pub fn new(credentials: impl Into<PathBuf>) -> Self {
        Self { credentials: credentials.into() }
    }

    /// The value of one secret, without a line end after it. Blocks for the time of reading a small file.
    pub fn read(&self, reference: &SecretRef) -> Result<SecretString, SecretError> {
        read::read(&self.credentials, reference)
    }

    /// Fingerprints of all secrets of a container: by name of the variable and by path of the file.
    pub fn seen(&self, key: Option<&Key>, spec: &ContainerSpec) -> SecretsSeen {
        let references: Vec<_> = spec.secret_environment.iter().chain(&spec.secret_files).collect();
        if references.is_empty() {
            return SecretsSeen::None;
        }
        let mut values = BTreeMap::new();
        for (name, reference) in references {
            match (self.read(reference), key) {
                (Err(error), _) => return SecretsSeen::Unreadable(error.to_string()),
                (Ok(value), Some(key)) => drop(values.insert(name.clone(), key.fingerprint(name, &value))),
                (Ok(_), None) => {}
            }
        }
        key.map_or(SecretsSeen::NoKey, |key| SecretsSeen::Known(Fingerprint { key_id: key.id(), values }))
    }
}

#[cfg(test)]
mod tests;
