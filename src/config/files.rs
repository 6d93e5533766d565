//! Files of the config directory that something refers to: mounted into a container, or lines of variables.
//!
//! Read when asked, beneath the root only, and hashed by content, so that a commit that does not change them recreates
//! nothing (R19, R34).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;

use rustix::fs::{Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::code;
use super::diagnostic::{Diagnostic, Place};
use crate::model::hash::hex;

/// Largest sum of the files that one mount may hold; they are copied and hashed.
pub const MAX_MOUNTED_BYTES: u64 = 64 << 20;
/// Most files in a folder that is mounted.
pub const MAX_MOUNTED_FILES: usize = 2000;
/// Deepest sub-folder of a folder that is mounted.
const MAX_DEPTH: usize = 16;

/// Where files come from.
#[derive(Debug, Clone)]
pub(super) enum Root {
    Directory(Arc<OwnedFd>),
    Memory(Arc<BTreeMap<String, TreeFile>>),
}

/// One file of those below a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Path below the one asked for, with `/`; empty for a single file.
    pub path: String,
    /// Whether it may be executed.
    pub executable: bool,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// Reads files of the tree when asked, beneath its root only.
#[derive(Debug, Clone)]
pub struct TreeFiles {
    root: Root,
}

impl TreeFiles {
    pub(super) fn new(root: Root) -> Self {
        Self { root }
    }

    /// The file at a path, or all files of a folder, in the order of their paths.
    ///
    /// # Errors
    /// It is missing, leads out of the directory, is not a plain file or folder, or too large.
    pub fn content(&self, path: &str) -> Result<Vec<TreeFile>, TreeError> {
        match &self.root {
            Root::Memory(files) => from_memory(files, path),
            Root::Directory(root) => {
                let mut found = Vec::new();
                collect(root, path, "", 0, &mut found)?;
                Ok(found)
            }
        }
    }

    /// A hash of what `content` gives: of paths, of whether each file may be executed, and of bytes. 64 hex digits.
    ///
    /// # Errors
    /// As `content`.
    pub fn hash(&self, path: &str) -> Result<String, TreeError> {
        Ok(hash(&self.content(path)?))
    }

    /// One file, at most so many bytes.
    ///
    /// # Errors
    /// As `content`; a folder is an error too.
    pub fn read(&self, path: &str, limit: u64) -> Result<Vec<u8>, TreeError> {
        match &self.root {
            Root::Memory(files) => {
                let bytes = &files.get(path).ok_or(TreeError::Missing)?.bytes;
                if bytes.len() as u64 > limit { Err(TreeError::TooLarge(limit)) } else { Ok(bytes.clone()) }
            }
            Root::Directory(root) => read_beneath(root, path, limit).map(|(bytes, _)| bytes),
        }
    }
}

/// A hash of files as `TreeFiles::content` gives them.
pub fn hash(files: &[TreeFile]) -> String {
    let mut hasher = Sha256::new();
    for TreeFile { path, executable, bytes } in files {
        // Lengths first, so that no two sets of files look alike.
        hasher.update(format!("{} {} {}\n", path.len(), u8::from(*executable), bytes.len()));
        hasher.update(path);
        hasher.update(bytes);
    }
    hex(&hasher.finalize())
}

fn from_memory(files: &BTreeMap<String, TreeFile>, path: &str) -> Result<Vec<TreeFile>, TreeError> {
    if let Some(file) = files.get(path) {
        return Ok(vec![TreeFile { path: String::new(), ..file.clone() }]);
    }
    let prefix = format!("{path}/");
    let below = files.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
    let mut found: Vec<TreeFile> =
        below.map(|(path, file)| TreeFile { path: path[prefix.len()..].to_owned(), ..file.clone() }).collect();
    // As a directory is walked: by the names of each level.
    found.sort_by(|a, b| a.path.split('/').cmp(b.path.split('/')));
    if found.is_empty() { Err(TreeError::Missing) } else { Ok(found) }
}

fn collect(root: &OwnedFd, path: &str, below: &str, depth: usize, found: &mut Vec<TreeFile>) -> Result<(), TreeError> {
    let stat = rustix::fs::fstat(open_beneath(root, path, OFlags::PATH)?)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {
            let used: u64 = found.iter().map(|f| f.bytes.len() as u64).sum();
            let left = MAX_MOUNTED_BYTES.saturating_sub(used);
            let (bytes, executable) = read_beneath(root, path, left).map_err(|error| match error {
                TreeError::TooLarge(_) => TreeError::TooLarge(MAX_MOUNTED_BYTES),
                other => other,
            })?;
            if found.len() >= MAX_MOUNTED_FILES {
                return Err(TreeError::TooMany(MAX_MOUNTED_FILES));
            }
            found.push(TreeFile { path: below.to_owned(), executable, bytes });
            Ok(())
        }
        FileType::Directory if depth < MAX_DEPTH => {
            for name in names(root, path)? {
                let inner = if below.is_empty() { name.clone() } else { format!("{below}/{name}") };
                collect(root, &format!("{path}/{name}"), &inner, depth + 1, found)?;
            }
            Ok(())
        }
        FileType::Directory => Err(TreeError::Kind("nested too deep, or a link that goes in a circle")),
        _ => Err(TreeError::Kind("a FIFO, socket or device")),
    }
}

