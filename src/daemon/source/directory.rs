//! A plain directory as a source: read whole or not at all.

use std::path::{Path, PathBuf};

use tokio::task::JoinError;

use super::Read;
use crate::config;

/// A `git checkout` deletes and re-creates files while its lock exists; a lock left by a crashed git must not block for
/// ever, so after so many looks, about a minute, it is ignored.
const LOCKED_LOOKS: u32 = 200;

/// The directory, and what was seen of it.
#[derive(Debug)]
pub(super) struct Directory {
    dir: PathBuf,
    seen: Option<String>,
    locked: u32,
}

impl Directory {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), seen: None, locked: 0 }
    }

    /// Reads the directory. With `whole` it is read even if the files look the same: hidden files count only where the
    /// configuration mounts or reads them.
    ///
    /// # Errors
    /// The reading thread panicked.
    pub(super) async fn read(&mut self, whole: bool) -> Result<Read, JoinError> {
        if self.is_locked() {
            return Ok(Read::Changing);
        }
        let (dir, seen) = (self.dir.clone(), self.seen.clone().filter(|_| !whole));
        let (hash, read) = tokio::task::spawn_blocking(move || read(&dir, seen.as_deref())).await?;
        if matches!(read, Read::Loaded(_)) {
            self.seen = hash;
        }
        Ok(read)
    }

    /// True while git is at work in the tree.
    fn is_locked(&mut self) -> bool {
        let locked = self.dir.ancestors().any(|dir| dir.join(".git/index.lock").exists());
        self.locked = if locked { self.locked + 1 } else { 0 };
        locked && self.locked <= LOCKED_LOOKS
    }
}

fn read(dir: &Path, seen: Option<&str>) -> (Option<String>, Read) {
    let before = config::content_hash(dir).ok();
    if before.is_some() && before.as_deref() == seen {
        return (before, Read::Same);
    }
    let loaded = config::load(dir);
    // A tree that changed while it was read is no tree of one moment (L1).
    let after = config::content_hash(dir).ok();
    let read = if before == after { Read::Loaded(Box::new(loaded)) } else { Read::Changing };
    (after, read)
}

#[cfg(test)]
mod tests {
    use super::super::{News, Source};
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
