//! The private clone of a remote branch: all commits of it, and of files only those of the folder that is read (R26).
//!
//! *Expected flow*: [`Mirror::fetch`] asks the server which commit the branch is at, and only if it is another one fetches
//! the commits up to it and the files of the folder. Then the commit is whole here, and `refs/landfall/fetched` names it.
//!
//! *Guarantees*: whoever reads needs no server. Nothing is checked out, no submodule is followed, no hook runs. One at a
//! time writes, also of several processes. A clone that is damaged, or of another address, branch or folder, is replaced
//! by a new one once that is whole; until then it stays.
//!
//! *Caveats*: the size of what a server sends is bounded by time alone; of files it is that of the folder.

mod fetch;

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::access::Access;
use super::error::{GitError, Kind, said};
use super::remote::Remote;
use super::{CommitId, Repository};

/// The commit that was fetched last, whole.
const FETCHED: &str = "refs/landfall/fetched";
/// The commit that was good last.
const IN_FORCE: &str = "refs/landfall/in-force";
/// Where a clone says what it is a clone of.
const SOURCE: &str = "landfall-source";

/// A clone of a remote branch, and what the server said last.
#[derive(Debug)]
pub struct Mirror {
    remote: Remote,
    dir: PathBuf,
    access: Access,
    repository: Repository,
    last: Mutex<Option<Result<CommitId, GitError>>>,
    news: Arc<Notify>,
    asked: Arc<Notify>,
    /// What it has only for as long as it is there.
    temporary: Option<Temporary>,
}

impl Mirror {
    /// The clone in a directory, which need not be there, with credentials from files of another.
    pub fn new(remote: Remote, dir: &Path, credentials: &Path) -> Self {
        Self {
            remote,
            dir: dir.to_owned(),
            access: Access::new(credentials),
            repository: Repository::new(dir),
            last: Mutex::default(),
            news: Arc::default(),
            asked: Arc::default(),
            temporary: None,
        }
    }

    /// The same branch in a clone that goes when this value goes, and so leaves no trace (R21); what this one has it needs
    /// not fetch.
    ///
    /// # Errors
    /// There is no room for it, or this one cannot be read.
    pub fn temporary(&self) -> Result<Self, GitError> {
        let dir = std::env::temp_dir().join(format!("landfall-{}", uuid::Uuid::new_v4().simple()));
        make_dir(&dir).map_err(|error| self.trouble("cannot make a clone for a moment", &error))?;
        let repository = Repository::new(dir.join("git")).borrowing(&self.dir);
        let mirror = Self::new(self.remote.clone(), &dir.join("git"), Path::new(""));
        let temporary = Temporary { dir, in_force: self.in_force()? };
        Ok(Self { repository, access: self.access.clone(), temporary: Some(temporary), ..mirror })
    }

    /// What the clone in a directory is a clone of; none where there is none.
    pub fn found(dir: &Path) -> Option<Remote> {
        let text = fs::read_to_string(dir.join(SOURCE)).ok()?;
        let mut lines = text.lines();
        let (url, branch, folder) = (lines.next()?, lines.next()?, lines.next()?);
        let branch = Some(branch).filter(|branch| !branch.is_empty());
        Some(Remote {
            url: url.parse().ok()?,
            branch: branch.map(str::parse).transpose().ok()?,
            folder: folder.parse().ok()?,
        })
    }

    /// What it is a clone of.
    pub const fn remote(&self) -> &Remote {
        &self.remote
    }

    /// The clone itself.
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Told when a fetch, by whomever in this process, ended otherwise than the one before, or something was put in force.
    pub fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }

    /// Told when whoever asks the server in the background is to do so now.
    pub fn asked(&self) -> Arc<Notify> {
        Arc::clone(&self.asked)
    }

    /// How the last fetch of this process ended; none before the first.
    pub fn last(&self) -> Option<Result<CommitId, GitError>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The commit that was fetched last, by whichever process; none when nothing was.
    ///
    /// # Errors
    /// The clone cannot be read.
    pub fn fetched(&self) -> Result<Option<CommitId>, GitError> {
        self.named(FETCHED)
    }

    /// The commit that was good last; none when none was.
    ///
    /// # Errors
    /// The clone cannot be read.
    pub fn in_force(&self) -> Result<Option<CommitId>, GitError> {
        match &self.temporary {
            Some(temporary) => Ok(temporary.in_force.clone()),
            None => self.named(IN_FORCE),
        }
    }

    /// Notes that a commit is good, and so what is in force from now on.
    ///
    /// # Errors
    /// The clone cannot be written.
    pub fn put_in_force(&self, commit: &CommitId) -> Result<(), GitError> {
        if self.in_force()?.as_ref() == Some(commit) {
            return Ok(());
        }
        let git = self.repository.git(format!("cannot note that commit {commit} is in force"));
        git.args(["update-ref", IN_FORCE, commit.as_str()]).done()?;
        self.news.notify_one();
        Ok(())
    }

    fn named(&self, name: &str) -> Result<Option<CommitId>, GitError> {
        if self.is_whole() { self.repository.commit(name) } else { Ok(None) }
    }

    /// The clone is there, and is one of this branch.
    fn is_whole(&self) -> bool {
        fs::read_to_string(self.dir.join(SOURCE)).is_ok_and(|source| source == self.source())
    }

    fn source(&self) -> String {
        let Remote { url, branch, folder } = &self.remote;
        format!("{url}\n{}\n{}\n", branch.as_ref().map_or("", |branch| branch.as_str()), folder.as_str())
    }

    /// Asks the server which commit the branch is at, and has it here, whole.
    ///
    /// # Errors
    /// The server does not answer or says no, or the disk does.
    pub fn fetch(&self) -> Result<CommitId, GitError> {
        let ended = self.fetch_now();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.as_ref() != Some(&ended) {
            *last = Some(ended.clone());
            self.news.notify_one();
        }
        ended
    }

    fn trouble(&self, what: &str, error: &io::Error) -> GitError {
        let what = format!("{what} of {} in {}", self.remote.url, self.dir.display());
        GitError::new(Kind::Broken, what, said(error.to_string().as_bytes()))
    }
}

/// What goes with this value.
#[derive(Debug)]
struct Temporary {
    dir: PathBuf,
    /// As the clone that stays knows it.
    in_force: Option<CommitId>,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // What is left of it is in a directory that the system cleans.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn make_dir(dir: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir)
}

/// Removes a directory that need not be there.
fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
