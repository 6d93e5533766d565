//! Fetching: what is asked of the server, and how the answer becomes the clone.

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use super::{FETCHED, IN_FORCE, Mirror, SOURCE, make_dir, remove};
use crate::git::command::Git;
use crate::git::error::{GitError, Kind, refusal};
use crate::git::remote::Remote;
use crate::git::{CommitId, Repository};

/// Longest that a server may take to say which commit a branch is at: as long as a line may be silent later. While a
/// connection by TLS is made, git itself has no limit.
const ASK: Duration = Duration::from_secs(30);
/// Longest for the commits of a large repository over a slow line; a line that is dead ends sooner.
const FETCH: Duration = Duration::from_secs(900);
/// Most bytes of a list of objects: far more than the files that are taken.
const MAX_LIST: u64 = 64 << 20;
/// Loose objects, and packs, from which on the clone is packed anew.
const PACK_AT: (&str, &str) = ("2000", "50");

/// Age of a lock, or of a pack that grows no more, from which on nobody is at work on it: whoever writes here in the same
/// moment is through with it at once.
const LEFT_BEHIND: Duration = Duration::from_secs(120);

/// A commit on its way.
const INCOMING: &str = "refs/landfall/incoming";
impl Mirror {
    pub(super) fn fetch_now(&self) -> Result<CommitId, GitError> {
        let trouble = |error: &io::Error| self.trouble("cannot lock the clone", error);
        self.dir.parent().map_or(Ok(()), make_dir).map_err(|error| trouble(&error))?;
        let lock = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(self.beside("lock"));
        let lock: File = lock.map_err(|error| trouble(&error))?;
        lock.lock().map_err(|error| trouble(&error))?;
        self.clear();
        let newest = self.ask()?;
        if self.is_whole() {
            match self.update(&self.repository, &newest) {
                Err(error) if error.kind == Kind::Broken => tracing::warn!("the clone is made anew: {error}"),
                ended => return ended,
            }
        }
        self.replace(&newest)
    }

