//! The switch as a transaction (R9): what the hosts were is kept, they are changed, the change is proven, or all is put
//! back in the order that frees a domain before it is given again.

use reqwest::Method;
use serde_json::Value;

use super::error::NpmError;
use super::row::{Row, Wanted};
use super::{NginxProxyManager, look, probe, writes};
use crate::model::{Domain, RecordedHost, StageKey, StoreId};
use crate::proxy::{Change, ProxyError};

/// What a switch replaced.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Saved {
    undo: Vec<Undo>,
    before: Option<RecordedHost>,
    now: Option<RecordedHost>,
}

/// What puts one write back.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Undo {
    /// It was changed: what it was, and the body that says so.
    PutBack(Box<Row>, Value),
    /// It was made.
    Remove(u64),
    /// It was removed.
    MakeAnew(Box<Row>),
}

impl Undo {
    /// Of a write with this body.
    fn put_back(row: Row, body: &Value) -> Self {
        let before = row.as_it_was(body);
        Self::PutBack(Box::new(row), before)
    }
}

impl Saved {
    /// The host of the stage after the switch.
    pub fn now(&self) -> Option<&RecordedHost> {
        self.now.as_ref()
    }

    /// The host of the stage before it, and again once it is put back.
    pub fn before(&self) -> Option<&RecordedHost> {
        self.before.as_ref()
    }
}

impl NginxProxyManager {
    /// Changes, and proves; or puts back.
    pub(in crate::proxy) async fn switch(&self, change: &Change<'_>) -> Result<Saved, ProxyError> {
        let (host, port) = change.upstream.rsplit_once(':').unwrap_or((change.upstream, ""));
        let port = port
            .parse()
            .map_err(|_| crate::model::name::InvalidName(format!("`{}` is no upstream", change.upstream)))?;
        let Change { store, key, domains, options, .. } = *change;
        let wanted = Wanted { owner: (store, key), domains, host, port, options };
        let _alone = self.writes.lock().await;
        let rows = self.rows().await?;
        let mut saved = Saved::default();
        match self.change(change, &wanted, rows, &mut saved).await {
            Ok(()) => Ok(saved),
            Err(error) if saved.undo.is_empty() => Err(error),
            Err(error) => match self.undo(&saved).await {
                Ok(()) => Err(error),
                Err(restore) => Err(ProxyError::Unsettled { switch: Box::new(error), restore: Box::new(restore) }),
            },
        }
    }

    /// Puts back what a switch replaced.
    pub(in crate::proxy) async fn restore(&self, saved: &Saved) -> Result<(), ProxyError> {
        let _alone = self.writes.lock().await;
        self.undo(saved).await
    }

    /// Removes every host of a stage.
    pub(in crate::proxy) async fn unroute(
        &self,
        store: StoreId,
        key: &StageKey,
        known: Option<&RecordedHost>,
    ) -> Result<(), ProxyError> {
        let _alone = self.writes.lock().await;
        for row in self.rows().await?.iter().filter(|row| self.is_of(row, store, key, known)) {
            self.delete(row.id).await?;
        }
        Ok(())
    }

