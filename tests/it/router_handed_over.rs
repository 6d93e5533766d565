//! Sockets handed over by a service manager: they outlive the proxy, so that its own restart loses no request.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use landfall::proxy::Proxy;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::router_process::{Process, route};
use crate::router_support::{App, soon, until};
use crate::router_tls::Authority;
use crate::router_wire::Client;

/// A service manager with two sockets.
struct Manager {
    http: TcpListener,
    https: TcpListener,
}

impl Manager {
    fn new() -> Self {
        let open = || TcpListener::bind("127.0.0.1:0").unwrap();
        Self { http: open(), https: open() }
    }

    /// The command by which it starts the proxy: with the sockets as its descriptors 3 and 4, and told so as `names`.
    fn command(&self, dir: &Path, names: &str) -> Command {
        let hand_over = |socket: &TcpListener| Stdio::from(OwnedFd::from(socket.try_clone().unwrap()));
        let mut command = Command::new("sh");
        // A shell between the two knows the id that the proxy will have.
        command.args(["-c", "export LISTEN_PID=$$; exec \"$@\" 3<&0 4<&1 </dev/null >/dev/null", "sh"]);
        command.arg(env!("CARGO_BIN_EXE_landfall"));
        command.args(["--data", "data", "proxy", "--control", "proxy.sock", "--certificates", "certificates"]);
        command.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", names).current_dir(dir);
        command.stdin(hand_over(&self.http)).stdout(hand_over(&self.https));
        command
    }
}

/// What clients have seen, each on a connection of its own.
#[derive(Default)]
struct Seen {
    answered: AtomicU64,
    lost: AtomicU64,
    is_over: AtomicBool,
}

impl Seen {
    fn note(&self, status: Option<u16>) {
        let count = if status == Some(200) { &self.answered } else { &self.lost };
        count.fetch_add(1, Ordering::SeqCst);
    }
}

async fn one_plain(addr: SocketAddr) -> Option<u16> {
    let stream = TcpStream::connect(addr).await.ok()?;
    Some(Client(BufReader::new(stream)).try_get("a.test", "/").await?.status)
}

async fn one_secured(addr: SocketAddr, authority: &Authority) -> Option<u16> {
    let stream = authority.connect(addr, "a.test", &[b"http/1.1"]).await.ok()?;
    Some(Client(BufReader::new(stream)).try_get("a.test", "/").await?.status)
}

/// How often the proxy is restarted; a soak does more.
fn restarts() -> usize {
    if std::env::var_os("LANDFALL_TEST_SOAK").is_some_and(|soak| !soak.is_empty()) { 50 } else { 4 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_under_load_loses_no_request_of_a_fresh_connection() {
    let (dir, manager, authority) = (tempfile::tempdir().unwrap(), Manager::new(), Arc::new(Authority::new()));
    authority.place(dir.path(), &[&["a.test"]]);
    let app = App::named("app").await;
    let mut process = Process::run(&mut manager.command(dir.path(), "http:https")).await;
    let (http, https) = (manager.http.local_addr().unwrap(), manager.https.local_addr().unwrap());
    assert_eq!(process.addr, http, "it says where it serves");
    route(&Proxy::embedded(&dir.path().join("proxy.sock")), &app).await;

    let (plain, secured) = (Arc::<Seen>::default(), Arc::<Seen>::default());
    let mut load = JoinSet::new();
    for _ in 0..4 {
        let seen = Arc::clone(&plain);
        load.spawn(async move {
            while !seen.is_over.load(Ordering::SeqCst) {
                seen.note(one_plain(http).await);
            }
        });
    }
    for _ in 0..2 {
        let (seen, authority) = (Arc::clone(&secured), Arc::clone(&authority));
        load.spawn(async move {
            while !seen.is_over.load(Ordering::SeqCst) {
                seen.note(one_secured(https, &authority).await);
            }
        });
    }
    let goes_on = async || {
        for seen in [&plain, &secured] {
            let before = seen.answered.load(Ordering::SeqCst);
            until("answers come", async || seen.answered.load(Ordering::SeqCst) >= before + 30).await;
        }
    };
    for _ in 0..restarts() {
        goes_on().await;
        process.terminate();
        assert_eq!(process.status().await.code(), Some(0));
        process = Process::run(&mut manager.command(dir.path(), "http:https")).await;
    }
    goes_on().await;
    for seen in [&plain, &secured] {
        seen.is_over.store(true, Ordering::SeqCst);
    }
    while soon("the load ends", load.join_next()).await.is_some() {}
    for (scheme, seen) in [("http", &plain), ("https", &secured)] {
        let (answered, lost) = (seen.answered.load(Ordering::SeqCst), seen.lost.load(Ordering::SeqCst));
        println!("{scheme}: {answered} answered, {lost} lost over {} restarts", restarts());
        assert_eq!(lost, 0, "{scheme}, of {answered}");
    }
}

/// How a command that does not serve ends.
async fn ends(mut command: Command) -> Output {
    command.stderr(Stdio::piped());
    let run = tokio::task::spawn_blocking(move || command.spawn().unwrap().wait_with_output().unwrap());
    soon("it ends", run).await.unwrap()
}

#[tokio::test]
async fn a_socket_whose_name_tells_nothing_is_refused_with_what_to_do() {
    let (dir, manager) = (tempfile::tempdir().unwrap(), Manager::new());
    let output = ends(manager.command(dir.path(), "http:web")).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains("`web`") && said.contains("FileDescriptorName=http"), "{said}");
}

#[tokio::test]
async fn sockets_of_another_process_are_left_alone() {
    let (dir, manager) = (tempfile::tempdir().unwrap(), Manager::new());
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.args(["--data", "data", "proxy", "--listen", "127.0.0.1:0", "--control", "proxy.sock"]);
    command.env("LISTEN_FDS", "2").env("LISTEN_FDNAMES", "http:https").env("LISTEN_PID", "1");
    let process = Process::run(command.current_dir(dir.path())).await;
    assert_ne!(process.addr, manager.http.local_addr().unwrap());
    assert_eq!(Client::connect(process.addr).await.get("a.test", "/").await.status, 404);
}
