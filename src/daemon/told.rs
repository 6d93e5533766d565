//! What was logged, for tests that have a process of their own or a thread.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The lines of a log.
#[derive(Clone, Default)]
pub(super) struct Told(Arc<Mutex<Vec<u8>>>);

impl io::Write for Told {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Told {
    /// Hears what this process logs from now on.
    pub(super) fn begin() -> Self {
        let told = Self::default();
        told.subscriber().init();
        told
    }

    /// Hears what this thread logs until the guard is dropped.
    pub(super) fn here() -> (Self, DefaultGuard) {
        let told = Self::default();
        let guard = told.subscriber().set_default();
        (told, guard)
    }

    fn subscriber(&self) -> impl tracing::Subscriber + Send + Sync + 'static {
        let writer = self.clone();
        tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish()
    }

    /// How often something was said.
    pub(super) fn times(&self, what: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).matches(what).count()
    }
}
