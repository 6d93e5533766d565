//! A daemon on a host of these tests, what it logs, and commands that go on while a test watches them.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use landfall::http::{self, Status};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::{Said, command};
use crate::execute::ground::Host;
use crate::router_support::{soon, until};

/// A process that goes on, and what it wrote to standard error so far.
pub struct Going {
    child: Child,
    err: Arc<Mutex<String>>,
    readers: (JoinHandle<String>, JoinHandle<()>),
}

impl Going {
    pub fn start(host: &Host, line: &str) -> Self {
        Self::of(command(host, &line.split(' ').collect::<Vec<_>>()))
    }

    /// A command that was made otherwise.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("landfall runs");
        let (out, stderr) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let err = Arc::new(Mutex::new(String::new()));
        let readers = (tokio::spawn(all(out)), tokio::spawn(lines(stderr, Arc::clone(&err))));
        Self { child, err, readers }
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it goes on")
    }

    pub fn err(&self) -> String {
        self.err.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until it wrote this, and goes on.
    pub async fn says(&self, text: &str) {
        until(&format!("it says {text:?}"), async || self.err().contains(text)).await;
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().cast_signed()).expect("a pid");
        kill_process(pid, signal).expect("a signal");
    }

    pub async fn ends(mut self) -> Said {
        let status = soon("its end", self.child.wait()).await.expect("a status");
        let out = self.readers.0.await.expect("its output");
        self.readers.1.await.expect("its messages");
        let err = self.err.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Said { code: status.code().unwrap_or(-1), out, err }
    }
}

async fn all(mut stream: impl AsyncRead + Unpin) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("text");
    text
}

async fn lines(stream: impl AsyncRead + Unpin, into: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(stream).lines();
    while let Some(line) = lines.next_line().await.expect("text") {
        into.lock().unwrap_or_else(PoisonError::into_inner).push_str(&(line + "\n"));
    }
}

/// Where the daemon of a host is asked.
pub fn socket(host: &Host) -> PathBuf {
    host.path("data/landfall.sock")
}

/// What the daemon of a host is at.
pub async fn status(host: &Host) -> Status {
    soon("a status", http::status(&socket(host))).await.expect("a status")
}

/// Starts the daemon, and returns when it has looked at the configuration and is through with its first pass.
pub async fn daemon(host: &Host) -> Going {
    let daemon = Going::start(host, "daemon");
    until("the daemon has seen its configuration and answers", async || {
        http::status(&socket(host)).await.is_ok_and(|status| status.state.revision.is_some())
    })
    .await;
    daemon
}
