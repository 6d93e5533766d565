//! The app of a container: a tiny HTTP server that answers its version, or misbehaves.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Largest head of a request.
const MAX_HEAD: usize = 16 * 1024;

/// How a question for its health begins.
const HEALTH: &str = "GET /healthz ";

/// How an app behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Listens at once and answers 200.
    Healthy,
    /// Listens at once and answers 503.
    Unhealthy,
    /// Never listens.
    Silent,
    /// Listens at once and answers this status; with one of a redirect, it leads to `/`, which answers 200.
    Answers(u16),
    /// Listens, and turns healthy for Docker, only after this time.
    HealthyAfter(Duration),
    /// Answers its health so often with 200, and with 503 from then on; all else with 200.
    WellFor(usize),
    /// Is healthy, and ends after this time with some words on stderr. With a restart policy Docker then shows it
    /// as restarting.
    Crash {
        /// From the start.
        after: Duration,
        /// What it ends with.
        exit_code: i64,
        /// What it writes before.
        last_words: String,
    },
}

/// One running app.
#[derive(Debug, Clone)]
pub struct App {
    pub behaviour: Behaviour,
    pub version: String,
    pub instance: String,
    /// Every request head, with the name of the container that was asked.
    pub heads: Heads,
    pub whims: Whims,
}

/// What apps were told to answer from now on, whatever they are like.
pub type Whims = Arc<Mutex<Vec<Whim>>>;

/// An answer to one path of one container.
#[derive(Debug)]
pub struct Whim {
    pub instance: String,
    pub path: String,
    pub status: u16,
    /// So many times.
    pub times: usize,
}

/// Request heads that apps were sent: name of the container, and head.
pub type Heads = Arc<Mutex<Vec<(String, String)>>>;

impl App {
    /// Listens at an address of the container.
    pub async fn listen_at(self, address: SocketAddr) {
        match self.behaviour {
            Behaviour::Silent => return,
            Behaviour::HealthyAfter(after) => tokio::time::sleep(after).await,
            Behaviour::Healthy
            | Behaviour::Unhealthy
            | Behaviour::Answers(_)
            | Behaviour::WellFor(_)
            | Behaviour::Crash { .. } => {}
        }
        let listener = TcpListener::bind(address).await.expect("an address of 127.0.0.0/8 that is ours");
        self.accept(listener).await;
    }

    /// Listens where Docker published it. Before the app does, connections wait; Docker's proxy would close them.
    pub async fn listen(self, listener: TcpListener) {
        match self.behaviour {
            Behaviour::Silent => std::future::pending().await,
            Behaviour::HealthyAfter(after) => tokio::time::sleep(after).await,
            Behaviour::Healthy
            | Behaviour::Unhealthy
            | Behaviour::Answers(_)
            | Behaviour::WellFor(_)
            | Behaviour::Crash { .. } => {}
        }
        self.accept(listener).await;
    }

    /// Answers connections until the task is aborted; they end with it.
    async fn accept(self, listener: TcpListener) {
        let mut connections = JoinSet::new();
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            connections.spawn(self.clone().answer(stream));
            while connections.try_join_next().is_some() {}
        }
    }

    /// Answers requests on one connection; bodies are not expected.
    async fn answer(self, mut stream: TcpStream) {
        let mut head = Vec::new();
        loop {
            let mut chunk = [0; 1024];
            match stream.read(&mut chunk).await {
                Ok(read) if read > 0 && head.len() < MAX_HEAD => head.extend_from_slice(&chunk[..read]),
                Ok(_) | Err(_) => return,
            }
            while let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
                let asked: Vec<u8> = head.drain(..end + 4).collect();
                let asked = String::from_utf8_lossy(&asked).into_owned();
                let response = self.response(&asked);
                self.heads.lock().unwrap_or_else(PoisonError::into_inner).push((self.instance.clone(), asked));
                if stream.write_all(response.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    }

    /// How often its health was asked before.
    fn times_asked(&self) -> usize {
        let heads = self.heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.iter().filter(|(to, head)| *to == self.instance && head.starts_with(HEALTH)).count()
    }

    /// The status that it was told to answer to a path, once more.
    fn whim(&self, path: &str) -> Option<u16> {
        let mut whims = self.whims.lock().unwrap_or_else(PoisonError::into_inner);
        let own = |whim: &&mut Whim| whim.instance == self.instance && whim.path == path && whim.times > 0;
        let whim = whims.iter_mut().find(own)?;
        whim.times -= 1;
        Some(whim.status)
    }

    fn response(&self, asked: &str) -> String {
        let of_root = asked.starts_with("GET / ");
        let whim = self.whim(asked.split(' ').nth(1).unwrap_or_default());
        let status = match self.behaviour {
            _ if whim.is_some() => format!("{} On a whim", whim.unwrap_or_default()),
            Behaviour::WellFor(times) if asked.starts_with(HEALTH) && self.times_asked() >= times => {
                "503 Service Unavailable".to_owned()
            }
            Behaviour::Unhealthy => "503 Service Unavailable".to_owned(),
            Behaviour::Answers(status @ 300..400) if !of_root => format!("{status} Elsewhere\r\nLocation: /"),
            Behaviour::Answers(status @ (100..300 | 400..)) => format!("{status} As told"),
            _ => "200 OK".to_owned(),
        };
        let body = format!("hello from {}\n", self.version);
        format!(
            "HTTP/1.1 {status}\r\nX-Version: {}\r\nX-Instance: {}\r\nContent-Length: {}\r\n\r\n{body}",
            self.version,
            self.instance,
            body.len()
        )
    }
}
