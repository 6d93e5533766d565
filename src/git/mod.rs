//! git, by its own binary: what a repository holds at a commit, and what a remote branch is now (R26).
//!
//! *Guarantees*: a repository is data here. No hook, filter, helper, pager or question of it or of the user runs, no
//! configuration but the repository's own and ours counts, nothing is fetched unless asked, every call has a limit of
//! time and of bytes and is ended with all that it started. Values of users stand where none is taken for an option.
//!
//! *Caveats*: all of it blocks; callers within the runtime go by `spawn_blocking`. *Must not*: know YAML, or decide
//! which commit is in force.

mod access;
mod command;
mod error;
mod group;
mod mirror;
mod remote;
mod repository;
mod work_tree;

use std::fmt;

pub use access::{CA, KEY, KNOWN_HOSTS, TOKEN};
pub use error::{GitError, Kind};
pub use group::end_all;
pub use mirror::Mirror;
pub use remote::{Branch, Folder, Remote, RemoteUrl};
pub use repository::{Entry, Limits, Mode, Repository};
pub use work_tree::WorkTree;

/// The full name of a commit: 40 hex digits, or 64 where a repository names by SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CommitId(String);

impl CommitId {
    /// Takes what git printed; none for anything else than a full name.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (is_hex && matches!(text.len(), 40 | 64)).then(|| Self(text.to_owned()))
    }

    /// All digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// As people read it: twelve digits.
impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0[..12])
    }
}

#[cfg(test)]
#[path = "tests/ground.rs"]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
