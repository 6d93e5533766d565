//! References to secrets. The value itself never enters the model (R28): it is read by `secrets` at the last moment.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a secret's value is found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretRef {
    /// A file of this name in the credentials directory.
    Credential(String),
    /// A variable in the environment of Landfall.
    Env(String),
    /// A file on the host, by absolute path.
    File(String),
}

impl fmt::Display for SecretRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credential(name) => write!(f, "credential {name}"),
            Self::Env(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

/// A keyed fingerprint of all secret values of a container: tells that one changed, never what it is (R19).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Which key made it; an unknown key id means "unchanged" (R18).
    pub key_id: String,
    /// Fingerprint by name of the variable or path of the file: 16 hex digits of an HMAC-SHA256.
    pub values: std::collections::BTreeMap<String, String>,
}
