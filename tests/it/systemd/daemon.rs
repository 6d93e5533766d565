//! `landfall daemon` under a service manager of ours: what it tells, and when.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::execute::ground::Host;
use crate::router_support::{soon, until};

/// A daemon that runs, and what it told its service manager; killed on drop.
pub struct Daemon {
    child: Child,
    told: Arc<Mutex<Vec<String>>>,
    log: PathBuf,
}

/// The command as a unit would start it: nothing but what is given.
pub fn daemon(host: &Host) -> Command {
    let places = host.places();
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.env_clear().arg("daemon").stdin(Stdio::null()).stdout(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("LANDFALL_CONFIG", places.config).env("LANDFALL_DATA", places.data);
    command.env("LANDFALL_DOCKER", places.docker).env("LANDFALL_CREDENTIALS", places.credentials);
    command.env("LANDFALL_PROXY_SOCKET", places.proxy_socket);
    let log = std::fs::File::create(host.path("daemon.log")).expect("a file");
    command.stderr(log);
    command
}

impl Daemon {
    /// Starts it with a notify socket of ours.
    pub fn start(mut command: Command, host: &Host) -> Self {
        let path = host.path("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        command.env("NOTIFY_SOCKET", &path).kill_on_drop(true);
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&told);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
        });
        Self { child: command.spawn().expect("the binary runs"), told, log: host.path("daemon.log") }
    }

    /// Everything it told so far, a message each.
    pub fn all(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many messages begin so.
    pub fn count(&self, beginning: &str) -> usize {
        self.all().iter().filter(|message| message.starts_with(beginning)).count()
    }

    /// Waits until a message begins so.
    pub async fn told(&self, beginning: &str) {
        self.told_times(beginning, 1).await;
    }

    pub async fn told_times(&self, beginning: &str, times: usize) {
        until(&format!("{times} × {beginning}"), async || self.count(beginning) >= times).await;
    }

    /// Where its standard error goes, unless the test led it elsewhere.
    pub fn log(&self) -> PathBuf {
        self.log.clone()
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id().expect("it runs")).expect("a process id");
        kill_process(Pid::from_raw(pid).expect("a process id"), signal).expect("a signal is sent");
    }

    /// Waits for its end; gives its exit code.
    pub async fn ends(&mut self) -> i32 {
        soon("it ends", self.child.wait()).await.expect("its status").code().expect("an end of its own")
    }
}

/// Stops it as systemd does; gives its exit code.
pub async fn stopped(mut daemon: Daemon) -> i32 {
    daemon.signal(Signal::TERM);
    daemon.ends().await
}
