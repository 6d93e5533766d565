//! Notices that the store's files were removed, replaced or cut off while they are open.
//!
//! `SQLite` writes happily into a removed file, and everything written vanishes with the process. So this is asked
//! before each transaction that writes: three `stat` calls, some microseconds.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::datadir::DataDir;
use super::error::{Result, StoreError};
use super::open::size;

/// The files as they were when the store was opened.
#[derive(Debug)]
pub(super) struct Watched {
    files: Vec<(PathBuf, u64, u64)>,
    /// The length of the store itself; nothing makes it shorter, since no page of it is ever given back.
    len: u64,
}

impl Watched {
    /// Remembers the files; they are there once the store has been read.
    pub(super) fn new(dir: &DataDir) -> Result<Self> {
        let identity = |path: PathBuf| match fs::metadata(&path) {
            Ok(meta) => Ok((path, meta.dev(), meta.ino())),
            Err(source) => Err(StoreError::io("look at", &path, source)),
        };
        let files = [dir.db(), dir.wal(), dir.shm()].into_iter().map(identity).collect::<Result<_>>()?;
        Ok(Self { files, len: size(&dir.db()) })
    }

    /// Refuses when one of them is another file by now, or the store itself shorter than it was.
    pub(super) fn check(&mut self) -> Result<()> {
        for (at, (path, dev, ino)) in self.files.iter().enumerate() {
            let what = match fs::metadata(path) {
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => "removed",
                Err(source) => return Err(StoreError::io("look at", path, source)),
                Ok(meta) if (meta.dev(), meta.ino()) != (*dev, *ino) => "replaced",
                Ok(meta) if at == 0 && meta.len() == 0 => "emptied",
                Ok(meta) if at == 0 && meta.len() < self.len => "cut off",
                // The log is cut back whenever nothing waits in it.
                Ok(meta) => {
                    self.len = if at == 0 { meta.len() } else { self.len };
                    continue;
                }
            };
            return Err(StoreError::Replaced { path: path.clone(), what });
        }
        Ok(())
    }
}
