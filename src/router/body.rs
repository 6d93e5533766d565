//! Bodies on their way through: streamed frame by frame, never collected.
//!
//! The body of a response carries what must last as long as it does: the in-flight count, and the connection that goes
//! back to its pool after the last byte.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::patient::Busy;
use super::upstream::{InFlight, Sender};

/// When a client last sent a part of its body, in milliseconds after some start.
pub struct Progress {
    began: Instant,
    last_ms: AtomicU64,
}

impl Progress {
    /// Starts now.
    pub fn start() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), last_ms: AtomicU64::new(0) })
    }

    /// When the last part came.
    pub fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    fn note(&self) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
    }
}

/// The body of a request to an upstream.
pub enum ToUpstream {
    /// None.
    Empty,
    /// What the client sends, as it comes.
    Client(Incoming, Arc<Progress>),
}

impl Body for ToUpstream {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(body, progress) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                progress.note();
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(body, _) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(body, _) => body.size_hint(),
        }
    }
}

/// The body of an answer to a client.
pub struct ToClient {
    source: Source,
    /// Tells the connection that the request is over.
    busy: Option<Busy>,
}

enum Source {
    Page(Full<Bytes>),
    Upstream(FromUpstream),
}

impl ToClient {
    /// A page of our own.
    pub fn page(text: Bytes) -> Self {
        Self { source: Source::Page(Full::new(text)), busy: None }
    }

    /// An upstream's answer, with the connection it comes over.
    pub fn upstream(body: Incoming, in_flight: InFlight, sender: Sender) -> Self {
        let ended = body.is_end_stream();
        Self { source: Source::Upstream(FromUpstream { body, ended, sender: Some(sender), in_flight }), busy: None }
    }

    /// Keeps the client's connection marked as busy until this body is done.
    pub fn keeping(mut self, busy: Busy) -> Self {
        self.busy = Some(busy);
        self
    }
}

impl Body for ToClient {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        match &mut self.get_mut().source {
            Source::Page(page) => {
                let frame = ready!(Pin::new(page).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(|never: Infallible| match never {})))
            }
            Source::Upstream(upstream) => upstream.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Page(page) => page.is_end_stream(),
            Source::Upstream(upstream) => upstream.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Page(page) => page.size_hint(),
            Source::Upstream(upstream) => upstream.body.size_hint(),
        }
    }
}

/// A response body with its connection and its count.
struct FromUpstream {
    body: Incoming,
    ended: bool,
    sender: Option<Sender>,
    in_flight: InFlight,
}

impl FromUpstream {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.ended = frame.is_none() || self.body.is_end_stream();
        Poll::Ready(frame)
    }
}

impl Drop for FromUpstream {
    fn drop(&mut self) {
        // A connection with an unread rest of a body is of no use to anyone: hyper closes it with its sender.
        if let Some(sender) = self.sender.take_if(|_| self.ended) {
            self.in_flight.upstream().put(sender);
        }
    }
}
