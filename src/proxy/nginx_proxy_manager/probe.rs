//! The proof that requests are answered: looks from outside, each on a connection of its own, over a second.
//!
//! A look cannot tell the old instance from the new one. It tells that the host is in force at all: with a header that
//! names it, with its redirect to https, or by an answer that an unknown name does not get, word for word. The default
//! site answers 200 as well, and an app may answer 404, so that a status alone says nothing. While a page stands in for the
//! app it has a header of its own; a domain that only redirects has to redirect to where it should.

use std::time::{Duration, Instant};

use reqwest::header::{HOST, LOCATION};
use reqwest::{Client, Response, StatusCode};

use super::api::unpooled;
use super::error::NpmError;
use crate::client::{BodyError, body, causes};
use crate::model::{Domain, HostOptions};

/// So many looks in a row must succeed.
const LOOKS: u32 = 3;
/// Time between two that succeed: three of them span more than a second.
const APART: Duration = Duration::from_millis(550);
/// Time between two until the first succeeds: the reload takes a quarter of a second.
const AGAIN: Duration = Duration::from_millis(100);
/// Time for all of it: new workers were seen to serve after 0.9 s on a busy machine.
const AT_MOST: Duration = Duration::from_secs(15);
/// Time after which nobody waits any longer for what was put back.
const SETTLED: Duration = Duration::from_secs(5);
/// Most bytes of an answer that are compared.
const MAX_BODY: usize = 64 << 10;
/// Time for one look.
const ONE_LOOK: Duration = Duration::from_secs(5);
/// A name that no host has.
const UNKNOWN: &str = "unknown.landfall.invalid";

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look<'a> {
    /// Where plain HTTP is served, `host:port`.
    pub(super) probe: &'a str,
    /// The names, looked at in turn.
    pub(super) domains: &'a [&'a Domain],
    /// The path asked for.
    pub(super) path: &'a str,
    /// What is set beside: which of them redirect, and whether a page stands in for the app.
    pub(super) options: &'a HostOptions,
}

/// What one look saw.
#[derive(Debug, PartialEq)]
enum Seen {
    /// The host is in force and reaches its instance.
    Served,
    /// It is, and redirects: to https, or where it should.
    Redirects,
    /// The page stands in for the app.
    Page,
    /// It is not, or not yet.
    Not { reason: String, upstream: bool },
}

/// What an unknown name is answered.
#[derive(Debug, PartialEq)]
struct Shape {
    status: StatusCode,
    location: Option<String>,
    /// None for one that is longer than any default page.
    body: Option<Vec<u8>>,
}

/// Looks until the proof is there, or time is over.
pub(super) async fn prove(look: Look<'_>) -> Result<(), NpmError> {
    look_on(look, AT_MOST, false).await
}

/// Waits until what was put back is in force, whether it reaches an instance or not. Whoever takes away what it led to
/// meanwhile must not do so before. One that is never seen does not hold anybody up: nginx said that it runs with it.
pub(super) async fn settle(look: Look<'_>) {
    if let Err(error) = look_on(look, SETTLED, true).await {
        tracing::debug!(%error, "put back, and not seen");
    }
}

async fn look_on(look: Look<'_>, at_most: Duration, or_unreached: bool) -> Result<(), NpmError> {
    let http =
        unpooled(ONE_LOOK, false).map_err(|reason| not_served(look, look.domains.first().copied(), reason, false))?;
    // Each way that something redirects is looked at once as well.
    let targets: std::collections::BTreeSet<&Domain> = look.options.redirects.values().collect();
    let looks = LOOKS.max(u32::try_from(targets.len()).unwrap_or(LOOKS).saturating_add(1));
    let began = Instant::now();
    let mut in_a_row = 0;
    loop {
        let domain = look.domains.get(in_a_row as usize % look.domains.len().max(1));
        let Some(domain) = domain else { return Ok(()) };
        match once(&http, look, domain).await {
            Seen::Redirects => in_a_row += 1,
            Seen::Served if or_unreached || !look.options.maintenance => in_a_row += 1,
            Seen::Page if or_unreached || look.options.maintenance => in_a_row += 1,
            Seen::Not { upstream: true, .. } if or_unreached => in_a_row += 1,
            Seen::Not { reason, upstream } if began.elapsed() > at_most => {
                return Err(not_served(look, Some(domain), reason, upstream));
            }
            Seen::Served | Seen::Page if began.elapsed() > at_most => {
                let reason = "what answered before the change still does".to_owned();
                return Err(not_served(look, Some(domain), reason, false));
            }
            Seen::Served | Seen::Page | Seen::Not { .. } => in_a_row = 0,
        }
        if in_a_row >= looks {
            return Ok(());
        }
        tokio::time::sleep(if in_a_row > 0 { APART } else { AGAIN }).await;
    }
}

