//! What is kept of ACME: the account, each host's certificate with its key, and what went wrong.
//!
//! A directory per authority, closed to others (0700), its files too (0600). Each file is replaced as a whole.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use instant_acme::AccountCredentials;

use super::super::certificate::{Certificate, Origin, Seconds, Tls};
use super::book::Book;
use crate::model::hash;
use crate::socket::replace;

/// Largest file, in bytes: the book has some hundred for each host.
const MAX_FILE: u64 = 4 * 1024 * 1024;

/// What was kept is there, and cannot be read: it is not absent, and nothing is made in its place.
#[derive(Debug, thiserror::Error)]
#[error("{} was kept and cannot be read: {error}; let the proxy read it, or take it away", path.display())]
pub struct Unreadable {
    path: PathBuf,
    error: io::Error,
}

/// Longest name of a host that its file bears: file systems take 255 bytes, and `.pem.new` is one while it is written.
const MAX_NAME: usize = 247;

/// The directory of one authority.
#[derive(Debug, Clone)]
pub struct Disk(PathBuf);

impl Disk {
    /// The directory for an authority, by the URL of its own: what another one issued is not its certificate.
    pub fn new(keep: &Path, directory: &str) -> Self {
        Self(keep.join(&hash::sha256_hex(directory.as_bytes())[..16]))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The account that was kept.
    ///
    /// # Errors
    /// It is there, and cannot be read.
    pub fn account(&self) -> Result<Option<AccountCredentials>, Unreadable> {
        let Some(text) = self.read("account.json")? else { return Ok(None) };
        Ok(serde_json::from_slice(&text).map_err(|_| self.damaged("account.json")).ok())
    }

    /// Keeps an account.
    pub fn save_account(&self, account: &AccountCredentials) -> io::Result<()> {
        self.write("account.json", &serde_json::to_vec(account)?)
    }

    /// The account is of no use any more.
    pub fn forget_account(&self) {
        // One that stays is tried once more, and forgotten then.
        drop(fs::remove_file(self.0.join("account.json")));
    }

    /// The certificate that was kept for a host.
    ///
    /// # Errors
    /// It is there, and cannot be read.
    pub fn certificate(&self, host: &str, tls: &Tls) -> Result<Option<Certificate>, Unreadable> {
        let name = file_of(host);
        let Some(pem) = self.read(&name)? else { return Ok(None) };
        let loaded = tls.load(Origin::Acme, &pem, &pem).ok().filter(|certificate| certificate.covers(host));
        if loaded.is_none() {
            self.damaged(&name);
        }
        Ok(loaded)
    }

    /// Keeps a key with its chain.
    pub fn save_certificate(&self, host: &str, pem: &str) -> io::Result<()> {
        self.write(&file_of(host), pem.as_bytes())
    }

    /// Removes certificates that have ended, of hosts that nobody wants. What cannot be read as one stays.
    ///
    /// # Errors
    /// The directory cannot be read, or a file in it not removed.
    pub fn remove_ended(&self, is_wanted: impl Fn(&str) -> bool, tls: &Tls, now: Seconds) -> io::Result<()> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            let pem = name.strip_suffix(".pem").and_then(|_| self.read(name).ok()?);
            let Some(pem) = pem else { continue };
            let Ok(certificate) = tls.load(Origin::Acme, &pem, &pem) else { continue };
            let names = &certificate.names;
            if certificate.has_ended(now) && !names.iter().any(|host| is_wanted(host)) {
                fs::remove_file(self.0.join(name))?;
                tracing::info!(?names, "a certificate that has ended is removed: no route asks for it");
            }
        }
        Ok(())
    }

    /// What went wrong so far.
    ///
    /// # Errors
    /// It is there, and cannot be read.
    pub fn book(&self) -> Result<Book, Unreadable> {
        let Some(text) = self.read("failures.json")? else { return Ok(Book::default()) };
        let book: Result<Book, _> = serde_json::from_slice(&text);
        Ok(book.map_err(|_| self.damaged("failures.json")).unwrap_or_default())
    }

    /// Keeps what went wrong.
    pub fn save_book(&self, book: &Book) -> io::Result<()> {
        self.write("failures.json", &serde_json::to_vec(book)?)
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Unreadable> {
        let path = self.0.join(name);
        let content = || {
            let mut bytes = Vec::new();
            File::open(&path)?.take(MAX_FILE).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match content() {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if io::Error::kind(&error) == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Unreadable { path, error }),
        }
    }

    fn damaged(&self, name: &str) {
        tracing::error!(path = %self.0.join(name).display(), "what was kept of certificates is damaged: it is made again");
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.0)?;
        replace(&self.0.join(name), bytes)
    }
}

