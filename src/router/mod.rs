//! The embedded reverse proxy, `landfall proxy`: a process of its own that routes HTTP requests by host.
//!
//! # Guarantees
//! - A switch is one atomic store: whoever asks after it was acknowledged gets the new upstream (R9), no client's
//!   connection is closed by it, and what was in flight finishes where it began.
//! - It says when an upstream has nothing left in flight.
//! - It needs nobody: the last table is on disk, and the daemon may be absent for ever.
//! - Everything that waits has a limit, and everything that grows has a bound (R31).
//!
//! # Assumptions
//! - It is the edge: no proxy that it would have to believe stands before it. It speaks HTTP/1.1, and HTTP/2 over TLS;
//!   upstreams get HTTP/1.1 in plain text.
//!
//! It must not know Docker, the store or the configuration; it is told `domain → route`, with an owner (R1).

mod admin;
mod body;
mod connection;
pub mod control;
mod disk;
mod folders;
mod forward;
mod handed_over;
mod head;
mod listen;
mod log;
mod pages;
mod path;
mod patient;
mod place;
mod redirect;
mod retry;
mod secure;
mod stall;
mod sticky;
mod switchboard;
mod table;
mod throttle;
mod tls;
mod tunnel;
mod upstream;
mod visitor;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::time::{Instant, timeout_at};

use crate::model::Retry;
use crate::socket::{self, ControlSocket, SocketError};
use body::BodyLimits;
use connection::{Front, Phase};
use folders::{Folders, Trouble};
use forward::Forwarder;
pub use handed_over::HandedOver;
use head::Scheme;
use listen::Listener;
use log::Log;
pub use log::LogTo;
use secure::Secure;
use switchboard::Switchboard;
pub use table::{Conflict, MAX_ROUTES, Table};
use throttle::Throttle;
pub use tls::{AcmeOptions, LETS_ENCRYPT};

/// Time between two looks for connections that have been idle for too long.
const SWEEP: Duration = Duration::from_secs(1);
/// Once the proxy is to end, connections are accepted until this is left of its time: enough for the last of them to ask
/// and be answered.
const LAST: Duration = Duration::from_secs(3);
/// File descriptors that are not for clients and upstreams.
const SPARE_FILES: u64 = 64;

/// What `landfall proxy` is told.
#[derive(Debug)]
pub struct Options {
    /// Addresses to serve HTTP on; with port 0 the system chooses.
    pub listen: Vec<SocketAddr>,
    /// Addresses to serve HTTPS on.
    pub listen_tls: Vec<SocketAddr>,
    /// Sockets to serve on that somebody else opened.
    pub handed_over: HandedOver,
    /// A directory of certificates, `NAME.crt` with `NAME.key`.
    pub certificates: Option<PathBuf>,
    /// Where certificates by ACME come from, and are kept.
    pub acme: AcmeOptions,
    /// Path of the control socket.
    pub control: PathBuf,
    /// Path of the table on disk.
    pub table: PathBuf,
    /// Times and sizes.
    pub limits: Limits,
    /// Where each request is taken down; none: nowhere.
    pub access_log: Option<LogTo>,
    /// Has the access log opened again.
    pub reopen: Arc<Notify>,
}

impl Options {
    /// A proxy that listens nowhere yet.
    pub fn new(control: PathBuf, table: PathBuf) -> Self {
        Self {
            listen: Vec::new(),
            listen_tls: Vec::new(),
            handed_over: HandedOver::default(),
            certificates: None,
            acme: AcmeOptions::new(table.with_file_name("acme")),
            control,
            table,
            limits: Limits::default(),
            access_log: None,
            reopen: Arc::default(),
        }
    }
}

/// How long and how much; the defaults are meant to stay, tests shorten them.
#[derive(Debug, Clone)]
pub struct Limits {
    /// A request head that has begun must be whole within this (slow-loris); so must a TLS handshake.
    pub head_timeout: Duration,
    /// A client's connection may be idle this long between requests. Longer than browsers and load generators pause.
    pub idle_timeout: Duration,
    /// A client may take nothing of its answer for this long.
    pub stall_timeout: Duration,
    /// An upstream must accept a connection within this.
    pub connect_timeout: Duration,
    /// An upstream must begin to answer within this after the last part of the request; long polls take minutes.
    /// Between the parts of an answer there is no limit: an event stream may be silent.
    pub first_byte_timeout: Duration,
    /// A client may pause this long between two parts of a request's body.
    pub body_timeout: Duration,
    /// After the signal to stop, what is in flight may take this long.
    pub stop_timeout: Duration,
    /// Most bytes of a request head; more is a 431.
    pub max_head_bytes: usize,
    /// Most bytes of a request's body; more is a 413. None: any number, since nothing of it is kept here.
    pub max_body_bytes: Option<u64>,
    /// Time between two looks for certificates that changed.
    pub look_every: Duration,
    /// Most client connections at once (fewer if the process may not open enough files); others wait to be accepted. Of
    /// requests over HTTP/2, of which a connection has several, there are as many; others wait
    /// to be passed on, for as long as an upstream may take to accept a connection, and are refused then with a 503.
    pub max_connections: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(300),
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(300),
            body_timeout: Duration::from_secs(60),
            stop_timeout: Duration::from_secs(20),
            max_head_bytes: 64 * 1024,
            max_body_bytes: None,
            look_every: Duration::from_secs(5),
            max_connections: 16_384,
        }
    }
}

