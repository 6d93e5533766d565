//! Certificates of a directory: pairs of `NAME.crt` (the chain) and `NAME.key`, looked for again every few seconds.
//!
//! A pair that cannot be used is skipped, and said so; the others are served, and of the same pair what was good before.
//! One that is gone is served until it was absent twice, and goes not at all where the whole directory is empty.
//! Looking costs a `stat` per file: a file is read when its time, size or inode changed.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::aside;
use super::certificate::{Certificate, Origin, Tls, now};
use super::chosen::Certificates;

/// Most pairs of one directory; a host has a few, and each costs memory.
const MAX_PAIRS: usize = 4_096;
/// Most entries of the directory that are looked at.
const MAX_ENTRIES: usize = 4 * MAX_PAIRS;
/// Largest file in bytes; a chain has some thousand.
const MAX_FILE: u64 = 256 * 1024;

/// What tells that a file has changed: modification time, size, inode.
type Stamp = (i64, i64, u64, u64);
/// That of a chain and its key; none where there is no file.
type Stamps = (Option<Stamp>, Option<Stamp>);

/// A directory of certificates, and what was found in it.
pub struct Directory {
    path: PathBuf,
    tls: Tls,
    pairs: BTreeMap<String, Pair>,
    is_readable: bool,
    was_full: bool,
    was_empty: bool,
}

/// What is known of one pair.
struct Pair {
    stamps: Stamps,
    served: Option<Arc<Certificate>>,
    /// Why it cannot be used as it is now.
    trouble: Option<String>,
    was_ended: bool,
    /// There was none of its files in the last look.
    was_absent: bool,
}

impl Directory {
    /// A directory that was not looked at yet; what is in force of it already is as if it had been found there.
    pub fn new(path: PathBuf, tls: Tls, certificates: &Certificates) -> Self {
        let found = |served| Pair {
            stamps: (None, None),
            served: Some(served),
            trouble: None,
            was_ended: false,
            was_absent: false,
        };
        let pairs = certificates.files().into_iter().map(|(name, served)| (name, found(served))).collect();
        Self { path, tls, pairs, is_readable: true, was_full: false, was_empty: false }
    }

    /// Looks at it again and again, and puts in force what it finds; never ends.
    pub async fn follow(self, certificates: Arc<Certificates>, every: Duration) -> Infallible {
        let mut directory = self;
        loop {
            tokio::time::sleep(every).await;
            let certificates = Arc::clone(&certificates);
            directory = aside(move || {
                directory.look(&certificates);
                directory
            })
            .await;
        }
    }

    /// Looks once.
    pub fn look(&mut self, certificates: &Certificates) {
        let found = match self.names() {
            Ok(found) => found,
            Err(error) => {
                if std::mem::replace(&mut self.is_readable, false) {
                    tracing::warn!(
                        path = %self.path.display(), %error,
                        "the directory of certificates cannot be read: make it, and let the proxy read it"
                    );
                }
                return;
            }
        };
        self.is_readable = true;
        let mut changed = self.let_go(&found);
        for (name, stamps) in found {
            changed |= self.look_at(name, stamps);
        }
        if changed {
            let served = self.pairs.iter().filter_map(|(name, pair)| Some((name.clone(), pair.served.clone()?)));
            let unusable = self.pairs.iter().filter_map(|(name, pair)| Some((name.clone(), pair.trouble.clone()?)));
            certificates.set_files(served.collect(), unusable.collect());
        }
    }

    /// Lets go of pairs that were absent in two looks one after the other: whoever renews may take the old files away before
    /// the new ones come. Of a directory that is empty nothing goes: it is one that is not mounted, or that is being filled.
    /// Gives whether a pair went.
    fn let_go(&mut self, found: &BTreeMap<String, Stamps>) -> bool {
        let is_empty = found.is_empty() && !self.pairs.is_empty();
        if is_empty && !self.was_empty {
            tracing::warn!(
                path = %self.path.display(),
                "the directory of certificates is empty: those before are served on; put pairs there, or restart the proxy"
            );
        }
        self.was_empty = is_empty;
        if is_empty {
            return false;
        }
        let before = self.pairs.len();
        self.pairs.retain(|name, pair| found.contains_key(name) || !std::mem::replace(&mut pair.was_absent, true));
        self.pairs.len() < before
    }

    /// Reads a pair if it changed; whether it did.
    fn look_at(&mut self, name: String, stamps: Stamps) -> bool {
        let known = self.pairs.get(&name);
        let changed = known.is_none_or(|pair| pair.stamps != stamps);
        let mut served = known.and_then(|pair| pair.served.clone());
        let mut was_ended = known.is_some_and(|pair| pair.was_ended);
        let mut trouble = known.and_then(|pair| pair.trouble.clone());
        if changed {
            (was_ended, trouble) = (false, None);
            match self.read(&name) {
                Ok(certificate) => {
                    tracing::info!(file = %self.chain(&name).display(), names = ?certificate.names, "a certificate is served");
                    served = Some(Arc::new(certificate));
                }
                Err((file, reason, remedy)) => {
                    let instead = if served.is_some() { "the one before is served" } else { "there is none before it" };
                    tracing::warn!(file = %file.display(), reason, remedy, "a certificate is skipped; {instead}");
                    trouble = Some(format!("{}: {reason}; {remedy}", file.display()));
                }
            }
        }
        if let Some(certificate) = served.as_ref().filter(|served| !was_ended && served.has_ended(now())) {
            was_ended = true;
            tracing::warn!(
                file = %self.chain(&name).display(), names = ?certificate.names,
                "a certificate has expired and is served all the same: put a new one there"
            );
        }
        self.pairs.insert(name, Pair { stamps, served, trouble, was_ended, was_absent: false });
        changed
    }

