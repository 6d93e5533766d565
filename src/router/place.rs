//! A route as requests meet it: its place under a host, with its upstreams.
//!
//! Invariant: of the routes of a host the one with the longest path that the request's lies under is taken, and no
//! spelling of a path leads to another one than the app would read in it (see `path`).

use std::collections::HashMap;
use std::sync::Arc;

use super::control::{Route, UpstreamAddr};
use super::path;
use super::table::Table;
use super::upstream::Upstream;
use crate::model::Domain;

/// Why a request is not sent to an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoRoute {
    /// No route has this host and path.
    Unknown,
    /// The path leads to one route as it is written and to another as an app may read it.
    Unclear,
    /// The route leads nowhere for now.
    NoUpstream,
}

/// One route.
pub struct Place {
    /// The path that its requests begin with, without a slash at the end; empty: any.
    path: Box<str>,
    /// The entry in the table.
    route: Route,
    upstreams: Vec<Arc<Upstream>>,
}

impl Place {
    fn new(path: &str, route: &Route, upstream: impl FnMut(&UpstreamAddr) -> Arc<Upstream>) -> Self {
        let upstreams = route.upstreams.iter().map(upstream).collect();
        Self { path: path.into(), route: route.clone(), upstreams }
    }

    /// The path that is taken off before the app sees a request; empty: none.
    pub fn stripped(&self) -> &str {
        if self.route.strip_prefix { &self.path } else { "" }
    }

    /// Whether connections may be upgraded.
    pub fn has_websockets(&self) -> bool {
        self.route.websockets
    }

    /// Where the next request goes.
    pub fn choose(&self) -> Result<&Arc<Upstream>, NoRoute> {
        self.upstreams.first().ok_or(NoRoute::NoUpstream)
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
            let (host, path) = host_and_path(domain);
            places.entry(host.into()).or_default().push(Arc::new(Place::new(path, route, &mut upstream)));
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

/// `shop.test/api` → `shop.test` and `/api`.
fn host_and_path(domain: &Domain) -> (&str, &str) {
    let text = domain.as_str();
    let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    (host, path.trim_end_matches('/'))
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