    /// Removes what a git that was killed left in the clone: locks keep every other one from writing, and packs that never
    /// were whole only take room.
    fn clear(&self) {
        let dirs = ["", "refs/landfall", "objects/info", "objects/pack"].map(|name| self.dir.join(name));
        let is_left = |entry: &DirEntry| {
            let is_lock = entry.path().extension().is_some_and(|ending| ending == "lock");
            let is_part = entry.file_name().to_string_lossy().starts_with("tmp_");
            let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|at| at.elapsed().ok());
            (is_lock || is_part) && age.is_some_and(|age| age > LEFT_BEHIND)
        };
        let entries = dirs.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
        for path in entries.filter(is_left).map(|entry| entry.path()) {
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!("{} was left behind by a git that was killed: removed", path.display()),
                Err(error) => tracing::warn!("{} was left behind by a git that was killed: {error}", path.display()),
            }
        }
    }

    /// The commit that the branch is at.
    fn ask(&self) -> Result<CommitId, GitError> {
        let Remote { url, .. } = &self.remote;
        let what = format!("cannot ask {} for its newest commit", self.remote);
        let git = self.access.of(Git::remote(what.as_str(), ASK), url, || self.config())?;
        let answer = git.args(["ls-remote", "--quiet", "--", url.as_str(), &self.wanted()]).run()?;
        if !answer.status.success() {
            return Err(self.refused(&what, &answer.stderr));
        }
        let text = answer.text();
        let id = text.lines().find_map(|line| line.strip_suffix(&format!("\t{}", self.wanted())));
        id.and_then(CommitId::parse)
            .ok_or_else(|| GitError::new(Kind::NoBranch, what, "the repository has no such branch, or no commit yet"))
    }

    fn wanted(&self) -> String {
        self.remote.branch.as_ref().map_or_else(|| "HEAD".to_owned(), |branch| format!("refs/heads/{branch}"))
    }

    /// Has a commit in a clone, with the files of the folder.
    fn update(&self, clone: &Repository, newest: &CommitId) -> Result<CommitId, GitError> {
        if clone.commit(FETCHED)?.as_ref() == Some(newest) {
            return Ok(newest.clone());
        }
        self.ask_for(clone, &[&format!("+{}:{INCOMING}", self.wanted())], "")?;
        let what = format!("cannot read what {} sent", self.remote.url);
        let none = || GitError::new(Kind::NoBranch, what.as_str(), "the branch is at no commit");
        // It may be a newer one by now.
        let commit = clone.commit(INCOMING)?.ok_or_else(none)?;
        let missing = self.missing(clone, &commit)?;
        if !missing.is_empty() {
            self.ask_for(clone, &["--stdin"], &missing)?;
        }
        clone.git(what.as_str()).args(["update-ref", FETCHED, commit.as_str()]).done()?;
        let pack = clone.git(what).set("gc.auto", PACK_AT.0).set("gc.autoPackLimit", PACK_AT.1).within(FETCH);
        if let Err(error) = pack.set("gc.autoDetach", "false").args(["gc", "--auto", "--quiet"]).done() {
            tracing::debug!("the clone could not be packed: {error}");
        }
        Ok(commit)
    }

    fn ask_for(&self, clone: &Repository, wanted: &[&str], input: &str) -> Result<(), GitError> {
        let Remote { url, .. } = &self.remote;
        let what = format!("cannot fetch {}", self.remote);
        let git = self.access.of(clone.within(Git::remote(what.as_str(), FETCH)), url, || self.config())?;
        let options =
            ["--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--filter=blob:none"];
        let git = git.args(["fetch"]).args(options).args(wanted.iter().filter(|one| one.starts_with("--")));
        let git = git.args(["--", "origin"]).args(wanted.iter().filter(|one| !one.starts_with("--")));
        let answer = git.input(input.into()).run()?;
        if answer.status.success() { Ok(()) } else { Err(self.refused(&what, &answer.stderr)) }
    }

    /// The files of the folder that are not here yet, a line each.
    fn missing(&self, clone: &Repository, commit: &CommitId) -> Result<String, GitError> {
        let what = format!("cannot list the files of commit {commit}");
        let folder = format!("{}:{}", commit.as_str(), self.remote.folder.as_str());
        let folder = clone.git(what.as_str()).args(["rev-parse", "--verify", "--quiet", &folder]).run()?;
        // Without such a folder nothing is missing; whoever loads it says so.
        let Some(folder) = CommitId::parse(folder.text().trim()) else { return Ok(String::new()) };
        let git = clone.git(what).most(MAX_LIST);
        let list =
            git.args(["rev-list", "--objects", "--no-object-names", "--missing=print", folder.as_str()]).done()?;
        let missing = |line: &str| line.strip_prefix('?').map(|id| format!("{id}\n"));
        Ok(list.text().lines().filter_map(missing).collect())
    }

    /// Makes a new clone beside what is there, and puts it in its place when it is whole.
    fn replace(&self, newest: &CommitId) -> Result<CommitId, GitError> {
        let new = self.beside("new");
        let trouble = |error: &io::Error| self.trouble("cannot make the clone", error);
        remove(&new).and_then(|()| make_dir(&new)).map_err(|error| trouble(&error))?;
        let clone = self.repository.at(&new);
        let what = format!("cannot make a clone of {}", self.remote);
        let format = if newest.as_str().len() == 40 { "sha1" } else { "sha256" };
        let init = clone.git(what.as_str()).args(["init", "--quiet", "--bare", "--template="]);
        init.args([format!("--object-format={format}")]).done()?;
        let url = self.remote.url.as_str();
        clone.git(what.as_str()).args(["config", "remote.origin.url", url]).done()?;
        tracing::info!("cloning {}", self.remote);
        let commit = self.update(&clone, newest)?;
        // What is in force stays that, if the server still has it.
        if let Ok(Some(in_force)) = self.in_force()
            && clone.commit(in_force.as_str())?.is_some()
        {
            clone.git(what.as_str()).args(["update-ref", IN_FORCE, in_force.as_str()]).done()?;
        }
        fs::write(new.join(SOURCE), self.source()).map_err(|error| trouble(&error))?;
        remove(&self.dir).and_then(|()| fs::rename(&new, &self.dir)).map_err(|error| trouble(&error))?;
        Ok(commit)
    }

    /// What another git on this host is told, where it is the server.
    fn config(&self) -> Result<PathBuf, GitError> {
        let path = self.beside("config");
        let text = "[safe]\n\tdirectory = *\n";
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            return Ok(path);
        }
        let file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.map(|()| path).map_err(|error| self.trouble("cannot make the clone", &error))
    }

    fn beside(&self, ending: &str) -> PathBuf {
        self.dir.with_extension(ending)
    }

    fn refused(&self, what: &str, stderr: &[u8]) -> GitError {
        let error = refusal(what, stderr);
        let wants_login = matches!(error.kind, Kind::Denied | Kind::NoRepository);
        match self.access.missing(&self.remote.url).filter(|_| wants_login) {
            Some(missing) => error.because(&missing),
            None => error,
        }
    }
}
