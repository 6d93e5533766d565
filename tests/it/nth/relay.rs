//! Stands before the API of the proxy: counts what is to change something, and lets it go wrong.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UnixListener, UnixStream};

use super::tape::{Kind, Tape, Verdict};
use crate::handed_on;

/// Times more that a call is made which was dropped before it was taken: a port that is opened anew is open at once.
const MORE_SENDS: usize = 4;

/// What a proxy does by itself with a write, as a scenario wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It refuses, and changes nothing.
    Refuses,
    /// It does it, and closes the connection.
    LosesAnswer,
}

/// Where the API is.
#[derive(Debug, Clone)]
pub enum Api {
    Socket(PathBuf),
    Port(SocketAddr),
}

/// An answer, byte by byte; with none, the connection is closed.
type Answer = Vec<u8>;

/// What every connection needs.
#[derive(Clone)]
pub struct Relay {
    api: Api,
    tape: Tape,
    moods: Arc<Mutex<VecDeque<Mood>>>,
    /// Writes that were handed on.
    written: Arc<AtomicUsize>,
}

impl Relay {
    /// Listens as long as the runtime lives.
    pub fn start(at: &Path, api: Api, tape: Tape) -> Self {
        let relay = Self { api, tape, moods: Arc::default(), written: Arc::default() };
        let listener = UnixListener::bind(at).expect("a socket");
        let of_all = relay.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(of_all.clone().hand_on(stream));
            }
        });
        relay
    }

    /// The next writes meet these moods, one each.
    pub fn moods(&self, moods: &[Mood]) {
        self.moods.lock().unwrap_or_else(PoisonError::into_inner).extend(moods);
    }

    /// How many writes were handed on so far.
    pub fn written(&self) -> usize {
        self.written.load(Ordering::SeqCst)
    }

    fn mood(&self) -> Option<Mood> {
        self.moods.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// One call. It is done to its end also when nobody waits for the answer any more, as the proxy does it.
    async fn hand_on(self, mut client: UnixStream) {
        let Some(request) = handed_on::request(&mut client).await else { return };
        let answer = self.answer(&request).await;
        // Ends with an error when the other side has closed it.
        drop(client.write_all(&answer).await);
    }

    async fn answer(&self, request: &str) -> Answer {
        let what = request.split(" HTTP/").next().unwrap_or_default();
        if what.starts_with("GET ") {
            return self.ask(request).await;
        }
        match self.tape.passes(&format!("proxy {what}")) {
            Verdict::Dead | Verdict::Hit(Kind::CrashBefore) => std::future::pending().await,
            Verdict::Hit(Kind::Error) => trouble("injected"),
            Verdict::Hit(Kind::CrashAfter | Kind::Stale) => {
                drop(self.write(request).await);
                self.tape.done();
                std::future::pending().await
            }
            Verdict::Hit(Kind::Lost) => {
                drop(self.write(request).await);
                Answer::new()
            }
            Verdict::Go | Verdict::Hit(Kind::Disk(_)) => self.write(request).await,
        }
    }

    async fn write(&self, request: &str) -> Answer {
        let mood = self.mood();
        if mood == Some(Mood::Refuses) {
            return trouble("the disk is full");
        }
        self.written.fetch_add(1, Ordering::SeqCst);
        let answer = self.ask(request).await;
        if mood == Some(Mood::LosesAnswer) { Answer::new() } else { answer }
    }

    /// Caddy opens the port of its API anew with each change, and drops who waits there: that is asked again, so that
    /// every run has the same operations. What Landfall makes of it is tried in `caddy_proxy::faults`.
    async fn ask(&self, request: &str) -> Answer {
        let mut more = match self.api {
            Api::Socket(_) => 0,
            Api::Port(_) => MORE_SENDS,
        };
        loop {
            let answer = self.api.answer(request).await;
            if !answer.is_empty() || more == 0 {
                return answer;
            }
            more -= 1;
        }
    }
}

impl Api {
    async fn answer(&self, request: &str) -> Answer {
        match self {
            Self::Socket(path) => match UnixStream::connect(path).await {
                Ok(stream) => handed_on::answer(stream, "landfall", request).await,
                Err(_) => Answer::new(),
            },
            Self::Port(addr) => match TcpStream::connect(addr).await {
                Ok(stream) => handed_on::answer(stream, &addr.to_string(), request).await,
                Err(_) => Answer::new(),
            },
        }
    }
}

fn trouble(why: &str) -> Answer {
    let body = serde_json::json!({ "error": why }).to_string();
    let length = body.len();
    format!("HTTP/1.1 500 Trouble\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
        .into_bytes()
}
