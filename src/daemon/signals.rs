//! What the process is asked by signals: to stop, or to look again at once.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// SIGTERM or SIGINT: finish what is under way, and end.
    Stop,
    /// SIGHUP: read the source now, and wait for nothing that failed before.
    Reload,
}

/// The signals that are asked with. From [`listen`](Self::listen) on none of them ends the process by itself; several of
/// one kind that come together count as one.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    /// Takes the signals over. Wants a runtime around it.
    ///
    /// # Errors
    /// The system refuses a handler.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Nothing is lost when this is dropped before it answers; a stop goes before a reload.
    pub async fn next(&mut self) -> Asked {
        tokio::select! {
            biased;
            _ = self.terminate.recv() => Asked::Stop,
            _ = self.interrupt.recv() => Asked::Stop,
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    /// Waits for a stop; what has nothing to read again passes over reloads.
    pub async fn stopped(&mut self) {
        while self.next().await == Asked::Reload {}
    }
}
