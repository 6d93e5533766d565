//! Where a path really leads, link by link, and where each of the links can change.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Component, Path, PathBuf};

/// Longest chain of links, as in the kernel.
const MAX_LINKS: usize = 40;

/// The way to one path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Chain {
    /// What leads elsewhere when it changes: links, the directory at the end, or the first part that is missing.
    pub(super) turns: Vec<PathBuf>,
    /// Where it leads without links; none while something is missing.
    pub(super) end: Option<End>,
    /// Device and inode of every part but a file at the end, which is content.
    parts: Vec<(u64, u64)>,
}

/// What is at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Folder(PathBuf),
    File(PathBuf),
}

impl Chain {
    /// Walks a path as the kernel does.
    pub(super) fn of(path: &Path) -> Self {
        let mut chain = Self::default();
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        let mut rest: VecDeque<OsString> = names(&absolute);
        while let Some(name) = rest.pop_front() {
            if name == ".." {
                at.pop();
                continue;
            }
            let entry = at.join(&name);
            let Ok(found) = fs::symlink_metadata(&entry) else {
                chain.turns.push(entry);
                return chain;
            };
            if !found.is_dir() && !found.is_symlink() {
                chain.end = rest.is_empty().then_some(End::File(entry));
                return chain;
            }
            chain.parts.push((found.dev(), found.ino()));
            if found.is_dir() {
                at = entry;
                continue;
            }
            links += 1;
            chain.turns.push(entry.clone());
            let Some(target) = fs::read_link(&entry).ok().filter(|_| links <= MAX_LINKS) else { return chain };
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            let behind = std::mem::take(&mut rest);
            rest = names(&target).into_iter().chain(behind).collect();
        }
        chain.turns.push(at.clone());
        chain.end = Some(End::Folder(at));
        chain
    }
}

/// The parts of a path; `..` stays, since it is another directory behind a link.
fn names(path: &Path) -> VecDeque<OsString> {
    let name = |part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    };
    path.components().filter_map(name).collect()
}
