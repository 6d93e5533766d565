//! A repository as a store of commits: which one a name means, which files it has, and their bytes.

use std::path::{Path, PathBuf};

use super::CommitId;
use super::command::Git;
use super::error::{GitError, Kind, said};

/// Longest line about one file: its path is at most 4 KiB.
const MAX_LINE: u64 = 5 << 10;
/// Longest first line of a blob's answer.
const MAX_HEAD: u64 = 128;

/// A repository, by its git directory.
#[derive(Debug, Clone)]
pub struct Repository {
    git_dir: PathBuf,
    /// The objects of another repository, which this one has as well.
    borrowed: Option<PathBuf>,
}

/// One file at a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub mode: Mode,
    /// Bytes of its content; 0 for a submodule.
    pub size: u64,
    /// Path below the one that was asked for, with `/`.
    pub path: String,
    id: String,
}

/// What a commit can hold under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A file.
    File,
    /// A file that may be executed.
    Executable,
    /// A symlink; its content is where it leads.
    Link,
    /// A commit of another repository.
    Submodule,
}

/// Most that is taken from a commit.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Files.
    pub files: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Repository {
    /// The repository of a git directory, which is not looked for anywhere else.
    pub fn new(git_dir: impl Into<PathBuf>) -> Self {
        Self { git_dir: git_dir.into(), borrowed: None }
    }

    /// The same in another directory.
    pub(super) fn at(&self, git_dir: &Path) -> Self {
        Self { git_dir: git_dir.to_owned(), ..self.clone() }
    }

    /// With the objects of another repository, if that is there.
    pub(super) fn borrowing(self, other: &Path) -> Self {
        let objects = other.join("objects");
        Self { borrowed: objects.is_dir().then_some(objects), ..self }
    }

    /// The git directory.
    pub fn git_dir(&self) -> &Path {
        &self.git_dir
    }

    pub(super) fn git(&self, what: impl Into<String>) -> Git {
        self.within(Git::local(what))
    }

    /// A call in this repository.
    pub(super) fn within(&self, git: Git) -> Git {
        // Named, git asks nobody to whom it belongs.
        let git = git.env("GIT_DIR", &self.git_dir);
        self.borrowed.iter().fold(git, |git, objects| git.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", objects))
    }

    /// The commit that a revision means; none when it means none.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn commit(&self, revision: &str) -> Result<Option<CommitId>, GitError> {
        let what = format!("cannot find `{revision}` in {}", self.git_dir.display());
        let wanted = format!("{revision}^{{commit}}");
        // Behind `--end-of-options` none can be taken for an option.
        let git = self.git(what).args(["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]);
        let what = git.what().to_owned();
        let answer = git.run()?;
        match (answer.status.success(), CommitId::parse(answer.text().trim())) {
            (true, Some(commit)) => Ok(Some(commit)),
            // Quietly without a word: there is none. With one, git could not tell.
            (false, _) if answer.stderr.is_empty() => Ok(None),
            (false, _) if is_no_revision(&answer.stderr) => Ok(None),
            _ => Err(GitError::new(Kind::Broken, what, said(&answer.stderr))),
        }
    }

    /// The files below a folder at a commit, in the order of their paths; `""` is all of it. Empty when there is no such
    /// folder.
    ///
    /// # Errors
    /// The repository cannot be read, or there is more than the limits allow.
    pub fn list(&self, commit: &CommitId, folder: &str, limits: Limits) -> Result<Vec<Entry>, GitError> {
        let what = format!("cannot list the files of commit {commit}");
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let most = (limits.files as u64).saturating_mul(MAX_LINE);
        let git =
            self.git(what.as_str()).most(most).args(["ls-tree", "-r", "-z", "-l", "--full-tree", commit.as_str()]);
        let git = if folder.is_empty() { git } else { git.args(["--", &prefix]) };
        let broken = |why: &str| GitError::new(Kind::Broken, what.as_str(), why);
        let text = String::from_utf8(git.done()?.stdout).map_err(|_| broken("a file has a name that is not UTF-8"))?;
        let entry = |line: &str| parse(line)?.below(&prefix);
        let entries: Option<Vec<Entry>> = text.split_terminator('\0').map(entry).collect();
        let entries = entries.ok_or_else(|| broken("one of them is missing from the repository"))?;
        let bytes: u64 = entries.iter().map(|entry| entry.size).sum();
        if entries.len() > limits.files || bytes > limits.bytes {
            let Limits { files, bytes } = limits;
            return Err(GitError::new(
                Kind::TooLarge,
                what,
                format!("it holds more than {files} files or {bytes} bytes"),
            ));
        }
        Ok(entries)
    }

    /// The bytes of every file, in their order; none for a submodule.
    ///
    /// # Errors
    /// One is missing, or the repository cannot be read.
    pub fn read(&self, entries: &[Entry]) -> Result<Vec<Vec<u8>>, GitError> {
        let files = || entries.iter().filter(|entry| entry.mode != Mode::Submodule);
        if files().next().is_none() {
            return Ok(vec![Vec::new(); entries.len()]);
        }
        let asked: String = files().map(|entry| format!("{}\n", entry.id)).collect();
        let most = files().map(|entry| entry.size + MAX_HEAD).sum();
        let what = format!("cannot read the files of {}", self.git_dir.display());
        let git = self.git(what.as_str()).input(asked.into_bytes()).most(most).args(["cat-file", "--batch"]);
        let answer = git.done()?;
        let mut rest = answer.stdout.as_slice();
        let blobs: Result<Vec<Vec<u8>>, &str> =
            entries.iter().map(|entry| take(entry, &mut rest).ok_or(entry.path.as_str())).collect();
        blobs.map_err(|path| GitError::new(Kind::Broken, what, format!("`{path}` is missing from the repository")))
    }

    /// True when the first commit is in the history of the second.
    ///
    /// # Errors
    /// The repository cannot be read.
    pub fn is_ancestor(&self, old: &CommitId, new: &CommitId) -> Result<bool, GitError> {
        let git = self.git(format!("cannot tell whether commit {new} follows {old}"));
        let git = git.args(["merge-base", "--is-ancestor", old.as_str(), new.as_str()]);
        let what = git.what().to_owned();
        let answer = git.run()?;
        match answer.status.code() {
            Some(0) => Ok(true),
            Some(1) => Ok(false),
            _ => Err(GitError::new(Kind::Broken, what, said(&answer.stderr))),
        }
    }
}

/// What git says of a name that it cannot even read as one.
fn is_no_revision(stderr: &[u8]) -> bool {
    let text = String::from_utf8_lossy(stderr);
    ["Needed a single revision", "unknown revision", "bad revision", "ambiguous argument"]
        .iter()
        .any(|said| text.contains(said))
}

/// The next answer of `cat-file --batch`: `<id> blob <size>`, the bytes, a line end.
fn take(entry: &Entry, rest: &mut &[u8]) -> Option<Vec<u8>> {
    if entry.mode == Mode::Submodule {
        return Some(Vec::new());
    }
    let head = format!("{} blob {}\n", entry.id, entry.size);
    let body = rest.strip_prefix(head.as_bytes())?;
    let size = usize::try_from(entry.size).ok()?;
    let (bytes, after) = body.split_at_checked(size)?;
    *rest = after.strip_prefix(b"\n")?;
    Some(bytes.to_vec())
}

/// `<mode> <type> <id> <size>\t<path>`; the size of a submodule is `-`.
fn parse(line: &str) -> Option<Entry> {
    let (head, path) = line.split_once('\t')?;
    let mut words = head.split_ascii_whitespace();
    let (mode, _kind, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let mode = match mode {
        "120000" => Mode::Link,
        "160000" => Mode::Submodule,
        "100755" => Mode::Executable,
        _ => Mode::File,
    };
    // Of a file that is missing it is `BAD`.
    let size = if mode == Mode::Submodule { 0 } else { size.parse().ok()? };
    Some(Entry { mode, id: id.into(), size, path: path.into() })
}

impl Entry {
    fn below(self, prefix: &str) -> Option<Self> {
        let path = self.path.strip_prefix(prefix)?.to_owned();
        Some(Self { path, ..self })
    }
}
