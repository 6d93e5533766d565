//! The reverse proxy as the daemon sees it: look, switch with proof, put back, drain. One file per provider.
//!
//! Invariants (R9): writes to one proxy are serialised; a switch that was not proven has been put back, unless the error
//! is [`ProxyError::Unsettled`]. It must not decide what is routed where: that is the plan's business.

mod caddy;
mod client;
mod embedded;
mod error;
mod nginx_proxy_manager;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::model::route::Certificate;
use crate::model::{
    Desired, DesiredStage, Domain, HostOptions, ObservedAccessList, ObservedCertificate, ObservedProxy, ProxySettings,
    Recorded, RecordedHost, StageKey, StoreId,
};
use crate::router::control;
use crate::secrets::Secrets;
pub use caddy::{Caddy, CaddyError};
pub use embedded::Embedded;
pub use error::ProxyError;
pub use nginx_proxy_manager::{Adopted, Login, NginxProxyManager, NpmError, Vault};

/// The configured proxy.
pub enum Proxy {
    /// `landfall proxy`, over its control socket.
    Embedded(Embedded),
    /// The user's own, over its API.
    NginxProxyManager(Box<NginxProxyManager>),
    /// The user's own Caddy, over its admin API.
    Caddy(Box<Caddy>),
    /// There is none.
    None,
}

/// What a switch replaced, for putting it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// Entries of the embedded proxy's table.
    Embedded(control::Saved),
    /// Hosts of Nginx Proxy Manager.
    NginxProxyManager(Box<nginx_proxy_manager::Saved>),
    /// Routes of Caddy.
    Caddy(caddy::Saved),
}

impl Saved {
    /// The host that the stage has since the switch, where the store has to remember it.
    pub fn now(&self) -> Option<&RecordedHost> {
        match self {
            Self::Embedded(_) | Self::Caddy(_) => None,
            Self::NginxProxyManager(saved) => saved.now(),
        }
    }

    /// The host that it had before, and has again once all is put back.
    pub fn before(&self) -> Option<&RecordedHost> {
        match self {
            Self::Embedded(_) | Self::Caddy(_) => None,
            Self::NginxProxyManager(saved) => saved.before(),
        }
    }
}

/// What a look at the proxy shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it routes.
    pub proxy: ObservedProxy,
    /// Certificates that it has by number, where a stage asks for one.
    pub certificates: Vec<ObservedCertificate>,
    /// Lists of those who may ask, where a stage names one.
    pub access_lists: Vec<ObservedAccessList>,
    /// Names without the certificate that they are to have, and why.
    pub uncertified: BTreeMap<String, String>,
}

impl Seen {
    /// Routes, and nothing that goes by a number.
    pub const fn routes(proxy: ObservedProxy) -> Self {
        Self { proxy, certificates: Vec::new(), access_lists: Vec::new(), uncertified: BTreeMap::new() }
    }

    /// True when a route has a certificate by its name.
    fn has_secured(&self) -> bool {
        let ObservedProxy::Routes(routes) = &self.proxy else { return false };
        let mut options = routes.values().filter_map(|route| route.host.as_ref()?.options.as_ref());
        options.any(|options| options.named.is_some())
    }
}

/// A change of what is routed to one stage.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// The store whose stage it is.
    pub store: StoreId,
    /// The stage.
    pub key: &'a StageKey,
    /// Exactly these domains, sorted.
    pub domains: &'a [Domain],
    /// Where they lead, `host:port`.
    pub upstream: &'a str,
    /// What is set beside that, where the proxy has a choice.
    pub options: &'a HostOptions,
    /// A path that the app answers without an error, for the proof.
    pub path: &'a str,
    /// What the store remembers of the stage's host.
    pub known: Option<&'a RecordedHost>,
}

impl<'a> Change<'a> {
    /// A change without a word on anything else.
    pub fn new(store: StoreId, key: &'a StageKey, domains: &'a [Domain], upstream: &'a str) -> Self {
        Self { store, key, domains, upstream, options: HostOptions::plain(), path: "/", known: None }
    }
}

/// Whose turn it is to write to a proxy: who shares one writes after another (R9).
pub type Writes = Arc<Mutex<()>>;

/// What a proxy is driven with, beside its settings.
#[derive(Debug)]
pub struct Access<'a> {
    /// Control socket of `landfall proxy`.
    pub socket: &'a Path,
    /// Where its password is read.
    pub secrets: Secrets,
    /// Where its token is kept.
    pub vault: Vault,
    /// Whose turn it is to write.
    pub writes: Writes,
}

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Requests and tunnels still in flight; 0: the old instance is idle; none: the proxy cannot tell.
    pub left: Option<u64>,
    /// How long it took.
    pub took: Duration,
}

impl Proxy {
    /// The proxy of the settings.
    pub fn new(settings: &ProxySettings, access: Access<'_>) -> Self {
        let Access { socket, secrets, vault, writes } = access;
        match settings {
            ProxySettings::Embedded(_) => Self::Embedded(Embedded::sharing(socket, writes)),
            ProxySettings::NginxProxyManager(npm) => {
                Self::NginxProxyManager(Box::new(NginxProxyManager::new(npm.clone(), secrets, vault, writes)))
            }
            ProxySettings::Caddy(caddy) => Self::Caddy(Box::new(Caddy::new(caddy.clone(), writes))),
            ProxySettings::None => Self::None,
        }
    }

