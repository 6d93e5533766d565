//! When a request is sent again, and where.
//!
//! A request is sent again only where that cannot do harm: when nothing of it has left us (no connection, or a pooled
//! one that hyper found closed before writing), or when it is a GET, HEAD or OPTIONS without a body and the connection
//! broke before an answer, if it was a pooled one or there is another upstream. Each time the table is asked anew, so
//! that a switch in between is followed, and gives an upstream where the request has not been if there is one.
//! Anything else is a 502: the app may have acted on it.

use std::sync::Arc;

use super::control::MAX_UPSTREAMS;
use super::pages::Page;
use super::upstream::{ConnectError, InFlight, Upstream};

/// How often one request is sent to one upstream at most: the pooled connections of an upstream that has just restarted are all dead,
/// but the second attempt already uses a fresh one, and the third is for a switch in between.
const MAX_ATTEMPTS: usize = 3;
/// How many upstreams one request waits for in vain to be connected to: after that its client has waited long enough.
const MAX_TIMEOUTS: u32 = 2;

/// How an attempt ended without an answer.
pub enum Failure {
    /// A pooled connection was closed; the request can be sent again.
    Stale,
    /// There is no connection, so nothing has been sent.
    Unreached(ConnectError),
    /// The connection broke before anything was sent.
    Unsent(String),
    /// It broke when the app may have acted.
    Broken(String),
    /// No answer in time.
    Timeout,
    /// The client's body went over a limit.
    Client(Page),
}

/// Where a request has been tried, and what that means for trying again.
#[derive(Default)]
pub struct Tried {
    at: Vec<Arc<Upstream>>,
    /// Some: it may go on only to an upstream where it has not been tried, and else this is the answer.
    elsewhere: Option<Page>,
    timeouts: u32,
}

impl Tried {
    /// There it has been tried.
    pub fn at(&self) -> &[Arc<Upstream>] {
        &self.at
    }

    /// Takes down how an attempt ended; an error when that was the last.
    pub fn note(&mut self, failure: Failure, at: &InFlight) -> Result<(), Page> {
        let reason = match failure {
            Failure::Stale => return Ok(()),
            Failure::Unreached(ConnectError::Timeout) => {
                self.timeouts += 1;
                self.elsewhere = Some(Page::Timeout);
                "no connection in time".to_owned()
            }
            Failure::Unreached(error @ (ConnectError::Io(_) | ConnectError::Hyper(_))) => error.to_string(),
            Failure::Client(page) => return Err(page),
            Failure::Unsent(reason) => {
                at.upstream().pass_over();
                reason
            }
            Failure::Broken(reason) => {
                at.upstream().pass_over();
                self.elsewhere = Some(Page::BadGateway);
                reason
            }
            Failure::Timeout => {
                warn(at, "no answer in time");
                return Err(Page::Timeout);
            }
        };
        warn(at, &reason);
        self.at.push(Arc::clone(at.upstream()));
        if self.timeouts == MAX_TIMEOUTS { Err(Page::Timeout) } else { Ok(()) }
    }

    /// What a request gets instead of one more attempt there.
    pub fn end(&self, next: &Arc<Upstream>, attempt: usize) -> Option<Page> {
        let is_tried = self.at.iter().any(|tried| Arc::ptr_eq(tried, next));
        match self.elsewhere {
            Some(page) if is_tried => Some(page),
            Some(_) | None if attempt > MAX_ATTEMPTS + MAX_UPSTREAMS => Some(Page::BadGateway),
            Some(_) | None => (is_tried && attempt > MAX_ATTEMPTS).then_some(Page::BadGateway),
        }
    }
}

/// One line per upstream and pause, however many requests fail.
pub fn warn(to: &InFlight, reason: &str) {
    if let Some(hidden) = to.upstream().warnings.pass() {
        tracing::warn!(upstream = %to.upstream().addr(), reason, hidden, "no answer from an upstream");
    }
}
