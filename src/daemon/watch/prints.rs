//! A number that is another one when files below some paths have changed, by `stat` alone: for polling.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, Metadata};
use std::hash::{Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::config::MAX_ENTRIES;

/// The number for these files, and directories with all below them but what is in `.git`.
pub(super) fn print(paths: &[PathBuf]) -> u64 {
    let mut left = MAX_ENTRIES;
    // Only what was asked for is followed through links: one within could go in a circle.
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    paths.iter().fold(0, |sum: u64, path| sum.rotate_left(1) ^ below(&real(path), &mut left))
}

fn below(path: &Path, left: &mut usize) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.hash(&mut hasher);
    let Ok(found) = fs::symlink_metadata(path) else { return hasher.finish() };
    add(&found, &mut hasher);
    let target = fs::metadata(path).ok();
    if found.is_symlink()
        && let Some(target) = &target
    {
        add(target, &mut hasher);
    }
    let mut sum = hasher.finish();
    if !found.is_dir() {
        return sum;
    }
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        if *left == 0 || entry.file_name() == ".git" {
            continue;
        }
        *left -= 1;
        // The order in a directory is nobody's.
        sum = sum.wrapping_add(below(&entry.path(), left));
    }
    sum
}

fn add(found: &Metadata, hasher: &mut DefaultHasher) {
    (found.dev(), found.ino(), found.mode(), found.size()).hash(hasher);
    (found.mtime(), found.mtime_nsec(), found.ctime(), found.ctime_nsec()).hash(hasher);
}
