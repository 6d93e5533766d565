//! The configuration as a commit holds it: read from the object database, never checked out. Attributes, filters and
//! hooks of the repository do not apply: what is read is what was committed, and all of it is of one commit (R2, L1).

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::error::LoadError;
use super::files::{TreeError, TreeFile};
use super::tree::{MAX_ENTRIES, Tree};
use super::{Cache, Loaded, load_tree_with};
use crate::git::{CommitId, Entry, GitError, Kind, Limits, Mode, Repository, WorkTree};

/// Most that is read of a commit: far more than any configuration, far less than memory.
pub(super) const LIMITS: Limits = Limits { files: MAX_ENTRIES, bytes: 64 << 20 };
/// Longest chain of links.
const MAX_LINKS: usize = 8;

/// Loads the configuration that a directory of a git work tree held at a revision.
///
/// # Errors
/// The directory is in no work tree, the revision is unknown, or its configuration is wrong.
pub fn load_revision(dir: &Path, revision: &str) -> Result<Loaded, LoadError> {
    let unknown = || GitError::new(Kind::NoRevision, format!("`{revision}` cannot be read"), NEITHER);
    let tree = WorkTree::find(dir)?.ok_or_else(unknown)?;
    let commit = tree.repository().commit(revision)?.ok_or_else(unknown)?;
    load_commit(tree.repository(), &commit, tree.folder())
}

const NEITHER: &str = "it is neither a directory nor a revision of the work tree there";

/// Loads the configuration that a folder of a repository holds at a commit.
///
/// # Errors
/// The repository cannot be read, or the configuration is wrong or empty.
pub fn load_commit(repository: &Repository, commit: &CommitId, folder: &str) -> Result<Loaded, LoadError> {
    let entries = repository.list(commit, folder, LIMITS)?;
    load_entries(&Cache::default(), repository, commit, folder, entries)
}

/// Parses only the files that differ from those that were loaded with the same cache before.
pub(super) fn load_entries(
    cache: &Cache,
    repository: &Repository,
    commit: &CommitId,
    folder: &str,
    entries: Vec<Entry>,
) -> Result<Loaded, LoadError> {
    let blobs = repository.read(&entries)?;
    let tree = tree(entries, blobs);
    if tree.files.is_empty() && tree.problems.is_empty() {
        return Err(LoadError::EmptyCommit { commit: commit.clone(), folder: folder.to_owned() });
    }
    let mut loaded = load_tree_with(cache, tree)?;
    commit.as_str().clone_into(&mut Arc::make_mut(&mut loaded.desired).revision);
    Ok(Loaded { commit: Some(commit.clone()), ..loaded })
}

/// Puts links in place of what they lead to, and notes those that lead out, as reading a directory does.
fn tree(entries: Vec<Entry>, blobs: Vec<Vec<u8>>) -> Tree {
    let (mut files, mut links, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (entry, bytes) in entries.into_iter().zip(blobs) {
        match entry.mode {
            Mode::Submodule => problems.push((entry.path, TreeError::Kind("a submodule"))),
            Mode::Link => drop(links.insert(entry.path, String::from_utf8_lossy(&bytes).into_owned())),
            Mode::File | Mode::Executable => {
                let executable = entry.mode == Mode::Executable;
                files.insert(entry.path.clone(), TreeFile { path: entry.path, executable, bytes });
            }
        }
    }
    let mut resolved = Vec::new();
    for path in links.keys() {
        match follow(path, &links, &files) {
            Ok(file) => resolved.push(TreeFile { path: path.clone(), ..file.clone() }),
            Err(error) => problems.push((path.clone(), error)),
        }
    }
    let is_hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
    let problems = problems.iter().filter(|(path, _)| !is_hidden(path)).map(|(path, error)| error.diagnostic(path));
    Tree::of(files.into_values().chain(resolved), problems.collect())
}

fn follow<'a>(
    path: &str,
    links: &BTreeMap<String, String>,
    files: &'a BTreeMap<String, TreeFile>,
) -> Result<&'a TreeFile, TreeError> {
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(target) = links.get(&at) else { break };
        at = beside(&at, target).ok_or(TreeError::Escapes)?;
        if let Some(file) = files.get(&at) {
            return Ok(file);
        }
    }
    let below = format!("{at}/");
    let is_folder = files.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below));
    Err(if is_folder { TreeError::Kind("a link to a folder") } else { TreeError::Missing })
}

/// Where a link leads, relative to the directory of the configuration; none when out of it.
fn beside(link: &str, target: &str) -> Option<String> {
    let folder = link.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}
