//! The user's own Caddy, over its admin API: look, switch with proof, put back, drain.
//!
//! *Expected flow*: one read a pass; a switch reads, makes one write with `If-Match`, and reads again (R9). Most often
//! that write is one handler of one route. *Guarantees*: what others have in the configuration stays as it is, and nothing
//! of ours is left once the last route goes (R1); a write is taken whole or not at all. *Assumptions*: Caddy 2.6 or newer;
//! people may change theirs at any time, and a reload of their file takes ours away until the next pass.
//!
//! *Seen on 2.6.2 and 2.11.7*: the `ETag` of a read names the path that was read, `"/config/ 0123abcd"`, and `If-Match` may
//! name any path, whichever is written, below `/id/` too: so the whole configuration is read, and a write goes where the
//! difference is. 2.6.2 sends the `ETag` behind the body, as a trailer. 412 is another's change; 500 with "loading new
//! config" is a refusal after which the old one runs on; 200 means that the new one runs. A write without a difference
//! reloads nothing. 2.6.2 takes an `@id` twice, 2.11.7 does not. Each change of anything ends idle connections of
//! clients; requests in flight are answered by the configuration they came in under. Tunnels are cut at once, everywhere,
//! unless their handler has a `stream_close_delay`, which 2.6.2 does not know. `/reverse_proxy/upstreams` counts requests
//! and tunnels of the upstreams that the configuration names; 2.11.2 and newer count others as well while they have any.

mod admin;
mod change;
mod error;
mod found;
mod layout;
mod look;
mod mark;
mod place;
mod route;
mod smallest;
mod view;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use self::admin::{Admin, Config};
use self::layout::Kind;
use self::mark::Mark;
use self::place::Placed;
use crate::model::{CaddySettings, ObservedProxy, Recorded, StageKey, StoreId};
use crate::proxy::{Drained, Writes};

pub use error::CaddyError;

/// Longest drain that is asked for: the daemon would do nothing else for the stage.
const MAX_DRAIN: Duration = Duration::from_secs(3600);
/// First pause between two looks at requests in flight; it doubles up to the longest.
const PAUSE: Duration = Duration::from_millis(250);
/// Longest pause between two such looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// An upstream is idle when it is so in two looks: a request that came in right at the switch is counted by the second.
const IDLE_LOOKS: u32 = 2;

/// One Caddy.
#[derive(Debug)]
pub struct Caddy {
    settings: CaddySettings,
    admin: Admin,
    /// It was seen not to know how long tunnels may stay.
    is_old: AtomicBool,
    /// Writes are made one after the other: they share one configuration.
    writes: Writes,
}

/// What a switch replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Saved {
    store: StoreId,
    /// The stages whose routes it changed.
    keys: Vec<StageKey>,
    /// All that these had.
    routes: Vec<Placed>,
}

impl Caddy {
    /// A client; nothing is contacted yet.
    pub fn new(settings: CaddySettings, writes: Writes) -> Self {
        let admin = Admin::new(&settings.admin);
        Self { settings, admin, is_old: AtomicBool::new(false), writes }
    }

    /// Every route with a domain, in one call (R22).
    pub(in crate::proxy) async fn observe(&self, recorded: &Recorded) -> ObservedProxy {
        match self.admin.config().await {
            Ok(config) => ObservedProxy::Routes(look::observed(&config.value, &self.settings, recorded.store)),
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                ObservedProxy::Unreachable(format!("{error}{hint}"))
            }
        }
    }

    /// Requests and tunnels in flight; none for an upstream that Caddy does not name.
    pub(in crate::proxy) async fn in_flight(&self, upstream: &str) -> Result<Option<u64>, crate::proxy::ProxyError> {
        let all = self.admin.upstreams().await?;
        Ok(all.into_iter().find(|(address, _)| address == upstream).map(|(_, count)| count))
    }

    /// Waits until an upstream is idle. One that Caddy does not name may be, or may not: then it is all of the time.
    pub(in crate::proxy) async fn drain(&self, upstream: &str, at_most: Duration) -> Drained {
        let began = Instant::now();
        let end = began + at_most.min(MAX_DRAIN);
        let mut pause = PAUSE;
        let mut idle = 0;
        let mut left;
        loop {
            tokio::time::sleep(pause.min(end.saturating_duration_since(Instant::now()))).await;
            left = self.in_flight(upstream).await.ok().flatten();
            idle = if left == Some(0) { idle + 1 } else { 0 };
            if idle >= IDLE_LOOKS || Instant::now() >= end {
                return Drained { left, took: began.elapsed() };
            }
            if idle == 0 {
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// What there is, in a line; and whether it opens its port anew with each change, as newer ones do.
    ///
    /// # Errors
    /// It does not answer, is something else, or has no server for our routes.
    pub async fn examine(&self) -> Result<(String, bool), CaddyError> {
        let config = self.admin.config().await?;
        let age = if config.is_recent { "2.8 or newer" } else { "older than 2.8" };
        let count = view::servers(&config.value).map_or(0, serde_json::Map::len);
        let [plain, secured] =
            [Kind::Plain, Kind::Secured].map(|kind| layout::server(&config.value, &self.settings, kind));
        let address = self.admin.address();
        let goes = format!("routes go into `{}`, with https into `{}`", plain?, secured?);
        Ok((format!("caddy {age} at {address}, servers: {count}; {goes}"), config.is_recent))
    }

    /// Whether it knows how long tunnels may stay: so do versions since 2.7. It does not tell its own, but since 2.8 the
    /// `ETag` comes first; before that, what it took of us last says it, and else it is tried.
    fn delays(&self, config: &Config) -> bool {
        if config.is_recent {
            return true;
        }
        let mut ours = view::all_routes(&config.value).filter(|(_, route)| Mark::of(route).is_some());
        !self.is_old.load(Ordering::Relaxed) && ours.next().is_none_or(|(_, route)| found::delays(route))
    }

    /// True when it was not known before.
    fn learn_old(&self) -> bool {
        !self.is_old.swap(true, Ordering::Relaxed)
    }
}
