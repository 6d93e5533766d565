//! Small helpers for the files that a process keeps for itself.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// For directories that are missing.
const DIR_MODE: u32 = 0o750;

/// Makes the directory a file is to be in.
pub fn make_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => DirBuilder::new().recursive(true).mode(DIR_MODE).create(dir),
        Some(_) | None => Ok(()),
    }
}

/// `table` → `table.new`.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(suffix);
    path.with_file_name(name)
}