/// Whether anything answers there.
pub(super) async fn answers(probe: &str) -> Result<(), String> {
    let http = unpooled(ONE_LOOK, false)?;
    get(&http, probe, UNKNOWN, "/").await.map(drop)
}

async fn once(http: &Client, look: Look<'_>, domain: &Domain) -> Seen {
    let name = domain.as_str();
    let answer = match get(http, look.probe, name, look.path).await {
        Ok(answer) => answer,
        Err(reason) => return Seen::Not { reason, upstream: false },
    };
    if answer.headers().get("x-landfall").is_some_and(|value| value == "maintenance") {
        return Seen::Page;
    }
    let is_upstreams = matches!(answer.status(), StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT);
    // An app may send one of its own, which then stands first.
    let mut headers = answer.headers().get_all("x-served-by").iter().filter_map(|value| value.to_str().ok());
    if headers.any(|host| host.eq_ignore_ascii_case(name)) {
        return Seen::Served;
    }
    if is_upstreams {
        return Seen::Not { reason: format!("it answers {}", answer.status()), upstream: true };
    }
    let shape = match shape(answer).await {
        Ok(shape) => shape,
        Err(reason) => return Seen::Not { reason, upstream: false },
    };
    let own = format!("https://{name}");
    if shape.location.as_ref().is_some_and(|to| leads_to(to, &own)) {
        return Seen::Redirects;
    }
    if let Some(to) = look.options.redirects.get(domain) {
        let ways = [format!("https://{to}"), format!("http://{to}")];
        return match &shape.location {
            Some(location) if ways.iter().any(|way| leads_to(location, way)) => Seen::Redirects,
            Some(_) | None => Seen::Not {
                reason: format!("it answers {} and does not redirect to {to}", shape.status),
                upstream: false,
            },
        };
    }
    // Errors of the app carry no header: they are told from the default site by comparing.
    let unknown = match get(http, look.probe, UNKNOWN, look.path).await {
        Ok(answer) => self::shape(answer).await,
        Err(reason) => Err(reason),
    };
    match unknown {
        Ok(unknown) if unknown == shape => {
            Seen::Not { reason: format!("it answers {} as to an unknown name", shape.status), upstream: false }
        }
        // Nothing at all is what a default site may answer, too.
        Ok(_) | Err(_) => Seen::Served,
    }
}

/// True for an address of this scheme and name.
fn leads_to(location: &str, address: &str) -> bool {
    location.strip_prefix(address).is_some_and(|rest| !rest.starts_with('.'))
}

async fn get(http: &Client, probe: &str, host: &str, path: &str) -> Result<Response, String> {
    let request = http.get(format!("http://{probe}{path}")).header(HOST, host);
    request.send().await.map_err(|error| causes(&error))
}

async fn shape(answer: Response) -> Result<Shape, String> {
    let location = answer.headers().get(LOCATION).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned);
    let status = answer.status();
    match body(answer, MAX_BODY).await {
        Ok(body) => Ok(Shape { status, location, body: Some(body) }),
        Err(BodyError::TooLong) => Ok(Shape { status, location, body: None }),
        Err(BodyError::Broken(error)) => Err(causes(&error)),
    }
}

fn not_served(look: Look<'_>, domain: Option<&Domain>, reason: String, upstream: bool) -> NpmError {
    let domain = domain.map(ToString::to_string).unwrap_or_default();
    NpmError::NotServed { domain, probe: look.probe.to_owned(), reason, upstream }
}