    /// The embedded proxy behind a control socket.
    pub fn embedded(socket: &Path) -> Self {
        Self::Embedded(Embedded::new(socket))
    }

    /// What it routes, and which certificates it has where a stage asks for one: in one call, or two (R22). A route
    /// without upstream has the empty text for one.
    pub async fn observe(&self, desired: &Desired, recorded: &Recorded) -> Seen {
        match self {
            Self::Embedded(embedded) => {
                let secured = |stage: &DesiredStage| stage.route.certificate != Certificate::None;
                let seen = Seen::routes(embedded.observe().await);
                // What serves may be a version that is kept, which the configuration does not show.
                if !desired.all_written().any(secured) && !seen.has_secured() {
                    return seen;
                }
                Seen { uncertified: embedded.uncertified().await, ..seen }
            }
            Self::NginxProxyManager(npm) => npm.observe(desired, recorded).await,
            Self::Caddy(caddy) => Seen::routes(caddy.observe(recorded).await),
            Self::None => Seen::routes(ObservedProxy::None),
        }
    }

    /// Gives a stage exactly these domains, at this upstream, and proves that they are in force. Domains it had beside
    /// them are dropped; those of other stages of the store move over.
    pub async fn switch(&self, change: &Change<'_>) -> Result<Saved, ProxyError> {
        match self {
            Self::Embedded(embedded) => embedded.switch(change).await.map(Saved::Embedded),
            Self::NginxProxyManager(npm) => npm.switch(change).await.map(Box::new).map(Saved::NginxProxyManager),
            Self::Caddy(caddy) => caddy.switch(change).await.map(Saved::Caddy),
            Self::None => Err(ProxyError::NoProxy),
        }
    }

    /// Puts back what a switch replaced, and proves it.
    pub async fn restore(&self, saved: &Saved) -> Result<(), ProxyError> {
        match (self, saved) {
            (Self::Embedded(embedded), Saved::Embedded(saved)) => embedded.restore(saved).await,
            (Self::NginxProxyManager(npm), Saved::NginxProxyManager(saved)) => npm.restore(saved).await,
            (Self::Caddy(caddy), Saved::Caddy(saved)) => caddy.restore(saved).await,
            (Self::Embedded(_) | Self::NginxProxyManager(_) | Self::Caddy(_) | Self::None, _) => {
                Err(ProxyError::NoProxy)
            }
        }
    }

    /// Takes all domains from a stage; none is fine.
    pub async fn unroute(
        &self,
        store: StoreId,
        key: &StageKey,
        known: Option<&RecordedHost>,
    ) -> Result<(), ProxyError> {
        match self {
            Self::Embedded(embedded) => embedded.unroute(store, key).await,
            Self::NginxProxyManager(npm) => npm.unroute(store, key, known).await,
            Self::Caddy(caddy) => caddy.unroute(store, key).await,
            Self::None => Ok(()),
        }
    }

    /// Gets a certificate for these names, where the proxy numbers them; answers its number.
    pub async fn certify(&self, names: &[String]) -> Result<u64, ProxyError> {
        match self {
            Self::NginxProxyManager(npm) => npm.certify(names).await,
            Self::Embedded(_) | Self::Caddy(_) | Self::None => Err(ProxyError::NoProxy),
        }
    }

    /// Takes over the host that a person made for exactly these domains (R5), and those that redirect to it as the options
    /// say.
    pub async fn adopt(
        &self,
        store: StoreId,
        key: &StageKey,
        domains: &[Domain],
        options: &HostOptions,
    ) -> Result<Adopted, ProxyError> {
        match self {
            Self::NginxProxyManager(npm) => npm.adopt(store, key, domains, options).await,
            Self::Embedded(_) | Self::Caddy(_) | Self::None => Err(ProxyError::NoAdoption),
        }
    }

    /// Takes our mark off what a stage has there, so that it is a person's again (R5); nothing else of it changes.
    pub async fn let_go(&self, store: StoreId, key: &StageKey) -> Result<(), ProxyError> {
        match self {
            Self::NginxProxyManager(npm) => npm.let_go(store, key).await,
            Self::Embedded(_) | Self::Caddy(_) | Self::None => Ok(()),
        }
    }

    /// Requests and tunnels in flight at an upstream; 0 for one that is not known, or without a proxy; none when the
    /// proxy cannot tell.
    pub async fn in_flight(&self, upstream: &str) -> Result<Option<u64>, ProxyError> {
        match self {
            Self::Embedded(embedded) => embedded.in_flight(upstream).await.map(Some),
            Self::NginxProxyManager(_) => Ok(None),
            Self::Caddy(caddy) => caddy.in_flight(upstream).await,
            Self::None => Ok(Some(0)),
        }
    }

    /// Waits until an upstream that has lost its routes has nothing in flight, but not longer than this (an hour at
    /// most). Where the proxy cannot tell, that is the whole time.
    pub async fn drain(&self, upstream: &str, at_most: Duration) -> Result<Drained, ProxyError> {
        match self {
            Self::Embedded(embedded) => embedded.drain(upstream, at_most).await,
            Self::NginxProxyManager(npm) => Ok(npm.drain(at_most).await),
            Self::Caddy(caddy) => Ok(caddy.drain(upstream, at_most).await),
            Self::None => Ok(Drained { left: Some(0), took: Duration::ZERO }),
        }
    }
}
