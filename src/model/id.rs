//! Identifiers: the store's, and each deploy's. Making one needs randomness, so that happens in `store` and `reconcile`.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Hex digits of a deploy id that a container name ends in (R7).
const SHORT_LEN: usize = 8;

/// The random id of a store, made once; every container carries it, and nothing without it is ever touched (R1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoreId(pub Uuid);

/// The id of a deploy, a UUID v7: sorted by time of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeployId(pub Uuid);

impl DeployId {
    /// The last 8 hex digits, which end the names of its container (R7) and name the deploy on the command line.
    pub fn short(&self) -> String {
        let hex = self.0.simple().to_string();
        hex[hex.len() - SHORT_LEN..].to_owned()
    }
}

impl fmt::Display for StoreId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for StoreId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for DeployId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
