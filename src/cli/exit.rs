//! Exit codes, each with one meaning (product.md "The command line").

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// All is well.
    Ok,
    /// An error, or a deploy that failed.
    Error,
    /// `diff`: there are changes, or something is held.
    Changes,
    /// `apply` and `status`: something is held or degraded.
    Held,
    /// `apply`: refused before anything was touched.
    Refused,
    /// The command line cannot be understood (sysexits' `EX_USAGE`).
    Usage,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Error => 1,
            Self::Changes => 2,
            Self::Held => 3,
            Self::Refused => 4,
            Self::Usage => 64,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
