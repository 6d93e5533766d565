//! Taking over a host that a person made: it gets our mark, and nothing else changes until the next deploy. Letting go of
//! one takes the mark off.

use super::NginxProxyManager;
use super::row::Row;
use crate::model::{Domain, RecordedHost, StageKey, StoreId};
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
    /// Marks the host that has exactly these domains.
    pub(in crate::proxy) async fn adopt(
        &self,
        store: StoreId,
        key: &StageKey,
        domains: &[Domain],
    ) -> Result<Adopted, ProxyError> {
        let _alone = self.writes.lock().await;
        let rows = self.rows().await?;
        let Some(row) = rows.iter().find(|row| row.has_exactly(domains)) else {
            return Err(ProxyError::NothingToAdopt { wanted: names(domains), near: near(&rows, domains) });
        };
        let adopted = |is_new| Adopted {
            what: row.what(),
            upstream: row.upstream.clone(),
            is_new,
            host: self.recorded(row.id, &row.domains),
        };
        match &row.mark {
            Some((marked, stage)) if *marked == store && stage == key => return Ok(adopted(false)),
            Some((marked, stage)) => {
                let owner = if *marked == store { stage.to_string() } else { format!("{stage} of store {marked}") };
                return Err(ProxyError::Conflict { domain: domains[0].clone(), owner });
            }
            None => {}
        }
        self.put(row.id, &row.marked((store, key))).await?;
        Ok(adopted(true))
    }

    /// Takes the mark of a stage off its hosts.
    pub(in crate::proxy) async fn let_go(&self, store: StoreId, key: &StageKey) -> Result<(), ProxyError> {
        let _alone = self.writes.lock().await;
        let is_its = |row: &&Row| row.mark.as_ref().is_some_and(|(marked, stage)| *marked == store && stage == key);
        for row in self.rows().await?.iter().filter(is_its) {
            self.put(row.id, &row.unmarked()).await?;
        }
        Ok(())
    }
}

fn names(domains: &[Domain]) -> String {
    domains.iter().map(Domain::as_str).collect::<Vec<_>>().join(", ")
}

/// Hosts that share a domain without having the same ones.
fn near(rows: &[Row], domains: &[Domain]) -> Vec<String> {
    rows.iter().filter(|row| row.has_one_of(domains)).map(Row::what).collect()
}
