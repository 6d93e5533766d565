//! What went wrong with git: where, why, and what helps. What git says is cut, and never holds a credential, because
//! none is ever in an address or an argument (R28).

use std::fmt;

use crate::model::Retry;

/// Longest text of git that is shown, in characters.
const MAX_SAID: usize = 300;

/// Kinds of trouble, by what helps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// git cannot be started.
    NotInstalled,
    /// It did not end in time.
    TimedOut,
    /// The repository belongs to another user, and this git insists on that.
    Foreign,
    /// There is no such revision.
    NoRevision,
    /// The repository or its answer cannot be used.
    Broken,
    /// It holds more than is taken.
    TooLarge,
    /// The server does not answer, or not as it should.
    Unreachable,
    /// The server lets nobody read that it knows.
    Denied,
    /// The server's key or certificate is not one that is trusted.
    Untrusted,
    /// The server has no such repository, or does not say so to whom it does not know.
    NoRepository,
    /// The repository has no such branch.
    NoBranch,
    /// What is in force is not in the history of the branch any more, and such a change is held.
    Rewritten,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitError {
    /// Which kind.
    pub kind: Kind,
    /// What could not be done, in words.
    what: String,
    /// Why: ours, or what git said.
    why: String,
}

impl GitError {
    /// An error of this kind: what could not be done, and why.
    pub fn new(kind: Kind, what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { kind, what: what.into(), why: why.into() }
    }

    /// The same, with what it most likely comes from.
    pub(super) fn because(self, cause: &str) -> Self {
        Self { why: format!("{cause}: {}", self.why), ..self }
    }

    /// Whether time helps.
    pub const fn retry(&self) -> Retry {
        match self.kind {
            Kind::TimedOut | Kind::Unreachable => Retry::Backoff,
            Kind::NotInstalled
            | Kind::Foreign
            | Kind::NoRevision
            | Kind::Broken
            | Kind::TooLarge
            | Kind::Denied
            | Kind::Untrusted
            | Kind::NoRepository
            | Kind::NoBranch
            | Kind::Rewritten => Retry::OnChange,
        }
    }

    /// What the user can do about it.
    pub fn hint(&self) -> String {
        let hint = match self.kind {
            Kind::NotInstalled => "install git, 2.38 or newer, or move the configuration out of the work tree",
            Kind::TimedOut => "look at the disk, or at the connection",
            Kind::Foreign => "install git 2.38 or newer, or give the work tree to the user that Landfall runs as",
            Kind::NoRevision => "name a branch, a tag or a commit of that repository",
            Kind::Broken => "`git fsck` in the repository says what is wrong with it",
            Kind::TooLarge => "give the configuration a folder of its own, and name that",
            Kind::Unreachable => "look at the server, and at the way there; it is asked again at every interval",
            Kind::Denied => {
                "https wants a token in the credential `git-token`, ssh a private key in `git-ssh-key`; it needs to read that \
                 repository alone"
            }
            Kind::Untrusted => {
                "make sure that it is the right server; then its key goes into the credential `git-known-hosts` (as \
                 `ssh-keyscan` prints it), or its CA into `git-ca`"
            }
            Kind::NoRepository => "check the address; a server says the same to whom it does not let read it",
            Kind::NoBranch => "name a branch that is there with --branch, or push it again",
            Kind::Rewritten => {
                "look at the branch; `landfall apply --allow-rewrite` takes it as it is now, and \
                 `settings.source.on_rewrite: apply` does so always"
            }
        };
        hint.to_owned()
    }
}

impl fmt::Display for GitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let colon = if self.why.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.what, self.why)
    }
}

impl std::error::Error for GitError {}

/// What git said, on one line and not too long: the lines that tell of an error, else all of them.
pub(super) fn said(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let telling = |line: &&str| ["fatal:", "error:", "ERROR:", "remote:"].iter().any(|word| line.starts_with(word));
    let picked: Vec<&str> =
        if lines().any(|line| telling(&line)) { lines().filter(telling).collect() } else { lines().collect() };
    on_one_line(&picked)
}

/// Which kind a server's refusal is, by what git, curl and ssh say; of the first that fits.
const REFUSALS: &[(Kind, &[&str])] = &[
    (
        Kind::Untrusted,
        &["Host key verification failed", "HOST IDENTIFICATION HAS CHANGED", "certificate", "SSL: no alternative"],
    ),
    (
        Kind::Denied,
        &[
            "Authentication failed",
            "could not read Username",
            "could not read Password",
            "error: 401",
            "error: 403",
            "Permission denied",
            "Access denied",
            "UNPROTECTED PRIVATE KEY",
        ],
    ),
    (Kind::NoBranch, &["couldn't find remote ref", "Could not find remote branch"]),
    (Kind::NoRepository, &["error: 404", "not found", "does not appear to be a git repository", "does not exist"]),
    (Kind::Foreign, &["dubious ownership"]),
];

/// The error of a call that asked a server; where nothing else is known, time may help.
pub(super) fn refusal(what: &str, stderr: &[u8]) -> GitError {
    let text = String::from_utf8_lossy(stderr);
    let fits = |words: &&(Kind, &[&str])| words.1.iter().any(|word| text.contains(word));
    let kind = REFUSALS.iter().find(fits).map_or(Kind::Unreachable, |(kind, _)| *kind);
    GitError::new(kind, what, said_by(&text))
}

/// What ssh adds for people, and git for those who set it up.
const CHATTER: &[&str] =
    &["@@@", "Please make sure you have", "and the repository exists", "hint:", "Warning: Permanently"];

/// What git and ssh said, on one line and not too long.
fn said_by(text: &str) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.filter(|line| !CHATTER.iter().any(|word| line.starts_with(word))).collect();
    on_one_line(&lines)
}

fn on_one_line(lines: &[&str]) -> String {
    lines.join("; ").chars().filter(|c| !c.is_control()).take(MAX_SAID).collect()
}
