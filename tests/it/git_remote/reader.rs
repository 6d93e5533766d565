//! Who reads a repository for Landfall: a clone, and the credentials that it shows, as an operator lays them down.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use landfall::git::{self, Mirror};

use super::ground::{Remote, Ssh, TOKEN, Web, at};

/// A directory of credentials, and clones beside it.
pub struct Reader {
    dir: tempfile::TempDir,
}

impl Reader {
    /// With what a web server wants.
    pub fn web(remote: &Remote<Web>) -> Self {
        let reader = Self::nobody();
        web_credentials(&reader.credentials(), remote);
        reader
    }

    /// With what sshd wants.
    pub fn ssh(remote: &Remote<Ssh>) -> Self {
        let reader = Self::nobody();
        let key = std::fs::read_to_string(remote.server.identity()).expect("a key");
        reader.keep(git::KEY, &key);
        reader.keep(git::KNOWN_HOSTS, &remote.server.known_host());
        reader
    }

    /// With nothing to show.
    pub fn nobody() -> Self {
        let dir = tempfile::Builder::new().prefix("r-").tempdir().expect("a directory");
        std::fs::create_dir(dir.path().join("credentials")).expect("a directory");
        Self { dir }
    }

    pub fn credentials(&self) -> PathBuf {
        self.dir.path().join("credentials")
    }

    /// Where clones are.
    pub fn clones(&self) -> PathBuf {
        self.dir.path().join("clones")
    }

    /// Has this credential from now on.
    pub fn keep(&self, name: &str, text: &str) {
        credential(&self.credentials(), name, text);
    }

    /// Has it no more.
    pub fn lose(&self, name: &str) {
        std::fs::remove_file(self.credentials().join(name)).expect("a credential");
    }

    /// A clone of the main branch, for a folder of it.
    pub fn mirror(&self, url: &str, folder: &str) -> Mirror {
        let remote = git::Remote {
            url: url.parse().expect("an address"),
            branch: Some("main".parse().expect("a branch")),
            folder: folder.parse().expect("a folder"),
        };
        Mirror::new(remote, &self.clones().join("git"), &self.credentials())
    }
}

/// Lays down what a web server wants.
pub fn web_credentials(dir: &Path, remote: &Remote<Web>) {
    credential(dir, git::TOKEN, &format!("{TOKEN}\n"));
    let authority = std::fs::read_to_string(remote.server.authority()).expect("a certificate");
    credential(dir, git::CA, &authority);
}

/// Lays down one.
pub fn credential(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    std::fs::write(&path, text).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode");
}

/// How many objects of a kind are in a clone.
pub fn objects(mirror: &Mirror, kind: &str) -> usize {
    let dir = mirror.repository().git_dir();
    let all = at(dir, &["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]);
    all.lines().filter(|line| *line == kind).count()
}

/// Command line and variables of all processes that may be looked at.
pub fn processes() -> Vec<(PathBuf, String)> {
    let all = std::fs::read_dir("/proc").expect("processes").flatten();
    let texts = all.filter(|entry| entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()));
    let read = |path: PathBuf| String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned();
    texts.map(|at| (at.path(), read(at.path().join("cmdline")) + &read(at.path().join("environ")))).collect()
}
