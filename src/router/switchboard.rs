//! The table in force, its upstreams, and the one way to change it: check, save to disk, swap, tell.
//!
//! Invariants: changes are serialised; the table on disk is never older than the one in force; a swap is one atomic
//! store, and a request that finds its upstream after the swap finds the new one (R9); an answer to a change is read
//! from the table in force.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::header::HeaderValue;
use tokio::sync::watch;
use tokio::time::Instant;

use super::control::{Changed, Drained, Health, Saved, UpstreamAddr};
use super::disk;
use super::place::{Asked, Chosen, NoRoute, Place, Places};
use super::table::{Conflict, Table};
use super::upstream::{InFlight, Upstream};

/// What a change does to a table.
type Edited = Result<(Table, Saved), Conflict>;
type Upstreams = HashMap<UpstreamAddr, Arc<Upstream>>;

/// The heart of the router, shared by every connection.
pub struct Switchboard {
    live: ArcSwap<Live>,
    upstreams: Mutex<Upstreams>,
    writing: tokio::sync::Mutex<()>,
    changes: watch::Sender<()>,
    path: PathBuf,
}

/// A table, and what requests find of it.
#[derive(Default)]
struct Live {
    table: Table,
    places: Places,
}

/// A request that has its upstream.
pub struct Entered {
    /// Its place.
    pub place: Arc<Place>,
    /// Counted in there.
    pub in_flight: InFlight,
    /// The cookie that the client gets with the answer.
    pub cookie: Option<HeaderValue>,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// It would touch what is not the store's.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The table could not be saved.
    #[error("the routing table could not be saved to {}: {source}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The proxy is going down.
    #[error("the proxy is stopping")]
    Stopping,
}

impl Switchboard {
    /// A switchboard with the table that was on disk.
    pub fn new(path: PathBuf, table: Table) -> Self {
        let board = Self {
            live: ArcSwap::default(),
            upstreams: Mutex::default(),
            writing: tokio::sync::Mutex::default(),
            changes: watch::Sender::default(),
            path,
        };
        board.install(table);
        board
    }

    /// Finds the place of a request, and counts it in at one of its upstreams.
    ///
    /// The table is looked at again after counting: a switch that came in between may already have looked at the count
    /// and found the old upstream idle, so the request must not go there.
    pub fn enter(&self, asked: &Asked<'_>) -> Result<Entered, NoRoute> {
        self.enter_after(asked, || {})
    }

    /// The same, with a place for a test to do what another thread might at the worst moment.
    fn enter_after(&self, asked: &Asked<'_>, mut found: impl FnMut()) -> Result<Entered, NoRoute> {
        loop {
            let live = self.live.load();
            let place = live.places.find(&asked.host.name, asked.target.path())?;
            let Chosen { upstream, cookie } = place.choose(asked)?;
            found();
            let in_flight = upstream.enter();
            if Arc::ptr_eq(&live, &self.live.load()) {
                return Ok(Entered { place: Arc::clone(place), in_flight, cookie });
            }
        }
    }

    /// The table in force.
    pub fn table(&self) -> Table {
        self.live.load().table.clone()
    }

    /// Tells of every table that comes into force.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// How it is.
    pub fn health(&self) -> Health {
        let in_flight = self.upstreams().values().map(|upstream| upstream.in_flight()).sum();
        Health { revision: self.live.load().table.revision, in_flight, troubles: Vec::new() }
    }

    /// Changes the table. Goes through even if whoever asked is gone: half a change is none.
    pub async fn change(
        self: &Arc<Self>,
        edit: impl FnOnce(&Table) -> Edited + Send + 'static,
    ) -> Result<Changed, ChangeError> {
        let board = Arc::clone(self);
        let change = tokio::spawn(async move { board.change_alone(edit).await });
        change.await.unwrap_or(Err(ChangeError::Stopping))
    }

    async fn change_alone(&self, edit: impl FnOnce(&Table) -> Edited) -> Result<Changed, ChangeError> {
        let _alone = self.writing.lock().await;
        let now = self.live.load_full();
        let (next, saved) = edit(&now.table)?;
        if next.revision != now.table.revision {
            let path = self.path.clone();
            let written = tokio::task::spawn_blocking(move || disk::save(&path, &next).map(|()| next));
            let next = written.await.map_err(|_| ChangeError::Stopping)?;
            self.install(next.map_err(|source| ChangeError::Disk { path: self.path.clone(), source })?);
        }
        let live = self.live.load();
        let find = |domain| live.table.routes.get_key_value(domain).map(|(d, route)| (d.clone(), route.clone()));
        let in_force = saved.routes.keys().filter_map(find).collect();
        Ok(Changed { revision: live.table.revision, in_force, saved })
    }

