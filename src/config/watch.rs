//! "Did anything change?", cheaply, for a loop that asks often.

use std::io;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use super::files::{TreeError, read_beneath};
use super::tree;
use crate::model::hash::hex;

/// Larger files count by size and time of change: reading them every time would cost more than they are worth.
const MAX_READ: u64 = 4 << 20;

/// A hash of every file of a directory that is not hidden: paths and bytes. 64 hex digits.
///
/// # Errors
/// The directory cannot be opened. A file that cannot be read counts with the reason, so that it counts as a change
/// when it becomes readable.
pub fn content_hash(dir: &Path) -> io::Result<String> {
    let (root, paths) = tree::list(dir)?;
    let mut hasher = Sha256::new();
    for path in paths {
        hasher.update(format!("{}\n{path}", path.len()));
        match read_beneath(&root, &path, MAX_READ) {
            Ok((bytes, executable)) => {
                hasher.update(format!("{} {executable}\n", bytes.len()));
                hasher.update(bytes);
            }
            Err(TreeError::TooLarge(_)) => {
                let stat = rustix::fs::statat(&root, path.as_str(), rustix::fs::AtFlags::empty())?;
                hasher.update(format!("{} {} {}\n", stat.st_size, stat.st_mtime, stat.st_mtime_nsec));
            }
            Err(error) => hasher.update(format!("{error}\n")),
        }
    }
    Ok(hex(&hasher.finalize()))
}
