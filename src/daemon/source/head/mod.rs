//! A directory of this host as a source. In a git work tree the commit at HEAD counts, which is always whole and needs no
//! time to stand still; elsewhere, and where that commit or a flag says so, the files do.
//!
//! *Guarantees*: once a commit was read, files take its place only if a commit or the flag says so: a HEAD that holds
//! nothing of the directory any more, or a repository that is gone, is an error, and what is in force stays (R2).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::task::{JoinError, spawn_blocking};

use super::Read;
use super::directory::{Directory, Patience};
use super::eye::Glance;
use crate::config::{AtHead, Cache, LoadError, read_head};
use crate::git::{CommitId, GitError, Kind, WorkTree};

/// The directory, and what HEAD said of it last.
#[derive(Debug)]
pub(super) struct Head {
    dir: PathBuf,
    /// The files count whatever git says.
    worktree: bool,
    files: Directory,
    /// What was parsed of the commit before.
    cache: Arc<Cache>,
    seen: Option<Seen>,
    /// The last look found trouble that passes by itself: the next one reads the commit again, and so tells of its end.
    ill: bool,
    /// It was said that the files are read though there is a repository.
    told: bool,
}

/// A commit that was read.
#[derive(Debug, Clone)]
struct Seen {
    commit: CommitId,
    /// It says that the files count.
    is_files: bool,
}

/// What a look at HEAD gave.
enum Found {
    Same,
    Files,
    NoCommit,
    Commit(CommitId, Result<AtHead, LoadError>),
}

impl Head {
    pub(super) fn new(dir: &Path, worktree: bool, patience: Patience) -> Self {
        Self {
            dir: dir.to_owned(),
            worktree,
            files: Directory::new(dir, patience),
            cache: Arc::default(),
            seen: None,
            ill: false,
            told: false,
        }
    }

    /// The files as they lie there.
    #[cfg(test)]
    pub(super) const fn files(&self) -> &Directory {
        &self.files
    }

    /// What is to be told of events.
    pub(super) fn glance(&self) -> Glance {
        self.files.glance()
    }

    /// The directory, and what changes in the repository when HEAD becomes another commit.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        // Where git cannot be asked now, the directory is watched, and the timer looks in any case.
        let tree = if self.worktree { None } else { WorkTree::find(&self.dir).ok().flatten() };
        let moves = tree.map(|tree| tree.watched()).unwrap_or_default();
        std::iter::once(self.dir.clone()).chain(moves).collect()
    }

    /// Reads the commit at HEAD if it is another one than before, or the files.
    ///
    /// # Errors
    /// The reading thread panicked.
    pub(super) async fn read(&mut self, whole: bool) -> Result<Read, JoinError> {
        if self.worktree {
            return self.files.read(whole).await;
        }
        let (dir, seen) = (self.dir.clone(), self.seen.clone().filter(|_| !self.ill));
        self.ill = false;
        let cache = Arc::clone(&self.cache);
        match spawn_blocking(move || find(&cache, &dir, seen.as_ref())).await? {
            Ok(Found::Same) => Ok(Read::Same),
            Ok(Found::Files) => self.files.read(whole).await,
            Ok(Found::NoCommit) if self.seen.is_some() => Ok(self.passing(LoadError::Git(self.lost()))),
            Ok(Found::NoCommit) => {
                self.tell();
                self.files.read(whole).await
            }
            Ok(Found::Commit(commit, Ok(AtHead::Files(_)))) => {
                self.seen = Some(Seen { commit, is_files: true });
                self.files.read(whole).await
            }
            Ok(Found::Commit(commit, Ok(AtHead::Commit(loaded)))) => {
                self.seen = Some(Seen { commit, is_files: false });
                Ok(Read::Loaded(Box::new(Ok(*loaded))))
            }
            Ok(Found::Commit(_, Ok(AtHead::Nothing))) => Ok(self.passing(LoadError::Git(self.lost()))),
            // What git cannot do now it may do later: such a commit was not seen.
            Ok(Found::Commit(_, Err(error @ LoadError::Git(_)))) | Err(error) => Ok(self.passing(error)),
            Ok(Found::Commit(commit, Err(error))) => {
                self.seen = Some(Seen { commit, is_files: false });
                Ok(Read::Loaded(Box::new(Err(error))))
            }
        }
    }

    fn passing(&mut self, error: LoadError) -> Read {
        self.ill = true;
        Read::Loaded(Box::new(Err(error)))
    }

    fn lost(&self) -> GitError {
        let what = format!("HEAD holds nothing of {} any more", self.dir.display());
        GitError::new(
            Kind::Broken,
            what,
            "its files are not read in place of a commit; if they are meant, start the daemon with --worktree",
        )
    }

    fn tell(&mut self) {
        let lies_in_tree = || WorkTree::find(&self.dir).is_ok_and(|tree| tree.is_some());
        if !self.told && lies_in_tree() {
            tracing::warn!("no commit at HEAD holds {}: its files are read as they are", self.dir.display());
        }
        self.told = true;
    }
}

/// What HEAD says; the commit is loaded only if it is not the one that was seen. Blocks.
fn find(cache: &Cache, dir: &Path, seen: Option<&Seen>) -> Result<Found, LoadError> {
    let Some(tree) = WorkTree::find(dir)? else { return Ok(Found::NoCommit) };
    let Some(head) = tree.head()? else { return Ok(Found::NoCommit) };
    if let Some(seen) = seen.filter(|seen| seen.commit == head) {
        return Ok(if seen.is_files { Found::Files } else { Found::Same });
    }
    let found = read_head(cache, &tree, Some(&head));
    if seen.is_none() && matches!(found, Ok(AtHead::Nothing)) {
        return Ok(Found::NoCommit);
    }
    Ok(Found::Commit(head, found))
}

#[cfg(test)]
mod tests;
