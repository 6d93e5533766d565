//! A client's connection with the patience we have for it.
//!
//! - A head that has begun must be whole within `head_timeout` (slow-loris).
//! - A client that takes nothing of its answer for `stall_timeout` is given up.
//!
//! How long a connection may be idle between requests is hyper's business (see `listen`). While a request is being
//! answered there is no limit here: a long poll is as silent as a dead client.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

/// Counts the beginnings and ends of a connection's requests: odd while one is being answered.
#[derive(Clone, Default)]
pub struct Activity(Arc<AtomicU64>);

impl Activity {
    /// A request begins; it ends when the mark is dropped.
    pub fn busy(&self) -> Busy {
        self.0.fetch_add(1, Ordering::Relaxed);
        Busy(self.clone())
    }

    fn turn(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request is being answered, or a tunnel is open.
pub struct Busy(Activity);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A TCP stream that gives up on slow heads and on clients that stopped reading.
pub struct Patient {
    stream: TcpStream,
    activity: Activity,
    turn: u64,
    head: Deadline,
    stall: Deadline,
}

impl Patient {
    /// Wraps a client's stream.
    pub fn new(stream: TcpStream, activity: Activity, head_timeout: Duration, stall_timeout: Duration) -> Self {
        let (head, stall) = (Deadline::new(head_timeout), Deadline::new(stall_timeout));
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

impl AsyncRead for Patient {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let result = Pin::new(&mut this.stream).poll_read(cx, buf);
        let turn = this.activity.turn();
        if turn != this.turn {
            this.turn = turn;
            this.head.end();
        }
        if turn % 2 == 1 {
            return result;
        }
        match result {
            Poll::Pending => this.head.check(cx, "the request head was too slow").map(Err),
            Poll::Ready(result) => {
                if buf.filled().len() > before {
                    this.head.begin();
                }
                Poll::Ready(result)
            }
        }
    }
}

impl Patient {
    /// Ends or goes on counting the time in which a client takes nothing.
    fn written(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if result.is_ready() {
            self.stall.end();
            return result;
        }
        self.stall.begin();
        self.stall.check(cx, "the client stopped reading").map(Err)
    }
}

impl AsyncWrite for Patient {
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
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
