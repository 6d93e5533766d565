//! The proxy of a run: the embedded one of its host, or a real Caddy as a process of its own, which has sites that a
//! person made. Runs that come one after another share one Caddy, which begins each of them with those sites alone.
//!
//! Either has a route of another Landfall as well. That, and what else is not this store's, is to stay as it is.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use landfall::model::route::Reach;
use landfall::model::{CaddySettings, Domain, StoreId};
use landfall::proxy::{Change, Proxy, Writes};
use serde_json::Value;

use super::relay::Api;
use crate::caddy::{Caddy, newest};
use crate::caddy_proxy::ground::sites;
use crate::execute::ground::Host;
use crate::router_support::{domains, stage, store, until};
use crate::router_wire::{Client, Reply};

/// The server in Caddy's configuration that routes are put into.
const ROUTES: &str = "/apps/http/servers/sites/routes";

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    Embedded,
    /// The newest that could be had, or else Debian's.
    Caddy,
}

impl Behind {
    /// As the table of faults says what a run is on.
    pub fn on(self) -> &'static str {
        match self {
            Self::Embedded => "fakes",
            Self::Caddy => "fakes, real Caddy",
        }
    }

    /// Runs side by side: most of one is waiting for a disk, or until Caddy says for the second time that an instance is idle.
    pub fn side_by_side(self) -> usize {
        match self {
            Self::Embedded => 4,
            Self::Caddy => 8,
        }
    }
}

/// One of them.
pub enum Front {
    /// That of the host.
    Embedded,
    Caddy(Box<Caddy>),
}

impl Front {
    pub fn start(behind: Behind) -> Self {
        match behind {
            Behind::Embedded => Self::Embedded,
            Behind::Caddy => Self::Caddy(Box::new(Caddy::start(&newest(), sites))),
        }
    }

    /// Forgets what an earlier run has left.
    pub async fn begin(&self) {
        match self {
            Self::Embedded => {}
            Self::Caddy(caddy) => caddy.reload().await,
        }
    }

    /// Lines of `settings` that lead to it by way of the relay.
    pub fn settings(&self, relay: &Path) -> String {
        match self {
            Self::Embedded => String::new(),
            Self::Caddy(_) => format!("  proxy: {{ caddy: {{ admin: \"unix/{}\" }} }}\n", relay.display()),
        }
    }

    /// Where the relay hands on to.
    pub fn api(&self, host: &Host) -> Api {
        match self {
            Self::Embedded => Api::Socket(host.router.control()),
            Self::Caddy(caddy) => Api::Port(SocketAddr::from(([127, 0, 0, 1], caddy.admin))),
        }
    }

    /// Where clients ask, in plain HTTP.
    pub fn addr(&self, host: &Host) -> SocketAddr {
        match self {
            Self::Embedded => host.router.addr,
            Self::Caddy(caddy) => caddy.addr(),
        }
    }

    /// The proxy, past the relay.
    pub fn proxy(&self, host: &Host) -> Arc<Proxy> {
        match self {
            Self::Embedded => Arc::clone(&host.router.proxy),
            Self::Caddy(caddy) => {
                let settings =
                    CaddySettings { admin: caddy.url(), upstream: Reach::Host, server: None, listen: Vec::new() };
                Arc::new(Proxy::Caddy(Box::new(landfall::proxy::Caddy::new(settings, Writes::default()))))
            }
        }
    }

    /// A connection that Caddy drops at a change is no answer: then it is asked again, as whoever looks afterwards may.
    pub async fn ask(&self, host: &Host, domain: &Domain) -> Reply {
        let path = if domain.path().is_empty() { "/" } else { domain.path() };
        loop {
            let reply = Client::connect(self.addr(host)).await.try_get(domain.host(), path).await;
            match (self, reply) {
                (_, Some(reply)) => return reply,
                (Self::Embedded, None) => panic!("{domain}: the proxy closed a connection"),
                (Self::Caddy(_), None) => {}
            }
        }
    }

    /// A route of another Landfall, which tries again where Caddy dropped what was asked of it right after a change.
    pub async fn make_foreign(&self, host: &Host) {
        let (key, names) = (stage("other/app"), domains(&["foreign.test"]));
        let change = Change::new(other(), &key, &names, "127.0.0.1:9");
        let proxy = self.proxy(host);
        until("a route of another store", async || proxy.switch(&change).await.is_ok()).await;
    }

    /// All in it that is not of this store, byte by byte as far as the proxy shows it.
    pub async fn foreign(&self, host: &Host) -> String {
        match self {
            Self::Embedded => format!("{:?}", host.routes().await.get("foreign.test")),
            Self::Caddy(caddy) => {
                let mut config = caddy.config().await;
                let of_others = |route: &Value| {
                    let id = route["@id"].as_str().unwrap_or_default();
                    !id.starts_with("landfall:") || id.starts_with(&format!("landfall:{}:", other()))
                };
                let routes = config.pointer_mut(ROUTES).and_then(Value::as_array_mut).expect("its routes");
                routes.retain(of_others);
                format!("{config:#}\n{}", caddy.answer("hand.test").await)
            }
        }
    }
}

/// Another Landfall.
pub fn other() -> StoreId {
    store(7)
}
