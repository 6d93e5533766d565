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

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use rustix::process::{Signal as Sent, getpid, kill_process};

    use super::*;

    const INNER: &str = "LANDFALL_TEST_SIGNALS";
    /// After this time nothing is on its way any more.
    const STILL: Duration = Duration::from_millis(200);

    fn send(signal: Sent) {
        kill_process(getpid(), signal).unwrap();
    }

    /// In a process of its own, which a signal may end.
    #[test]
    fn sigterm_and_sigint_stop_sighup_reloads_and_a_stop_goes_first() {
        if std::env::var_os(INNER).is_some() {
            return inner();
        }
        let name = "daemon::signals::tests::sigterm_and_sigint_stop_sighup_reloads_and_a_stop_goes_first";
        let mut inner = Command::new(std::env::current_exe().unwrap());
        let output = inner.args(["--exact", "--nocapture", name]).env(INNER, "1").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("1 passed"), "{said}{err}");
    }

    #[tokio::main(flavor = "current_thread")]
    async fn inner() {
        let mut signals = Signals::listen().unwrap();
        for (signal, asked) in [(Sent::TERM, Asked::Stop), (Sent::INT, Asked::Stop), (Sent::HUP, Asked::Reload)] {
            send(signal);
            assert_eq!(signals.next().await, asked, "{signal:?}");
        }
        (0..3).for_each(|_| send(Sent::HUP));
        send(Sent::TERM);
        assert!(tokio::time::timeout(STILL, std::future::pending::<()>()).await.is_err());
        assert_eq!((signals.next().await, signals.next().await), (Asked::Stop, Asked::Reload));
        assert!(tokio::time::timeout(STILL, signals.next()).await.is_err(), "three of one kind are one");
        send(Sent::HUP);
        assert!(tokio::time::timeout(STILL, signals.stopped()).await.is_err(), "a reload is no stop");
        send(Sent::INT);
        signals.stopped().await;
    }
}
