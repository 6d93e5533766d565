//! The embedded proxy: `landfall proxy`, a process of its own, over its control socket.
//!
//! A switch reads the table first, so that it knows what to put back even when the answer to the change is lost; the
//! answer itself states what is in force, which is the proof (R9).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;

use super::client::{CALL, call, get};
use super::{Change, Drained, ProxyError, Writes};
use crate::model::{
    Domain, HostOptions, NamedCertificate, ObservedHost, ObservedProxy, ObservedRoute, StageKey, StoreId,
};
use crate::router::control::{
    self, CertificateState, Changed, Health, InFlightCount, Owner, RemoveRoutes, Route, SetRoutes, Tls, TlsCertificate,
    Trouble, UpstreamAddr,
};
use crate::router::{Conflict, Table};

/// The client of one `landfall proxy`.
pub struct Embedded {
    socket: PathBuf,
    writes: Writes,
}

impl Embedded {
    /// A client; nothing is contacted yet.
    pub fn new(socket: &Path) -> Self {
        Self::sharing(socket, Writes::default())
    }

    /// The same, for one of several that write to it in turn.
    pub fn sharing(socket: &Path, writes: Writes) -> Self {
        Self { socket: socket.to_owned(), writes }
    }

    /// The whole table, in one call.
    pub async fn observe(&self) -> ObservedProxy {
        match get::<Table>(&self.socket, "/table", CALL).await {
            Ok(table) => ObservedProxy::Routes(observed(&table)),
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                ObservedProxy::Unreachable(format!("{error}{hint}"))
            }
        }
    }

    /// Names that it is to serve over https and has no certificate for, and what it says about that. One that does not
    /// answer says so elsewhere; an older one knows no certificates.
    pub async fn uncertified(&self) -> BTreeMap<String, String> {
        let states = get::<Vec<CertificateState>>(&self.socket, "/certificates", CALL).await.unwrap_or_default();
        let lacking = |state: CertificateState| {
            let CertificateState { name, from, ends: _, last_failure, next_try, trouble } = state;
            let again = next_try.map(|at| format!(", and is asked for again at {}", time(at))).unwrap_or_default();
            let why = match (from, last_failure) {
                _ if trouble.is_some() => trouble?,
                (Some(_), None) => return None,
                (Some(from), Some(why)) if from != control::ACME => {
                    format!("could not be had{again}: {why}; {from} is served")
                }
                (Some(_), Some(why)) => format!("was not renewed{again}: {why}"),
                (None, Some(why)) => format!("could not be had{again}: {why}"),
                (None, None) => "is not there yet".to_owned(),
            };
            Some((name, why))
        };
        states.into_iter().filter_map(lacking).collect()
    }

    /// What does not work there though it serves, each with its remedy. One that does not answer says so elsewhere.
    pub async fn troubles(&self) -> Vec<(String, String)> {
        let health = get::<Health>(&self.socket, "/health", CALL).await;
        let troubles = health.map(|health| health.troubles).unwrap_or_default();
        troubles.into_iter().map(|Trouble { what, remedy }| (what, remedy)).collect()
    }

    /// Changes, and proves; or puts back.
    pub async fn switch(&self, change: &Change<'_>) -> Result<control::Saved, ProxyError> {
        let change = wanted(change)?;
        let _alone = self.writes.lock().await;
        let table: Table = get(&self.socket, "/table", CALL).await?;
        let (_, saved) = table.set(&change)?;
        match self.set(&change).await {
            Ok(saved) => Ok(saved),
            Err(error) if error.may_have_changed() => match self.put_back(&saved).await {
                Ok(()) => Err(error),
                Err(restore) => Err(ProxyError::Unsettled { switch: Box::new(error), restore: Box::new(restore) }),
            },
            Err(error) => Err(error),
        }
    }

    /// Puts back what a switch replaced.
    pub async fn restore(&self, saved: &control::Saved) -> Result<(), ProxyError> {
        let _alone = self.writes.lock().await;
        self.put_back(saved).await
    }

    /// Takes all domains from a stage.
    pub async fn unroute(&self, store: StoreId, key: &StageKey) -> Result<(), ProxyError> {
        let _alone = self.writes.lock().await;
        let change = RemoveRoutes { owner: Owner::new(store, key) };
        let changed: Changed = call(&self.socket, Method::DELETE, "/routes", Some(&change), CALL).await?;
        prove(&changed, &BTreeMap::new())
    }

    /// Requests and tunnels in flight.
    pub async fn in_flight(&self, upstream: &str) -> Result<u64, ProxyError> {
        let path = format!("/inflight?upstream={}", encoded(&upstream.parse()?));
        Ok(get::<InFlightCount>(&self.socket, &path, CALL).await?.in_flight)
    }

    /// Waits until an upstream is idle.
    pub async fn drain(&self, upstream: &str, at_most: Duration) -> Result<Drained, ProxyError> {
        let at_most = at_most.min(Duration::from_millis(control::MAX_DRAIN_MS));
        let path = format!("/drained?upstream={}&timeout_ms={}", encoded(&upstream.parse()?), at_most.as_millis());
        let drained: control::Drained = get(&self.socket, &path, at_most + CALL).await?;
        Ok(Drained { left: Some(drained.left), took: Duration::from_millis(drained.took_ms) })
    }

    async fn set(&self, change: &SetRoutes) -> Result<control::Saved, ProxyError> {
        let changed: Changed = call(&self.socket, Method::PUT, "/routes", Some(change), CALL).await?;
        prove(&changed, &change.routes())?;
        Ok(changed.saved)
    }

    async fn put_back(&self, saved: &control::Saved) -> Result<(), ProxyError> {
        let changed: Changed = call(&self.socket, Method::PUT, "/routes/restore", Some(saved), CALL).await?;
        let had = |(domain, route): (&Domain, &Option<Route>)| route.clone().map(|route| (domain.clone(), route));
        prove(&changed, &saved.routes.iter().filter_map(had).collect())
    }
}

