//! Answers over HTTP/2 that their client does not take.
//!
//! A client of HTTP/1.1 that reads nothing stands still as a whole, which `patient` sees. Over HTTP/2 its connection lives
//! on, pings and other requests included, while one answer is never asked for more. So each request runs with a note of
//! when its answer last gave something, and is reset once that was not taken for too long (R31): its upstream is held for
//! nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hyper::rt::Executor;
use tokio::time::Instant;

use super::body::Progress;

tokio::task_local! {
    /// What is noted of the request that is being polled; none over HTTP/1.1.
    static NOTE: Arc<Note>;
}

/// How an answer is taken.
struct Note {
    given: Arc<Progress>,
    /// The client has yet to take what was given.
    is_waiting: AtomicBool,
}

impl Note {
    /// Returns when the client has taken nothing for so long.
    async fn is_stalled(&self, limit: Duration) {
        loop {
            let now = Instant::now();
            let since = if self.is_waiting.load(Ordering::Relaxed) { self.given.last() } else { now };
            if now >= since + limit {
                return;
            }
            tokio::time::sleep_until(since + limit).await;
        }
    }
}

/// The answer being polled gave its head or a part: it is the client's turn.
pub fn given() {
    noting(|note| {
        note.given.note();
        note.is_waiting.store(true, Ordering::Relaxed);
    });
}

/// The answer being polled is asked for more: the client took what there was.
pub fn taken() {
    noting(|note| note.is_waiting.store(false, Ordering::Relaxed));
}

/// Whether anything is noted of what is being polled.
pub fn is_noting() -> bool {
    NOTE.try_with(|_| ()).is_ok()
}

fn noting(note: impl FnOnce(&Note)) {
    // Nothing is noted over HTTP/1.1.
    let (Ok(()) | Err(_)) = NOTE.try_with(|noted| note(noted));
}

/// Runs the requests of connections over HTTP/2.
#[derive(Clone)]
pub struct Streams {
    limit: Duration,
}

impl Streams {
    /// Resets a request whose client takes nothing of its answer for so long.
    pub fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl<F> Executor<F> for Streams
where
    F: Future<Output = ()> + Send + 'static,
{
    fn execute(&self, request: F) {
        let note = Arc::new(Note { given: Progress::start(), is_waiting: AtomicBool::new(false) });
        let limit = self.limit;
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = NOTE.scope(Arc::clone(&note), request) => {}
                // Dropped, it resets its stream, and lets go of its upstream.
                () = note.is_stalled(limit) => tracing::debug!("a client took nothing of an answer for too long"),
            }
        });
    }
}
