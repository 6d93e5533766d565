//! A Unix socket in front of another one that writes down every HTTP request passing through.
//!
//! It frames requests (length, chunks, upgrades), so that a body never counts as a request, and forwards every byte
//! unchanged. It runs on threads of its own and needs no runtime, so it works beside `assert_cmd`, too. Asked to, it
//! holds a request or its answer back, so that whoever asked can be killed at that very moment.

// The path is written out for the bench, which takes this file from another directory.
#[path = "recorder/trap.rs"]
mod trap;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

pub use trap::Hold;
use trap::Trap;

/// One request as it went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET` and so on.
    pub method: String,
    /// Path with its query.
    pub path: String,
    /// All lines of the head after the first.
    pub headers: Vec<String>,
}

impl Request {
    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let find = |line: &String| {
            line.split_once(':').filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(key, _)| key.len() + 1)
        };
        self.headers.iter().find_map(|line| find(line).map(|start| line[start..].trim()))
    }

    /// True when it asks Docker for a new container.
    pub fn is_creation(&self) -> bool {
        self.method == "POST" && self.path.contains("/containers/create")
    }

    /// True when it is to change something.
    pub fn is_mutation(&self) -> bool {
        !matches!(self.method.as_str(), "GET" | "HEAD")
    }
}

/// A recording socket; it accepts until the process ends.
pub struct Recorder {
    dir: tempfile::TempDir,
    shared: Arc<Shared>,
}

/// What all connections share.
#[derive(Default)]
struct Shared {
    requests: Mutex<Vec<Request>>,
    trap: Trap,
}

impl Recorder {
    /// Listens, and forwards to the socket of `upstream`: a path, or `unix://` and a path.
    pub fn start(upstream: &str) -> Self {
        let upstream = PathBuf::from(upstream.trim_start_matches("unix://"));
        let dir = tempfile::tempdir().expect("a directory for the socket");
        let listener = UnixListener::bind(dir.path().join("docker.sock")).expect("a socket to listen on");
        let shared = Arc::new(Shared::default());
        let recorded = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (upstream, recorded) = (upstream.clone(), Arc::clone(&recorded));
                thread::spawn(move || forward(client, &upstream, &recorded));
            }
        });
        Self { dir, shared }
    }

    /// The socket's path.
    pub fn path(&self) -> PathBuf {
        self.dir.path().join("docker.sock")
    }

    /// Where to connect.
    pub fn url(&self) -> String {
        format!("unix://{}", self.path().display())
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Forgets the requests so far.
    pub fn clear(&self) {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Holds back the next request of a method whose path holds a text, as in `POST /start`, until it is released.
    pub fn hold(&self, hold: Hold, what: &str) {
        self.shared.trap.set(hold, what);
    }

    /// True when the trap holds something.
    pub fn is_holding(&self) -> bool {
        self.shared.trap.is_holding()
    }

    /// Lets go what is held.
    pub fn release(&self) {
        self.shared.trap.release();
    }
}

/// Copies answers on a thread of its own, requests on this one. A broken pipe ends both: the sides see it themselves.
fn forward(client: UnixStream, upstream: &Path, shared: &Arc<Shared>) {
    let Ok(mut server) = UnixStream::connect(upstream) else { return };
    let (Ok(answers), Ok(back)) = (server.try_clone(), client.try_clone()) else { return };
    let muted = Arc::new(AtomicBool::new(false));
    let (mute, holder) = (Arc::clone(&muted), Arc::clone(shared));
    thread::spawn(move || send_back(answers, back, &mute, &holder));
    let mut reader = BufReader::new(client);
    while let Ok(true) = one(&mut reader, &mut server, shared, &muted) {}
    let _ = server.shutdown(std::net::Shutdown::Write);
}

/// Copies answers as they come; a muted one waits, whole, until it is released.
fn send_back(mut answers: UnixStream, mut back: UnixStream, muted: &AtomicBool, shared: &Shared) {
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = answers.read(&mut buffer) {
        if muted.swap(false, Ordering::SeqCst) {
            shared.trap.hold();
        }
        if back.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = back.shutdown(std::net::Shutdown::Both);
}

/// Forwards one request; false at the end of the connection.
fn one(
    reader: &mut BufReader<UnixStream>,
    server: &mut UnixStream,
    shared: &Shared,
    muted: &AtomicBool,
) -> std::io::Result<bool> {
    let mut head = String::new();
    loop {
        let before = head.len();
        if reader.read_line(&mut head)? == 0 {
            return Ok(false);
        }
        if matches!(&head[before..], "\r\n" | "\n") {
            break;
        }
    }
    let request = parsed(&head);
    let upgrade = request.header("upgrade").is_some();
    let chunked = request.header("transfer-encoding").is_some_and(|value| value.contains("chunked"));
    let length = request.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    // Recorded before it is forwarded: whoever has the answer finds the request here.
    let caught = shared.trap.caught(&request);
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(request);
    match caught {
        Some(Hold::Request) => shared.trap.hold(),
        Some(Hold::Answer) => muted.store(true, Ordering::SeqCst),
        None => {}
    }
    server.write_all(head.as_bytes())?;
    match (upgrade, chunked) {
        (true, _) => std::io::copy(reader, server).map(|_| false),
        (false, true) => chunks(reader, server).map(|()| true),
        (false, false) => std::io::copy(&mut reader.by_ref().take(length), server).map(|_| true),
    }
}

fn parsed(head: &str) -> Request {
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let mut word = || first.next().unwrap_or_default().to_owned();
    let (method, path) = (word(), word());
    Request { method, path, headers: lines.filter(|line| !line.is_empty()).map(str::to_owned).collect() }
}

/// Copies chunks up to the last one, which has no bytes, and the empty line after it.
fn chunks(reader: &mut BufReader<UnixStream>, server: &mut UnixStream) -> std::io::Result<()> {
    loop {
        let mut size = String::new();
        reader.read_line(&mut size)?;
        server.write_all(size.as_bytes())?;
        let hex = size.trim().split(';').next().unwrap_or_default();
        let bytes = u64::from_str_radix(hex, 16).map_err(std::io::Error::other)?;
        // Each chunk is followed by an end of line.
        std::io::copy(&mut reader.by_ref().take(bytes + 2), server)?;
        if bytes == 0 {
            return Ok(());
        }
    }
}

#[test]
fn bodies_are_forwarded_and_not_taken_for_requests() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("up.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let recorder = Recorder::start(&socket.display().to_string());
    let mut client = UnixStream::connect(recorder.url().trim_start_matches("unix://")).unwrap();
    let sent = "POST /a?b HTTP/1.1\r\ncontent-length: 16\r\n\r\nGET /no HTTP/1.1POST /c HTTP/1.1\r\n\
                Transfer-Encoding: chunked\r\n\r\n3\r\nGET\r\n0\r\n\r\nGET /d HTTP/1.1\r\nUpgrade: tcp\r\n\r\nGET /raw\r\n";
    client.write_all(sent.as_bytes()).unwrap();
    client.shutdown(std::net::Shutdown::Write).unwrap();
    let mut came = String::new();
    listener.accept().unwrap().0.read_to_string(&mut came).unwrap();
    assert_eq!(came, sent);
    let seen: Vec<_> = recorder.requests().into_iter().map(|r| (r.method, r.path)).collect();
    let pairs = [("POST", "/a?b"), ("POST", "/c"), ("GET", "/d")];
    assert_eq!(seen, pairs.map(|(method, path)| (method.to_owned(), path.to_owned())));
}
