//! Tunnels: what becomes of a connection after `101 Switching Protocols`. Bytes both ways, until both sides are done.
//!
//! A tunnel counts as in flight until it ends. It has no idle limit: a quiet websocket is a good one. A peer that
//! vanished is found by TCP keep-alive, and the end of the proxy ends it.

use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::sync::watch;

use super::connection::Phase;
use super::patient::Busy;
use super::upstream::InFlight;

/// The two ends of a tunnel that is about to open.
pub struct Tunnel {
    /// Towards the client.
    pub client: OnUpgrade,
    /// Towards the upstream.
    pub upstream: OnUpgrade,
    /// Its place in the count.
    pub in_flight: InFlight,
}

/// Opens tunnels, and ends them with the proxy.
#[derive(Clone)]
pub struct Keeper(pub watch::Receiver<Phase>);

impl Keeper {
    /// Where the proxy is.
    pub fn phase(&self) -> Phase {
        *self.0.borrow()
    }

    /// Runs a tunnel beside the connection it came over.
    pub fn open(&self, tunnel: Tunnel, busy: Busy) {
        let mut phase = self.0.clone();
        tokio::spawn(async move {
            let _busy = busy;
            tokio::select! {
                () = tunnel.run() => {}
                _ = phase.wait_for(|phase| *phase == Phase::Over) => {}
            }
        });
    }
}

impl Tunnel {
    async fn run(self) {
        let _counted = self.in_flight;
        // Either side may be gone before it comes to bytes; then so is the tunnel.
        let Ok((client, upstream)) = tokio::try_join!(self.client, self.upstream) else { return };
        let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
        drop(tokio::io::copy_bidirectional(&mut client, &mut upstream).await);
    }
}
