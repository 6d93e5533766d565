//! nginx as a process of this machine, on two free ports of 127.0.0.1. Needs no root.
//!
//! It is ended by its id when this is dropped, and by the kernel when the test dies first.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::{self, kill_process};

use super::{DefaultSite, Served, Signal, conf};
use crate::own_process::{self, Process, TRIES, free_port};

/// A running nginx, or one that was stopped.
pub struct Local {
    dir: PathBuf,
    http: u16,
    https: u16,
    modern: bool,
    process: Option<Process>,
}

impl Local {
    /// Starts it.
    pub fn start(dir: &Path) -> Self {
        let mut local = Self { dir: dir.to_owned(), http: 0, https: 0, modern: is_modern(), process: None };
        for _ in 0..TRIES {
            let ((http, one), (https, two)) = (free_port(), free_port());
            (local.http, local.https) = (http, https);
            drop((one, two));
            local.prepare();
            if local.launch() {
                return local;
            }
        }
        panic!("nginx does not start: {}", local.log());
    }

    /// Where it serves.
    pub fn served(&self) -> Served {
        Served { probe: format!("127.0.0.1:{}", self.http), https: format!("127.0.0.1:{}", self.https) }
    }

    /// What its files listen on, and whether it knows the newer form of HTTP/2.
    pub fn listen(&self) -> (String, String, bool) {
        let Served { probe, https } = self.served();
        (probe, https, self.modern)
    }

    /// `nginx -t`.
    pub fn test_command(&self) -> Command {
        let mut command = Command::new(program());
        command.args(self.arguments()).arg("-t");
        command
    }

    /// What tells it to read its files again.
    pub fn hangup(&self) -> Signal {
        let pid = self.process.as_ref().map(Process::pid);
        Box::new(move || {
            let pid = pid.ok_or("nginx: [error] it does not run")?;
            kill_process(pid, process::Signal::HUP).map_err(|error| format!("nginx: [alert] kill({pid:?}, 1): {error}"))
        })
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Starts it on the ports that it had.
    pub fn start_again(&mut self) {
        assert!(self.process.is_some() || self.launch(), "nginx does not start again: {}", self.log());
    }

    /// Writes the files that no host is named in.
    fn prepare(&self) {
        let (http, https, _) = self.listen();
        let is_root = rustix::process::geteuid().is_root();
        // The closed port of a resolver that never answers: names are never resolved here.
        let text = conf::main(&https, "127.0.0.1:9", is_root);
        std::fs::write(self.dir.join("nginx.conf"), text).expect("a file");
        let default = DefaultSite::Congratulations.text(&http);
        std::fs::write(self.dir.join("default_host/site.conf"), default).expect("a file");
    }

    /// True when it listens; false when its ports were taken.
    fn launch(&mut self) -> bool {
        let id = self.dir.join("run/nginx.pid");
        let _ = std::fs::remove_file(&id);
        let mut command = Process::command(&program());
        command.args(self.arguments());
        // The file of its id is written once it listens.
        let is_ready = || std::fs::read_to_string(&id).is_ok_and(|text| !text.trim().is_empty());
        self.process = Process::start(command, &self.dir.join("logs/start.log"), is_ready);
        self.process.is_some()
    }

    fn arguments(&self) -> [OsString; 6] {
        let path = |name: &str| self.dir.join(name).into_os_string();
        let [p, e, c] = ["-p", "-e", "-c"].map(OsString::from);
        [p, path(""), e, path("logs/error.log"), c, path("nginx.conf")]
    }

    fn log(&self) -> String {
        ["logs/start.log", "logs/error.log"]
            .map(|name| std::fs::read_to_string(self.dir.join(name)).unwrap_or_default())
            .concat()
    }
}

/// Runs a command to its end: what it said, if it was not content.
pub async fn run(command: Command) -> Result<(), String> {
    let output = tokio::process::Command::from(command).stdin(Stdio::null()).output().await.expect("nginx runs");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Where nginx is.
pub fn program() -> PathBuf {
    own_process::program("nginx")
}

/// Whether it is 1.25.1 or newer, which knows `http2 on`.
pub fn is_modern() -> bool {
    let output = Command::new(program()).arg("-v").output().expect("nginx runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.split("nginx/").nth(1).unwrap_or_default();
    let parts: Vec<u32> = version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok()).collect();
    parts.as_slice() >= &[1, 25, 1]
}
