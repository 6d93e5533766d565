//! A client of a server: the plain `git`, with a home of its own, and what it was given to get in.

use std::path::PathBuf;

use super::git::git;
use super::web::USER;
use super::{Remote, Ssh, Web};

/// How a call ended, and what it said.
#[derive(Debug)]
pub struct Said {
    pub ok: bool,
    pub out: String,
    pub err: String,
}

/// One client.
pub struct Client {
    home: tempfile::TempDir,
    settings: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

impl Client {
    /// Of a web server whose authority it trusts, with a token or without.
    pub fn web(remote: &Remote<Web>, token: Option<&str>) -> Self {
        let helper = |token| format!("credential.helper=!f() {{ echo username={USER}; echo password={token}; }}; f");
        let variables = vec![("GIT_SSL_CAINFO", remote.server.authority().display().to_string())];
        Self { home: home(), settings: token.map(helper).into_iter().collect(), variables }
    }

    /// Of sshd, whose key it knows as it is now.
    pub fn ssh(remote: &Remote<Ssh>) -> Self {
        let home = home();
        let known = home.path().join("known_hosts");
        std::fs::write(&known, remote.server.known_host()).expect("a file");
        let options =
            "-F none -o BatchMode=yes -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes -o ConnectTimeout=30";
        let ssh = format!(
            "ssh {options} -o UserKnownHostsFile={} -i {}",
            known.display(),
            remote.server.identity().display()
        );
        Self { home, settings: Vec::new(), variables: vec![("GIT_SSH_COMMAND", ssh)] }
    }

    /// Gives up after a second in which nothing to speak of is said.
    pub fn hasty(mut self) -> Self {
        self.settings.extend(["http.lowSpeedLimit=1000", "http.lowSpeedTime=1"].map(str::to_owned));
        for (_, value) in &mut self.variables {
            // Of an option that is given twice the first counts.
            *value = value.replace("ssh -F", "ssh -o ConnectTimeout=1 -F");
        }
        self
    }

    /// A call of git in its home.
    pub fn git(&self, args: &[&str]) -> Said {
        let mut command = git(self.home.path());
        command.envs(self.variables.iter().cloned());
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let output = command.args(args).output().expect("git runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
        Said { ok: output.status.success(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// A call that must work: what it answers.
    #[track_caller]
    pub fn done(&self, args: &[&str]) -> String {
        let said = self.git(args);
        assert!(said.ok, "{args:?}: {}", said.err);
        said.out
    }

    /// A call that must not: what it complains of.
    #[track_caller]
    pub fn refused(&self, args: &[&str]) -> String {
        let said = self.git(args);
        assert!(!said.ok, "{args:?} works: {}", said.out);
        said.err
    }

    /// How many objects are in a clone in its home.
    pub fn objects(&self, clone: &str) -> usize {
        let counted = self.done(&["-C", clone, "count-objects", "-v"]);
        let number = |name: &str| -> usize {
            let line = counted.lines().find_map(|line| line.strip_prefix(name)).expect("a count");
            line.parse().expect("a number")
        };
        number("count: ") + number("in-pack: ")
    }

    /// A place in its home.
    pub fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }
}

fn home() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("c-").tempdir().expect("a directory")
}
