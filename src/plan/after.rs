//! Why the work on a stage waits for that on another one.

use std::fmt;

use serde::Serialize;

use crate::model::StageKey;

/// A stage whose plan must succeed before this one is begun, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// It takes over a domain of this one (R4).
    TakesDomain(StageKey),
    /// This one depends on it (R23).
    DependsOn(StageKey),
    /// What serves of it depends on this one, which goes.
    NeededBy(StageKey),
    /// It takes the place of this one, which goes (R4).
    TakesPlace(StageKey),
}

impl After {
    /// The stage that is waited for.
    pub const fn key(&self) -> &StageKey {
        match self {
            Self::TakesDomain(key) | Self::DependsOn(key) | Self::NeededBy(key) | Self::TakesPlace(key) => key,
        }
    }

    /// True for what keeps a domain served; where both cannot be had, it goes before what stages say of each other.
    pub(super) const fn is_for_traffic(&self) -> bool {
        match self {
            Self::TakesDomain(_) | Self::TakesPlace(_) => true,
            Self::DependsOn(_) | Self::NeededBy(_) => false,
        }
    }
}

impl fmt::Display for After {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TakesDomain(key) => write!(f, "{key}, which takes over a domain of it"),
            Self::DependsOn(key) => write!(f, "{key}, which it depends on"),
            Self::NeededBy(key) => write!(f, "{key}, which depends on it"),
            Self::TakesPlace(key) => write!(f, "{key}, which takes its place"),
        }
    }
}
