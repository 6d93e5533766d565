//! The repository that is served: a bare one, and a clone in which a person works and from which they push.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::git::{done, git};
use crate::random::Random;

/// The branch of all that is not said otherwise.
pub const MAIN: &str = "main";
/// The name of the bare repository below `served/`, by which servers know it.
pub const NAME: &str = "conf.git";

/// Both of them.
pub struct Repository {
    bare: PathBuf,
    work: PathBuf,
}

impl Repository {
    /// An empty one.
    pub fn new(dir: &Path) -> Self {
        let (served, work) = (dir.join("served"), dir.join("work"));
        let bare = served.join(NAME);
        for place in [&bare, &work] {
            std::fs::create_dir_all(place).expect("a directory");
        }
        let repository = Self { bare, work };
        repository.bare(&["init", "-q", "--bare"]);
        // Others are served what the big hosts serve, parts too.
        for setting in ["uploadpack.allowFilter=true", "receive.autogc=false", "receive.denyDeleteCurrent=ignore"] {
            let (key, value) = setting.split_once('=').expect("a setting");
            repository.bare(&["config", key, value]);
        }
        repository.work(&["init", "-q"]);
        repository.work(&["remote", "add", "origin", repository.bare.to_str().expect("a path of text")]);
        repository
    }

    /// Where it is on this machine.
    pub fn bare_dir(&self) -> &Path {
        &self.bare
    }

    /// A call of git in the bare repository; what it answers.
    #[track_caller]
    pub fn bare(&self, args: &[&str]) -> String {
        at(&self.bare, args)
    }

    /// The same in the clone.
    #[track_caller]
    pub fn work(&self, args: &[&str]) -> String {
        at(&self.work, args)
    }

    /// Writes these files, commits, and pushes the branch; the commit's full name.
    #[track_caller]
    pub fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.write(path, text);
        }
        self.work(&["add", "-A"]);
        self.record()
    }

    /// Takes files away, commits, and pushes.
    #[track_caller]
    pub fn remove(&self, paths: &[&str]) -> String {
        self.work(&[&["rm", "-rq", "--"], paths].concat());
        self.record()
    }

    /// Commits a symlink, and pushes.
    #[track_caller]
    pub fn link(&self, path: &str, to: &str) -> String {
        let file = self.work.join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        std::os::unix::fs::symlink(to, file).expect("a symlink");
        self.work(&["add", "-A"]);
        self.record()
    }

    /// Commits a submodule from an address, and pushes. Nothing is at the address.
    #[track_caller]
    pub fn submodule(&self, path: &str, url: &str) -> String {
        self.write(".gitmodules", &format!("[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}\n"));
        self.work(&["add", ".gitmodules"]);
        let id = "1".repeat(40);
        self.work(&["update-index", "--add", "--cacheinfo", &format!("160000,{id},{path}")]);
        self.record()
    }

    /// Works on another branch from here on, which begins where this one is.
    pub fn branch(&self, name: &str) {
        self.work(&["checkout", "-q", "-B", name]);
    }

    /// Takes a branch away from the server.
    pub fn delete_branch(&self, name: &str) {
        self.work(&["push", "-q", "origin", "--delete", name]);
    }

    /// Goes back to an earlier commit by force: those after it are gone.
    pub fn go_back(&self, commit: &str) {
        self.work(&["reset", "-q", "--hard", commit]);
        self.push_by_force();
    }

    /// Writes the history anew by force: one commit without a parent, with what is there and these files.
    #[track_caller]
    pub fn rewrite(&self, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.write(path, text);
        }
        self.work(&["add", "-A"]);
        let tree = self.work(&["write-tree"]);
        let id = self.work(&["commit-tree", "-m", "all of it, anew", &tree]);
        self.work(&["reset", "-q", "--hard", &id]);
        self.push_by_force();
        id
    }

    /// A long history before what comes: each commit adds a file of so many bytes that no packing makes smaller, in
    /// `elsewhere/`, and changes the one of a folder that stays. The branch must be new.
    pub fn grow(&self, commits: usize, bytes: usize) {
        let mut random = Random(26);
        let mut stream = Vec::new();
        for number in 0..commits {
            let noise: Vec<u8> = (0..bytes.div_ceil(8)).flat_map(|_| random.next().to_le_bytes()).collect();
            let head = format!(
                "commit refs/heads/{MAIN}\ncommitter t <t@example.com> {} +0000\ndata 1\n.\n\
                 M 100644 inline elsewhere/{}/{number}\ndata {}\n",
                1_700_000_000 + number,
                number % 100,
                noise.len()
            );
            stream.extend(head.into_bytes());
            stream.extend(noise);
            let text = format!("# {number}\n");
            stream.extend(format!("\nM 100644 inline history/text\ndata {}\n{text}\n", text.len()).into_bytes());
        }
        let mut command = git(&self.bare);
        let mut child = command.args(["fast-import", "--quiet"]).stdin(Stdio::piped()).spawn().expect("git runs");
        child.stdin.take().expect("a pipe").write_all(&stream).expect("all of it");
        assert!(child.wait().expect("an end").success(), "git fast-import");
        self.work(&["fetch", "-q", "origin"]);
        self.work(&["reset", "-q", "--hard", &format!("origin/{MAIN}")]);
    }

    /// The commit of a branch on the server.
    pub fn head(&self, branch: &str) -> String {
        self.bare(&["rev-parse", "--verify", &format!("refs/heads/{branch}")])
    }

    /// How many objects all branches have together.
    pub fn objects(&self) -> usize {
        self.bare(&["rev-list", "--objects", "--all", "--count"]).parse().expect("a number")
    }

    fn write(&self, path: &str, text: &str) {
        let file = self.work.join(path);
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        std::fs::write(file, text).expect("a file");
    }

    #[track_caller]
    fn record(&self) -> String {
        self.work(&["commit", "-q", "--allow-empty", "-m", "a commit"]);
        self.work(&["push", "-q", "origin", "HEAD"]);
        self.work(&["rev-parse", "HEAD"])
    }

    fn push_by_force(&self) {
        self.work(&["push", "-q", "--force", "origin", "HEAD"]);
    }
}

/// Runs git in a directory: what it answers.
#[track_caller]
pub fn at(dir: &Path, args: &[&str]) -> String {
    let mut command = git(dir);
    command.args(args);
    done(command)
}
