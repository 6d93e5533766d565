//! The configuration as it was at a git revision, for `diff --against`: read from the object database, never checked
//! out. Attributes, filters and hooks of the repository do not apply: what is read is what was committed.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::error::LoadError;
use super::files::{TreeError, TreeFile};
use super::tree::{MAX_ENTRIES, Tree};
use super::{Loaded, load_tree};

/// Most bytes that are read of a revision: far more than any configuration, far less than memory.
const MAX_BYTES: u64 = 64 << 20;
/// Longest chain of links.
const MAX_LINKS: usize = 8;

/// Loads the configuration that a directory of a git work tree held at a revision.
///
/// # Errors
/// The directory is in no work tree, the revision is unknown, or its configuration is wrong.
pub fn load_revision(dir: &Path, revision: &str) -> Result<Loaded, LoadError> {
    let fail = |reason: String| LoadError::Revision { revision: revision.to_owned(), reason };
    let commit = commit(dir, revision).map_err(fail)?;
    let entries = list(dir, &commit).map_err(fail)?;
    let blobs = read(dir, &entries).map_err(fail)?;
    load_tree(&tree(entries, blobs))
}

/// One line of `git ls-tree`.
struct Entry {
    mode: String,
    id: String,
    size: u64,
    path: String,
}

/// The commit's id. The revision stands behind `--end-of-options`, so that none can be taken for one.
fn commit(dir: &Path, revision: &str) -> Result<String, String> {
    let wanted = format!("{revision}^{{commit}}");
    let output = git(dir, &["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).output();
    let output = output.map_err(|error| not_run(&error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().next().unwrap_or_default();
        let colon = if said.is_empty() { "" } else { ": " };
        return Err(format!("it is neither a directory nor a revision of the work tree there{colon}{said}"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The files below the directory at a commit.
fn list(dir: &Path, commit: &str) -> Result<Vec<Entry>, String> {
    let output = git(dir, &["ls-tree", "-r", "-z", "-l", commit]).output().map_err(|error| not_run(&error))?;
    if !output.status.success() {
        return Err("its files cannot be listed".to_owned());
    }
    let text = String::from_utf8(output.stdout).map_err(|_| "it holds a file whose name is not UTF-8")?;
    let entries: Option<Vec<Entry>> = text.split_terminator('\0').map(parse).collect();
    let entries = entries.ok_or("git's list of files cannot be read")?;
    let bytes: u64 = entries.iter().map(|entry| entry.size).sum();
    if entries.len() > MAX_ENTRIES || bytes > MAX_BYTES {
        return Err(format!("it holds more than {MAX_ENTRIES} files or {MAX_BYTES} bytes"));
    }
    Ok(entries)
}

/// `<mode> <type> <id> <size>\t<path>`; the size of a submodule is `-`.
fn parse(line: &str) -> Option<Entry> {
    let (head, path) = line.split_once('\t')?;
    let mut words = head.split_ascii_whitespace();
    let (mode, _kind, id, size) = (words.next()?, words.next()?, words.next()?, words.next()?);
    Some(Entry { mode: mode.into(), id: id.into(), size: size.parse().unwrap_or(0), path: path.into() })
}

/// The bytes of every file, in the order of the entries; none for a submodule.
fn read(dir: &Path, entries: &[Entry]) -> Result<Vec<Vec<u8>>, String> {
    let mut git = git(dir, &["cat-file", "--batch"]);
    let mut child = git
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| not_run(&error))?;
    let blobs = batch(&mut child, entries);
    drop(child.stdin.take());
    let _ = child.wait();
    blobs
}

/// Asks for one and reads one, so that neither side waits for the other with a full pipe.
fn batch(child: &mut Child, entries: &[Entry]) -> Result<Vec<Vec<u8>>, String> {
    let broken = |error: std::io::Error| format!("its files cannot be read: {error}");
    let (Some(mut ask), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("git gave no output".to_owned());
    };
    let mut answers = BufReader::new(answers);
    let mut blobs = Vec::with_capacity(entries.len());
    for entry in entries {
        if is_submodule(entry) {
            blobs.push(Vec::new());
            continue;
        }
        ask.write_all(format!("{}\n", entry.id).as_bytes()).map_err(broken)?;
        let mut head = String::new();
        answers.by_ref().take(1024).read_line(&mut head).map_err(broken)?;
        if head != format!("{} blob {}\n", entry.id, entry.size) {
            return Err(format!("`{}` is missing from the repository", entry.path));
        }
        let mut bytes = vec![0; usize::try_from(entry.size).unwrap_or(0) + 1];
        answers.read_exact(&mut bytes).map_err(broken)?;
        bytes.pop();
        blobs.push(bytes);
    }
    Ok(blobs)
}

fn is_submodule(entry: &Entry) -> bool {
    entry.mode == "160000"
}

/// Puts links in place of what they lead to, and notes those that lead out, as reading a directory does.
fn tree(entries: Vec<Entry>, blobs: Vec<Vec<u8>>) -> Tree {
    let (mut files, mut links, mut problems) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (entry, bytes) in entries.into_iter().zip(blobs) {
        if is_submodule(&entry) {
            problems.push((entry.path, TreeError::Kind("a submodule")));
        } else if entry.mode == "120000" {
            links.insert(entry.path, String::from_utf8_lossy(&bytes).into_owned());
        } else {
            let executable = entry.mode == "100755";
            files.insert(entry.path.clone(), TreeFile { path: entry.path, executable, bytes });
        }
    }
    let mut resolved = Vec::new();
    for path in links.keys() {
        match follow(path, &links, &files) {
            Ok(file) => resolved.push(TreeFile { path: path.clone(), ..file.clone() }),
            Err(error) => problems.push((path.clone(), error)),
        }
    }
    let is_hidden = |path: &str| path.split('/').any(|part| part.starts_with('.'));
    let problems = problems.iter().filter(|(path, _)| !is_hidden(path)).map(|(path, error)| error.diagnostic(path));
    Tree::of(files.into_values().chain(resolved), problems.collect())
}

fn follow<'a>(
    path: &str,
    links: &BTreeMap<String, String>,
    files: &'a BTreeMap<String, TreeFile>,
) -> Result<&'a TreeFile, TreeError> {
    let mut at = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(target) = links.get(&at) else { break };
        at = beside(&at, target).ok_or(TreeError::Escapes)?;
        if let Some(file) = files.get(&at) {
            return Ok(file);
        }
    }
    let below = format!("{at}/");
    let is_folder = files.range(below.clone()..).next().is_some_and(|(path, _)| path.starts_with(&below));
    Err(if is_folder { TreeError::Kind("a link to a folder") } else { TreeError::Missing })
}

/// Where a link leads, relative to the directory of the configuration; none when out of it.
fn beside(link: &str, target: &str) -> Option<String> {
    let folder = link.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    if target.starts_with('/') {
        return None;
    }
    for part in target.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if part == ".." {
            parts.pop()?;
        } else {
            parts.push(part);
        }
    }
    Some(parts.join("/"))
}

fn not_run(error: &std::io::Error) -> String {
    format!("git could not be run: {error}")
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
        .env("GIT_NO_LAZY_FETCH", "1")
        .stdin(Stdio::null());
    command
}