    /// Puts a table in force.
    fn install(&self, table: Table) {
        let mut upstreams = self.upstreams();
        let places = Places::new(&table, |addr| {
            Arc::clone(upstreams.entry(addr.clone()).or_insert_with(|| Arc::new(Upstream::new(addr.clone()))))
        });
        let routed: HashSet<UpstreamAddr> = table.routes.values().flat_map(|route| &route.upstreams).cloned().collect();
        self.live.store(Arc::new(Live { table, places }));
        self.changes.send_replace(());
        // With the fence in `Upstream::enter`: a request that missed this store is seen in the counts from here on.
        fence(Ordering::SeqCst);
        for (addr, upstream) in upstreams.iter() {
            upstream.set_routed(routed.contains(addr));
        }
    }

    /// Requests and tunnels in flight at an upstream; 0 for one that is not known.
    pub fn in_flight(&self, addr: &UpstreamAddr) -> u64 {
        self.find(addr).map_or(0, |upstream| upstream.in_flight())
    }

    /// Waits until an upstream is idle, but not longer than this.
    pub async fn drained(&self, addr: &UpstreamAddr, at_most: Duration) -> Drained {
        let began = Instant::now();
        let left = match self.find(addr) {
            Some(upstream) => match tokio::time::timeout(at_most, upstream.idle()).await {
                Ok(()) => 0,
                Err(_) => upstream.in_flight(),
            },
            None => 0,
        };
        Drained { left, took_ms: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX) }
    }

    /// Closes connections that have been idle for too long, and forgets upstreams without routes and requests.
    pub fn sweep(&self) {
        self.upstreams().retain(|_, upstream| upstream.sweep() || upstream.in_flight() > 0);
    }

    fn find(&self, addr: &UpstreamAddr) -> Option<Arc<Upstream>> {
        self.upstreams().get(addr).map(Arc::clone)
    }

    /// A panic elsewhere cannot leave the map half-made.
    fn upstreams(&self) -> MutexGuard<'_, Upstreams> {
        self.upstreams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::control::{Owner, Route};
    use super::super::head::{Host, Scheme};
    use super::*;
    use crate::model::StoreId;

    fn addr(port: u64) -> UpstreamAddr {
        format!("h:{port}").parse().unwrap()
    }

    fn table(port: u64) -> Table {
        let owner = Owner::new(StoreId(Uuid::from_u128(1)), &"shop/prod".parse().unwrap());
        let route = Route::new(owner, vec![addr(port)]);
        Table { revision: port, routes: [("a.test".parse().unwrap(), route)].into() }
    }

    /// Asks for `a.test/`.
    fn ask<T>(asking: impl FnOnce(&Asked<'_>) -> T) -> T {
        let host = Host { name: "a.test".to_owned(), sent: HeaderValue::from_static("a.test") };
        let (target, headers) = (http::Uri::from_static("/"), http::HeaderMap::new());
        let (scheme, is_certified) = (Scheme::Http, &|_: &str| false);
        asking(&Asked { host: &host, target: &target, scheme, headers: &headers, tried: &[], is_certified })
    }

    #[test]
    fn r9_an_old_upstream_that_was_seen_idle_after_the_switch_is_never_entered_again() {
        let board = Switchboard::new(PathBuf::new(), table(1));
        let mut switched = false;
        let after = || {
            if !std::mem::replace(&mut switched, true) {
                board.install(table(2));
                assert_eq!(board.in_flight(&addr(1)), 0, "whoever switched may stop the old one now");
            }
        };
        let entered = ask(|asked| board.enter_after(asked, after)).expect("routed");
        assert_eq!(*entered.in_flight.upstream().addr(), addr(2));
        assert_eq!(board.in_flight(&addr(1)), 0);
    }

    #[test]
    fn an_upstream_without_routes_and_requests_is_forgotten_and_one_in_flight_is_not() {
        let board = Switchboard::new(PathBuf::new(), table(1));
        let entered = ask(|asked| board.enter(asked)).expect("routed");
        board.install(table(2));
        board.sweep();
        assert_eq!(board.in_flight(&addr(1)), 1);
        drop(entered);
        board.sweep();
        assert!(board.find(&addr(1)).is_none() && board.find(&addr(2)).is_some());
    }
}
