//! `landfall proxy` as a process: what a crash leaves is picked up by the next one, and SIGTERM is a good end.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::Duration;

use landfall::proxy::{Change, Proxy};
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::router_support::{App, domains, soon, stage, store, until};
use super::router_wire::Client;

/// A proxy process, killed if the test ends before it.
pub struct Process {
    child: Child,
    pub addr: SocketAddr,
    /// What it says after that, to its end.
    said: Option<JoinHandle<Vec<String>>>,
}

impl Process {
    async fn start(dir: &Path) -> Self {
        Self::start_with(dir, &[]).await
    }

    async fn start_with(dir: &Path, more: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        command.args(["--data", "data", "proxy", "--listen", "127.0.0.1:0", "--control", "proxy.sock"]).args(more);
        Self::run(command.current_dir(dir)).await
    }

    /// Runs a command that serves plain HTTP.
    pub async fn run(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let find = move || {
            let mut lines = stderr.lines().map_while(Result::ok);
            let line = lines.find(|line| line.contains("serving http on ")).expect("it says where it serves");
            let addr = line.split("serving http on ").nth(1).unwrap().split(',').next().unwrap().parse().unwrap();
            // Read on, so that the process never waits for us.
            (addr, std::thread::spawn(move || lines.collect()))
        };
        let (addr, said) = soon("it starts", tokio::task::spawn_blocking(find)).await.unwrap();
        Self { child, addr, said: Some(said) }
    }

    pub fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap();
        kill_process(id, signal).unwrap();
    }

    /// Waits for its end.
    pub async fn status(&mut self) -> ExitStatus {
        let mut status = None;
        until("it ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Has a.test answered by an app.
pub async fn route(proxy: &Proxy, app: &App) {
    let (key, names, upstream) = (stage("shop/prod"), domains(&["a.test"]), app.addr.to_string());
    proxy.switch(&Change::new(store(1), &key, &names, &upstream)).await.unwrap();
}

#[tokio::test]
async fn a_killed_proxy_is_followed_by_one_that_serves_the_same_and_sigterm_exits_0() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::named("app").await;
    let first = Process::start(dir.path()).await;
    let proxy = Proxy::embedded(&dir.path().join("proxy.sock"));
    route(&proxy, &app).await;
    assert_eq!(Client::connect(first.addr).await.get("a.test", "/").await.text(), "app");
    drop(first);
    assert!(dir.path().join("proxy.sock").exists(), "as a crash leaves it");

    let mut second = Process::start(dir.path()).await;
    let mut client = Client::connect(second.addr).await;
    assert_eq!(client.get("a.test", "/").await.text(), "app");
    proxy.unroute(store(1), &stage("shop/prod"), None).await.unwrap();
    assert_eq!(client.get("a.test", "/").await.status, 404, "and it can be told things");

    second.terminate();
    assert!(client.is_closed().await);
    assert_eq!(second.status().await.code(), Some(0));
}

#[tokio::test]
async fn sighup_ends_no_proxy_and_no_connection() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::named("app").await;
    let mut process = Process::start(dir.path()).await;
    let proxy = Proxy::embedded(&dir.path().join("proxy.sock"));
    route(&proxy, &app).await;
    let mut client = Client::connect(process.addr).await;
    for _ in 0..3 {
        process.signal(Signal::HUP);
        assert_eq!(client.get("a.test", "/").await.text(), "app");
    }
    process.terminate();
    assert_eq!(process.status().await.code(), Some(0));
}

#[tokio::test]
async fn sighup_has_the_access_log_written_anew_after_it_was_moved_away() {
    let dir = tempfile::tempdir().unwrap();
    let (log, old) = (dir.path().join("access.log"), dir.path().join("access.log.1"));
    let mut process = Process::start_with(dir.path(), &["--access-log", "access.log"]).await;
    let mut client = Client::connect(process.addr).await;
    assert_eq!(client.get("old.test", "/").await.status, 404);
    let has = |path: &Path, word: &str| std::fs::read_to_string(path).is_ok_and(|text| text.contains(word));
    until("a line is written", async || has(&log, "old.test")).await;
    std::fs::rename(&log, &old).unwrap();
    process.signal(Signal::HUP);
    until("the log is there again", async || log.exists()).await;
    assert_eq!(client.get("new.test", "/").await.status, 404);
    process.terminate();
    assert_eq!(process.status().await.code(), Some(0));
    assert!(has(&log, "new.test") && !has(&log, "old.test") && !has(&old, "new.test"), "every line in its file");
}

/// Requests that are then cut and spoilt at every byte.
const REQUESTS: [&str; 4] = [
    "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    "GET http://a.test/ HTTP/1.1\r\nHost: a.test:80\r\nConnection: close, X\r\nX: 1\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: [::1]\r\nConnection: upgrade\r\nUpgrade: websocket\r\nContent-Length: 1\r\n\r\nx",
];
/// What a byte is replaced by.
const SPOILT: [u8; 6] = [0, b'\n', b' ', b':', b',', 0xff];

/// Sends bytes, says that there are no more, and reads what comes.
async fn throw(addr: SocketAddr, bytes: &[u8]) {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    drop(stream.write_all(bytes).await);
    drop(stream.shutdown().await);
    // Whatever comes is right, if only something does in the end.
    drop(soon("an end", stream.read_to_end(&mut Vec::new())).await);
}

#[tokio::test]
async fn nothing_a_client_sends_makes_it_panic() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::named("app").await;
    let mut process = Process::start(dir.path()).await;
    let proxy = Proxy::embedded(&dir.path().join("proxy.sock"));
    route(&proxy, &app).await;
    for request in REQUESTS {
        for at in 0..request.len() {
            throw(process.addr, &request.as_bytes()[..at]).await;
            let mut spoilt = request.as_bytes().to_vec();
            spoilt[at] = SPOILT[at % SPOILT.len()];
            throw(process.addr, &spoilt).await;
        }
    }
    assert_eq!(Client::connect(process.addr).await.get("a.test", "/").await.text(), "app");
    assert_eq!(proxy.drain(&app.addr.to_string(), Duration::from_secs(10)).await.unwrap().left, Some(0));
    process.terminate();
    assert_eq!(process.status().await.code(), Some(0));
    let said = process.said.take().unwrap().join().unwrap();
    assert!(!said.iter().any(|line| line.contains("panicked")), "{said:#?}");
}