/// The entries in force are exactly the wanted ones, of all that the change was about.
fn prove(changed: &Changed, wanted: &BTreeMap<Domain, Route>) -> Result<(), ProxyError> {
    if changed.in_force == *wanted { Ok(()) } else { Err(ProxyError::Unproven) }
}

/// A change in the proxy's own words.
fn wanted(change: &Change<'_>) -> Result<SetRoutes, ProxyError> {
    let Change { store, key, domains, upstream, options, path: _, known: _ } = *change;
    #[rustfmt::skip] // what this proxy has a switch for, and what only others have
    let HostOptions {
        certificate: _, named, redirect, http2, hsts, websockets, block_exploits: _, caching: _, access_list: _,
        locations: _, redirects, advanced: _, upstreams, sticky, strip_prefix, maintenance, page_when_away,
    } = options;
    let all = std::iter::once(upstream).chain(upstreams.iter().map(String::as_str));
    let upstreams = all.map(str::parse).collect::<Result<Vec<UpstreamAddr>, _>>()?;
    let tls = named.as_ref().map(|certificate| Tls {
        certificate: certificate.clone().into(),
        redirect: *redirect,
        hsts: *hsts,
        http2: *http2,
    });
    let served = options.served(domains).cloned().collect();
    let redirects = redirects.iter().filter(|(from, _)| domains.contains(from));
    Ok(SetRoutes {
        redirects: redirects.map(|(from, to)| (from.clone(), to.clone())).collect(),
        tls,
        sticky: *sticky,
        strip_prefix: *strip_prefix,
        websockets: *websockets,
        maintenance: *maintenance,
        page_when_away: *page_when_away,
        ..SetRoutes::new(Owner::new(store, key), served, upstreams)
    })
}

