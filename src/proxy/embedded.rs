//! The embedded proxy: `landfall proxy`, a process of its own, over its control socket.
//!
//! A switch reads the table first, so that it knows what to put back even when the answer to the change is lost; the
//! answer itself states what is in force, which is the proof (R9).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Method;

use super::client::{CALL, call, get};
use super::{Drained, ProxyError, Writes};
use crate::model::{Domain, ObservedProxy, ObservedRoute, StageKey, StoreId};
use crate::router::control::{self, Changed, InFlightCount, Owner, RemoveRoutes, Route, SetRoutes, UpstreamAddr};
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
            Ok(table) => ObservedProxy::Routes(table.routes.into_iter().map(observed).collect()),
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                ObservedProxy::Unreachable(format!("{error}{hint}"))
            }
        }
    }

    /// Changes, and proves; or puts back.
    pub async fn switch(
        &self,
        store: StoreId,
        key: &StageKey,
        domains: &[Domain],
        upstream: &str,
    ) -> Result<control::Saved, ProxyError> {
        let upstream: UpstreamAddr = upstream.parse()?;
        let domains = domains.iter().cloned().collect();
        let change = SetRoutes::new(Owner::new(store, key), domains, vec![upstream]);
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

fn observed((domain, route): (Domain, Route)) -> (Domain, ObservedRoute) {
    let upstream = route.upstreams.into_iter().next().map(String::from).unwrap_or_default();
    let owner = (route.owner.store, route.owner.key());
    (domain, ObservedRoute { upstream, owner: Some(owner), host: None })
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
