//! Files that hold a key, or what a key sealed: small, for their owner only, and written whole or not at all.
//!
//! *Guarantees*: after a kill there is the old file or the new one; a file that others may use is told apart. *Must
//! not*: make anything while reading (R21).

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;

use crate::model::hash;

/// Random bytes of a key.
pub(super) const KEY_BYTES: usize = 32;
/// Bits of a mode that let others use a file.
const OTHERS: u32 = 0o077;

/// Why a file is not trusted with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// A directory, a link, a pipe.
    #[error("is not a regular file")]
    NotAFile,
    /// Somebody else could change it.
    #[error("belongs to user {0}, who is neither root nor the one who runs landfall")]
    Owner(u32),
    /// Its mode lets others in.
    #[error("can be used by others: its mode is {0:04o}")]
    Mode(u32),
}

/// Opens without blocking, since a named pipe would wait for its writer, and without following a link at the end:
/// a dangling one would look like no file at all.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOFOLLOW;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

/// True for what opening a link gives.
pub(super) fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// What speaks against trusting an open file with a key, if anything.
pub(super) fn distrust(file: &File) -> io::Result<Option<Distrust>> {
    let metadata = file.metadata()?;
    let us = rustix::process::geteuid().as_raw();
    Ok(judge(metadata.is_file(), metadata.uid(), us, metadata.mode() & 0o7777))
}

fn judge(is_file: bool, owner: u32, us: u32, mode: u32) -> Option<Distrust> {
    match (is_file, owner == 0 || owner == us) {
        (false, _) => Some(Distrust::NotAFile),
        (true, false) => Some(Distrust::Owner(owner)),
        (true, true) => (mode & OTHERS != 0).then_some(Distrust::Mode(mode)),
    }
}

/// The bytes of an open file, and one more than the limit when there are more. All the room is taken at once: a vector
/// that grows leaves copies behind.
pub(super) fn read(file: File, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 1));
    file.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A key of the right length.
pub(super) fn read_key(file: File) -> io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    let bytes = read(file, KEY_BYTES)?;
    let key = bytes.as_slice().try_into().map_err(|_| io::Error::other("it does not hold 32 bytes"))?;
    Ok(Zeroizing::new(key))
}

/// Makes a key of random bytes at a path where there is none.
pub(super) fn make_key(path: &Path) -> io::Result<Zeroizing<[u8; KEY_BYTES]>> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(&mut *bytes).map_err(io::Error::other)?;
    write(path, &*bytes)?;
    Ok(bytes)
}

/// Writes a file for its owner only, under a name of its own first and then renamed: two that write at once each
/// leave a whole file, and the last one stays.
pub(super) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = fresh_name(path)?;
    let written = write_new(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    if let Err(error) = written {
        // What is left of the try is of no use; that it cannot be removed changes nothing.
        drop(fs::remove_file(&fresh));
        return Err(error);
    }
    match path.parent() {
        Some(dir) => File::open(dir)?.sync_all(),
        None => Ok(()),
    }
}

fn fresh_name(path: &Path) -> io::Result<PathBuf> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let mut name = path.file_name().map_or_else(OsString::new, OsString::from);
    name.push(format!(".new-{}", hash::hex(&random)));
    Ok(path.with_file_name(name))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // Whatever the umask says.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_a_key_file_is_trusted_when_it_is_ours_or_roots_alone() {
        assert_eq!(judge(true, 1000, 1000, 0o600), None);
        assert_eq!(judge(true, 0, 1000, 0o400), None);
        assert_eq!(judge(true, 1001, 1000, 0o600), Some(Distrust::Owner(1001)));
        assert_eq!(judge(true, 1001, 0, 0o600), Some(Distrust::Owner(1001)));
        assert_eq!(judge(true, 0, 0, 0o620), Some(Distrust::Mode(0o620)));
        assert_eq!(judge(false, 0, 0, 0o700), Some(Distrust::NotAFile));
        let shown = Distrust::Mode(0o640).to_string();
        assert!(shown.contains("0640"), "{shown}");
    }
}
