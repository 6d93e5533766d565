//! The configuration as it was at a git revision, for `diff --against`: read from the object database, never checked out.

use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::LoadError;
use super::tree::Tree;
use super::{Loaded, load_tree};

/// Most bytes that are read of a revision: far more than any configuration, far less than memory.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// Loads the configuration that a directory of a git work tree held at a revision.
///
/// # Errors
/// The directory is in no work tree, the revision is unknown, or its configuration is wrong.
pub fn load_revision(dir: &Path, revision: &str) -> Result<Loaded, LoadError> {
    let fail = |reason: String| LoadError::Revision { revision: revision.to_owned(), reason };
    let commit = commit(dir, revision).map_err(fail)?;
    let files = archive(dir, &commit).map_err(fail)?;
    load_tree(&Tree::from_memory(files))
}

/// The commit's id. The revision stands behind `--end-of-options`, so that none can be taken for one.
fn commit(dir: &Path, revision: &str) -> Result<String, String> {
    let wanted = format!("{revision}^{{commit}}");
    let output = git(dir, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).output();
    let output = output.map_err(|error| format!("git could not be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default();
        return Err(format!("it is neither a directory nor a revision of the work tree there {said}")
            .trim_end()
            .to_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The files below the directory at a commit, by path.
fn archive(dir: &Path, commit: &str) -> Result<Vec<(String, Vec<u8>)>, String> {
    let mut child = git(dir, &["archive", "--format=tar", commit, "."])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("git could not be run: {error}"))?;
    let stdout = child.stdout.take().ok_or("git gave no output")?;
    let files = unpack(stdout.take(MAX_BYTES));
    let status = child.wait().map_err(|error| error.to_string())?;
    let files = files?;
    if status.success() { Ok(files) } else { Err("the directory is not part of that revision".into()) }
}

fn unpack(stream: impl std::io::Read) -> Result<Vec<(String, Vec<u8>)>, String> {
    let broken = |error: std::io::Error| format!("git's archive could not be read: {error}");
    let mut files = Vec::new();
    for entry in tar::Archive::new(stream).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path().map_err(broken)?.to_string_lossy().into_owned();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(broken)?;
        if !path.split('/').any(|part| part.starts_with('.')) {
            files.push((path, bytes));
        }
    }
    Ok(files)
}

/// git without hooks, helpers or questions.
fn git(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(dir)
        .args(["-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false"])
        .args(args)
        .env("GIT_TERMINAL_PROMPT", "0")
        .stdin(Stdio::null());
    command
}
