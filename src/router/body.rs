//! Bodies on their way through: streamed frame by frame, never collected.
//!
//! The body of a response carries what must last as long as it does: the in-flight count, and the connection that goes
//! back to its pool after the last byte.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::{Instant, Sleep};

use super::log::Entry;
use super::pages::Page;
use super::patient::Busy;
use super::stall;
use super::upstream::{InFlight, Sender};

/// The last part of an answer that may wait for its client unwatched, in bytes: with as many requests as a client may have
/// over HTTP/2 about what the buffers of a client of HTTP/1.1 hold.
const MAX_LEFT: usize = 4 * 1024;

/// How much of a body a client may send, and how long it may pause.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Most bytes; none: any number.
    pub bytes: Option<u64>,
    /// Longest time between two parts.
    pub pause: Duration,
}

/// Why a client's body did not come whole.
#[derive(Debug, thiserror::Error)]
pub enum BodyFault {
    /// It broke off, or was nonsense.
    #[error(transparent)]
    Client(#[from] hyper::Error),
    /// It is larger than allowed.
    #[error("the body is too large")]
    TooLarge,
    /// It paused for too long.
    #[error("the body came too slowly")]
    TooSlow,
}

/// How the body that a client sends comes along.
pub struct Progress {
    began: Instant,
    /// When the last part came, in milliseconds after the beginning.
    last_ms: AtomicU64,
    fault: OnceLock<Page>,
}

impl Progress {
    /// Starts now.
    pub fn start() -> Arc<Self> {
        Arc::new(Self { began: Instant::now(), last_ms: AtomicU64::new(0), fault: OnceLock::new() })
    }

    /// When the last part came.
    pub fn last(&self) -> Instant {
        self.began + Duration::from_millis(self.last_ms.load(Ordering::Relaxed))
    }

    /// What the client is told if it went over a limit.
    pub fn fault(&self) -> Option<Page> {
        self.fault.get().copied()
    }

    /// A part comes now.
    pub fn note(&self) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(elapsed, Ordering::Relaxed);
    }
}

/// What a client sends, as it comes, within its limits.
pub struct FromClient {
    body: Incoming,
    progress: Arc<Progress>,
    limits: BodyLimits,
    came: u64,
    /// Made when there is something to wait for.
    pause: Option<Pin<Box<Sleep>>>,
}

impl FromClient {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
            let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.limits.pause)));
            ready!(pause.as_mut().poll(cx));
            return Poll::Ready(Some(Err(self.broken(BodyFault::TooSlow, Page::TooSlow))));
        };
        self.pause = None;
        self.progress.note();
        if let Some(Ok(frame)) = &frame {
            self.came += frame.data_ref().map_or(0, |data| data.len() as u64);
            if self.limits.bytes.is_some_and(|most| self.came > most) {
                return Poll::Ready(Some(Err(self.broken(BodyFault::TooLarge, Page::TooLarge))));
            }
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyFault::from)))
    }

    fn broken(&self, fault: BodyFault, page: Page) -> BodyFault {
        // The first fault is the one that counts.
        self.progress.fault.get_or_init(|| page);
        fault
    }
}

/// The body of a request to an upstream.
pub enum ToUpstream {
    /// None.
    Empty,
    /// What the client sends.
    Client(Box<FromClient>),
}

impl ToUpstream {
    /// What a client sends.
    pub fn client(body: Incoming, progress: Arc<Progress>, limits: BodyLimits) -> Self {
        Self::Client(Box::new(FromClient { body, progress, limits, came: 0, pause: None }))
    }
}

impl Body for ToUpstream {
    type Data = Bytes;
    type Error = BodyFault;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyFault>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Client(client) => client.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Client(client) => client.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Client(client) => client.body.size_hint(),
        }
    }
}

/// The body of an answer to a client.
pub struct ToClient {
    source: Source,
    /// Tells the connection that the request is over.
    busy: Option<Busy>,
    /// Becomes a line of the access log when this body is done.
    entry: Option<Entry>,
    /// The end of a part whose beginning was given.
    held: Option<Bytes>,
}

enum Source {
    Page(Full<Bytes>),
    Upstream(FromUpstream),
}

impl ToClient {
    /// A page of our own.
    pub fn page(text: Bytes) -> Self {
        Self { source: Source::Page(Full::new(text)), busy: None, entry: None, held: None }
    }

    /// An upstream's answer, with the connection it comes over.
    pub fn upstream(body: Incoming, in_flight: InFlight, sender: Sender) -> Self {
        let ended = body.is_end_stream();
        let source = Source::Upstream(FromUpstream { body, ended, sender: Some(sender), in_flight });
        Self { source, busy: None, entry: None, held: None }
    }

    /// The same for a `HEAD` over HTTP/2, where hyper would send a page of ours all the same.
    pub fn bare_if(self, is_bare: bool) -> Self {
        match self.source {
            Source::Page(_) if is_bare => Self { source: Source::Page(Full::default()), ..self },
            Source::Page(_) | Source::Upstream(_) => self,
        }
    }

    /// Keeps the client's connection marked as busy until this body is done.
    pub fn keeping(mut self, busy: Busy) -> Self {
        self.busy = Some(busy);
        self
    }

    /// Over HTTP/2, the part without its last byte, which is asked for once the client has taken what is before it: with
    /// its last part an answer is out of our hands, and would wait in the connection for as long as the client likes.
    /// The upstream is not kept for that.
    fn hold(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        if !stall::is_noting() || frame.data_ref().is_none_or(|data| data.len() <= MAX_LEFT) {
            return frame;
        }
        frame.map_data(|mut data| {
            self.held = Some(data.split_off(data.len() - 1));
            if matches!(&self.source, Source::Upstream(upstream) if upstream.ended) {
                self.source = Source::Page(Full::default());
            }
            data
        })
    }

    /// Counts what the client is given, for the access log.
    pub fn logged(mut self, mut entry: Entry) -> Self {
        if let Source::Upstream(upstream) = &self.source {
            entry.upstream = Some(Arc::clone(upstream.in_flight.upstream()));
        }
        self.entry = Some(entry);
        self
    }
}

impl Body for ToClient {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<hyper::Result<Frame<Bytes>>>> {
        let this = self.get_mut();
        stall::taken();
        let frame = match (this.held.take(), &mut this.source) {
            (Some(held), _) => Some(Ok(Frame::data(held))),
            (None, Source::Page(page)) => {
                let frame = ready!(Pin::new(page).poll_frame(cx));
                frame.map(|frame| frame.map_err(|never: Infallible| match never {}))
            }
            (None, Source::Upstream(upstream)) => ready!(upstream.poll_frame(cx)),
        };
        let frame = frame.map(|frame| frame.map(|frame| this.hold(frame)));
        if let (Some(entry), Some(Ok(frame))) = (&mut this.entry, &frame) {
            entry.bytes += frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        stall::given();
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none()
            && match &self.source {
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
