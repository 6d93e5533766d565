//! A route as requests meet it: its place under a host, with its upstreams.
//!
//! Invariant: of the routes of a host the one with the longest path that the request's lies under is taken, and no
//! spelling of a path leads to another one than the app would read in it (see `path`).

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::header::HeaderValue;
use http::{HeaderMap, Uri};

use super::control::{Route, UpstreamAddr};
use super::head::{Host, Scheme};
use super::pages::Page;
use super::sticky::{self, Mark};
use super::table::Table;
use super::upstream::Upstream;
use super::{path, redirect};

/// Why a request is not sent to an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRoute {
    /// No route has this host and path.
    Unknown,
    /// The path leads to one route as it is written and to another as an app may read it.
    Unclear,
    /// The route leads nowhere for now.
    NoUpstream,
    /// It has to be sent there instead; true where that is said with a word on https.
    Moved(HeaderValue, bool),
}

/// What a request is, as far as its place wants to know.
pub struct Asked<'a> {
    /// For which host.
    pub host: &'a Host,
    /// Path and query, as they were sent.
    pub target: &'a Uri,
    /// How it came.
    pub scheme: Scheme,
    /// Its headers.
    pub headers: &'a HeaderMap,
    /// Upstreams that it has been tried at.
    pub tried: &'a [Arc<Upstream>],
    /// Whether there is a certificate for a host now.
    pub is_certified: &'a (dyn Fn(&str) -> bool + Send + Sync),
}

impl Asked<'_> {
    fn has_tried(&self, upstream: &Arc<Upstream>) -> bool {
        self.tried.iter().any(|tried| Arc::ptr_eq(tried, upstream))
    }
}

/// One route.
pub struct Place {
    /// The path of its domain; empty: any.
    path: Box<str>,
    /// The entry in the table.
    route: Route,
    upstreams: Vec<Arc<Upstream>>,
    /// Where the route is sticky, the mark of each upstream.
    marks: Vec<Mark>,
    /// Whose turn it is among those with equally much to do.
    turn: AtomicUsize,
}

/// Where a request goes.
pub struct Chosen<'a> {
    /// There.
    pub upstream: &'a Arc<Upstream>,
    /// The cookie that the client gets, if it has to have another one.
    pub cookie: Option<HeaderValue>,
}

impl Place {
    fn new(path: &str, route: &Route, upstream: impl FnMut(&UpstreamAddr) -> Arc<Upstream>) -> Self {
        let upstreams = route.upstreams.iter().map(upstream).collect();
        let marked: &[UpstreamAddr] = if route.sticky { &route.upstreams } else { &[] };
        // A path of a domain is always a valid header value, so that all have one.
        let marks = marked.iter().filter_map(|addr| Mark::new(route.owner.store, path, addr)).collect();
        Self { path: path.into(), route: route.clone(), upstreams, marks, turn: AtomicUsize::new(0) }
    }

    /// The path that is taken off before the app sees a request; empty: none.
    pub fn stripped(&self) -> &str {
        if self.route.strip_prefix { &self.path } else { "" }
    }

    /// Whether connections may be upgraded.
    pub fn has_websockets(&self) -> bool {
        self.route.websockets
    }

    /// Whether who came so is told to use https only: over plain HTTP that must not be said (RFC 6797, 7.2).
    pub fn says_https_only(&self, from: Scheme) -> bool {
        from == Scheme::Https && self.route.tls.as_ref().is_some_and(|tls| tls.hsts)
    }

    /// What a client is told in place of a page: that the app is being replaced, if the route says so. Docker's own proxy
    /// accepts connections for an instance that stops, and resets them, so that nothing tells the one from the other.
    pub fn instead_of(&self, page: Page) -> Page {
        if self.route.page_when_away && page == Page::BadGateway { Page::NoUpstream } else { page }
    }

    /// Whether a request that one upstream did not answer may find another one here.
    pub fn has_several(&self) -> bool {
        self.upstreams.len() > 1
    }