/// The name of a host's file.
fn file_of(host: &str) -> String {
    if host.len() > MAX_NAME { format!("{}.pem", hash::sha256_hex(host.as_bytes())) } else { format!("{host}.pem") }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    #[test]
    fn r28_what_is_kept_is_closed_to_others_and_comes_back_for_its_own_authority_alone() {
        let dir = tempfile::tempdir().unwrap();
        let keep = dir.path().join("acme");
        let disk = Disk::new(&keep, "https://a.test/directory");
        let mut book = Book::default();
        book.begin("a.test", 1_000, Duration::from_secs(60));
        disk.save_book(&book).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let chain = rcgen::CertificateParams::new(["a.test".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        disk.save_certificate("a.test", &format!("{}{chain}", key.serialize_pem())).unwrap();
        disk.save_certificate("b.test", &format!("{}{chain}", key.serialize_pem())).unwrap();

        let again = Disk::new(&keep, "https://a.test/directory");
        assert_eq!(again.book().unwrap(), book);
        let of = |disk: &Disk, host: &str| disk.certificate(host, &Tls::new()).unwrap();
        assert_eq!(of(&again, "a.test").unwrap().names, ["a.test"]);
        assert!(of(&again, "b.test").is_none(), "it is for another host");
        assert!(of(&Disk::new(&keep, "https://b.test/directory"), "a.test").is_none());
        for (path, mode) in [(keep.clone(), 0o700), (again.0.clone(), 0o700), (again.0.join("a.test.pem"), 0o600)] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
        }
    }

    #[test]
    fn only_a_certificate_that_nobody_wants_and_that_has_ended_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path(), "https://a.test/directory");
        disk.remove_ended(|_| false, &Tls::new(), 0).unwrap();
        for (host, year) in [("old.test", 2001), ("wanted.test", 2001), ("good.test", 2040)] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut params = rcgen::CertificateParams::new([host.to_owned()]).unwrap();
            params.not_after = rcgen::date_time_ymd(year, 1, 1);
            let chain = params.self_signed(&key).unwrap().pem();
            disk.save_certificate(host, &format!("{}{chain}", key.serialize_pem())).unwrap();
        }
        disk.write("broken.test.pem", b"{ nonsense").unwrap();
        disk.write("account.json", b"{}").unwrap();

        // In 2020.
        disk.remove_ended(|host| host == "wanted.test", &Tls::new(), 1_577_836_800).unwrap();
        let left = fs::read_dir(disk.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let left: std::collections::BTreeSet<String> = left.collect();
        let expected = ["account.json", "broken.test.pem", "good.test.pem", "wanted.test.pem"];
        assert_eq!(left, expected.map(str::to_owned).into());
    }

    #[test]
    fn the_longest_name_that_a_host_can_have_is_kept_like_any_other() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path(), "https://a.test/directory");
        let label = "a".repeat(63);
        let host = format!("{label}.{label}.{label}.{}", "b".repeat(61));
        assert_eq!(host.len(), 253);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new([host.clone()]).unwrap();
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let chain = params.self_signed(&key).unwrap().pem();
        disk.save_certificate(&host, &format!("{}{chain}", key.serialize_pem())).unwrap();
        let is_kept = || disk.certificate(&host, &Tls::new()).unwrap().is_some();
        assert!(is_kept());
        disk.remove_ended(|name| name == host, &Tls::new(), 1_577_836_800).unwrap();
        assert!(is_kept(), "it is wanted");
        disk.remove_ended(|_| false, &Tls::new(), 1_577_836_800).unwrap();
        assert!(!is_kept());
    }

    #[test]
    fn what_is_damaged_is_as_if_it_were_not_there() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::new(dir.path(), "https://a.test/directory");
        for name in ["account.json", "failures.json", "a.test.pem"] {
            disk.write(name, b"{ nonsense").unwrap();
        }
        assert!(disk.account().unwrap().is_none() && disk.certificate("a.test", &Tls::new()).unwrap().is_none());
        assert_eq!(disk.book().unwrap(), Book::default());
    }
}
