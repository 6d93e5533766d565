//! Where the configuration is, and the one way in which commands load it.

use std::fmt;
use std::path::PathBuf;

use crate::config::{self, LoadError, Loaded};

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
}

impl ConfigPlace {
    /// Loads it. Blocks.
    ///
    /// # Errors
    /// It cannot be read, or anything in it is wrong.
    pub fn load(&self) -> Result<Loaded, LoadError> {
        match self {
            Self::Directory { dir, worktree } => config::load_head(dir, *worktree),
        }
    }
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
        }
    }
}
