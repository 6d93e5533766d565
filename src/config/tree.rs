//! The config directory as it was read: the YAML files at once, other files when something refers to them.
//!
//! Nothing outside of the directory is ever read: names are resolved beneath it by the kernel (`RESOLVE_BENEATH`), so
//! that neither `..` nor a link leads out (R32). Whatever cannot be read is an error and never skipped, because a file
//! that is skipped would retire the stages it defines (R2).

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::diagnostic::Diagnostic;
use super::error::LoadError;
use super::files::{Root, TreeError, TreeFile, TreeFiles, open_beneath, read_beneath};

/// Largest YAML file. A stage takes about 300 bytes, so this is some 3000 stages in one file.
pub const MAX_FILE_BYTES: u64 = 1 << 20;
/// Most files and folders of a config directory: more is likely the wrong directory.
pub const MAX_ENTRIES: usize = 50_000;
/// Deepest sub-folder.
const MAX_DEPTH: usize = 32;

/// The files of a configuration.
#[derive(Debug)]
pub struct Tree {
    /// Bytes of the YAML files by path relative to the directory, with `/`.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What could not be read.
    pub(super) problems: Vec<Diagnostic>,
    root: Root,
}

impl Tree {
    /// A tree in memory. Every file is there from the start; those that end in `.yaml` or `.yml` and are not hidden
    /// are read as configuration.
    pub fn from_memory(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Self {
        let plain = |(path, bytes)| TreeFile { path, executable: false, bytes };
        Self::of(files.into_iter().map(plain), Vec::new())
    }

    /// A tree of files that were read elsewhere, and of what could not be read of them.
    pub(super) fn of(files: impl IntoIterator<Item = TreeFile>, problems: Vec<Diagnostic>) -> Self {
        let all: BTreeMap<String, TreeFile> = files.into_iter().map(|file| (file.path.clone(), file)).collect();
        let counts = |path: &String| is_yaml(path) && !path.split('/').any(|part| part.starts_with('.'));
        let yaml = all.iter().filter(|(path, _)| counts(path)).map(|(path, file)| (path.clone(), file.bytes.clone()));
        Self { files: yaml.collect(), problems, root: Root::Memory(Arc::new(all)) }
    }

    /// The other files of the tree.
    pub fn others(&self) -> TreeFiles {
        TreeFiles::new(self.root.clone())
    }
}

/// Reads the YAML files of a directory and its sub-folders. Hidden files and folders are skipped.
///
/// # Errors
/// The directory is missing, cannot be read, or holds no YAML file. Single files that cannot be read are noted in the
/// tree, and `load_tree` reports them together with everything else.
pub fn read_dir(dir: &Path) -> Result<Tree, LoadError> {
    let root = open_root(dir).map_err(|errno| match errno {
        Errno::NOENT => LoadError::Missing { dir: dir.to_owned() },
        other => LoadError::Unreadable { dir: dir.to_owned(), source: other.into() },
    })?;
    let root = Arc::new(root);
    let walk = Walk::of(&root).map_err(|source| LoadError::Unreadable { dir: dir.to_owned(), source })?;
    let root_files = Root::Directory(Arc::clone(&root));
    let mut tree = Tree { files: BTreeMap::new(), problems: walk.problems, root: root_files };
    for path in walk.found.iter().filter(|path| is_yaml(path)) {
        match read_beneath(&root, path, MAX_FILE_BYTES) {
            Ok((bytes, _)) => drop(tree.files.insert(path.clone(), bytes)),
            Err(error) => tree.problems.push(error.diagnostic(path)),
        }
    }
    if tree.files.is_empty() && tree.problems.is_empty() {
        return Err(LoadError::Empty { dir: dir.to_owned() });
    }
    Ok(tree)
}

/// The files of a directory and its sub-folders that are not hidden, and what cannot be used. With each path stands
/// whether it counts as configuration: a YAML file, or what makes the whole directory unusable.
pub(super) fn list(dir: &Path) -> io::Result<(OwnedFd, Vec<(String, bool)>)> {
    let root = open_root(dir)?;
    let walk = Walk::of(&root)?;
    let refused = walk.problems.into_iter().map(|problem| (problem.place.file, true));
    let paths = walk.found.into_iter().map(|path| (is_yaml(&path), path)).map(|(counts, path)| (path, counts));
    let paths = paths.chain(refused).collect();
    Ok((root, paths))
}

/// The directory itself may be reached through links.
fn open_root(dir: &Path) -> Result<OwnedFd, Errno> {
    rustix::fs::open(dir, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// True for the names that are read as configuration.
pub(super) fn is_yaml(path: &str) -> bool {
    let path = Path::new(path);
    path.extension().is_some_and(|e| e == "yaml" || e == "yml")
}

struct Walk<'a> {
    root: &'a OwnedFd,
    seen: usize,
    found: Vec<String>,
    problems: Vec<Diagnostic>,
}

impl<'a> Walk<'a> {
    fn of(root: &'a OwnedFd) -> io::Result<Self> {
        let mut walk = Self { root, seen: 0, found: Vec::new(), problems: Vec::new() };
        walk.folder("", 0)?;
        Ok(walk)
    }

    /// Collects the files of a folder, `""` being the root; the order is that of names.
    fn folder(&mut self, folder: &str, depth: usize) -> io::Result<()> {
        let fd = open_beneath(self.root, if folder.is_empty() { "." } else { folder }, OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok(name) if name.starts_with('.') => {}
                Ok(name) => names.push((name.to_owned(), entry.file_type())),
                Err(_) => self.refuse(
                    format!("{folder}/{}", entry.file_name().to_string_lossy()).trim_start_matches('/'),
                    &TreeError::Kind("named by bytes that are not UTF-8"),
                ),
            }
        }
        names.sort_by(|a, b| a.0.cmp(&b.0));
        for (name, kind) in names {
            self.seen += 1;
            if self.seen > MAX_ENTRIES {
                self.refuse(folder, &TreeError::TooMany(MAX_ENTRIES));
                return Ok(());
            }
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            self.entry(path, kind, depth);
        }
        Ok(())
    }

    fn entry(&mut self, path: String, kind: FileType, depth: usize) {
        let kind = if kind == FileType::Unknown { kind_of(self.root, &path).unwrap_or(kind) } else { kind };
        match kind {
            FileType::RegularFile => self.found.push(path),
            FileType::Directory if is_yaml(&path) => self.refuse(&path, &TreeError::Kind("a folder named like a file")),
            FileType::Directory if depth >= MAX_DEPTH => self.refuse(&path, &TreeError::Kind("nested too deep")),
            FileType::Directory => {
                if let Err(error) = self.folder(&path, depth + 1) {
                    self.refuse(&path, &TreeError::Io(error));
                }
            }
            FileType::Symlink => self.link(path),
            _ if is_yaml(&path) => self.refuse(&path, &TreeError::Kind("a FIFO, socket or device")),
            _ => {}
        }
    }

    /// A link to a file within the directory is that file. A link to a folder could hide stages or go in circles.
    fn link(&mut self, path: String) {
        let target = open_beneath(self.root, &path, OFlags::PATH).and_then(|fd| rustix::fs::fstat(&fd));
        match target.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Ok(FileType::RegularFile) => self.found.push(path),
            Ok(FileType::Directory) => self.refuse(&path, &TreeError::Kind("a link to a folder")),
            Ok(_) if is_yaml(&path) => self.refuse(&path, &TreeError::Kind("a link to a FIFO, socket or device")),
            Ok(_) => {}
            Err(errno) => self.refuse(&path, &errno.into()),
        }
    }

    fn refuse(&mut self, path: &str, error: &TreeError) {
        self.problems.push(error.diagnostic(if path.is_empty() { "." } else { path }));
    }
}

fn kind_of(root: &OwnedFd, path: &str) -> Option<FileType> {
    let stat = rustix::fs::statat(root, path, rustix::fs::AtFlags::SYMLINK_NOFOLLOW).ok()?;
    Some(FileType::from_raw_mode(stat.st_mode))
}
