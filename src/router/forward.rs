//! One request: find its place and upstream, send it there, bring the answer back.
//!
//! A request is sent again only where that cannot do harm: when nothing of it has left us (no connection, or a pooled
//! one that hyper found closed before writing), or when it is a GET, HEAD or OPTIONS without a body and the pooled
//! connection broke before an answer. Each time the table is asked anew, so that a switch in between is followed.
//! Anything else is a 502: the app may have acted on it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, timeout_at};

use super::Limits;
use super::body::{Progress, ToClient, ToUpstream};
use super::head::{self, Host};
use super::pages::Page;
use super::patient::Busy;
use super::place::{NoRoute, Place};
use super::switchboard::Switchboard;
use super::tunnel::{self, Tunnel};
use super::upstream::{ConnectError, IDLE_FOR_UNSAFE, InFlight, Sender};

/// How often one request is sent at most: the pooled connections of an upstream that has just restarted are all dead,
/// but the second attempt already uses a fresh one, and the third is for a switch in between.
const MAX_ATTEMPTS: u32 = 3;

/// What every request needs.
pub struct Forwarder {
    /// Routes.
    pub board: Arc<Switchboard>,
    /// Times and sizes.
    pub limits: Limits,
    /// Ends tunnels when the proxy does.
    pub tunnels: tunnel::Keeper,
}

impl Forwarder {
    /// Answers one request, with a page of ours if need be.
    pub async fn answer(&self, request: Request<Incoming>, client: IpAddr, busy: Busy) -> Response<ToClient> {
        match self.forward(request, client).await {
            Ok(Answer::Response(response)) => response.map(|body| body.keeping(busy)),
            Ok(Answer::Tunnel(response, tunnel)) => {
                self.tunnels.open(tunnel, busy);
                response
            }
            Err(page) => page.response().map(|body| body.keeping(busy)),
        }
    }

    async fn forward(&self, request: Request<Incoming>, client: IpAddr) -> Result<Answer, Page> {
        let (mut outbound, host) = Outbound::prepare(request, client)?;
        let mut attempt = 1;
        loop {
            let entered = self.board.enter(&host.name, outbound.target.path());
            let (place, in_flight) = entered.map_err(|none| match none {
                NoRoute::Unknown => Page::Unknown,
                NoRoute::Unclear => Page::UnclearPath,
                NoRoute::NoUpstream => Page::NoUpstream,
            })?;
            outbound.aim(&place);
            match self.send(&in_flight, &mut outbound, attempt > 1).await {
                Ok((response, sender)) => return outbound.answer(response, in_flight, sender),
                Err(Failure::Timeout) => {
                    warn(&in_flight, "no answer in time");
                    return Err(Page::Timeout);
                }
                Err(Failure::Broken(reason)) => {
                    warn(&in_flight, &reason);
                    if outbound.request.is_none() || attempt == MAX_ATTEMPTS {
                        return Err(Page::BadGateway);
                    }
                }
                Err(Failure::Stale) => {}
            }
            attempt += 1;
        }
    }

    /// One attempt. Afterwards `outbound.request` is there if it may be sent again.
    async fn send(
        &self,
        to: &InFlight,
        outbound: &mut Outbound,
        fresh: bool,
    ) -> Result<(Response<Incoming>, Sender), Failure> {
        let at_most_idle = if outbound.is_safe { Duration::MAX } else { IDLE_FOR_UNSAFE };
        let pooled = if fresh { None } else { to.upstream().take(at_most_idle) };
        let is_pooled = pooled.is_some();
        let mut sender = match pooled {
            Some(sender) => sender,
            None => match to.upstream().connect(self.limits.connect_timeout).await {
                Ok(sender) => sender,
                // The client has waited long enough to be told.
                Err(ConnectError::Timeout) => return Err(Failure::Timeout),
                Err(error @ (ConnectError::Io(_) | ConnectError::Hyper(_))) => {
                    return Err(Failure::Broken(error.to_string()));
                }
            },
        };
        let Some(request) = outbound.take(is_pooled) else { return Err(Failure::Broken("sent already".to_owned())) };
        let progress = outbound.progress.clone();
        match within(self.limits.first_byte_timeout, progress.as_deref(), sender.try_send_request(request)).await {
            Some(Ok(response)) => Ok((response, sender)),
            Some(Err(mut error)) => {
                if let Some(request) = error.take_message() {
                    outbound.request = Some(request);
                }
                if is_pooled && outbound.request.is_some() {
                    return Err(Failure::Stale);
                }
                Err(Failure::Broken(text(&error.into_error())))
            }
            None => Err(Failure::Timeout),
        }
    }
}

