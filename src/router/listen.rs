//! The public side: listeners, connections, and their orderly end.
//!
//! A client's connection is closed by us only when it was idle for too long, misbehaved, or the proxy ends; never because
//! of a switch.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use super::forward::Forwarder;
use super::head::{Peer, Scheme};
use super::patient::{Activity, Patient};
use super::throttle::Throttle;

/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 1024;
/// Pause after an accept that failed for want of file descriptors or memory: trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Where the proxy is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accepts and answers.
    Serving,
    /// Accepts nothing; finishes what is in flight.
    Finishing,
    /// Time is up.
    Over,
}

/// Opens a listening socket.
pub fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    // Accepted sockets inherit it: it ends tunnels whose client vanished without a word.
    socket.set_keepalive(true)?;
    socket.bind(addr)?;
    socket.listen(BACKLOG)
}

/// Accepts connections until the proxy finishes.
pub async fn accept(
    listener: TcpListener,
    forwarder: Arc<Forwarder>,
    room: Arc<Semaphore>,
    mut phase: watch::Receiver<Phase>,
) {
    let warnings = Throttle::default();
    loop {
        let next = async {
            if room.available_permits() == 0
                && let Some(hidden) = warnings.pass()
            {
                tracing::warn!(hidden, "as many client connections as allowed: new ones wait");
            }
            // Closed never: the semaphore lives as long as this task.
            let permit = Arc::clone(&room).acquire_owned().await.ok();
            (listener.accept().await, permit)
        };
        let (accepted, permit) = tokio::select! {
            _ = phase.wait_for(|phase| *phase != Phase::Serving) => return,
            next = next => next,
        };
        match accepted {
            Ok((stream, peer)) => {
                let serve = connection(stream, peer.ip(), Arc::clone(&forwarder), phase.clone(), permit);
                tokio::spawn(serve);
            }
            Err(error) => {
                if let Some(hidden) = warnings.pass() {
                    tracing::warn!(%error, hidden, "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Serves one client until it goes, or until the proxy does.
async fn connection(
    stream: TcpStream,
    client: IpAddr,
    forwarder: Arc<Forwarder>,
    mut phase: watch::Receiver<Phase>,
    _permit: Option<OwnedSemaphorePermit>,
) {
    // Without it small answers wait for the client's delayed acknowledgement.
    drop(stream.set_nodelay(true));
    let limits = forwarder.limits.clone();
    let activity = Activity::default();
    let io = Patient::new(stream, activity.clone(), limits.head_timeout, limits.stall_timeout);
    let from = Peer { ip: client, scheme: Scheme::Http };
    let service = service_fn(move |request| {
        let (forwarder, busy) = (Arc::clone(&forwarder), activity.busy());
        async move { Ok::<_, Infallible>(forwarder.answer(request, from, busy).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper counts from the end of the last answer, so this is the idle limit; `Patient` limits the head itself.
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(limits.max_head_bytes)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    let mut serving = std::pin::pin!(serving);
    loop {
        tokio::select! {
            biased;
            // A client's mistakes and disappearance are its own affair, and hyper has answered what can be answered.
            _ = serving.as_mut() => return,
            changed = phase.changed() => match (changed, *phase.borrow_and_update()) {
                (Ok(()), Phase::Serving) => {}
                (Ok(()), Phase::Finishing) => serving.as_mut().graceful_shutdown(),
                (Ok(()), Phase::Over) | (Err(_), _) => return,
            },
        }
    }
}
