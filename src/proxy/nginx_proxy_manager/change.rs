//! The switch as a transaction (R9): what the hosts were is kept, they are changed, the change is proven, or all is put
//! back in the order that frees a domain before it is given again.

use reqwest::Method;
use serde_json::Value;

use super::error::NpmError;
use super::host::{Host, Kind};
use super::mark::REDIRECTS;
use super::redirects::{self, Groups};
use super::row::{Leads, Row, Wanted};
use super::{NginxProxyManager, look, probe};
use crate::model::{Domain, HostOptions, RecordedHost, StageKey, StoreId};
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
    Remove(Host),
    /// It was removed.
    MakeAnew(Box<Row>),
}

impl Saved {
    /// The host of the stage after the switch.
    pub fn now(&self) -> Option<&RecordedHost> {
        self.now.as_ref()
    }

    /// What is to be put back of a write with this body.
    pub(super) fn put_back(&mut self, row: Row, body: &Value) {
        let before = row.as_it_was(body);
        self.undo.push(Undo::PutBack(Box::new(row), before));
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
        let served: Vec<Domain> = options.served(domains).cloned().collect();
        let wanted = Wanted { owner: (store, key), domains: &served, leads: Leads::To { host, port }, options };
        let groups = redirects::groups(&options.redirects);
        let _alone = self.writes.lock().await;
        let mut rows = self.rows(Kind::Proxy).await?;
        rows.extend(self.redirections(store, &rows, !groups.is_empty()).await?);
        let mut saved = Saved::default();
        match self.change(change, (&wanted, &groups), rows, &mut saved).await {
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
        // The mark of the proxy host tells of the others: it goes last.
        for row in self.redirections_of(store, key).await? {
            self.delete(row.host).await?;
        }
        for row in self.rows(Kind::Proxy).await?.iter().filter(|row| self.is_of(row, store, key, known)) {
            self.delete(row.host).await?;
        }
        Ok(())
    }

    async fn change(
        &self,
        change: &Change<'_>,
        (wanted, groups): (&Wanted<'_>, &Groups),
        rows: Vec<Row>,
        saved: &mut Saved,
    ) -> Result<(), ProxyError> {
        let Change { store, key, domains, known, options, .. } = *change;
        let (own, foreign): (Vec<Row>, Vec<Row>) =
            rows.into_iter().partition(|row| self.is_of(row, store, key, known) || look::is_of_store(row, store));
        look::refuse_foreign(&foreign, domains)?;
        let (mine, others): (Vec<Row>, Vec<Row>) = own.into_iter().partition(|row| self.is_of(row, store, key, known));
        let (mut mine, redirecting): (Vec<Row>, Vec<Row>) =
            mine.into_iter().partition(|row| row.host.kind == Kind::Proxy);
        mine.sort_by_key(|row| (!known.is_some_and(|host| look::is_known(host, row, &self.settings.url)), row.host.id));
        let mut mine = mine.into_iter();
        let mut kept = mine.next();
        saved.before = kept.as_ref().map(|row| self.recorded(row));
        for twin in mine {
            self.remove(twin, saved).await?;
        }
        // Before the proxy host gets a mark that says that there are none.
        let staying = self.clear(redirecting, groups, saved).await?;
        self.free_all(others, domains, &mut kept, saved).await?;
        let row = match kept {
            Some(row) => self.bring(row, wanted, known.is_some_and(|host| host.dirty), saved).await?,
            None => self.make(wanted, saved).await?,
        };
        saved.now = Some(self.recorded(&row));
        self.lead(change, groups, staying, saved).await?;
        let domains = redirects::looked_at(domains, options);
        let look = probe::Look { probe: &self.settings.probe, domains: &domains, path: change.path, options };
        Ok(probe::prove(look).await?)
    }

    /// Takes domains from other stages of ours.
    async fn free_all(
        &self,
        others: Vec<Row>,
        domains: &[Domain],
        kept: &mut Option<Row>,
        saved: &mut Saved,
    ) -> Result<(), ProxyError> {
        let (hosts, redirecting): (Vec<Row>, Vec<Row>) =
            others.into_iter().partition(|row| row.host.kind == Kind::Proxy);
        // What belongs to a host that goes, goes with it: its mark is what tells of them.
        let goes = |row: &Row| row.left_without(domains).is_empty() && row.owned.has(REDIRECTS);
        let going: Vec<_> = hosts.iter().filter(|row| goes(row)).filter_map(|row| row.mark.clone()).collect();
        for row in redirecting {
            if row.left_without(domains).is_empty() || row.mark.as_ref().is_some_and(|mark| going.contains(mark)) {
                self.remove(row, saved).await?;
            } else if row.has_one_of(domains) {
                self.free(row, domains, &mut None, saved).await?;
            }
        }
        for other in hosts.into_iter().filter(|row| row.has_one_of(domains)) {
            self.free(other, domains, kept, saved).await?;
        }
        Ok(())
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
            let (host, body) = (other.host, other.without(domains));
            saved.put_back(other, &body);
            self.put(host, &body).await?;
        } else if kept.is_none() {
            *kept = Some(other);
        } else {
            self.remove(other, saved).await?;
        }
        Ok(())
    }

    pub(super) async fn remove(&self, row: Row, saved: &mut Saved) -> Result<(), ProxyError> {
        let host = row.host;
        saved.undo.push(Undo::MakeAnew(Box::new(row)));
        Ok(self.delete(host).await?)
    }

    /// Makes a host what is wanted. One that is so already, and surely, is not written: each write reloads nginx.
    pub(super) async fn bring(
        &self,
        row: Row,
        wanted: &Wanted<'_>,
        dirty: bool,
        saved: &mut Saved,
    ) -> Result<Row, ProxyError> {
        if row.is(wanted) && !dirty {
            return Ok(row);
        }
        let (host, body) = (row.host, wanted.body(Some(&row)));
        let needs_the_switch_alone = row.is_set(wanted) && !row.enabled && !dirty;
        saved.put_back(row, &body);
        if needs_the_switch_alone {
            return Ok(self.enable(host).await?);
        }
        let row = self.put(host, &body).await?;
        Ok(if row.enabled { row } else { self.enable(host).await? })
    }

    pub(super) async fn make(&self, wanted: &Wanted<'_>, saved: &mut Saved) -> Result<Row, ProxyError> {
        for (kind, list) in self.other_hosts(false).await {
            let mut taken = std::collections::BTreeMap::new();
            look::add_others(&mut taken, kind, &list);
            if let Some(domain) = wanted.domains.iter().find(|domain| taken.contains_key(domain)) {
                let owner = format!("a {kind} of nginx proxy manager");
                return Err(ProxyError::Conflict { domain: domain.clone(), owner });
            }
        }
        let body = wanted.body(None);
        self.post(&body, wanted, |host| saved.undo.push(Undo::Remove(host))).await
    }

    /// Puts all back, and waits until it is in force: the caller then takes away what the switch led to.
    async fn undo(&self, saved: &Saved) -> Result<(), ProxyError> {
        self.write_back(saved).await?;
        for undo in &saved.undo {
            let (Undo::PutBack(row, _) | Undo::MakeAnew(row)) = undo else { continue };
            if row.enabled && row.online != Some(false) {
                let domains: Vec<Domain> = row.domains.iter().filter_map(|text| text.parse().ok()).collect();
                let domains: Vec<&Domain> = domains.iter().collect();
                let options = HostOptions::plain();
                probe::settle(probe::Look { probe: &self.settings.probe, domains: &domains, path: "/", options }).await;
            }
        }
        Ok(())
    }

    async fn write_back(&self, saved: &Saved) -> Result<(), ProxyError> {
        for undo in saved.undo.iter().rev() {
            match undo {
                Undo::Remove(host) => self.delete(*host).await?,
                Undo::MakeAnew(row) => {
                    let made = self.call(Method::POST, row.host.kind.path(), Some(&row.to_make_anew())).await?;
                    let id = made.get("id").and_then(Value::as_u64);
                    tracing::info!(id, host = row.what(), "made anew");
                }
                Undo::PutBack(row, body) => self.put_back(row, body).await?,
            }
        }
        Ok(())
    }

    async fn put_back(&self, row: &Row, body: &Value) -> Result<(), NpmError> {
        match self.put(row.host, body).await {
            // It did not run before either.
            Err(NpmError::Offline { .. }) if row.online == Some(false) => {}
            answer => drop(answer?),
        }
        if row.enabled { Ok(()) } else { self.set_enabled(row.host, false).await }
    }

    fn is_of(&self, row: &Row, store: StoreId, key: &StageKey, known: Option<&RecordedHost>) -> bool {
        match &row.mark {
            Some((marked, stage)) => *marked == store && stage == key,
            None => known
                .is_some_and(|host| look::is_known(host, row, &self.settings.url) && row.has_exactly(&host.domains)),
        }
    }

    pub(super) fn recorded(&self, row: &Row) -> RecordedHost {
        let domains = row.domains.iter().filter_map(|text| text.parse().ok()).collect();
        RecordedHost { proxy: self.settings.url.clone(), id: Some(row.host.id), domains, dirty: false }
    }

    /// Redirections, unless they are known, and 404 hosts, as far as the user may see them.
    pub(super) async fn other_hosts(&self, knows_redirections: bool) -> Vec<(&'static str, Value)> {
        let mut lists = Vec::new();
        let all = [("redirection host", Kind::Redirection.path()), ("404 host", look::DEAD)];
        for (kind, path) in all.into_iter().skip(usize::from(knows_redirections)) {
            match self.call(Method::GET, path, None).await {
                Ok(list) => lists.push((kind, list)),
                Err(error) => tracing::debug!(%error, "not looked at"),
            }
        }
        lists
    }
}
