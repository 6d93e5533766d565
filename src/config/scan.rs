//! What a directory held at one moment, cheaply, for a loop that asks often: "did anything change?", "since when not?".
//!
//! # Guarantees
//! Two scans that agree saw the same files with the same content, and nothing was written to them between the end of
//! the first and the beginning of the second.
//!
//! # Caveats
//! A scan is not atomic: only two that agree say something of a moment (L1). Content is read again only where the file's
//! times and inode say so, as git does it; files above [`MAX_READ`] count by those alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rustix::fs::{FileType, OFlags, Stat};
use sha2::{Digest as _, Sha256};

use super::files::{TreeError, names, open_beneath, read_beneath};
use super::tree::{self, Tree};

/// Larger files count by size and times: reading them every time would cost more than they are worth.
const MAX_READ: u64 = 4 << 20;
/// A file whose times are younger than this when it is read may be written again without a change of its times: clocks of
/// file systems tick in steps of milliseconds, and of two seconds on the worst of them.
const RACY: Duration = Duration::from_secs(2);
/// Deepest sub-folder of a folder that is used.
const MAX_DEPTH: usize = 16;

/// Files beyond those that are not hidden: what a configuration mounts or reads, by path; a folder stands for all below.
pub type Uses = BTreeSet<String>;

/// The files of a directory, as they were seen.
#[derive(Debug)]
pub struct Scan {
    /// By path; or why the directory itself cannot be opened.
    files: Files,
    /// When this scan began.
    began: Instant,
    /// Since when what counts is known not to have changed.
    since: Instant,
    /// A file that counts and was written, made or removed since the scan before.
    moved: Option<String>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    stamp: Option<Stamp>,
    content: Content,
    /// Read as configuration, or refused, which makes the whole directory unusable.
    counts: bool,
    /// Its content is as old as its stamp says: the same stamp later means the same content.
    settled: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Sha256([u8; 32]),
    /// Too large to be read; the stamp says it all.
    Large,
    /// Why it cannot be read.
    Refused(String),
}

/// What the system says of a file without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    file: (u64, u64),
    mode: u32,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

