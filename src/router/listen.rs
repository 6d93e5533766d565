//! The public side: listening sockets, and how many clients there may be.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};

use super::connection::{self, Front, Life, Phase};
use super::head::Scheme;
use super::throttle::Throttle;

/// Connections that wait in the kernel to be accepted.
const BACKLOG: u32 = 1024;
/// Pause after an accept that failed for want of file descriptors or memory: trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening socket, and what is spoken on it.
pub struct Listener {
    /// The socket.
    pub socket: TcpListener,
    /// Plain text or TLS.
    pub scheme: Scheme,
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

/// Accepts connections until the proxy finishes. Those it accepts while it serves hold a receiver of the second channel.
///
/// One is accepted before there is room for it, and waits here: a listener on which nobody comes holds no room that
/// another one needs.
pub async fn accept(
    listener: Listener,
    front: Arc<Front>,
    room: Arc<Semaphore>,
    (mut phase, old): (watch::Receiver<Phase>, Arc<watch::Sender<()>>),
) {
    let warnings = Throttle::default();
    loop {
        let accepted = tokio::select! {
            _ = phase.wait_for(|phase| phase.is_closed()) => return,
            accepted = listener.socket.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if let Some(hidden) = warnings.pass() {
                    tracing::warn!(%error, hidden, "a connection could not be accepted");
                }
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        if room.available_permits() == 0
            && let Some(hidden) = warnings.pass()
        {
            tracing::warn!(hidden, "as many client connections as allowed: new ones wait");
        }
        let permit = tokio::select! {
            biased;
            // Closed never: the semaphore lives as long as this task.
            permit = Arc::clone(&room).acquire_owned() => permit.ok(),
            // Whoever was accepted is served while the proxy finishes.
            _ = phase.wait_for(|phase| *phase == Phase::Over) => return,
        };
        let held = (*phase.borrow() == Phase::Serving).then(|| old.subscribe());
        let (front, life) = (Arc::clone(&front), Life { phase: phase.clone(), held });
        tokio::spawn(async move {
            let _counted = permit;
            connection::serve(stream, peer.ip(), listener.scheme, front, life).await;
        });
    }
}
