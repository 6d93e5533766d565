//! The domains of a stage that only redirect: a redirection host for each domain that they lead to.
//!
//! A name is free only once the host that had it was written, so that what no longer redirects goes before the proxy host
//! is changed, and what newly does comes after it. That there are such hosts is in the mark of the proxy host, which is
//! therefore written before the first and after the last of them: who sees no such mark need not list them (R22).

use std::collections::BTreeMap;

use super::NginxProxyManager;
use super::change::Saved;
use super::error::NpmError;
use super::host::Kind;
use super::look;
use super::mark::REDIRECTS;
use super::row::{Leads, Row, Wanted};
use crate::model::{Domain, HostOptions, StageKey, StoreId};
use crate::proxy::{Change, ProxyError};

/// Domains that redirect, by where to; all sorted.
pub(super) type Groups = BTreeMap<Domain, Vec<Domain>>;

/// The domains of a route that only redirect, by where to.
pub(super) fn groups(redirects: &BTreeMap<Domain, Domain>) -> Groups {
    let mut groups = Groups::new();
    for (from, to) in redirects {
        groups.entry(to.clone()).or_default().push(from.clone());
    }
    groups
}

/// The redirection hosts of a stage that stay, by where they lead.
pub(super) type Staying = BTreeMap<Domain, Row>;

impl NginxProxyManager {
    /// Redirection hosts, where one of this store may be among them, or one is wanted.
    pub(super) async fn redirections(
        &self,
        store: StoreId,
        rows: &[Row],
        is_wanted: bool,
    ) -> Result<Vec<Row>, NpmError> {
        let has_some = rows.iter().any(|row| look::is_of_store(row, store) && row.owned.has(REDIRECTS));
        if is_wanted || has_some { self.rows(Kind::Redirection).await } else { Ok(Vec::new()) }
    }

    /// The redirection hosts that carry the mark of a stage. Who may not see any has made none.
    pub(super) async fn redirections_of(&self, store: StoreId, key: &StageKey) -> Result<Vec<Row>, NpmError> {
        let rows = match self.rows(Kind::Redirection).await {
            Err(NpmError::Denied { .. }) => return Ok(Vec::new()),
            rows => rows?,
        };
        Ok(rows.into_iter().filter(|row| row.mark.as_ref().is_some_and(|(s, k)| *s == store && k == key)).collect())
    }

    /// Takes away what redirects and should not any more, so that its names are free for the proxy host.
    pub(super) async fn clear(
        &self,
        mine: Vec<Row>,
        groups: &Groups,
        saved: &mut Saved,
    ) -> Result<Staying, ProxyError> {
        let mut staying = Staying::new();
        for row in mine {
            let to = row.redirects_to().filter(|to| !staying.contains_key(to));
            let Some((to, froms)) = to.and_then(|to| groups.get_key_value(&to)) else {
                self.remove(row, saved).await?;
                continue;
            };
            let extra =
                row.left_without(froms).into_iter().filter_map(|name| name.parse().ok()).collect::<Vec<Domain>>();
            if !row.has_one_of(froms) {
                self.remove(row, saved).await?;
            } else if extra.is_empty() {
                staying.insert(to.clone(), row);
            } else {
                let body = row.without(&extra);
                let host = row.host;
                saved.put_back(row, &body);
                staying.insert(to.clone(), self.put(host, &body).await?);
            }
        }
        Ok(staying)
    }

    /// Makes what should redirect do so.
    pub(super) async fn lead(
        &self,
        change: &Change<'_>,
        groups: &Groups,
        mut staying: Staying,
        saved: &mut Saved,
    ) -> Result<(), ProxyError> {
        let owner = (change.store, change.key);
        let is_dirty = change.known.is_some_and(|host| host.dirty);
        for (to, froms) in groups {
            let wanted = Wanted { owner, domains: froms, leads: Leads::Redirects(to), options: change.options };
            match staying.remove(to) {
                Some(row) => drop(self.bring(row, &wanted, is_dirty, saved).await?),
                None => drop(self.make(&wanted, saved).await?),
            }
        }
        Ok(())
    }
}

/// Why a redirection host of ours does not do what it should: it has the https of the proxy host that it belongs to.
pub(super) fn trouble(row: &Row, host: &Row) -> Option<String> {
    let to = row.redirects_to()?;
    if row.options != super::row::of_a_redirection(&host.options) {
        return Some(format!("its https is not that of {}", host.host));
    }
    let wanted = super::row::redirect_of(&host.options, &to);
    (row.upstream != wanted).then(|| format!("it answers {}, and not {wanted}", row.upstream))
}

/// What redirects where, of these hosts of one stage.
pub(super) fn map<'r>(rows: impl Iterator<Item = &'r Row>) -> BTreeMap<Domain, Domain> {
    let mut map = BTreeMap::new();
    for row in rows {
        let Some(to) = row.redirects_to() else { continue };
        map.extend(row.domains.iter().filter_map(|name| Some((name.parse().ok()?, to.clone()))));
    }
    map
}

/// The domains of a change that are looked at, in the order of looks: one that is served, one of each redirect, the rest.
pub(super) fn looked_at<'d>(domains: &'d [Domain], options: &HostOptions) -> Vec<&'d Domain> {
    let mut seen: Vec<Option<&Domain>> = Vec::new();
    let (first, rest): (Vec<&Domain>, Vec<&Domain>) = domains.iter().partition(|domain| {
        let to = options.redirects.get(*domain);
        let is_first = !seen.contains(&to);
        seen.push(to);
        is_first
    });
    first.into_iter().chain(rest).collect()
}