impl Stamp {
    fn of(stat: &Stat) -> Self {
        Self {
            file: (stat.st_dev, stat.st_ino),
            mode: stat.st_mode,
            size: stat.st_size,
            modified: (stat.st_mtime, stat.st_mtime_nsec),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    fn is_executable(self) -> bool {
        self.mode & 0o111 != 0
    }

    /// True if a write after `read_at` would be seen in the times.
    fn is_settled(self, read_at: SystemTime) -> bool {
        let newest = self.modified.max(self.changed).0;
        let newest = u64::try_from(newest).map_or(UNIX_EPOCH, |seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        read_at.duration_since(newest).is_ok_and(|age| age > RACY + Duration::from_secs(1))
    }
}

impl Seen {
    /// The same content, however it came there.
    fn is_like(&self, other: &Self) -> bool {
        let executable = |seen: &Self| seen.stamp.is_some_and(Stamp::is_executable);
        let large = self.content != Content::Large || self.stamp == other.stamp;
        self.content == other.content && executable(self) == executable(other) && large
    }

    /// Not written in between. Times of the inode alone (a link more, another owner) are no write.
    fn stands(&self, before: &Self) -> bool {
        let written = |seen: &Self| seen.stamp.map(|stamp| (stamp.file, stamp.size, stamp.modified));
        self.is_like(before) && written(self) == written(before)
    }
}

impl Scan {
    /// Looks at a directory. What is known from the scan before is not read again, unless `whole` asks for that.
    pub fn of(dir: &Path, uses: &Uses, before: Option<&Self>, whole: bool) -> Self {
        let (began, read_at) = (Instant::now(), SystemTime::now());
        let known = before.filter(|_| !whole).and_then(|scan| scan.files.as_ref().ok());
        let files = look(dir, uses, known, read_at).map_err(|error| error.to_string());
        let ended = Instant::now();
        let moved = before.and_then(|before| moved(&files, &before.files, uses));
        let stands = before.filter(|before| moved.is_none() && files.is_ok() == before.files.is_ok());
        let since = stands.map_or(ended, |before| before.since);
        Self { files, began, since, moved }
    }

    /// How long what counts had not changed when this scan began.
    pub fn quiet(&self) -> Duration {
        self.began.saturating_duration_since(self.since)
    }

    /// Since when what counts has not changed; the same in two scans means that it did not change between them.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// A file that counts and was written, made or removed since the scan before, if there is one.
    pub fn moved(&self) -> Option<&str> {
        self.moved.as_deref()
    }

    /// True if both saw the same content under the same names.
    pub fn is_like(&self, other: &Self) -> bool {
        match (&self.files, &other.files) {
            (Ok(files), Ok(others)) => {
                files.len() == others.len()
                    && files.iter().zip(others).all(|((path, seen), (other, was))| path == other && seen.is_like(was))
            }
            (Err(error), Err(other)) => error == other,
            (Ok(_), Err(_)) | (Err(_), Ok(_)) => false,
        }
    }

    /// True if this is where the bytes of a tree come from.
    pub fn is_of(&self, tree: &Tree) -> bool {
        let read = |path: &str| match self.files.as_ref().ok()?.get(path)?.content {
            Content::Sha256(hash) => Some(hash),
            Content::Large | Content::Refused(_) => None,
        };
        let refused: BTreeSet<&str> = tree.problems.iter().map(|problem| problem.place.file.as_str()).collect();
        let is_there = |path: &String| tree.files.contains_key(path) || refused.contains(path.as_str());
        let mut counting = self.files.iter().flatten().filter(|(_, seen)| seen.counts);
        tree.files.iter().all(|(path, bytes)| read(path) == Some(Sha256::digest(bytes).into()))
            && counting.all(|(path, _)| is_there(path))
    }

    /// True if it saw nothing that is read as configuration.
    pub fn is_empty(&self) -> bool {
        self.files.iter().flatten().all(|(_, seen)| !seen.counts)
    }

    /// True if it saw all that these uses stand for: a folder may hold hidden files.
    pub fn covers(&self, uses: &Uses, known: &Uses) -> bool {
        let plain = |path: &String| self.files.as_ref().is_ok_and(|files| files.contains_key(path));
        uses.iter().all(|path| known.contains(path) || plain(path))
    }
}

type Files = Result<BTreeMap<String, Seen>, String>;

/// The first file that counts and was written, made or removed.
fn moved(files: &Files, before: &Files, uses: &Uses) -> Option<String> {
    let (Ok(files), Ok(others)) = (files, before) else { return None };
    let written = files.iter().filter(|(path, seen)| !others.get(*path).is_some_and(|was| seen.stands(was)));
    let missing = others.iter().filter(|(path, _)| !files.contains_key(*path));
    let counts = |(path, seen): &(&String, &Seen)| seen.counts || is_used(path, uses);
    written.chain(missing).find(counts).map(|(path, _)| path.clone())
}

fn is_used(path: &str, uses: &Uses) -> bool {
    let above = |(at, _)| uses.contains(&path[..at]);
    uses.contains(path) || path.match_indices('/').any(above)
}

fn look(
    dir: &Path,
    uses: &Uses,
    known: Option<&BTreeMap<String, Seen>>,
    read_at: SystemTime,
) -> io::Result<BTreeMap<String, Seen>> {
    let (root, listed) = tree::list(dir)?;
    let mut paths: BTreeMap<String, bool> = listed.into_iter().collect();
    for path in uses {
        below(&root, path, 0, &mut paths);
    }
    let see = |(path, counts): (String, bool)| {
        let before = known.and_then(|known| known.get(&path));
        let seen = see(&root, &path, counts, before, read_at);
        (path, seen)
    };
    Ok(paths.into_iter().map(see).collect())
}

/// The files below a path, hidden ones as well.
fn below(root: &OwnedFd, path: &str, depth: usize, found: &mut BTreeMap<String, bool>) {
    let stat = open_beneath(root, path, OFlags::PATH).and_then(rustix::fs::fstat);
    let is_folder = stat.is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
    match names(root, path) {
        Ok(names) if is_folder && depth < MAX_DEPTH && found.len() < tree::MAX_ENTRIES => {
            for name in names {
                below(root, &format!("{path}/{name}"), depth + 1, found);
            }
        }
        Ok(_) | Err(_) => drop(found.entry(path.to_owned()).or_insert(false)),
    }
}

fn see(root: &OwnedFd, path: &str, counts: bool, before: Option<&Seen>, read_at: SystemTime) -> Seen {
    let stat = open_beneath(root, path, OFlags::PATH).and_then(rustix::fs::fstat);
    let stamp = stat.as_ref().ok().map(Stamp::of);
    if let Some(before) = before.filter(|before| before.settled && stamp.is_some() && before.stamp == stamp) {
        return Seen { counts, ..before.clone() };
    }
    let content = match read_beneath(root, path, MAX_READ) {
        Ok((bytes, _)) => Content::Sha256(Sha256::digest(bytes).into()),
        Err(TreeError::TooLarge(_)) => Content::Large,
        Err(error) => Content::Refused(error.to_string()),
    };
    let is_read = matches!(content, Content::Sha256(_));
    let settled = is_read && stamp.is_some_and(|stamp| stamp.is_settled(read_at));
    Seen { stamp, content, counts, settled }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_not_read_again_while_its_times_say_that_it_is_the_same_and_they_can_be_trusted() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), "x").unwrap();
        let (root, _) = tree::list(dir.path()).unwrap();
        let (now, later) = (SystemTime::now(), SystemTime::now() + RACY * 2);
        let young = see(&root, "a.yaml", true, None, now);
        let old = see(&root, "a.yaml", true, None, later);
        assert!(!young.settled && old.settled && young.content == old.content);

        // A content that no file has shows that what was known is taken.
        let known = |seen: Seen| Seen { content: Content::Sha256([7; 32]), ..seen };
        let again = |seen: Seen| see(&root, "a.yaml", true, Some(&known(seen)), later).content;
        assert_eq!(again(old.clone()), Content::Sha256([7; 32]));
        assert_eq!(again(young), old.content);
        std::fs::write(dir.path().join("a.yaml"), "x").unwrap();
        assert_eq!(again(old.clone()), old.content, "written since, though with the same content");
        let ahead = see(&root, "a.yaml", true, None, now - RACY * 2);
        assert!(!ahead.settled, "a time that is ahead of the clock says nothing");
    }
}
