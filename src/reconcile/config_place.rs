//! Where the configuration is, and the one way in which commands load it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::{self, Cache, LoadError, Loaded};
use crate::git::{GitError, Mirror};
use crate::model::Retry;

/// Where the configuration is.
#[derive(Debug, Clone)]
pub enum ConfigPlace {
    /// A directory of this host: of a git work tree the commit at HEAD, else its files.
    Directory {
        /// Which one.
        dir: PathBuf,
        /// Its files count in a work tree as well.
        worktree: bool,
    },
    /// A branch of a repository elsewhere, read from a private clone (R26).
    Remote {
        /// The clone.
        mirror: Arc<Mirror>,
        /// How new what is read has to be.
        fresh: Fresh,
        /// How often the daemon asks for new commits.
        interval: Duration,
    },
}

/// How new what is read of a remote branch has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fresh {
    /// What is in force, without a question to the server unless nothing ever was.
    InForce,
    /// What the server has; the clone is left as it is (R21).
    Seen,
    /// What the server has; from then on it is in force.
    Taken {
        /// Also when the history of the branch was rewritten.
        allow_rewrite: bool,
    },
}

impl ConfigPlace {
    /// Loads it. Blocks.
    ///
    /// # Errors
    /// It cannot be read, or anything in it is wrong.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        match self {
            Self::Directory { dir, worktree } => config::load_head(dir, *worktree),
            Self::Remote { mirror, fresh, interval: _ } => load_remote(mirror, *fresh),
        }
    }

    /// Has the daemon ask the server now and not after the interval.
    pub fn ask_now(&self) {
        match self {
            Self::Directory { .. } => {}
            Self::Remote { mirror, .. } => mirror.asked().notify_one(),
        }
    }

    /// The same place, read as new as this; a directory always is.
    #[must_use]
    pub fn as_new_as(&self, fresh: Fresh) -> Self {
        match self {
            Self::Directory { .. } => self.clone(),
            Self::Remote { mirror, fresh: _, interval } => {
                Self::Remote { mirror: Arc::clone(mirror), fresh, interval: *interval }
            }
        }
    }
}

fn load_remote(mirror: &Mirror, fresh: Fresh) -> Result<Loaded, LoadError> {
    match fresh {
        Fresh::InForce => match in_force(mirror)? {
            Some(loaded) => Ok(loaded),
            None => load_remote(mirror, Fresh::Seen),
        },
        Fresh::Seen => {
            let temporary = mirror.temporary()?;
            match temporary.fetch() {
                Ok(commit) => config::load_fetched(&Cache::default(), &temporary, &commit, false),
                Err(error) => otherwise(mirror, error),
            }
        }
        Fresh::Taken { allow_rewrite } => match mirror.fetch() {
            Ok(commit) => {
                let loaded = config::load_fetched(&Cache::default(), mirror, &commit, allow_rewrite)?;
                mirror.put_in_force(&commit)?;
                Ok(loaded)
            }
            Err(error) => otherwise(mirror, error),
        },
    }
}

/// A server that does not answer keeps nobody from what is in force.
fn otherwise(mirror: &Mirror, error: GitError) -> Result<Loaded, LoadError> {
    let loaded = if error.retry() == Retry::Backoff { in_force(mirror)? } else { None };
    let Some(mut loaded) = loaded else { return Err(error.into()) };
    loaded.note = Some(format!("{error}; this is the commit in force"));
    Ok(loaded)
}

fn in_force(mirror: &Mirror) -> Result<Option<Loaded>, LoadError> {
    let Some(commit) = mirror.in_force()? else { return Ok(None) };
    config::load_fetched(&Cache::default(), mirror, &commit, false).map(Some)
}

/// A directory, read as is usual.
impl From<PathBuf> for ConfigPlace {
    fn from(dir: PathBuf) -> Self {
        Self::Directory { dir, worktree: false }
    }
}

impl fmt::Display for ConfigPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Directory { dir, .. } => dir.display().fmt(f),
            Self::Remote { mirror, .. } => mirror.remote().fmt(f),
        }
    }
}
