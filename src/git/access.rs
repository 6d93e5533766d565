//! What a server is shown: files of credentials, which git and ssh read themselves, so that no secret is ever in an
//! argument, an address, a variable or a configuration (R28).
//!
//! `git-token` for https, `git-ssh-key` and `git-known-hosts` for ssh, `git-ca` for servers of a CA of one's own.

use std::path::{Path, PathBuf};

use super::command::Git;
use super::error::GitError;
use super::remote::{RemoteUrl, Scheme};

/// The credential that holds a token or password.
pub const TOKEN: &str = "git-token";
/// The credential that holds a private key of ssh.
pub const KEY: &str = "git-ssh-key";
/// The credential that holds the keys of ssh servers, as `ssh-keyscan` prints them.
pub const KNOWN_HOSTS: &str = "git-known-hosts";
/// The credential that holds certificates of CAs, in PEM.
pub const CA: &str = "git-ca";

/// Answers git's question for a password from a file; a shell's own `printf` and `read` leave no trace in a list of
/// processes. Only what git asks of the origin that it is set for gets there.
const HELPER: &str = r#"!f() { test "$1" = get || return 0; IFS= read -r token < "$LANDFALL_GIT_TOKEN" || test -n "$token" || return 0; printf 'username=%s\npassword=%s\n' "$LANDFALL_GIT_USER" "$token"; }; f"#;
/// Who needs a user's name beside a token takes any, and GitHub's apps want this one.
const USER: &str = "x-access-token";
/// Bytes per second below which a connection counts as dead, ...
const LOW_SPEED: &str = "100";
/// ... when it stays so for this many seconds.
const LOW_SPEED_S: &str = "30";

/// Where credentials are.
#[derive(Debug, Clone)]
pub(super) struct Access {
    credentials: PathBuf,
}

impl Access {
    pub(super) fn new(credentials: &Path) -> Self {
        Self { credentials: credentials.to_owned() }
    }

    fn file(&self, name: &str) -> Option<PathBuf> {
        Some(self.credentials.join(name)).filter(|path| path.is_file())
    }

    /// Lets a call ask a server, and that one alone. `config` makes a file for another git on this host, where that is what
    /// git asks.
    ///
    /// # Errors
    /// That file cannot be made.
    pub(super) fn of(
        &self,
        git: Git,
        url: &RemoteUrl,
        config: impl FnOnce() -> Result<PathBuf, GitError>,
    ) -> Result<Git, GitError> {
        Ok(match url.scheme() {
            Scheme::Https => self.http(git.env("GIT_ALLOW_PROTOCOL", "https"), url),
            Scheme::Http => self.http(git.env("GIT_ALLOW_PROTOCOL", "http"), url),
            Scheme::Ssh => {
                git.env("GIT_ALLOW_PROTOCOL", "ssh").env("GIT_SSH_VARIANT", "ssh").env("GIT_SSH_COMMAND", self.ssh())
            }
            Scheme::File => git.env("GIT_ALLOW_PROTOCOL", "file").env("GIT_CONFIG_GLOBAL", config()?),
        })
    }

    fn http(&self, git: Git, url: &RemoteUrl) -> Git {
        let git = git.set("http.lowSpeedLimit", LOW_SPEED).set("http.lowSpeedTime", LOW_SPEED_S);
        let git = self.file(CA).into_iter().fold(git, |git, ca| git.set("http.sslCAInfo", ca.to_string_lossy()));
        let (Some(token), Some(origin)) = (self.file(TOKEN), url.origin()) else { return git };
        git.set(format!("credential.{origin}.helper"), HELPER)
            .env("LANDFALL_GIT_TOKEN", token)
            .env("LANDFALL_GIT_USER", url.user().unwrap_or(USER))
    }

    /// The command that a shell runs for git. The keys of servers are never taken on trust, and nothing of the user's own
    /// configuration counts.
    fn ssh(&self) -> String {
        let mut options: Vec<String> = [
            "BatchMode=yes",
            "StrictHostKeyChecking=yes",
            "UpdateHostKeys=no",
            "IdentitiesOnly=yes",
            "IdentityAgent=none",
            "PasswordAuthentication=no",
            "ConnectTimeout=15",
            "ServerAliveInterval=10",
            "ServerAliveCountMax=3",
        ]
        .map(str::to_owned)
        .into();
        let known = self.credentials.join(KNOWN_HOSTS);
        options.push(format!("UserKnownHostsFile=\"{}\"", escaped(&known)));
        let key = self.file(KEY).map_or_else(|| "none".to_owned(), |key| format!("\"{}\"", escaped(&key)));
        options.push(format!("IdentityFile={key}"));
        let options: String = options.iter().map(|option| format!(" -o {}", quoted(option))).collect();
        format!("ssh -F none{options}")
    }

    /// What a server that says no may miss: the credential, and where it is looked for; none where it is there.
    pub(super) fn missing(&self, url: &RemoteUrl) -> Option<String> {
        let name = match url.scheme() {
            Scheme::Https | Scheme::Http => TOKEN,
            Scheme::Ssh => KEY,
            Scheme::File => return None,
        };
        let is_there = self.file(name).is_some();
        (!is_there).then(|| format!("there is no credential `{name}` in {}", self.credentials.display()))
    }
}

/// For ssh, which takes `%` and `\` for its own.
fn escaped(path: &Path) -> String {
    path.to_string_lossy().replace('%', "%%").replace('\\', "\\\\").replace('"', "\\\"")
}

/// For the shell.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}
