//! The work tree that a directory lies in: which commit is at its HEAD, and what of it is not committed.

use std::path::{Component, Path, PathBuf};

use super::command::{Git, kind_of};
use super::error::{GitError, Kind, said};
use super::{CommitId, Repository};

/// A directory of a work tree.
#[derive(Debug, Clone)]
pub struct WorkTree {
    top: PathBuf,
    folder: String,
    repository: Repository,
    common: PathBuf,
}

impl WorkTree {
    /// The work tree that a directory lies in, also when the directory itself is gone; none when it lies in none. Without
    /// a `.git` above it, git is not asked, nor needed.
    ///
    /// # Errors
    /// There is a repository, and git cannot use it: the files say nothing then (R2).
    pub fn find(dir: &Path) -> Result<Option<Self>, GitError> {
        let Some((base, rest)) = nearest(dir) else { return Ok(None) };
        let Some(mark) = base.ancestors().map(|dir| dir.join(".git")).find(|mark| mark.symlink_metadata().is_ok())
        else {
            return Ok(None);
        };
        let what = format!("cannot use the git work tree of {}", dir.display());
        let args = [
            "rev-parse",
            "--path-format=absolute",
            "--show-toplevel",
            "--git-dir",
            "--git-common-dir",
            "--show-prefix",
        ];
        let answer = Git::local(what.as_str()).in_dir(&base).args(args).run()?;
        let broken = |why: String| GitError::new(Kind::Broken, what.as_str(), why);
        if !answer.status.success() {
            let is_none = String::from_utf8_lossy(&answer.stderr).contains("not a git repository") && !has_parts(&mark);
            let error = GitError::new(kind_of(&answer.stderr), what.as_str(), said(&answer.stderr));
            return if is_none { Ok(None) } else { Err(error) };
        }
        let text = String::from_utf8(answer.stdout).map_err(|_| broken("its path is not UTF-8".into()))?;
        let mut lines = text.lines();
        let (Some(top), Some(git_dir), Some(common)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(broken("git's answer cannot be read".into()));
        };
        let folder = format!("{}{rest}", lines.next().unwrap_or_default());
        let folder = folder.trim_end_matches('/').to_owned();
        Ok(Some(Self { top: top.into(), folder, repository: Repository::new(git_dir), common: common.into() }))
    }

    /// The repository.
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The directory's path below the top of the work tree, with `/`; `""` is the top.
    pub fn folder(&self) -> &str {
        &self.folder
    }

    /// The commit at HEAD; none while the branch there has none yet.
    ///
    /// # Errors
    /// HEAD cannot be read.
    pub fn head(&self) -> Result<Option<CommitId>, GitError> {
        if let Some(commit) = self.repository.commit("HEAD")? {
            return Ok(Some(commit));
        }
        // git says the same of a branch without a commit and of one that is damaged.
        let what = format!("cannot read HEAD of {}", self.top.display());
        let branch = self.repository.git(what.as_str()).args(["symbolic-ref", "-q", "HEAD"]).run()?.text();
        let git = self.repository.git(what.as_str()).args(["for-each-ref", "--format=%(refname)", "--"]);
        let refs = git.args([branch.trim()]).run()?;
        let is_unborn = branch.starts_with("refs/heads/") && refs.stdout.is_empty() && refs.stderr.is_empty();
        let damaged = || GitError::new(Kind::Broken, what.as_str(), "it names no commit that is there");
        if is_unborn { Ok(None) } else { Err(damaged()) }
    }

    /// How many files below the directory differ from the commit at HEAD or are not in it; what is ignored does not count.
    ///
    /// # Errors
    /// The work tree cannot be read.
    pub fn uncommitted(&self) -> Result<usize, GitError> {
        let what = format!("cannot tell what is not committed in {}", self.top.display());
        let git = self.repository.git(what).env("GIT_WORK_TREE", &self.top).in_dir(&self.top);
        let args =
            ["status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--ignore-submodules=all", "--"];
        let folder = if self.folder.is_empty() { "." } else { &self.folder };
        let git = self.filters()?.into_iter().fold(git, |git, key| git.set(key, ""));
        let answer = git.most(MAX_STATUS).args(args).args([folder]).done()?;
        Ok(answer.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty()).count())
    }

    /// The keys of filters that the repository defines: comparing files would run them.
    fn filters(&self) -> Result<Vec<String>, GitError> {
        let what = format!("cannot read the configuration of {}", self.repository.git_dir().display());
        let pattern = r"^filter\..*\.(clean|smudge|process|required)$";
        let git = self.repository.git(what.as_str()).args(["config", "--null", "--name-only", "--get-regexp", pattern]);
        let answer = git.run()?;
        match answer.status.code() {
            Some(0) => Ok(answer.text().split_terminator('\0').map(str::to_owned).collect()),
            Some(1) => Ok(Vec::new()),
            _ => Err(GitError::new(Kind::Broken, what, said(&answer.stderr))),
        }
    }

    /// The files and folders in which something changes when HEAD becomes another commit, whether they are there or not.
    pub fn watched(&self) -> Vec<PathBuf> {
        let git_dir = self.repository.git_dir();
        let own = ["HEAD", "reftable"].map(|name| git_dir.join(name));
        let shared = ["refs/heads", "packed-refs", "reftable"].map(|name| self.common.join(name));
        let mut all: Vec<PathBuf> = own.into_iter().chain(shared).collect();
        all.sort();
        all.dedup();
        all
    }
}

/// Most that is read of a list of uncommitted files.
const MAX_STATUS: u64 = 64 << 20;

/// The nearest directory that is there, without links, and the path from it to the one that was meant.
fn nearest(dir: &Path) -> Option<(PathBuf, String)> {
    let absolute = std::path::absolute(dir).ok()?;
    absolute.ancestors().find_map(|base| {
        let found = base.canonicalize().ok().filter(|found| found.is_dir())?;
        let rest = absolute.strip_prefix(base).ok()?;
        let is_plain = rest.components().all(|part| matches!(part, Component::Normal(_)));
        is_plain.then(|| rest.to_str().map(|rest| (found, rest.to_owned())))?
    })
}

/// True for what looks like a repository, also a damaged one, or leads to one.
fn has_parts(mark: &Path) -> bool {
    mark.is_file() || ["HEAD", "objects", "refs"].iter().any(|part| mark.join(part).exists())
}