    fn chain(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.crt"))
    }

    fn key(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.key"))
    }

    /// The names of all pairs, with what tells that their files changed.
    fn names(&mut self) -> io::Result<BTreeMap<String, Stamps>> {
        let mut found = BTreeMap::new();
        let mut is_full = false;
        for (count, entry) in fs::read_dir(&self.path)?.enumerate() {
            if count == MAX_ENTRIES || found.len() == MAX_PAIRS {
                is_full = true;
                break;
            }
            let file = entry?.file_name();
            let Some(name) = file.to_str().and_then(|file| file.strip_suffix(".crt")).filter(|name| !name.is_empty())
            else {
                continue;
            };
            found.insert(name.to_owned(), (stamp(&self.chain(name)), stamp(&self.key(name))));
        }
        if is_full && !self.was_full {
            tracing::warn!(
                path = %self.path.display(), most = MAX_PAIRS,
                "the directory of certificates holds more than is looked at: take out what nobody needs"
            );
        }
        self.was_full = is_full;
        Ok(found)
    }

    /// The certificate of a pair; else which file is to blame, why, and what to do.
    fn read(&self, name: &str) -> Result<Certificate, (PathBuf, String, &'static str)> {
        let (chain_path, key_path) = (self.chain(name), self.key(name));
        let blame = |path: &Path, error: &io::Error| {
            let remedy = match error.kind() {
                io::ErrorKind::NotFound => "put it beside the other file of its pair",
                _ => "make it a file that the proxy may read, below 256 KiB",
            };
            (path.to_owned(), error.to_string(), remedy)
        };
        let chain = content(&chain_path).map_err(|error| blame(&chain_path, &error))?;
        let key = content(&key_path).map_err(|error| blame(&key_path, &error))?;
        let loaded = self.tls.load(Origin::File(name.to_owned()), &chain, &key);
        loaded.map_err(|unusable| (chain_path, unusable.to_string(), unusable.hint()))
    }
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::metadata(path).ok()?;
    Some((found.mtime(), found.mtime_nsec(), found.size(), found.ino()))
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is too large"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(dir: &Path, name: &str) {
        let key = rcgen::KeyPair::generate().unwrap();
        let chain = rcgen::CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        fs::write(dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        fs::write(dir.join(format!("{name}.crt")), chain).unwrap();
    }

    /// A directory with a pair for each of these, looked at.
    fn with(names: &[&str]) -> (tempfile::TempDir, Directory, Certificates) {
        let (dir, certificates) = (tempfile::tempdir().unwrap(), Certificates::default());
        for name in names {
            put(dir.path(), name);
        }
        let mut directory = Directory::new(dir.path().to_owned(), Tls::new(), &certificates);
        directory.look(&certificates);
        (dir, directory, certificates)
    }

    #[test]
    fn a_pair_goes_when_it_was_absent_in_two_looks_one_after_the_other() {
        let (dir, mut directory, certificates) = with(&["a.test", "b.test"]);
        for _ in 0..2 {
            fs::remove_file(dir.path().join("b.test.crt")).unwrap();
            directory.look(&certificates);
            assert!(certificates.has_certificate("b.test"), "it may come back");
            put(dir.path(), "b.test");
            directory.look(&certificates);
            assert!(certificates.has_certificate("b.test"));
        }
        fs::remove_file(dir.path().join("b.test.crt")).unwrap();
        directory.look(&certificates);
        directory.look(&certificates);
        assert!(!certificates.has_certificate("b.test") && certificates.has_certificate("a.test"));
    }

    #[test]
    fn who_begins_anew_loses_nothing_that_is_in_force() {
        let (dir, _, certificates) = with(&["a.test", "b.test"]);
        fs::write(dir.path().join("a.test.crt"), "nonsense").unwrap();
        put(dir.path(), "c.test");
        Directory::new(dir.path().to_owned(), Tls::new(), &certificates).look(&certificates);
        assert!(["a.test", "b.test", "c.test"].iter().all(|host| certificates.has_certificate(host)));
    }

    #[test]
    fn r2_a_directory_that_is_empty_at_once_takes_no_certificate_away() {
        let (dir, mut directory, certificates) = with(&["a.test", "b.test"]);
        let empty = dir.path().join("empty");
        fs::create_dir(&empty).unwrap();
        directory.path.clone_from(&empty);
        for _ in 0..4 {
            directory.look(&certificates);
        }
        assert!(["a.test", "b.test"].iter().all(|host| certificates.has_certificate(host)));
        put(&empty, "b.test");
        directory.look(&certificates);
        assert!(certificates.has_certificate("a.test"), "seen to be absent alone for the first time");
        directory.look(&certificates);
        assert!(!certificates.has_certificate("a.test") && certificates.has_certificate("b.test"));
    }
}
