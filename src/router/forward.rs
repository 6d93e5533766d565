//! One request: find its place and upstream, send it there, bring the answer back.

use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderValue, SET_COOKIE};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper::body::{Body, Incoming};
use hyper::upgrade::OnUpgrade;
use tokio::time::{Instant, timeout_at};

use super::Limits;
use super::body::{Progress, ToClient, ToUpstream};
use super::head::{self, Host, Peer};
use super::log::{Entry, Log};
use super::pages::Page;
use super::patient::Busy;
use super::place::{Asked, NoRoute, Place};
use super::redirect;
use super::retry::{Failure, Tried, warn};
use super::switchboard::{Entered, Switchboard};
use super::throttle::Throttle;
use super::tunnel::{self, Tunnel};
use super::upstream::{IDLE_FOR_UNSAFE, Sender};

/// What every request needs.
pub struct Forwarder {
    /// Routes.
    pub board: Arc<Switchboard>,
    /// Times and sizes.
    pub limits: Limits,
    /// Ends tunnels when the proxy does.
    pub tunnels: tunnel::Keeper,
    /// Takes down each request.
    pub log: Option<Arc<Log>>,
    /// Tells requests that have been here before.
    pub mark: HeaderValue,
    /// Holds back warnings about these.
    pub loops: Throttle,
    /// Whether there is a certificate for a host now, so that it may be redirected to https.
    pub is_certified: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl Forwarder {
    /// Answers one request, with a page of ours if need be.
    pub async fn answer(&self, request: Request<Incoming>, from: Peer, busy: Busy) -> Response<ToClient> {
        let mut entry = self.log.as_ref().map(|log| Entry::new(log, &request, from));
        let (response, busy) = match self.forward(request, from).await {
            Ok(Answer::Response(response)) => (response, Some(busy)),
            Ok(Answer::Tunnel(response, tunnel)) => {
                if let Some(entry) = &mut entry {
                    entry.upstream = Some(Arc::clone(tunnel.in_flight.upstream()));
                }
                self.tunnels.open(tunnel, busy);
                (response, None)
            }
            Err(page) => (page.response(), Some(busy)),
        };
        let status = response.status();
        response.map(|body| {
            let body = busy.into_iter().fold(body, ToClient::keeping);
            let entry = entry.map(|entry| Entry::answered(entry, status));
            entry.into_iter().fold(body, ToClient::logged)
        })
    }

    async fn forward(&self, request: Request<Incoming>, from: Peer) -> Result<Answer, Page> {
        if head::is_circling(request.headers(), &self.mark) {
            return Err(self.comes_back(&request));
        }
        let mut outbound = Outbound::prepare(request, from, self)?;
        let mut attempt = 1;
        loop {
            let entered = match self.enter(&outbound) {
                Ok(entered) => entered,
                Err(NoRoute::Unknown) => return Err(Page::Unknown),
                Err(NoRoute::Unclear) => return Err(Page::UnclearPath),
                Err(NoRoute::NoUpstream) => return Err(Page::NoUpstream),
                Err(NoRoute::Moved(to, is_https_only)) => {
                    let mut moved = redirect::moved(to);
                    if is_https_only {
                        redirect::only_https(moved.headers_mut());
                    }
                    return Ok(Answer::Response(moved));
                }
            };
            if let Some(page) = outbound.tried.end(entered.in_flight.upstream(), attempt) {
                return Err(entered.place.instead_of(page));
            }
            outbound.aim(&entered.place);
            match self.send(&entered, &mut outbound, attempt > 1).await {
                Ok((response, sender)) => {
                    entered.in_flight.upstream().answers();
                    return outbound.answer(response, entered, sender);
                }
                Err(failure) => outbound.tried.note(failure, &entered.in_flight)?,
            }
            if outbound.request.is_none() {
                return Err(entered.place.instead_of(Page::BadGateway));
            }
            attempt += 1;
        }
    }

    /// Passed on, it would come again and again, until there is room for nobody else.
    fn comes_back(&self, request: &Request<Incoming>) -> Page {
        if let Some(hidden) = self.loops.pass() {
            let host = Host::of(request).map(|host| host.name);
            tracing::warn!(
                host,
                hidden,
                "a request runs in a circle: what is behind this host leads back to this proxy"
            );
        }
        Page::Loop
    }

    fn enter(&self, outbound: &Outbound) -> Result<Entered, NoRoute> {
        let Outbound { request, host, target, from, tried, .. } = outbound;
        let none = HeaderMap::new();
        let headers = request.as_ref().map_or(&none, Request::headers);
        let is_certified = &*self.is_certified;
        self.board.enter(&Asked { host, target, scheme: from.scheme, headers, tried: tried.at(), is_certified })
    }

    /// One attempt. Afterwards `outbound.request` is there if it may be sent again.
    async fn send(
        &self,
        entered: &Entered,
        outbound: &mut Outbound,
        fresh: bool,
    ) -> Result<(Response<Incoming>, Sender), Failure> {
        let to = entered.in_flight.upstream();
        let at_most_idle = if outbound.is_safe { Duration::MAX } else { IDLE_FOR_UNSAFE };
        let pooled = if fresh { None } else { to.take(at_most_idle) };
        let is_pooled = pooled.is_some();
        let mut sender = match pooled {
            Some(sender) => sender,
            None => to.connect(self.limits.connect_timeout).await.map_err(Failure::Unreached)?,
        };
        let Some(request) = outbound.take(is_pooled || entered.place.has_several()) else {
            return Err(Failure::Broken("sent already".to_owned()));
        };
        let progress = outbound.progress.clone();
        match within(self.limits.first_byte_timeout, progress.as_deref(), sender.try_send_request(request)).await {
            Some(Ok(response)) => Ok((response, sender)),
            Some(Err(mut error)) => {
                if let Some(page) = progress.as_deref().and_then(Progress::fault) {
                    return Err(Failure::Client(page));
                }
                let unsent = error.take_message();
                let is_unsent = unsent.is_some();
                outbound.request = unsent.or_else(|| outbound.request.take());
                if is_pooled && outbound.request.is_some() {
                    return Err(Failure::Stale);
                }
                let reason = text(&error.into_error());
                Err(if is_unsent { Failure::Unsent(reason) } else { Failure::Broken(reason) })
            }
            None => Err(Failure::Timeout),
        }
    }
}

/// What a request leads to.
enum Answer {
    Response(Response<ToClient>),
    Tunnel(Response<ToClient>, Tunnel),
}

/// A request on its way out.
struct Outbound {
    /// For whom.
    host: Host,
    /// From whom.
    from: Peer,
    tried: Tried,
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
    fn prepare(mut request: Request<Incoming>, from: Peer, by: &Forwarder) -> Result<Self, Page> {
        let limits = by.limits.body();
        if request.method() == Method::CONNECT {
            return Err(Page::Method);
        }
        let host = Host::of(&request).ok_or(Page::BadHost)?;
        if !head::is_plainly_framed(request.headers()) {
            return Err(Page::Coding);
        }
        if limits.bytes.is_some_and(|most| request.body().size_hint().lower() > most) {
            return Err(Page::TooLarge);
        }
        let protocol = head::wanted_upgrade(&request);
        let upgrade = protocol.is_some().then(|| hyper::upgrade::on(&mut request));
        let (mut parts, body) = request.into_parts();
        parts.extensions.clear();
        let has_body = !body.is_end_stream();
        head::to_upstream(&mut parts, &host, from, has_body);
        head::mark(&mut parts.headers, &by.mark);
        if let Some(protocol) = protocol {
            head::set_upgrade(&mut parts.headers, protocol);
        }
        let is_safe = !has_body && matches!(parts.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let progress = has_body.then(Progress::start);
        let body = progress.clone().map(|progress| ToUpstream::client(body, progress, limits));
        let body = body.unwrap_or(ToUpstream::Empty);
        let target = parts.uri.clone();
        let (request, tried) = (Some(Request::from_parts(parts, body)), Tried::default());
        Ok(Self { host, from, tried, request, target, is_safe, progress, upgrade })
    }

    /// Makes it one for a place. Asked anew for each attempt: a switch in between may have changed the place.
    fn aim(&mut self, place: &Place) {
        let Some(request) = &mut self.request else { return };
        head::strip(request, &self.target, place.stripped());
        if !place.has_websockets() && self.upgrade.take().is_some() {
            head::unset_upgrade(request.headers_mut());
        }
    }

    /// Takes the request for sending; a copy stays if it is wanted and may be sent twice.
    fn take(&mut self, keeps: bool) -> Option<Request<ToUpstream>> {
        let request = self.request.take()?;
        if keeps && self.is_safe {
            let mut copy = Request::new(ToUpstream::Empty);
            *copy.method_mut() = request.method().clone();
            *copy.uri_mut() = request.uri().clone();
            *copy.headers_mut() = request.headers().clone();
            self.request = Some(copy);
        }
        Some(request)
    }

    /// Turns the upstream's response into the client's.
    fn answer(self, mut response: Response<Incoming>, entered: Entered, sender: Sender) -> Result<Answer, Page> {
        let Entered { place, in_flight, cookie } = entered;
        let upgrade = response.headers().get(http::header::UPGRADE).cloned();
        head::to_client(response.headers_mut());
        if place.says_https_only(self.from.scheme) {
            redirect::only_https(response.headers_mut());
        }
        if let Some(cookie) = cookie {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            *response.version_mut() = http::Version::HTTP_11;
            return Ok(Answer::Response(response.map(|body| ToClient::upstream(body, in_flight, sender))));
        }
        let (Some(client), Some(protocol)) = (self.upgrade, upgrade) else {
            warn(&in_flight, "it changed the protocol without being asked");
            return Err(Page::BadGateway);
        };
        let upstream = hyper::upgrade::on(&mut response);
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

/// An error with its causes, on one line.
fn text(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