/// Names in a folder, sorted. Hidden files of a mounted folder count, `.git` does not.
pub(super) fn names(root: &OwnedFd, path: &str) -> Result<Vec<String>, TreeError> {
    let fd = open_beneath(root, path, OFlags::DIRECTORY)?;
    let mut names = Vec::new();
    for entry in Dir::read_from(&fd)? {
        match entry?.file_name().to_str() {
            Ok("." | ".." | ".git") => {}
            Ok(name) => names.push(name.to_owned()),
            Err(_) => return Err(TreeError::Kind("named by bytes that are not UTF-8")),
        }
    }
    names.sort();
    Ok(names)
}

/// A file's bytes, and whether it may be executed.
pub(super) fn read_beneath(root: &OwnedFd, path: &str, limit: u64) -> Result<(Vec<u8>, bool), TreeError> {
    let fd = open_beneath(root, path, OFlags::empty())?;
    let stat = rustix::fs::fstat(&fd)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(TreeError::Kind("a folder")),
        _ => return Err(TreeError::Kind("a FIFO, socket or device")),
    }
    let size = u64::try_from(stat.st_size).unwrap_or(0);
    if size > limit {
        return Err(TreeError::TooLarge(limit));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0) + 1);
    // One byte more than allowed, in case that the file grows meanwhile.
    File::from(fd).take(limit + 1).read_to_end(&mut bytes).map_err(TreeError::Io)?;
    if bytes.len() as u64 > limit {
        return Err(TreeError::TooLarge(limit));
    }
    Ok((bytes, stat.st_mode & 0o111 != 0))
}

/// Opens a path beneath the root; a FIFO does not block, a device is not touched.
pub(super) fn open_beneath(root: &OwnedFd, path: &str, more: OFlags) -> Result<OwnedFd, Errno> {
    // Only to look at: the system call refuses every other flag beside this one.
    let is_look = more.contains(OFlags::PATH);
    let open = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = if is_look { OFlags::CLOEXEC | more } else { OFlags::CLOEXEC | open | more };
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    rustix::fs::openat2(root, path, flags, Mode::empty(), resolve)
}

/// Why a file of the tree cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum TreeError {
    /// Nothing of that name is there.
    #[error("there is no such file in the config directory")]
    Missing,
    /// It, or a link on the way, leads out of the directory.
    #[error("it leads out of the config directory")]
    Escapes,
    /// A FIFO, socket or device; or a folder where a file is needed.
    #[error("it is {0}")]
    Kind(&'static str),
    /// Larger than the limit, in bytes.
    #[error("it is larger than {0} bytes")]
    TooLarge(u64),
    /// More files or folders than the limit.
    #[error("it holds more than {0} files")]
    TooMany(usize),
    /// The system says no.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

impl TreeError {
    /// As a diagnostic on a file as a whole.
    pub(super) fn diagnostic(&self, path: &str) -> Diagnostic {
        let (code, help) = match self {
            Self::Missing => (code::LINK, "the link leads to nothing: remove it, or put the file there"),
            Self::Escapes => (code::LINK, "copy the file into the directory: links out of it are not followed"),
            Self::Kind(_) => (code::NOT_A_FILE, "give it a name that does not end in .yaml or .yml, or move it away"),
            Self::TooLarge(_) | Self::TooMany(_) => (code::NOT_A_FILE, "split it, or check that it belongs here"),
            Self::Io(_) => (code::UNREADABLE, "check its permissions and the user that Landfall runs as"),
        };
        Diagnostic::error(code, Place::file(path), format!("`{path}` cannot be used: {self}")).help(help)
    }
}

impl From<Errno> for TreeError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::NOENT | Errno::NOTDIR => Self::Missing,
            Errno::XDEV => Self::Escapes,
            other => Self::Io(other.into()),
        }
    }
}