/// Every route, with what is set of it: the domains of a stage are as one host, as they were set with one change.
fn observed(table: &Table) -> BTreeMap<Domain, ObservedRoute> {
    let mut stages: BTreeMap<(StoreId, StageKey), Vec<(&Domain, &Route)>> = BTreeMap::new();
    for (domain, route) in &table.routes {
        stages.entry((route.owner.store, route.owner.key())).or_default().push((domain, route));
    }
    let of_stage = |(owner, routes): ((StoreId, StageKey), Vec<(&Domain, &Route)>)| {
        let one = |&(domain, route): &(&Domain, &Route)| {
            let upstream = route.upstreams.first().map(ToString::to_string).unwrap_or_default();
            let host = Some(host(route, &routes));
            (domain.clone(), ObservedRoute { upstream, owner: Some(owner.clone()), host })
        };
        routes.iter().map(one).collect::<Vec<_>>()
    };
    stages.into_iter().flat_map(of_stage).collect()
}

/// What is set of one route of a stage. What a redirect has no switch for is that of the domains that are served.
fn host(route: &Route, stage: &[(&Domain, &Route)]) -> ObservedHost {
    let served = stage.iter().map(|(_, route)| *route).find(|route| route.redirect.is_none()).unwrap_or(route);
    let Route {
        upstreams,
        owner: _,
        redirect: _,
        tls: _,
        sticky,
        strip_prefix,
        websockets,
        maintenance,
        page_when_away,
    } = if route.redirect.is_some() { served } else { route };
    let redirects = stage.iter().filter_map(|(from, route)| Some(((*from).clone(), route.redirect.clone()?)));
    let tls = route.tls.as_ref();
    let options = HostOptions {
        named: tls.map(|tls| tls.certificate.clone().into()),
        redirect: tls.is_some_and(|tls| tls.redirect),
        http2: tls.is_some_and(|tls| tls.http2),
        hsts: tls.is_some_and(|tls| tls.hsts),
        redirects: redirects.collect(),
        upstreams: upstreams.iter().skip(1).map(ToString::to_string).collect(),
        sticky: *sticky,
        strip_prefix: *strip_prefix,
        websockets: *websockets,
        maintenance: *maintenance,
        page_when_away: *page_when_away,
        ..HostOptions::PLAIN
    };
    let domains = stage.iter().map(|(domain, _)| domain.to_string()).collect();
    ObservedHost { what: "the route".to_owned(), id: None, domains, options: Some(options), trouble: None }
}

impl From<NamedCertificate> for TlsCertificate {
    fn from(named: NamedCertificate) -> Self {
        match named {
            NamedCertificate::Letsencrypt => Self::Letsencrypt,
            NamedCertificate::File(name) => Self::File(name),
            NamedCertificate::Wildcard(name) => Self::Wildcard(name),
        }
    }
}

impl From<TlsCertificate> for NamedCertificate {
    fn from(certificate: TlsCertificate) -> Self {
        match certificate {
            TlsCertificate::Letsencrypt => Self::Letsencrypt,
            TlsCertificate::File(name) => Self::File(name),
            TlsCertificate::Wildcard(name) => Self::Wildcard(name),
        }
    }
}

/// Seconds since 1970, as people read them.
fn time(seconds: u64) -> String {
    let at = i64::try_from(seconds).ok().and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    at.map_or_else(|| seconds.to_string(), |at| at.format("%Y-%m-%d %H:%M:%S UTC").to_string())
}

/// Brackets of an IPv6 address are not allowed in a query.
fn encoded(upstream: &UpstreamAddr) -> String {
    upstream.as_str().replace('[', "%5B").replace(']', "%5D")
}

impl From<Conflict> for ProxyError {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Foreign { domain, owner } => Self::Conflict { domain, owner: owner.to_string() },
            Conflict::Full => Self::Refused { reason: conflict.to_string(), is_its_trouble: false },
        }
    }
}
