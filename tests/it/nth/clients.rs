//! Clients that ask through the proxy all the time, each time on a fresh connection (R9).
//!
//! Each answer has to be whole, and that of an app: no 5xx, no 404, no redirect. The embedded proxy takes every connection.
//! Caddy opens its port anew with each change of its configuration, and those that wait there at that moment, taken by the
//! kernel and not by Caddy, end without a byte (README, "Behind Caddy"); a browser asks again then, and so does a client
//! here. As it has one connection at a time, one change can cost it one at most, and no more than that is let pass. A
//! connection that is refused, or that ends after the first byte of an answer, never is.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use landfall::model::Domain;
use rustls::ClientConfig;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::tape::Tape;
use crate::router_support::soon;
use crate::router_tls::connect_as;
use crate::router_wire::Client;

/// Between two requests of a client: some tens in a run, and the processor left to the run.
const PAUSE: Duration = Duration::from_millis(2);
/// The same where a run lasts longer, behind Caddy, or a connection costs more, over TLS.
const LONGER_PAUSE: Duration = Duration::from_millis(10);

/// Where clients come in.
#[derive(Clone)]
pub struct Doors {
    pub plain: SocketAddr,
    /// With what a client has set up that trusts the certificates there.
    pub secured: Option<(SocketAddr, ClientConfig)>,
    pub is_caddy: bool,
}

impl Doors {
    fn pause(&self) -> Duration {
        if self.is_caddy || self.secured.is_some() { LONGER_PAUSE } else { PAUSE }
    }
}

/// What became of a request.
enum Asked {
    Answered,
    /// The connection ended before the first byte of an answer.
    Dropped,
    Bad(String),
}

/// What a client saw.
#[derive(Default)]
struct Seen {
    asked: usize,
    dropped: usize,
    bad: Vec<String>,
}

/// One client for each domain, until asked how it went.
pub struct Clients {
    stop: Arc<AtomicBool>,
    tasks: Vec<(&'static str, JoinHandle<Seen>)>,
}

impl Clients {
    pub fn start(doors: &Doors, domains: &[&'static str], tape: &Tape) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let start = |domain: &&'static str| {
            let client = client(doors.clone(), domain, Arc::clone(&stop), tape.clone());
            (*domain, tokio::spawn(client))
        };
        let tasks = domains.iter().map(start).collect();
        Self { stop, tasks }
    }

    /// What went wrong, in words; nothing when every request was answered by an app, but for those that this many changes
    /// of the proxy's configuration may have cost.
    pub async fn stop(self, changes: usize) -> Vec<String> {
        self.stop.store(true, Ordering::SeqCst);
        let mut all = Vec::new();
        for (domain, task) in self.tasks {
            let Seen { asked, dropped, bad } = task.await.expect("a client to its end");
            if asked == 0 {
                all.push(format!("{domain}: a client that asked nothing"));
            }
            if dropped > changes {
                all.push(format!("{domain}: {dropped} of {asked} connections dropped by {changes} changes"));
            }
            all.extend(bad);
        }
        all
    }
}

async fn client(doors: Doors, served: &'static str, stop: Arc<AtomicBool>, tape: Tape) -> Seen {
    let secured = served.strip_prefix("https://");
    let domain: Domain = secured.unwrap_or(served).parse().expect("a domain");
    let mut seen = Seen::default();
    while !stop.load(Ordering::SeqCst) {
        seen.asked += 1;
        let asked = match secured {
            None => ask(TcpStream::connect(doors.plain).await, &domain).await,
            Some(_) => {
                let (addr, config) = doors.secured.clone().expect("a proxy with certificates");
                ask(connect_as(config, addr, domain.host()).await, &domain).await
            }
        };
        match asked {
            Asked::Answered => {}
            Asked::Dropped => seen.dropped += 1,
            Asked::Bad(why) => seen.bad.push(format!("{served}: {why}, after operation {}", tape.ops().len())),
        }
        tokio::time::sleep(doors.pause()).await;
    }
    seen
}

async fn ask(connected: io::Result<impl AsyncRead + AsyncWrite + Unpin>, domain: &Domain) -> Asked {
    let mut client = match connected {
        Ok(stream) => Client(BufReader::new(stream)),
        // The kernel had taken it, and dropped it before anything could be sent. Where nobody listens it refuses.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return Asked::Dropped,
        Err(error) => return Asked::Bad(error.to_string()),
    };
    let path = if domain.path().is_empty() { "/" } else { domain.path() };
    // One that was dropped says so at the next read.
    drop(client.try_send(domain.host(), path).await);
    if !soon("an answer begins", client.0.fill_buf()).await.is_ok_and(|bytes| !bytes.is_empty()) {
        return Asked::Dropped;
    }
    match client.reply().await {
        None => Asked::Bad("an answer that was cut off".to_owned()),
        Some(reply) if reply.status == 200 && reply.header("x-version").is_some() => Asked::Answered,
        Some(reply) => Asked::Bad(format!("status {}", reply.status)),
    }
}