impl Limits {
    fn body(&self) -> BodyLimits {
        BodyLimits { bytes: self.max_body_bytes, pause: self.body_timeout }
    }
}

/// Why the proxy did not start.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// An address cannot be listened on.
    #[error("cannot listen on {addr}: {source}")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The access log cannot be opened.
    #[error("cannot open the access log {to}: {source}")]
    Log {
        /// Where it was to go.
        to: LogTo,
        /// Why.
        source: io::Error,
    },
    /// A socket that was handed over is of no use.
    #[error("the socket `{name}` that the service manager handed over cannot be used: {reason}")]
    HandedOver {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The control socket cannot be had.
    #[error(transparent)]
    Socket(#[from] SocketError),
}

impl RouterError {
    /// Whether time helps.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Listen { .. } | Self::Log { .. } => Retry::Backoff,
            Self::HandedOver { .. } => Retry::OnChange,
            Self::Socket(error) => error.retry(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Listen { addr, source } => match source.kind() {
                io::ErrorKind::AddrInUse => Some(format!("see who has it with `ss -ltnp 'sport = :{}'`", addr.port())),
                io::ErrorKind::PermissionDenied => {
                    Some("ports below 1024 need root or CAP_NET_BIND_SERVICE (the systemd unit gives it)".to_owned())
                }
                _ => None,
            },
            Self::Log { .. } => Some("give --access-log a file in a folder that the proxy may write to".to_owned()),
            Self::HandedOver { .. } => Some(
                "give its socket unit a `ListenStream=` of TCP and `FileDescriptorName=http` or `=https`".to_owned(),
            ),
            Self::Socket(error) => Some(error.hint("--control")),
        }
    }
}

/// The addresses in use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bound {
    /// Of HTTP.
    pub http: Vec<SocketAddr>,
    /// Of HTTPS.
    pub https: Vec<SocketAddr>,
}

impl Bound {
    fn of(listeners: &[Listener]) -> Self {
        let mut bound = Self::default();
        for listener in listeners {
            let side = match listener.scheme {
                Scheme::Http => &mut bound.http,
                Scheme::Https => &mut bound.https,
            };
            side.extend(listener.socket.local_addr());
        }
        bound
    }
}

/// Every socket that is listened on: those that were handed over, and those that are opened.
fn listeners(options: &mut Options) -> Result<Vec<Listener>, RouterError> {
    let HandedOver { http, https } = std::mem::take(&mut options.handed_over);
    let mut listeners = Vec::new();
    for (scheme, handed, addresses) in
        [(Scheme::Http, http, &options.listen), (Scheme::Https, https, &options.listen_tls)]
    {
        for socket in handed {
            let socket = TcpListener::from_std(socket).map_err(|error| RouterError::HandedOver {
                name: scheme.as_str().to_owned(),
                reason: error.to_string(),
            })?;
            listeners.push(Listener { socket, scheme });
        }
        for addr in addresses.iter().copied() {
            let socket = listen::bind(addr).map_err(|source| RouterError::Listen { addr, source })?;
            listeners.push(Listener { socket, scheme });
        }
    }
    Ok(listeners)
}

/// Tells at once what would not work once it is needed.
fn looked_over(options: &Options) -> Folders {
    if let Err(error) = socket::make_parent(&options.table) {
        tracing::error!(path = %options.table.display(), %error, "no directory for the routing table");
    }
    let folders = Folders::of(options);
    for Trouble { what, remedy } in folders.troubles() {
        tracing::error!(remedy, "{what}");
    }
    folders
}

