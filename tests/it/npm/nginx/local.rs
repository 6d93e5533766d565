//! nginx as a process of this machine, on two free ports of 127.0.0.1. Needs no root.
//!
//! It is ended by its id when this is dropped, and by the kernel when the test dies first.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{self, Pid, kill_process};

use super::{DefaultSite, Served, Signal, conf};

/// Ports are chosen free, and may be taken a moment later: then others are tried.
pub const TRIES: usize = 20;
/// For a hung machine; nothing depends on how long it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running nginx, or one that was stopped.
pub struct Local {
    dir: PathBuf,
    http: u16,
    https: u16,
    modern: bool,
    child: Option<Child>,
    /// Holds the thread that started it: the kernel ends nginx with that thread, not with the test.
    keeper: Option<mpsc::Sender<()>>,
}

impl Local {
    /// Starts it.
    pub fn start(dir: &Path) -> Self {
        let mut local = Self { dir: dir.to_owned(), http: 0, https: 0, modern: is_modern(), child: None, keeper: None };
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
        let mut command = self.command();
        command.arg("-t");
        command
    }

    /// What tells it to read its files again.
    pub fn hangup(&self) -> Signal {
        let pid = self.child.as_ref().map(Pid::from_child);
        Box::new(move || {
            let pid = pid.ok_or("nginx: [error] it does not run")?;
            kill_process(pid, process::Signal::HUP).map_err(|error| format!("nginx: [alert] kill({pid:?}, 1): {error}"))
        })
    }

    /// Ends it.
    pub fn stop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        let _ = kill_process(Pid::from_child(&child), process::Signal::TERM);
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if !matches!(child.try_wait(), Ok(None)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = child.kill();
        let _ = child.wait();
    }

    /// Starts it on the ports that it had.
    pub fn start_again(&mut self) {
        assert!(self.child.is_some() || self.launch(), "nginx does not start again: {}", self.log());
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
        let _ = std::fs::remove_file(self.dir.join("run/nginx.pid"));
        let nginx = self.command();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(nginx.get_program()).args(nginx.get_args());
        let output = std::fs::File::create(self.dir.join("logs/start.log")).expect("a file");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let (mut child, keeper) = spawn_kept(command);
        let begin = Instant::now();
        // The file of its id is written once it listens.
        while std::fs::read_to_string(self.dir.join("run/nginx.pid")).map_or(true, |text| text.trim().is_empty()) {
            if !matches!(child.try_wait(), Ok(None)) {
                return false;
            }
            assert!(begin.elapsed() < PATIENCE, "nginx does not begin: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
        (self.child, self.keeper) = (Some(child), Some(keeper));
        true
    }

    fn command(&self) -> Command {
        let mut command = Command::new(program());
        let path = |name: &str| self.dir.join(name);
        command.arg("-p").arg(&self.dir).arg("-e").arg(path("logs/error.log")).arg("-c").arg(path("nginx.conf"));
        command
    }

    fn log(&self) -> String {
        ["logs/start.log", "logs/error.log"]
            .map(|name| std::fs::read_to_string(self.dir.join(name)).unwrap_or_default())
            .concat()
    }
}

impl Drop for Local {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts a command on a thread of its own, which stays until what is returned beside it is dropped.
fn spawn_kept(mut command: Command) -> (Child, mpsc::Sender<()>) {
    let (started, child) = mpsc::channel();
    let (keeper, end) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = started.send(command.spawn());
        // Ends with an error when nobody holds the other side any more.
        let _ = end.recv();
    });
    (child.recv().expect("a thread").expect("setpriv runs"), keeper)
}

/// Runs a command to its end: what it said, if it was not content.
pub async fn run(command: Command) -> Result<(), String> {
    let output = tokio::process::Command::from(command).stdin(Stdio::null()).output().await.expect("nginx runs");
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// Where nginx is: a plain user's PATH lacks its directory on Debian.
pub fn program() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.find_map(|place| Some(place.join("nginx")).filter(|file| file.is_file()));
    found.expect("no nginx found: run this through tests/run.sh, which installs it")
}

/// Whether it is 1.25.1 or newer, which knows `http2 on`.
pub fn is_modern() -> bool {
    let output = Command::new(program()).arg("-v").output().expect("nginx runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.split("nginx/").nth(1).unwrap_or_default();
    let parts: Vec<u32> = version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok()).collect();
    parts.as_slice() >= &[1, 25, 1]
}

/// A port that is free as long as its listener is held.
pub fn free_port() -> (u16, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    (listener.local_addr().expect("an address").port(), listener)
}
