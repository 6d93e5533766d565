//! The switch as a transaction (R9): one write, which Caddy takes whole or not at all, refused by it when the
//! configuration is another by then; proven by reading it again; put back when it cannot be.
//!
//! Caddy answers a read once a change is made or undone, never in between, and then with what runs: what is read back is
//! in force, whatever became of the answer to the write.

use serde_json::Value;

use super::admin::Config;
use super::error::CaddyError;
use super::found::{Found, own_domains};
use super::layout::Layout;
use super::look::refuse_foreign;
use super::mark::Mark;
use super::place::put;
use super::route::Content;
use super::smallest;
use super::view::all_routes;
use super::{Caddy, Saved};
use crate::model::{Domain, StageKey, StoreId};
use crate::proxy::{Change, ProxyError};

/// Times that a change is begun again because the configuration was another by then.
const TRIES: u32 = 8;
/// Times that a change without an answer is made.
const SENDS: u32 = 2;
/// How versions before 2.7 refuse a tunnel's time.
const UNKNOWN: &str = "unknown field \"stream_close_delay\"";

/// What is to be made of the configuration, and what is replaced by that.
type Edit<'a> = dyn Fn(&Config) -> Result<(Value, Saved), ProxyError> + Sync + 'a;

/// A change that was not proven; with what it replaced, if it was sent.
struct Failed {
    error: ProxyError,
    sent: Option<Saved>,
}

impl Caddy {
    /// Changes, and proves; or puts back.
    pub(in crate::proxy) async fn switch(&self, change: &Change<'_>) -> Result<Saved, ProxyError> {
        let _alone = self.writes.lock().await;
        match self.make(&|config: &Config| self.switched(config, change)).await {
            Ok(saved) => Ok(saved),
            Err(Failed { error, sent: None }) => Err(error),
            Err(Failed { error, sent: Some(saved) }) => match self.put_back(&saved).await {
                Ok(()) => Err(error),
                Err(restore) => Err(ProxyError::Unsettled { switch: Box::new(error), restore: Box::new(restore) }),
            },
        }
    }

    /// Puts back what a switch replaced.
    pub(in crate::proxy) async fn restore(&self, saved: &Saved) -> Result<(), ProxyError> {
        let _alone = self.writes.lock().await;
        self.put_back(saved).await
    }

    /// Takes all routes from a stage.
    pub(in crate::proxy) async fn unroute(&self, store: StoreId, key: &StageKey) -> Result<(), ProxyError> {
        let _alone = self.writes.lock().await;
        let gone = Saved { store, keys: vec![key.clone()], routes: Vec::new() };
        self.put_back(&gone).await
    }

    async fn put_back(&self, saved: &Saved) -> Result<(), ProxyError> {
        let Saved { store, keys, routes } = saved;
        let is_its = |mark: &Mark| keys.iter().any(|key| mark.is_of(*store, key));
        let edit = |config: &Config| Ok((put(&config.value, &self.settings, is_its, routes), saved.clone()));
        self.make(&edit).await.map(drop).map_err(|failed| failed.error)
    }

    /// What a switch makes of the configuration.
    fn switched(&self, config: &Config, change: &Change<'_>) -> Result<(Value, Saved), ProxyError> {
        let Change { store, key, domains, .. } = *change;
        let all = &config.value;
        refuse_foreign(all, store, domains)?;
        let found = Found::of(all, &self.settings, store, key);
        let mut saved = Saved { store, keys: vec![key.clone()], routes: found.routes.clone() };
        let wanted = self.wanted(config, found.content, change);
        let mut routes = wanted.routes(&Layout::of(all, &self.settings, &wanted.options)?);
        for other in givers(all, store, key, domains) {
            let found = Found::of(all, &self.settings, store, &other);
            saved.routes.extend(found.routes.iter().cloned());
            let layout = Layout::of(all, &self.settings, &found.content.options)?;
            routes.extend(found.without(domains).routes(&layout));
            saved.keys.push(other);
        }
        let is_its = |mark: &Mark| saved.keys.iter().any(|key| mark.is_of(store, key));
        Ok((put(all, &self.settings, is_its, &routes), saved))
    }

    /// What the stage should have; where it led until now is remembered, until it leads elsewhere again.
    fn wanted<'a>(&self, config: &Config, found: Content<'_>, change: &Change<'a>) -> Content<'a> {
        let Change { store, key, domains, upstream, options, path, known: _ } = *change;
        let before = if found.upstream == upstream { found.before } else { Some(found.upstream) };
        Content {
            store,
            key,
            domains: domains.to_vec(),
            upstream: upstream.to_owned(),
            options: options.clone(),
            before: before.filter(|before| !before.is_empty()),
            // A stage whose gate asks nothing over HTTP has the root here, where its app may answer anything.
            health: Some(path).filter(|path| *path != "/" && !options.upstreams.is_empty()).map(str::to_owned),
            delays: self.delays(config),
        }
    }

    /// Makes a change until a fresh look needs none any more.
    async fn make(&self, edit: &Edit<'_>) -> Result<Saved, Failed> {
        let mut sent: Option<Saved> = None;
        let mut sends = 0;
        let mut lost = None;
        for _ in 0..TRIES {
            let failed = |error: ProxyError, sent: &Option<Saved>| Failed { error, sent: sent.clone() };
            let config = self.admin.config().await.map_err(|error| failed(error.into(), &sent))?;
            let (after, saved) = edit(&config).map_err(|error| failed(error, &sent))?;
            let Some(write) = smallest::write(&config.value, &after) else { return Ok(sent.unwrap_or(saved)) };
            if let Some(error) = lost.take().filter(|_| sends >= SENDS) {
                return Err(failed(error, &sent));
            }
            sent.get_or_insert(saved);
            sends += 1;
            match self.admin.write(&config, &write).await {
                Ok(true) => {}
                // Another one wrote in between, and nothing was changed.
                Ok(false) => {
                    sends -= 1;
                    if sends == 0 {
                        sent = None;
                    }
                }
                Err(CaddyError::Refused { message, .. }) if message.contains(UNKNOWN) && self.learn_old() => {}
                Err(error @ CaddyError::NoAnswer { .. }) => lost = Some(error.into()),
                // It said that it does not: a look tells whether that was Caddy, or something in between.
                Err(error) if error.is_ambiguous() => {
                    sends = SENDS;
                    lost = Some(error.into());
                }
                Err(error) => return Err(failed(error.into(), &sent)),
            }
        }
        Err(Failed { error: CaddyError::Contended { tries: TRIES }.into(), sent })
    }
}

/// Other stages of ours that have one of the domains.
fn givers(all: &Value, store: StoreId, key: &StageKey, domains: &[Domain]) -> Vec<StageKey> {
    let mut givers = Vec::new();
    for (_, route) in all_routes(all) {
        let Some(mark) = Mark::of(route).filter(|mark| mark.store == store && mark.key != *key) else { continue };
        if !givers.contains(&mark.key) && own_domains(route).any(|domain| domains.contains(&domain)) {
            givers.push(mark.key);
        }
    }
    givers
}
