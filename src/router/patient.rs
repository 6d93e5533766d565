//! A client's connection with the patience we have for it.
//!
//! - A head that has begun must be whole within `head_timeout` (slow-loris).
//! - A client that takes nothing of its answer for `stall_timeout` is given up.
//!
//! How long a connection may be idle between requests is decided in `connection`. While a request is being
//! answered there is no limit here: a long poll is as silent as a dead client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, Sleep};

use super::body::Progress;

/// Counts the beginnings and ends of a connection's requests, of which HTTP/2 has several at once.
#[derive(Clone)]
pub struct Activity(Arc<Counts>);

struct Counts {
    begun: AtomicU64,
    ended: AtomicU64,
    /// When the last one ended.
    last: Arc<Progress>,
    _held: Option<watch::Receiver<()>>,
}

impl Activity {
    /// Of a new connection, which holds something as long as it lasts and its tunnels do.
    pub fn new(held: Option<watch::Receiver<()>>) -> Self {
        let (begun, ended) = (AtomicU64::new(0), AtomicU64::new(0));
        Self(Arc::new(Counts { begun, ended, last: Progress::start(), _held: held }))
    }

    /// A request begins; it ends when the mark is dropped.
    pub fn busy(&self) -> Busy {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        Busy { activity: self.clone(), room: None }
    }

    /// Whether no request is being answered.
    pub fn is_idle(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed) == self.0.begun.load(Ordering::Relaxed)
    }

    /// Whether there was no request yet.
    pub fn is_unused(&self) -> bool {
        self.0.begun.load(Ordering::Relaxed) == 0
    }

    /// Returns when no request has been answered for so long.
    pub fn idle_for(&self, limit: Duration) -> impl Future<Output = ()> + use<> {
        let activity = self.clone();
        async move {
            loop {
                let now = Instant::now();
                let since = if activity.is_idle() { activity.0.last.last() } else { now };
                if now >= since + limit {
                    return;
                }
                tokio::time::sleep_until(since + limit).await;
            }
        }
    }

    fn turn(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed) + self.0.ended.load(Ordering::Relaxed)
    }
}

/// A request is being answered, or a tunnel is open.
pub struct Busy {
    activity: Activity,
    /// Its place among the requests that are bounded by themselves.
    pub room: Option<OwnedSemaphorePermit>,
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.activity.0.last.note();
        self.activity.0.ended.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream that gives up on slow heads and on clients that stopped reading. It is what requests are read from: above
/// TLS, whose own messages are neither.
pub struct Patient<S> {
    stream: S,
    activity: Activity,
    turn: u64,
    /// None for HTTP/2, where between requests much is said that is no head.
    head: Option<Deadline>,
    stall: Deadline,
}

impl<S> Patient<S> {
    /// Wraps a client's stream.
    pub fn new(stream: S, activity: Activity, head_timeout: Option<Duration>, stall_timeout: Duration) -> Self {
        let (head, stall) = (head_timeout.map(Deadline::new), Deadline::new(stall_timeout));
        Self { stream, activity, turn: 0, head, stall }
    }
}

/// A time limit that costs a timer only when something has to wait.
struct Deadline {
    limit: Duration,
    from: Option<Instant>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    fn new(limit: Duration) -> Self {
        Self { limit, from: None, sleep: None }
    }

    /// Begins to count unless it does already.
    fn begin(&mut self) {
        self.from.get_or_insert_with(Instant::now);
    }

    fn end(&mut self) {
        self.from = None;
        self.sleep = None;
    }

    /// Registers for the end of the time; an error when it has passed.
    fn check(&mut self, cx: &mut Context<'_>, what: &'static str) -> Poll<io::Error> {
        let Some(from) = self.from else { return Poll::Pending };
        let until = from + self.limit;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(sleep.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, what))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        let Some(head) = &mut this.head else { return result };
        let turn = this.activity.turn();
        if turn != this.turn {
            this.turn = turn;
            head.end();
        }
        if !this.activity.is_idle() {
            return result;
        }
        match result {
            Poll::Pending => head.check(cx, "the request head was too slow").map(Err),
            Poll::Ready(result) => {
                if buf.filled().len() > before {
                    head.begin();
                }
                Poll::Ready(result)
            }
        }
    }
}

impl<S> Patient<S> {
    /// Ends or goes on counting the time in which a client takes nothing.
    fn written<T>(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if result.is_ready() {
            self.stall.end();
            return result;
        }
        self.stall.begin();
        self.stall.check(cx, "the client stopped reading").map(Err)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.written(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.written(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_flush(cx);
        this.written(cx, result)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_shutdown(cx);
        this.written(cx, result)
    }
}
