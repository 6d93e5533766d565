//! One client's connection: HTTP/1.1 or HTTP/2, in plain text or over TLS, and its orderly end.
//!
//! A client's connection is closed by us only when it was idle for too long, misbehaved, or the proxy ends; never because
//! of a switch.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until, timeout};

use super::Limits;
use super::body::ToClient;
use super::forward::Forwarder;
use super::head::{Host, Peer, Scheme};
use super::pages::Page;
use super::patient::{Activity, Patient};
use super::stall::{self, Streams};
use super::throttle::Throttle;
use super::tls::{self, Certificates, Challenges};
use super::visitor::Visitor;

/// Requests of one client at once over HTTP/2; browsers are content with a hundred.
const MAX_STREAMS: u32 = 128;
/// Bytes of an answer that wait in one HTTP/2 stream for its client, beyond what its window lets through.
const MAX_SEND_BUFFER: usize = 64 * 1024;
/// Streams that a client opened and gave up before they were looked at (rapid reset); beyond, the connection is closed.
const MAX_RESET_STREAMS: usize = 20;
/// Streams that we gave up because the client broke the protocol; beyond, the connection is closed.
const MAX_BROKEN_STREAMS: usize = 256;
/// How often an HTTP/2 client is asked whether it is there, within the time that it may take nothing: nothing else tells of
/// a client that vanished while an answer is awaited. One that pauses does not read the question either, so that it has all
/// of that time to answer.
const PINGS: u32 = 10;
/// When the proxy ends, a client that has connected and not yet asked may still do so for this long.
const FIRST_REQUEST: Duration = Duration::from_secs(2);

/// What every connection needs.
pub struct Front {
    /// Answers requests.
    pub forwarder: Forwarder,
    /// Certificates for those that come over TLS.
    pub certificates: Arc<Certificates>,
    /// What an authority may ask to see.
    pub challenges: Arc<Challenges>,
    /// Room for requests over HTTP/2.
    pub streams: Arc<Semaphore>,
    /// Holds back warnings that there is none.
    pub crowded: Throttle,
}

/// Where the proxy is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accepts and answers.
    Serving,
    /// Accepts and answers, and ends each connection with the answer at hand.
    Draining,
    /// Accepts nothing; finishes what is in flight.
    Finishing,
    /// Time is up.
    Over,
}

impl Phase {
    /// Whether nobody new is taken.
    pub fn is_closed(self) -> bool {
        match self {
            Self::Serving | Self::Draining => false,
            Self::Finishing | Self::Over => true,
        }
    }
}

/// A connection's part in the life of the proxy.
pub struct Life {
    /// Where the proxy is.
    pub phase: watch::Receiver<Phase>,
    /// Held by what was there before the proxy began to end, tunnels included.
    pub held: Option<watch::Receiver<()>>,
}

/// Serves one client until it goes, or until the proxy does.
pub async fn serve(stream: TcpStream, address: IpAddr, scheme: Scheme, front: Arc<Front>, life: Life) {
    // Without it small answers wait for the client's delayed acknowledgement.
    drop(stream.set_nodelay(true));
    match scheme {
        Scheme::Http => {
            let visitor = Visitor { peer: Peer { ip: address, scheme }, certificate: None };
            plain(stream, visitor, front, life).await;
        }
        Scheme::Https => secured(stream, address, front, life).await,
    }
}

/// Shakes hands first, which takes no longer than a request head may.
async fn secured(stream: TcpStream, address: IpAddr, front: Arc<Front>, mut life: Life) {
    let greeting =
        timeout(front.forwarder.limits.head_timeout, tls::greet(stream, &front.certificates, &front.challenges));
    let greeted = tokio::select! {
        biased;
        _ = life.phase.wait_for(|phase| *phase == Phase::Over) => return,
        greeted = greeting => greeted,
    };
    match greeted {
        Ok(Ok(None)) => {}
        Ok(Ok(Some(tls::Greeted { stream, certificate, is_h2 }))) => {
            let peer = Peer { ip: address, scheme: Scheme::Https };
            let visitor = Visitor { peer, certificate: Some(certificate) };
            if is_h2 {
                multiplexed(stream, visitor, front, life).await;
            } else {
                plain(stream, visitor, front, life).await;
            }
        }
        // Scanners do this all day.
        Ok(Err(error)) => tracing::debug!(client = %address, %error, "no TLS connection"),
        Err(late) => tracing::debug!(client = %address, error = %late, "no TLS connection"),
    }
}

/// HTTP/1.1, whatever it runs over.
async fn plain<S>(stream: S, visitor: Visitor, front: Arc<Front>, life: Life)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, activity) = (front.forwarder.limits.clone(), Activity::new(life.held));
    let io = Patient::new(stream, activity.clone(), Some(limits.head_timeout), limits.stall_timeout);
    let service = service_fn(answers(front, visitor, activity.clone(), None));
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        // hyper counts from the end of the last answer, so this is the idle limit; `Patient` limits the head itself.
        .header_read_timeout(limits.idle_timeout)
        .max_buf_size(limits.max_head_bytes)
        .serve_connection(TokioIo::new(io), service)
        .with_upgrades();
    until_gone(serving, &activity, std::future::pending(), limits.head_timeout, life.phase).await;
}

/// HTTP/2. A head that trickles in is no request yet, so the idle limit ends it.
async fn multiplexed<S>(stream: S, visitor: Visitor, front: Arc<Front>, life: Life)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (limits, activity) = (front.forwarder.limits.clone(), Activity::new(life.held));
    let io = Patient::new(stream, activity.clone(), None, limits.stall_timeout);
    let streams = Some(Arc::clone(&front.streams));
    let service = service_fn(answers(front, visitor, activity.clone(), streams));
    let serving = h2(&limits).serve_connection(TokioIo::new(io), service);
    until_gone(serving, &activity, activity.idle_for(limits.idle_timeout), limits.head_timeout, life.phase).await;
}

