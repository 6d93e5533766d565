//! Fail points: places where a test can make a build with the feature `faults` fail, stand still or be killed (R15).
//!
//! A point stands before something that lasts, and another one after it: `store.set_phase.before` and
//! `store.set_phase.after` around a transaction, `step.start.before` and so on around a step. What happens there is told by `LANDFALL_FAULTS` (for the binary), or by whoever watches the
//! data directory (within a process). Without the feature a point is nothing, and no variable is read; what is shipped
//! is built without it.
//!
//! *Must not*: be passed where nothing lasts. A point is a promise that a kill on either side of it is survived.

use std::fmt;

#[cfg(feature = "faults")]
mod plan;

#[cfg(feature = "faults")]
pub use plan::{Act, VARIABLE, Watched, point, watch};

/// On which side of what lasts a point stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// Nothing is done yet.
    Before,
    /// It is done, and nobody knows yet.
    After,
}

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Before => "before",
            Self::After => "after",
        })
    }
}

/// A point failed because a test asked for it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a fault was asked for at {0}")]
pub struct Injected(pub String);

/// Passes a point of what belongs to a data directory.
#[cfg(not(feature = "faults"))]
pub fn point(_: &'static str, _: When, _: &std::path::Path) -> std::future::Ready<Result<(), Injected>> {
    std::future::ready(Ok(()))
}
