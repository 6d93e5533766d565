//! Taking over a host that a person made: it gets our mark, and nothing else changes until the next deploy. Letting go of
//! one takes the mark off.

use super::NginxProxyManager;
use super::host::Kind;
use super::mark::{Owned, REDIRECTS};
use super::redirects;
use super::row::Row;
use crate::model::{Domain, HostOptions, RecordedHost, StageKey, StoreId};
use crate::proxy::ProxyError;

/// How a host came to be ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Adopted {
    /// What people call it.
    pub what: String,
    /// Where it leads, until the stage is deployed.
    pub upstream: String,
    /// False when it was ours before.
    pub is_new: bool,
    /// What the store remembers of it.
    pub host: RecordedHost,
}

impl NginxProxyManager {
    /// Marks the host that has exactly those of these domains that are served; and those that redirect the others where
    /// the options say.
    pub(in crate::proxy) async fn adopt(
        &self,
        store: StoreId,
        key: &StageKey,
        domains: &[Domain],
        options: &HostOptions,
    ) -> Result<Adopted, ProxyError> {
        let _alone = self.writes.lock().await;
        let rows = self.rows(Kind::Proxy).await?;
        let served: Vec<Domain> = options.served(domains).cloned().collect();
        let domains = served.as_slice();
        let Some(row) = rows.iter().find(|row| row.has_exactly(domains)) else {
            return Err(ProxyError::NothingToAdopt { wanted: names(domains), near: near(&rows, domains) });
        };
        let adopted =
            |is_new| Adopted { what: row.what(), upstream: row.upstream.clone(), is_new, host: self.recorded(row) };
        match &row.mark {
            Some((marked, stage)) if *marked == store && stage == key => return Ok(adopted(false)),
            Some((marked, stage)) => {
                let owner = if *marked == store { stage.to_string() } else { format!("{stage} of store {marked}") };
                return Err(ProxyError::Conflict { domain: domains[0].clone(), owner });
            }
            None => {}
        }
        let redirecting = self.unowned(options).await?;
        let owned = if redirecting.is_empty() { Owned::default() } else { Owned::redirects() };
        self.put(row.host, &row.marked((store, key), &owned)).await?;
        for row in redirecting {
            self.put(row.host, &row.marked((store, key), &Owned::default())).await?;
        }
        Ok(adopted(true))
    }

    /// Takes the mark of a stage off its hosts.
    pub(in crate::proxy) async fn let_go(&self, store: StoreId, key: &StageKey) -> Result<(), ProxyError> {
        let _alone = self.writes.lock().await;
        let is_its = |row: &&Row| row.mark.as_ref().is_some_and(|(marked, stage)| *marked == store && stage == key);
        let rows = self.rows(Kind::Proxy).await?;
        if rows.iter().filter(is_its).any(|row| row.owned.has(REDIRECTS)) {
            for row in self.redirections_of(store, key).await? {
                self.put(row.host, &row.unmarked()).await?;
            }
        }
        for row in rows.iter().filter(is_its) {
            self.put(row.host, &row.unmarked()).await?;
        }
        Ok(())
    }

    /// Redirection hosts of nobody's that do what these options ask for.
    async fn unowned(&self, options: &HostOptions) -> Result<Vec<Row>, ProxyError> {
        let groups = redirects::groups(&options.redirects);
        if groups.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.rows(Kind::Redirection).await?.into_iter().filter(|row| row.mark.is_none());
        let does =
            |row: &Row| row.redirects_to().and_then(|to| groups.get(&to)).is_some_and(|froms| row.has_exactly(froms));
        Ok(rows.filter(does).collect())
    }
}

fn names(domains: &[Domain]) -> String {
    domains.iter().map(Domain::as_str).collect::<Vec<_>>().join(", ")
}

/// Hosts that share a domain without having the same ones.
fn near(rows: &[Row], domains: &[Domain]) -> Vec<String> {
    rows.iter().filter(|row| row.has_one_of(domains)).map(Row::what).collect()
}