/// How an attempt ended without an answer.
enum Failure {
    /// A pooled connection was closed; the request can be sent again.
    Stale,
    /// No connection, or it broke.
    Broken(String),
    /// No connection or no answer in time.
    Timeout,
}

/// What a request leads to.
enum Answer {
    Response(Response<ToClient>),
    Tunnel(Response<ToClient>, Tunnel),
}

/// A request on its way out.
struct Outbound {
    /// None while it is being sent, and afterwards if it must not be sent again.
    request: Option<Request<ToUpstream>>,
    /// Path and query as the client sent them.
    target: Uri,
    /// May be sent twice: the method promises to change nothing, and there is no body.
    is_safe: bool,
    /// For requests with a body: when the client last sent a part of it.
    progress: Option<Arc<Progress>>,
    /// The client's side of the tunnel it asks for.
    upgrade: Option<OnUpgrade>,
}

impl Outbound {
    fn prepare(mut request: Request<Incoming>, client: IpAddr) -> Result<(Self, Host), Page> {
        if request.method() == Method::CONNECT {
            return Err(Page::Method);
        }
        let host = Host::of(&request).ok_or(Page::BadHost)?;
        if !head::is_plainly_framed(request.headers()) {
            return Err(Page::Coding);
        }
        let protocol = head::wanted_upgrade(&request);
        let upgrade = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        parts.extensions.clear();
        let has_body = !body.is_end_stream();
        head::to_upstream(&mut parts, &host, client, has_body);
        if let Some(protocol) = protocol {
            head::set_upgrade(&mut parts.headers, protocol);
        }
        let is_safe = !has_body && matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let progress = has_body.then(Progress::start);
        let body = progress.clone().map_or(ToUpstream::Empty, |progress| ToUpstream::Client(body, progress));
        let target = parts.uri.clone();
        Ok((Self { request: Some(Request::from_parts(parts, body)), target, is_safe, progress, upgrade }, host))
    }

    /// Makes it one for a place. Asked anew for each attempt: a switch in between may have changed the place.
    fn aim(&mut self, place: &Place) {
        let Some(request) = &mut self.request else { return };
        head::strip(request, &self.target, place.stripped());
        if !place.has_websockets() && self.upgrade.take().is_some() {
            head::unset_upgrade(request.headers_mut());
        }
    }

    /// Takes the request for sending; a copy stays if it may be sent twice and the connection may turn out dead.
    fn take(&mut self, is_pooled: bool) -> Option<Request<ToUpstream>> {
        let request = self.request.take()?;
        if is_pooled && self.is_safe {
            let mut copy = Request::new(ToUpstream::Empty);
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.headers_mut() = request.headers().clone();
            self.request = Some(copy);
        }
        Some(request)
    }

    /// Turns the upstream's response into the client's.
    fn answer(self, mut response: Response<Incoming>, in_flight: InFlight, sender: Sender) -> Result<Answer, Page> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            head::to_client(response.headers_mut());
            *response.version_mut() = http::Version::HTTP_11;
            return Ok(Answer::Response(response.map(|body| ToClient::upstream(body, in_flight, sender))));
        }
        let (Some(client), Some(protocol)) = (self.upgrade, response.headers().get(http::header::UPGRADE).cloned())
        else {
            warn(&in_flight, "it changed the protocol without being asked");
            return Err(Page::BadGateway);
        };
        let upstream = hyper::upgrade::on(&mut response);
        head::to_client(response.headers_mut());
        head::set_upgrade(response.headers_mut(), protocol);
        let tunnel = Tunnel { client, upstream, in_flight };
        Ok(Answer::Tunnel(response.map(|_| ToClient::page(bytes::Bytes::new())), tunnel))
    }
}

/// Waits for the answer's head; the clock starts again with every part of the body that the client sends.
async fn within<T>(limit: Duration, progress: Option<&Progress>, answer: impl Future<Output = T>) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    let mut deadline = Instant::now() + limit;
    loop {
        if let Ok(answer) = timeout_at(deadline, &mut answer).await {
            return Some(answer);
        }
        deadline = progress.map_or(deadline, |progress| progress.last() + limit);
        if deadline <= Instant::now() {
            return None;
        }
    }
}

/// One line per upstream and pause, however many requests fail.
fn warn(to: &InFlight, reason: &str) {
    if let Some(hidden) = to.upstream().warnings.pass() {
        tracing::warn!(upstream = %to.upstream().addr(), reason, hidden, "no answer from an upstream");
    }
}

/// An error with its causes, on one line.
fn text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