    async fn change(
        &self,
        change: &Change<'_>,
        wanted: &Wanted<'_>,
        rows: Vec<Row>,
        saved: &mut Saved,
    ) -> Result<(), ProxyError> {
        let Change { store, key, domains, known, .. } = *change;
        let (own, foreign): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| self.is_of(row, store, key, known) || look::is_of_store(row, store));
        look::refuse_foreign(&foreign, domains)?;
        let (mut mine, others): (Vec<Row>, Vec<Row>) =
            own.into_iter().partition(|row| self.is_of(row, store, key, known));
        mine.sort_by_key(|row| (!known.is_some_and(|host| look::is_known(host, row, &self.settings.url)), row.id));
        let mut mine = mine.into_iter();
        let mut kept = mine.next();
        saved.before = kept.as_ref().map(|row| self.recorded(row.id, &row.domains));
        for twin in mine {
            self.remove(twin, saved).await?;
        }
        for other in others.into_iter().filter(|row| row.has_one_of(domains)) {
            self.free(other, domains, &mut kept, saved).await?;
        }
        let row = match kept {
            Some(row) => self.bring(row, wanted, known.is_some_and(|host| host.dirty), saved).await?,
            None => self.make(wanted, saved).await?,
        };
        saved.now = Some(self.recorded(row.id, &row.domains));
        Ok(probe::prove(probe::Look { probe: &self.settings.probe, domains, path: change.path }).await?)
    }

    /// Takes domains from another stage of ours. A host that would have none left is taken over whole, if that is
    /// possible: then nothing is unserved even for a moment.
    async fn free(
        &self,
        other: Row,
        domains: &[Domain],
        kept: &mut Option<Row>,
        saved: &mut Saved,
    ) -> Result<(), ProxyError> {
        if !other.left_without(domains).is_empty() {
            let (id, body) = (other.id, other.without(domains));
            saved.undo.push(Undo::put_back(other, &body));
            self.put(id, &body).await?;
        } else if kept.is_none() {
            *kept = Some(other);
        } else {
            self.remove(other, saved).await?;
        }
        Ok(())
    }

    async fn remove(&self, row: Row, saved: &mut Saved) -> Result<(), ProxyError> {
        let id = row.id;
        saved.undo.push(Undo::MakeAnew(Box::new(row)));
        Ok(self.delete(id).await?)
    }

    /// Makes a host what is wanted. One that is so already, and surely, is not written: each write reloads nginx.
    async fn bring(&self, row: Row, wanted: &Wanted<'_>, dirty: bool, saved: &mut Saved) -> Result<Row, ProxyError> {
        if row.is(wanted) && !dirty {
            return Ok(row);
        }
        let (id, body) = (row.id, wanted.body(Some(&row)));
        let needs_the_switch_alone = row.is_set(wanted) && !row.enabled && !dirty;
        saved.undo.push(Undo::put_back(row, &body));
        if needs_the_switch_alone {
            return Ok(self.enable(id).await?);
        }
        let row = self.put(id, &body).await?;
        Ok(if row.enabled { row } else { self.enable(id).await? })
    }

    async fn make(&self, wanted: &Wanted<'_>, saved: &mut Saved) -> Result<Row, ProxyError> {
        for (kind, list) in self.other_hosts().await {
            let mut taken = std::collections::BTreeMap::new();
            look::add_others(&mut taken, kind, &list);
            if let Some(domain) = wanted.domains.iter().find(|domain| taken.contains_key(domain)) {
                let owner = format!("a {kind} of nginx proxy manager");
                return Err(ProxyError::Conflict { domain: domain.clone(), owner });
            }
        }
        let body = wanted.body(None);
        self.post(&body, wanted, |id| saved.undo.push(Undo::Remove(id))).await
    }

    /// Puts all back, and waits until it is in force: the caller then takes away what the switch led to.
    async fn undo(&self, saved: &Saved) -> Result<(), ProxyError> {
        self.write_back(saved).await?;
        for undo in &saved.undo {
            let (Undo::PutBack(row, _) | Undo::MakeAnew(row)) = undo else { continue };
            if row.enabled && row.online != Some(false) {
                let domains: Vec<Domain> = row.domains.iter().filter_map(|text| text.parse().ok()).collect();
                probe::settle(probe::Look { probe: &self.settings.probe, domains: &domains, path: "/" }).await;
            }
        }
        Ok(())
    }

    async fn write_back(&self, saved: &Saved) -> Result<(), ProxyError> {
        for undo in saved.undo.iter().rev() {
            match undo {
                Undo::Remove(id) => self.delete(*id).await?,
                Undo::MakeAnew(row) => {
                    let made = self.call(Method::POST, writes::HOSTS, Some(&row.to_make_anew())).await?;
                    let id = made.get("id").and_then(Value::as_u64);
                    tracing::info!(id, host = row.what(), "made anew");
                }
                Undo::PutBack(row, body) => self.put_back(row, body).await?,
            }
        }
        Ok(())
    }

    async fn put_back(&self, row: &Row, body: &Value) -> Result<(), NpmError> {
        match self.put(row.id, body).await {
            // It did not run before either.
            Err(NpmError::Offline { .. }) if row.online == Some(false) => {}
            answer => drop(answer?),
        }
        if row.enabled { Ok(()) } else { self.set_enabled(row.id, false).await }
    }

    fn is_of(&self, row: &Row, store: StoreId, key: &StageKey, known: Option<&RecordedHost>) -> bool {
        match &row.mark {
            Some((marked, stage)) => *marked == store && stage == key,
            None => known
                .is_some_and(|host| look::is_known(host, row, &self.settings.url) && row.has_exactly(&host.domains)),
        }
    }

    pub(super) fn recorded(&self, id: u64, domains: &[String]) -> RecordedHost {
        let domains = domains.iter().filter_map(|text| text.parse().ok()).collect();
        RecordedHost { proxy: self.settings.url.clone(), id: Some(id), domains, dirty: false }
    }

    /// Redirections and 404 hosts, as far as the user may see them.
    pub(super) async fn other_hosts(&self) -> Vec<(&'static str, Value)> {
        let mut lists = Vec::new();
        for (kind, path) in [("redirection host", "/nginx/redirection-hosts"), ("404 host", "/nginx/dead-hosts")] {
            match self.call(Method::GET, path, None).await {
                Ok(list) => lists.push((kind, list)),
                Err(error) => tracing::debug!(%error, "not looked at"),
            }
        }
        lists
    }
}