    /// Where a request goes.
    pub fn choose(&self, asked: &Asked<'_>) -> Result<Chosen<'_>, NoRoute> {
        if let Some(there) = self.redirect(asked) {
            return Err(NoRoute::Moved(there, self.says_https_only(asked.scheme)));
        }
        if self.route.maintenance {
            return Err(NoRoute::NoUpstream);
        }
        let kept = self.kept(asked);
        let at = kept.or_else(|| self.least_busy(asked)).ok_or(NoRoute::NoUpstream)?;
        let mark = self.marks.get(at).filter(|_| kept.is_none());
        Ok(Chosen { upstream: &self.upstreams[at], cookie: mark.map(|mark| mark.cookie(asked.scheme)) })
    }

    fn redirect(&self, asked: &Asked<'_>) -> Option<HeaderValue> {
        let Asked { host, target, scheme, is_certified, .. } = *asked;
        let secures = scheme == Scheme::Http && self.route.tls.as_ref().is_some_and(|tls| tls.redirect);
        match &self.route.redirect {
            Some(to) => {
                let is_secured = secures && is_certified(to.host());
                let then = if is_secured { Scheme::Https } else { scheme };
                redirect::elsewhere(to, &self.path, host, target, scheme, then)
            }
            None if secures && redirect::may_be_secured(target) && is_certified(&host.name) => {
                redirect::secured(host, target)
            }
            None => None,
        }
    }

    /// The upstream that the client's cookie names, while it can be reached.
    fn kept(&self, asked: &Asked<'_>) -> Option<usize> {
        if self.marks.is_empty() {
            return None;
        }
        let mut named = sticky::sent(asked.headers).filter_map(|sent| self.marks.iter().position(|mark| mark.is(sent)));
        named.find(|at| self.upstreams.get(*at).is_some_and(|one| !asked.has_tried(one) && !one.is_passed_over()))
    }

    /// The one with the fewest requests in flight; those tried or not reached lately only if there is no other.
    fn least_busy(&self, asked: &Asked<'_>) -> Option<usize> {
        let count = self.upstreams.len();
        if count < 2 {
            return count.checked_sub(1);
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = (0..count).map(|step| turn.wrapping_add(step) % count);
        in_turn.min_by_key(|at| {
            let one = &self.upstreams[*at];
            (asked.has_tried(one), one.is_passed_over(), one.load())
        })
    }
}

/// Every place, by host, those with longer paths first.
#[derive(Default)]
pub struct Places(HashMap<Box<str>, Vec<Arc<Place>>>);

impl Places {
    /// The places of a table; `upstream` gives the upstream of an address.
    pub fn new(table: &Table, mut upstream: impl FnMut(&UpstreamAddr) -> Arc<Upstream>) -> Self {
        let mut places: HashMap<Box<str>, Vec<Arc<Place>>> = HashMap::with_capacity(table.routes.len());
        for (domain, route) in &table.routes {
            let place = Place::new(domain.path(), route, &mut upstream);
            places.entry(domain.host().into()).or_default().push(Arc::new(place));
        }
        for of_host in places.values_mut() {
            of_host.sort_by_key(|place| std::cmp::Reverse(place.path.len()));
        }
        Self(places)
    }

    /// The place of a request: its host in lower case without port, its path as it was sent.
    pub fn find(&self, host: &str, path: &str) -> Result<&Arc<Place>, NoRoute> {
        let of_host = self.0.get(host).ok_or(NoRoute::Unknown)?;
        if let [only] = of_host.as_slice()
            && only.path.is_empty()
        {
            return Ok(only);
        }
        let longest = |path: &[u8]| of_host.iter().find(|place| path::is_under(path, place.path.as_bytes()));
        let found = longest(path.as_bytes());
        if !path::is_plain(path) {
            let prefix = found.map_or("", |place| &place.path);
            let rest = path::read(path.get(prefix.len()..).unwrap_or_default()).ok_or(NoRoute::Unclear)?;
            let read = longest(&[prefix.as_bytes(), &rest].concat());
            if found.map(Arc::as_ptr) != read.map(Arc::as_ptr) {
                return Err(NoRoute::Unclear);
            }
        }
        found.ok_or(NoRoute::Unknown)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::control::Owner;
    use super::*;
    use crate::model::StoreId;

    /// Where a request for a path goes, among routes of one host.
    fn led(routes: &[&str], path: &str) -> Result<String, NoRoute> {
        let owner = Owner::new(StoreId(Uuid::from_u128(1)), &"shop/prod".parse().unwrap());
        let place = |path: &&str| {
            let route = Route::new(owner.clone(), Vec::new());
            Arc::new(Place::new(path, &route, |addr| Arc::new(Upstream::new(addr.clone()))))
        };
        let mut of_host: Vec<Arc<Place>> = routes.iter().map(place).collect();
        of_host.sort_by_key(|place| std::cmp::Reverse(place.path.len()));
        Places([("a.test".into(), of_host)].into()).find("a.test", path).map(|place| place.path.to_string())
    }

    #[test]
    fn of_two_routes_the_one_with_the_longer_path_is_taken() {
        let routes = ["", "/api", "/api/v2"];
        for (path, place) in [
            ("/", ""),
            ("/apix", ""),
            ("/api", "/api"),
            ("/api/", "/api"),
            ("/api/v1", "/api"),
            ("/api/v2", "/api/v2"),
            ("/api/v2/x", "/api/v2"),
            ("/api/v22", "/api"),
        ] {
            assert_eq!(led(&routes, path).as_deref(), Ok(place), "{path}");
        }
        assert_eq!(led(&["/api"], "/"), Err(NoRoute::Unknown));
    }

    #[test]
    fn no_spelling_leads_past_the_border_between_two_routes() {
        for path in [
            "/api/../admin",
            "/api/%2e%2e/admin",
            "/api/..%2fadmin",
            "/api/..;/admin",
            "/x\\..\\api\\y",
            "/x/../api/y",
            "//api/x",
            "/./api/x",
            "/%61pi/x",
            "/api%2Fx",
            "/api;v=1/x",
            "/../api",
            "/api/../api/x",
        ] {
            assert_eq!(led(&["", "/api"], path), Err(NoRoute::Unclear), "{path}");
        }
        assert_eq!(led(&["/api", "/api/v2"], "/api/v1/../v2/x"), Err(NoRoute::Unclear));
    }

    #[test]
    fn what_is_odd_but_clear_passes() {
        for (path, place) in [
            ("/api/group%2Fproject", "/api"),
            ("/api/x/../y", "/api"),
            ("/api//x", "/api"),
            ("/api/v;a=1", "/api"),
            ("/.well-known/x", ""),
            ("/a%20b", ""),
            ("/100%", ""),
        ] {
            assert_eq!(led(&["", "/api"], path).as_deref(), Ok(place), "{path}");
        }
        assert_eq!(led(&[""], "/../%2e%2e//x").as_deref(), Ok(""), "one route: nothing to confuse it with");
    }
}
