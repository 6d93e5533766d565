//! What people do with git, for tests.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// A person's git; the answer without a line end.
#[track_caller]
pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").arg("-C").arg(dir).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Commits all there is, and gives the commit's full name.
#[track_caller]
pub(crate) fn commit(dir: &Path) -> String {
    git(dir, &["add", "-A"]);
    git(dir, &["commit", "-qm", "a commit", "--allow-empty"]);
    git(dir, &["rev-parse", "HEAD"])
}

/// An empty repository, and the top of its work tree.
pub(crate) fn repository() -> (TempDir, PathBuf) {
    let dir = TempDir::new().unwrap();
    let top = dir.path().canonicalize().unwrap();
    git(&top, &["init", "-q", "-b", "main"]);
    (dir, top)
}
