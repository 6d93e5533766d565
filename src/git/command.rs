//! Running git: hardened, within a limit of time and bytes, and ended with everything that it started.

use std::ffi::OsStr;
use std::io::{self, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::error::{GitError, Kind, said};
use super::group::Group;

/// Most bytes that are kept of what git says.
const MAX_STDERR: u64 = 64 << 10;
/// Most bytes of an answer that is a few lines.
const MAX_SHORT: u64 = 1 << 20;
/// Longest that a local question takes on a slow disk.
const LOCAL: Duration = Duration::from_secs(30);

/// What every call has, whatever the user, the host or the repository says; the strongest scope there is.
const SETTINGS: &[(&str, &str)] = &[
    // The repository is read and never trusted: what could run a program of it is off.
    ("safe.directory", "*"),
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.attributesFile", "/dev/null"),
    ("core.excludesFile", "/dev/null"),
    ("credential.helper", ""),
    // What goes on in the background would outlive the limit of time.
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
];

/// How a server is reached where it is not reached directly.
const PROXIES: &[&str] =
    &["http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"];

/// One call of git.
#[derive(Debug)]
pub(super) struct Git {
    command: Command,
    what: String,
    settings: Vec<(String, String)>,
    input: Vec<u8>,
    limit: Duration,
    most: u64,
}

/// How a call ended.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: ExitStatus,
    pub(super) stdout: Vec<u8>,
    pub(super) stderr: Vec<u8>,
}

impl Answer {
    /// The answer as text.
    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

impl Git {
    /// A call that may not leave the machine. `what` it is for opens every error: `cannot read the files of …`.
    pub(super) fn local(what: impl Into<String>) -> Self {
        let mut command = Command::new("git");
        // Nothing of the caller's surroundings, such as a GIT_DIR of a hook that runs us, but the way to git itself.
        command.env_clear().envs(["PATH", "TMPDIR"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0")
            // A missing object is never fetched on the way; older gits know only the second of these.
            .env("GIT_NO_LAZY_FETCH", "1")
            .env("GIT_ALLOW_PROTOCOL", "none")
            .env("GIT_LITERAL_PATHSPECS", "1");
        let settings = SETTINGS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        Self { command, what: what.into(), settings, input: Vec::new(), limit: LOCAL, most: MAX_SHORT }
    }

    /// A call that asks a server, once it was let by `Access`; ended after `limit`.
    pub(super) fn remote(what: impl Into<String>, limit: Duration) -> Self {
        let mut git = Self::local(what).within(limit);
        git.command.envs(PROXIES.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        git
    }

    /// In a directory.
    pub(super) fn in_dir(mut self, dir: &Path) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// With an argument of ours, never one of a user.
    pub(super) fn args<T: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.command.args(args);
        self
    }

    /// With a variable.
    pub(super) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// With one more setting, stronger than the repository's.
    pub(super) fn set(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((key.into(), value.into()));
        self
    }

    /// With this on standard input.
    pub(super) fn input(mut self, input: Vec<u8>) -> Self {
        self.input = input;
        self
    }

    /// With an answer of up to so many bytes.
    pub(super) fn most(mut self, bytes: u64) -> Self {
        self.most = bytes;
        self
    }

    /// Within another limit of time.
    pub(super) fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// What the call is for.
    pub(super) fn what(&self) -> &str {
        &self.what
    }

    /// Runs it to its end, whatever that is.
    ///
    /// # Errors
    /// It cannot be started, takes too long, or answers too much.
    pub(super) fn run(mut self) -> Result<Answer, GitError> {
        self.command.env("GIT_CONFIG_COUNT", self.settings.len().to_string());
        for (i, (key, value)) in self.settings.iter().enumerate() {
            self.command.env(format!("GIT_CONFIG_KEY_{i}"), key).env(format!("GIT_CONFIG_VALUE_{i}"), value);
        }
        let Self { mut command, what, input, limit, most, settings: _ } = self;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let (child, group) = Group::start(&mut command).map_err(|error| {
            GitError::new(Kind::NotInstalled, what.as_str(), format!("git could not be run: {error}"))
        })?;
        let parts = follow(child, input, most);
        let answer = gather(&parts, Instant::now() + limit);
        drop(group);
        match answer {
            Gathered::Whole(answer) if answer.stdout.len() as u64 > most => {
                Err(GitError::new(Kind::TooLarge, what, format!("git answers more than {most} bytes")))
            }
            Gathered::Whole(answer) => Ok(answer),
            Gathered::TooLate => {
                Err(GitError::new(Kind::TimedOut, what, format!("git did not end within {} s", limit.as_secs())))
            }
        }
    }

    /// Runs it, and takes anything but success as an error with what git said.
    ///
    /// # Errors
    /// As `run`, and when git says no.
    pub(super) fn done(self) -> Result<Answer, GitError> {
        let what = self.what.clone();
        let answer = self.run()?;
        if answer.status.success() {
            return Ok(answer);
        }
        Err(GitError::new(kind_of(&answer.stderr), what, said(&answer.stderr)))
    }
}

/// The kind of a local refusal.
pub(super) fn kind_of(stderr: &[u8]) -> Kind {
    let is_foreign = String::from_utf8_lossy(stderr).contains("dubious ownership");
    if is_foreign { Kind::Foreign } else { Kind::Broken }
}

enum Part {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    Ended(ExitStatus),
}

/// Threads that feed, drain and wait, so that no pipe that is full blocks another, and the limit of time holds for all.
fn follow(mut child: Child, input: Vec<u8>, most: u64) -> Receiver<Part> {
    let (sender, parts) = mpsc::channel();
    if let Some(mut stdin) = child.stdin.take() {
        // Whoever does not read it to the end says so by how it ends.
        thread::spawn(move || stdin.write_all(&input));
    }
    if let Some(stdout) = child.stdout.take() {
        let sender = sender.clone();
        thread::spawn(move || sender.send(Part::Stdout(drain(stdout, most + 1))));
    }
    if let Some(stderr) = child.stderr.take() {
        let sender = sender.clone();
        thread::spawn(move || sender.send(Part::Stderr(drain(stderr, MAX_STDERR))));
    }
    thread::spawn(move || child.wait().map(|status| sender.send(Part::Ended(status))));
    parts
}

/// Reads up to a number of bytes, and closes: whoever writes more gets SIGPIPE.
fn drain(pipe: impl Read, most: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _: io::Result<usize> = pipe.take(most).read_to_end(&mut bytes);
    bytes
}

enum Gathered {
    Whole(Answer),
    TooLate,
}

fn gather(parts: &Receiver<Part>, deadline: Instant) -> Gathered {
    let (mut out, mut err, mut ended) = (None, None, None);
    loop {
        if let (Some(stdout), Some(stderr), Some(status)) = (&mut out, &mut err, ended) {
            return Gathered::Whole(Answer { status, stdout: std::mem::take(stdout), stderr: std::mem::take(stderr) });
        }
        match parts.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(Part::Stdout(bytes)) => out = Some(bytes),
            Ok(Part::Stderr(bytes)) => err = Some(bytes),
            Ok(Part::Ended(status)) => ended = Some(status),
            Err(_) => return Gathered::TooLate,
        }
    }
}