/// Runs the proxy until `shutdown`, then finishes what is in flight. `ready` is called with the addresses in use when
/// both sides are served.
///
/// # Errors
/// The control socket or an address cannot be had, or the file of the access log.
pub async fn serve(
    mut options: Options,
    shutdown: impl Future<Output = ()>,
    ready: impl FnOnce(&Bound),
) -> Result<(), RouterError> {
    // First of all, so that a second proxy is refused before it has taken anything.
    let control = ControlSocket::claim(&options.control)?;
    let listeners = listeners(&mut options)?;
    let folders = Arc::new(looked_over(&options));
    let (log, last_lines) = match options.access_log.take() {
        Some(to) => {
            let started = Log::start(to.clone()).map_err(|source| RouterError::Log { to, source })?;
            (Some(Arc::new(started.0)), Some(started.1))
        }
        None => (None, None),
    };
    let board = Arc::new(Switchboard::new(options.table.clone(), disk::load(&options.table)));
    let (phase, phases) = watch::channel(Phase::Serving);
    let fit = room_for(options.limits.max_connections);
    let (room, streams) = (Arc::new(Semaphore::new(fit)), Arc::new(Semaphore::new(fit)));
    let old = Arc::new(watch::Sender::new(()));
    let stop_timeout = options.limits.stop_timeout;
    let tunnels = tunnel::Keeper(phases.clone());
    let bound = Bound::of(&listeners);
    let secure = Secure::new(&options, &board.table(), &bound);
    let (certificates, challenges) = (Arc::clone(&secure.certificates), Arc::clone(&secure.challenges));
    let follow = secure.follow(Arc::clone(&board), options.limits.look_every);
    let (certified, is_secured) = (Arc::clone(&certificates), !bound.https.is_empty());
    let is_certified = Box::new(move |host: &str| is_secured && certified.has_certificate(host));
    let log_to = log.clone();
    let (limits, mark, loops) = (options.limits, mark(), Throttle::default());
    let forwarder = Forwarder { board: Arc::clone(&board), limits, tunnels, log: log_to, mark, loops, is_certified };
    let front = Arc::new(Front {
        forwarder,
        certificates: Arc::clone(&certificates),
        challenges,
        streams,
        crowded: Throttle::default(),
    });

    for listener in listeners {
        let life = (phases.clone(), Arc::clone(&old));
        tokio::spawn(listen::accept(listener, Arc::clone(&front), Arc::clone(&room), life));
    }
    drop((front, phases));
    tracing::info!(http = ?bound.http, https = ?bound.https, control = %options.control.display(), routes = board.table().routes.len(), "serving");
    ready(&bound);
    let until_stopped = async {
        shutdown.await;
        stop(&phase, &old, stop_timeout).await;
    };
    tokio::select! {
        () = until_stopped => {}
        never = admin::serve(&control.listener, &board, &certificates, &folders) => match never {},
        never = sweep(&board) => match never {},
        never = follow => match never {},
        never = reopened(&options.reopen, log.as_deref()) => match never {},
    }
    drop(log);
    if let Some(last_lines) = last_lines {
        drop(tokio::task::spawn_blocking(|| last_lines.wait()).await);
    }
    Ok(())
}

/// Every task holds a receiver of the phase, and every connection that was there before one of `old`, so that each channel
/// is closed when the last of them has ended.
///
/// While long answers and tunnels of before are awaited, others are not made to wait: they are accepted and answered.
async fn stop(phase: &watch::Sender<Phase>, old: &watch::Sender<()>, at_most: Duration) {
    tracing::info!("stopping: finishing what is in flight");
    let begun = Instant::now();
    phase.send_replace(Phase::Draining);
    // What is not done by then is cut off below.
    drop(timeout_at(begun + at_most.saturating_sub(LAST), old.closed()).await);
    phase.send_replace(Phase::Finishing);
    if timeout_at(begun + at_most, phase.closed()).await.is_err() {
        tracing::warn!(after = ?at_most, "stopping: some requests or tunnels were cut off");
        phase.send_replace(Phase::Over);
        phase.closed().await;
    }
}

/// What tells requests that this process passed on.
fn mark() -> HeaderValue {
    let text = format!("landfall-{}", uuid::Uuid::new_v4().simple());
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("landfall"))
}

async fn reopened(wanted: &Notify, log: Option<&Log>) -> Infallible {
    loop {
        wanted.notified().await;
        if let Some(log) = log {
            log.reopen();
        }
    }
}

async fn sweep(board: &Switchboard) -> Infallible {
    let mut ticks = tokio::time::interval(SWEEP);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        board.sweep();
    }
}

/// Raises the limit of open files as far as allowed, and says how many connections fit: each needs one file for the
/// client and one for the upstream, and over HTTP/2 there may be as many requests more, with an upstream each.
fn room_for(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current < limit.maximum || (limit.maximum.is_none() && limit.current.is_some()) {
        let raised = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit = raised;
        }
    }
    let fit = limit.current.map_or(u64::MAX, |files| files.saturating_sub(SPARE_FILES) / 3).max(1);
    wanted.min(usize::try_from(fit).unwrap_or(usize::MAX)).min(Semaphore::MAX_PERMITS)
}
