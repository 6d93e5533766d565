//! The configuration of a directory that lies in a git work tree: the commit at HEAD, not the files, because a checkout
//! deletes and re-creates them (R2, L1).

use std::path::Path;

use super::error::LoadError;
use super::revision::{LIMITS, load_entries};
use super::{Cache, Loaded, load};
use crate::git::{CommitId, WorkTree};

/// What HEAD says of a directory.
#[derive(Debug)]
pub enum AtHead {
    /// This commit, which was loaded.
    Commit(Box<Loaded>),
    /// This commit, which says that the files count.
    Files(CommitId),
    /// Nothing: no commit is there, or it holds no file below the directory.
    Nothing,
}

/// Loads a directory: the commit at HEAD where it lies in a work tree, its files elsewhere, with `worktree`, and where
/// that commit holds nothing of it or says so itself.
///
/// # Errors
/// The directory or the repository cannot be read, or anything in it is wrong.
pub fn load_head(dir: &Path, worktree: bool) -> Result<Loaded, LoadError> {
    let tree = if worktree { None } else { WorkTree::find(dir)? };
    let Some(tree) = tree else { return load(dir) };
    let head = tree.head()?;
    match read_head(&Cache::default(), &tree, head.as_ref())? {
        AtHead::Commit(loaded) => Ok(Loaded { note: left_out(&tree), ..*loaded }),
        AtHead::Files(_) => load(dir),
        AtHead::Nothing => {
            let note = format!("no commit at HEAD holds {}: its files are read as they are", dir.display());
            Ok(Loaded { note: Some(note), ..load(dir)? })
        }
    }
}

/// Loads what the commit at HEAD holds of a directory, and parses only the files that differ from those that were loaded
/// with the same cache before.
///
/// # Errors
/// The repository cannot be read, or anything in the commit is wrong.
pub fn read_head(cache: &Cache, tree: &WorkTree, head: Option<&CommitId>) -> Result<AtHead, LoadError> {
    let Some(head) = head else { return Ok(AtHead::Nothing) };
    let entries = tree.repository().list(head, tree.folder(), LIMITS)?;
    if entries.is_empty() {
        return Ok(AtHead::Nothing);
    }
    let loaded = load_entries(cache, tree.repository(), head, tree.folder(), entries)?;
    let is_files = loaded.desired.settings.source.worktree;
    Ok(if is_files { AtHead::Files(head.clone()) } else { AtHead::Commit(Box::new(loaded)) })
}

/// What of the directory is not read, because it is not committed.
fn left_out(tree: &WorkTree) -> Option<String> {
    match tree.uncommitted() {
        Ok(0) => None,
        Ok(1) => Some("one file is not committed and so not read; --worktree reads the files".to_owned()),
        Ok(count) => Some(format!("{count} files are not committed and so not read; --worktree reads the files")),
        Err(error) => Some(error.to_string()),
    }
}
