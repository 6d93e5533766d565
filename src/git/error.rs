//! What went wrong with git: where, why, and what helps. What git says is cut, and never holds a credential, because
//! none is ever in an address or an argument (R28).

use std::fmt;

use crate::model::Retry;

/// Longest text of git that is shown, in characters.
const MAX_SAID: usize = 300;

/// Kinds of trouble, by what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// git cannot be started.
    NotInstalled,
    /// It did not end in time.
    TimedOut,
    /// The repository belongs to another user, and this git insists on that.
    Foreign,
    /// There is no such revision.
    NoRevision,
    /// The repository or its answer cannot be used.
    Broken,
    /// It holds more than is taken.
    TooLarge,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitError {
    /// Which kind.
    pub kind: Kind,
    /// What could not be done, in words.
    what: String,
    /// Why: ours, or what git said.
    why: String,
}

impl GitError {
    /// An error of this kind: what could not be done, and why.
    pub fn new(kind: Kind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into() }
    }

    /// Whether time helps.
    pub const fn retry(&self) -> Retry {
        match self.kind {
            Kind::TimedOut => Retry::Backoff,
            Kind::NotInstalled | Kind::Foreign | Kind::NoRevision | Kind::Broken | Kind::TooLarge => Retry::OnChange,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        let hint = match self.kind {
            Kind::NotInstalled => "install git, 2.38 or newer, or move the configuration out of the work tree",
            Kind::TimedOut => "look at the disk, or at the connection",
            Kind::Foreign => "install git 2.38 or newer, or give the work tree to the user that Landfall runs as",
            Kind::NoRevision => "name a branch, a tag or a commit of that repository",
            Kind::Broken => "`git fsck` in the repository says what is wrong with it",
            Kind::TooLarge => "give the configuration a folder of its own, and name that",
        };
        hint.to_owned()
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.why.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.what, self.why)
    }
}

impl std::error::Error for GitError {}

/// What git said, on one line and not too long: the lines that tell of an error, else all of them.
pub(super) fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling = |line: &&str| ["fatal:", "error:", "ERROR:", "remote:"].iter().any(|word| line.starts_with(word));
    let picked: Vec<&str> =
        if lines().any(|line| telling(&line)) { lines().filter(telling).collect() } else { lines().collect() };
    picked.join("; ").chars().filter(|c| !c.is_control()).take(MAX_SAID).collect()
}