fn h2(limits: &Limits) -> http2::Builder<Streams> {
    let mut builder = http2::Builder::new(Streams::new(limits.stall_timeout));
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_STREAMS)
        .max_header_list_size(u32::try_from(limits.max_head_bytes).unwrap_or(u32::MAX))
        .max_send_buf_size(MAX_SEND_BUFFER)
        .max_pending_accept_reset_streams(MAX_RESET_STREAMS)
        .max_local_error_reset_streams(MAX_BROKEN_STREAMS)
        .keep_alive_interval(limits.stall_timeout / PINGS)
        .keep_alive_timeout(limits.stall_timeout);
    builder
}

type Answered = Result<Response<ToClient>, Infallible>;

/// What hyper asks for the answer to each request, which waits where there is no room for it.
fn answers(
    front: Arc<Front>,
    visitor: Visitor,
    activity: Activity,
    streams: Option<Arc<Semaphore>>,
) -> impl Fn(Request<Incoming>) -> Pin<Box<dyn Future<Output = Answered> + Send>> {
    let visitor = Arc::new(visitor);
    move |request| {
        let (front, visitor, mut busy) = (Arc::clone(&front), Arc::clone(&visitor), activity.busy());
        let streams = streams.clone();
        let is_bare = streams.is_some() && request.method() == Method::HEAD;
        Box::pin(async move {
            let said = |page: Page, busy| Ok(page.response().map(|body| body.keeping(busy).bare_if(is_bare)));
            if front.forwarder.tunnels.phase() != Phase::Serving {
                // What is answered at once would be so before its connection is told to end, and could not say it.
                tokio::task::yield_now().await;
            }
            // What names no host is refused by what comes next.
            if Host::of(&request).is_some_and(|host| !visitor.may_ask(&host.name)) {
                return said(Page::Misdirected, busy);
            }
            if visitor.certificate.is_none()
                && let Some(answer) = front.challenges.answer(request.uri().path())
            {
                return Ok(Response::new(ToClient::page(answer.into()).keeping(busy)));
            }
            if let Some(streams) = streams {
                let Ok(room) = timeout(front.forwarder.limits.connect_timeout, streams.acquire_owned()).await else {
                    if let Some(hidden) = front.crowded.pass() {
                        tracing::warn!(hidden, "as many requests over HTTP/2 as allowed: new ones are refused");
                    }
                    return said(Page::Crowded, busy);
                };
                // Closed never: the semaphore lives as long as the connection.
                busy.room = room.ok();
            }
            let answer = front.forwarder.answer(request, visitor.peer, busy).await;
            stall::given();
            Ok(answer.map(|body| body.bare_if(is_bare)))
        })
    }
}

/// A connection of hyper's, which can be told to end after what is in flight.
trait Connection: Future<Output = hyper::Result<()>> {
    fn finish(self: Pin<&mut Self>);
}

impl<I, S> Connection for http1::UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, ResBody = ToClient>,
    S::Error: std::error::Error + Send + Sync + 'static,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl<I, S> Connection for http2::Connection<I, S, Streams>
where
    S: HttpService<Incoming, ResBody = ToClient>,
    S::Future: Send + 'static,
    S::Error: std::error::Error + Send + Sync + 'static,
    I: hyper::rt::Read + hyper::rt::Write + Unpin + 'static,
{
    fn finish(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Runs a connection to its end: the client's, that of its patience, or the proxy's.
///
/// hyper closes a connection at once that is told to finish before its first request. The client has no way to know, so
/// it is told only when that request is there.
async fn until_gone(
    serving: impl Connection,
    activity: &Activity,
    idle: impl Future<Output = ()>,
    grace: Duration,
    mut phase: watch::Receiver<Phase>,
) {
    let (mut serving, mut idle) = (std::pin::pin!(serving), std::pin::pin!(idle));
    // The proxy may have begun to finish before this was a connection.
    phase.mark_changed();
    let (mut awaits_first, mut has_grace) = (false, true);
    let mut over: Option<Instant> = None;
    loop {
        let served = poll_fn(|cx| {
            let polled = serving.as_mut().poll(cx);
            if polled.is_ready() || !awaits_first || activity.is_unused() {
                return polled;
            }
            awaits_first = false;
            serving.as_mut().finish();
            serving.as_mut().poll(cx)
        });
        let closes = async {
            match over {
                Some(at) => sleep_until(at).await,
                None => idle.as_mut().await,
            }
        };
        tokio::select! {
            biased;
            // A client's mistakes and disappearance are its own affair, and hyper has answered what can be answered.
            _ = served => return,
            changed = phase.changed() => match (changed, *phase.borrow_and_update()) {
                (Ok(()), Phase::Serving) => {}
                (Ok(()), Phase::Draining | Phase::Finishing) if over.is_some() => {}
                (Ok(()), Phase::Draining | Phase::Finishing) if activity.is_unused() => {
                    (awaits_first, has_grace) = (true, false);
                    over = Some(Instant::now() + FIRST_REQUEST);
                }
                (Ok(()), Phase::Draining | Phase::Finishing) => serving.as_mut().finish(),
                (Ok(()), Phase::Over) | (Err(_), _) => return,
            },
            () = closes => match over {
                // One that has just been asked may still be giving its answer to the network.
                Some(_) if activity.is_idle() && (has_grace || activity.is_unused()) => return,
                Some(_) => {
                    has_grace = true;
                    over = Some(Instant::now() + grace);
                }
                None => {
                    serving.as_mut().finish();
                    over = Some(Instant::now() + grace);
                }
            }
        }
    }
}
