//! One upstream: how many requests it has in flight, and its idle connections.
//!
//! Invariant: an upstream that lost its routes keeps no idle connection, and none comes back to it.
//! It must not know about routing or requests.

use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::client::conn::http1::{Builder, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::body::ToUpstream;
use super::control::UpstreamAddr;
use super::throttle::Throttle;

/// How long a connection may be idle and still be used again: below the 5 s after which Node, Apache and uvicorn close
/// theirs by default, since a request that meets the close is lost if it may not be sent twice.
const IDLE: Duration = Duration::from_secs(4);
/// The same for requests that may not be sent twice: no server in use closes a connection this soon.
pub const IDLE_FOR_UNSAFE: Duration = Duration::from_secs(1);
/// Most idle connections kept per upstream; beyond that they are closed after use.
const MAX_IDLE: usize = 256;
/// How many idle connections are looked at for one request before a new one is made.
const MAX_TRIES: usize = 8;
/// Most bytes of a response head.
const MAX_HEAD: usize = 64 * 1024;

/// How long an upstream that could not be reached is passed over where there are others: an instance that restarts
/// takes about this long, and one request in this time finds out whether it is back.
const PASSED_OVER_MS: u64 = 2000;

/// The sending half of a connection to an upstream.
pub type Sender = SendRequest<ToUpstream>;

/// One upstream, shared by its routes and by the requests in flight.
pub struct Upstream {
    addr: UpstreamAddr,
    in_flight: AtomicU64,
    quiet: Notify,
    pool: Mutex<Pool>,
    born: Instant,
    /// Milliseconds after `born` until which it is passed over; 0: it is not.
    passed_over_until: AtomicU64,
    /// Holds back warnings about this upstream.
    pub warnings: Throttle,
}

struct Pool {
    routed: bool,
    idle: Vec<(Sender, Instant)>,
}

impl Upstream {
    /// A new upstream that routes lead to.
    pub fn new(addr: UpstreamAddr) -> Self {
        let pool = Mutex::new(Pool { routed: true, idle: Vec::new() });
        let (in_flight, passed_over_until) = (AtomicU64::new(0), AtomicU64::new(0));
        let (quiet, born, warnings) = (Notify::new(), Instant::now(), Throttle::default());
        Self { addr, in_flight, quiet, pool, born, passed_over_until, warnings }
    }

    /// Where it is.
    pub fn addr(&self) -> &UpstreamAddr {
        &self.addr
    }

    /// Counts a request in, until the guard is dropped.
    ///
    /// The caller looks at the table again afterwards: with the fence here and the one behind the swap, either it sees
    /// the new table, or whoever swapped sees its count.
    pub fn enter(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        InFlight(Arc::clone(self))
    }

    /// Requests and tunnels in flight.
    pub fn in_flight(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.in_flight.load(Ordering::SeqCst)
    }

    /// About how much it has to do, for comparing.
    pub fn load(&self) -> u64 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Whether it could not be reached a short while ago.
    pub fn is_passed_over(&self) -> bool {
        let until = self.passed_over_until.load(Ordering::Relaxed);
        until != 0 && self.age_ms() < until
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Returns when nothing is in flight.
    pub async fn idle(&self) {
        loop {
            let mut quiet = std::pin::pin!(self.quiet.notified());
            quiet.as_mut().enable();
            if self.in_flight() == 0 {
                return;
            }
            quiet.await;
        }
    }

    /// Routes lead here again, or no longer; in the latter case its idle connections are closed.
    pub fn set_routed(&self, routed: bool) {
        let mut pool = self.pool();
        pool.routed = routed;
        if !routed {
            pool.idle.clear();
        }
    }

    /// An idle connection, the one used last first.
    pub fn take(&self, at_most_idle: Duration) -> Option<Sender> {
        let mut pool = self.pool();
        let now = Instant::now();
        let mut at = pool.idle.len();
        for _ in 0..MAX_TRIES {
            at = at.checked_sub(1)?;
            let (sender, since) = &pool.idle[at];
            if sender.is_closed() || now.duration_since(*since) > IDLE {
                pool.idle.remove(at);
            } else if now.duration_since(*since) > at_most_idle {
                return None;
            } else if sender.is_ready() {
                return Some(pool.idle.remove(at).0);
            }
            // Otherwise it has just been put back and hyper has not turned it round yet.
        }
        None
    }

    /// Gives a connection back after a whole response.
    pub fn put(&self, sender: Sender) {
        let mut pool = self.pool();
        if pool.routed && pool.idle.len() < MAX_IDLE && !sender.is_closed() {
            pool.idle.push((sender, Instant::now()));
        }
    }

    /// Closes connections that have been idle for too long; says whether routes lead here.
    pub fn sweep(&self) -> bool {
        let now = Instant::now();
        let mut pool = self.pool();
        pool.idle.retain(|(sender, since)| !sender.is_closed() && now.duration_since(*since) <= IDLE);
        pool.routed
    }

    /// Others are preferred for a while. Being connected to tells nothing: Docker's own proxy takes connections for an app
    /// that does not listen, and breaks them.
    pub fn pass_over(&self) {
        self.passed_over_until.store(self.age_ms() + PASSED_OVER_MS, Ordering::Relaxed);
    }

    /// It answers: it is as good as any other.
    pub fn answers(&self) {
        if self.passed_over_until.load(Ordering::Relaxed) != 0 {
            self.passed_over_until.store(0, Ordering::Relaxed);
        }
    }

    /// A new connection.
    pub async fn connect(&self, timeout: Duration) -> Result<Sender, ConnectError> {
        self.try_connect(timeout).await.inspect_err(|_| self.pass_over())
    }

    async fn try_connect(&self, timeout: Duration) -> Result<Sender, ConnectError> {
        let stream = tokio::time::timeout(timeout, open(&self.addr)).await.map_err(|_| ConnectError::Timeout)??;
        let (sender, connection) = Builder::new().max_buf_size(MAX_HEAD).handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // Its errors reach whoever waits for a response; an idle connection may end as it likes.
            drop(connection.with_upgrades().await);
        });
        Ok(sender)
    }

    /// A panic elsewhere cannot leave a list of connections half-made.
    fn pool(&self) -> MutexGuard<'_, Pool> {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tries every address of a name in turn.
async fn open(addr: &UpstreamAddr) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(std::io::ErrorKind::NotFound, "the name has no address");
    for address in lookup_host(addr.as_str()).await? {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        // A tunnel may be silent for hours; this is what tells of a peer that vanished without a word.
        socket.set_keepalive(true)?;
        socket.set_nodelay(true)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Why there is no connection to an upstream; nothing has been sent.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// It did not answer in time.
    #[error("no connection in time")]
    Timeout,
    /// Refused, unreachable, no such name, or no file descriptors left.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// hyper refused to take the connection.
    #[error(transparent)]
    Hyper(#[from] hyper::Error),
}

/// One request or tunnel in flight; counted until dropped.
pub struct InFlight(Arc<Upstream>);

impl InFlight {
    /// Where it is in flight.
    pub fn upstream(&self) -> &Arc<Upstream> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        if self.0.in_flight.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.quiet.notify_waiters();
        }
    }
}
