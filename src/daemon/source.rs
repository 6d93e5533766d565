//! The configuration directory as the daemon sees it: what is new, and what was last good (R2).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{self, LoadError, Loaded};

/// A `git checkout` deletes and re-creates files while its lock exists; a lock left by a crashed git must not block for
/// ever, so after so many looks, about a minute, it is ignored.
const LOCKED_LOOKS: u32 = 200;

/// What a look found.
#[derive(Debug)]
pub(super) enum News {
    /// The same as before.
    Same,
    /// A new configuration that is good.
    Changed,
    /// One that cannot be used; the text says why.
    Bad(String),
    /// The files are changing right now.
    Changing,
}

/// The directory, and what was read from it.
#[derive(Debug)]
pub(super) struct Source {
    dir: PathBuf,
    seen: Option<String>,
    good: Option<Arc<Loaded>>,
    locked: u32,
    complaint: Option<String>,
}

impl Source {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), seen: None, good: None, locked: 0, complaint: None }
    }

    /// What is in force.
    pub(super) fn last_good(&self) -> Option<Arc<Loaded>> {
        self.good.clone()
    }

    pub(super) fn has_good(&self) -> bool {
        self.good.is_some()
    }

    /// A short name of what is in force.
    pub(super) fn name(&self) -> String {
        self.good.as_ref().map(|l| l.desired.revision.chars().take(12).collect()).unwrap_or_default()
    }

    /// Reads the directory; only a whole and good configuration replaces the last one. With `whole` it is read even if
    /// the files look the same: hidden files count only where the configuration mounts or reads them.
    pub(super) async fn look(&mut self, whole: bool) -> News {
        if self.is_locked() {
            return News::Changing;
        }
        let (dir, seen) = (self.dir.clone(), self.seen.clone().filter(|_| !whole));
        match tokio::task::spawn_blocking(move || read(&dir, seen.as_deref())).await {
            Ok(Read::Same) => News::Same,
            Ok(Read::Changing) => News::Changing,
            Ok(Read::Loaded(hash, loaded)) => {
                self.seen = hash;
                match *loaded {
                    Ok(loaded) if self.good.as_ref().is_some_and(|good| good.hash == loaded.hash) => {
                        if self.complaint.take().is_some() {
                            tracing::info!("the configuration can be used again, and is the one in force");
                        }
                        News::Same
                    }
                    Ok(loaded) => {
                        self.good = Some(Arc::new(loaded));
                        self.complaint = None;
                        tracing::info!("configuration {} read", self.name());
                        News::Changed
                    }
                    Err(error) => self.bad(error.render(false)),
                }
            }
            Err(error) => News::Bad(error.to_string()),
        }
    }

    /// The same complaint again is no news.
    fn bad(&mut self, error: String) -> News {
        if self.complaint.as_ref() == Some(&error) {
            return News::Same;
        }
        self.complaint = Some(error.clone());
        News::Bad(error)
    }

    /// True while git is at work in the tree.
    fn is_locked(&mut self) -> bool {
        let locked = self.dir.ancestors().any(|dir| dir.join(".git/index.lock").exists());
        self.locked = if locked { self.locked + 1 } else { 0 };
        locked && self.locked <= LOCKED_LOOKS
    }
}

/// What reading gave.
enum Read {
    Same,
    Changing,
    Loaded(Option<String>, Box<Result<Loaded, LoadError>>),
}

fn read(dir: &Path, seen: Option<&str>) -> Read {
    let before = config::content_hash(dir).ok();
    if before.is_some() && before.as_deref() == seen {
        return Read::Same;
    }
    let loaded = config::load(dir);
    // A tree that changed while it was read is no tree of one moment (L1).
    let after = config::content_hash(dir).ok();
    if before == after { Read::Loaded(after, Box::new(loaded)) } else { Read::Changing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn while_git_is_at_work_nothing_is_read_but_a_lock_left_behind_does_not_block_for_ever() {
        let tree = tempfile::tempdir().unwrap();
        let (dir, lock) = (tree.path().join("conf"), tree.path().join(".git/index.lock"));
        for made in [&dir, &tree.path().join(".git")] {
            std::fs::create_dir(made).unwrap();
        }
        std::fs::write(dir.join("a.yaml"), "projects: {}\n").unwrap();
        std::fs::write(&lock, "").unwrap();
        let mut source = Source::new(&dir);
        for _ in 0..LOCKED_LOOKS {
            assert!(matches!(source.look(true).await, News::Changing) && !source.has_good());
        }
        assert!(matches!(source.look(true).await, News::Changed));
        std::fs::remove_file(&lock).unwrap();
        assert!(matches!(source.look(true).await, News::Same));
        std::fs::write(&lock, "").unwrap();
        assert!(matches!(source.look(true).await, News::Changing), "the next lock counts anew");
    }
}
