//! Which deploys are dropped, and how: a few in each transaction, their logs with them (R17).
//!
//! *Guarantees*: nothing that another row refers to goes, whichever table it is in, nor what is in flight, nor what
//! someone may want to go back to. *Assumptions*: ids of deploys are UUIDs of version 7, so that they sort by time.

use rusqlite::{Connection, Transaction};
use uuid::Builder;

use crate::model::desired::History;

use super::error::Result;

/// Deploys dropped in one transaction: with full logs some 5 MB, a moment for who waits to write.
const BATCH: usize = 20;
/// Transactions of one call. The first one after a smaller number was set may have much to do; the next pass goes on.
pub(super) const MAX_BATCHES: usize = 50;
const DAY_MS: u64 = 86_400_000;

/// Where the history is cut.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cut {
    /// Begun before this, in milliseconds since 1970 UTC.
    before_ms: u64,
    per_stage: u32,
}

impl Cut {
    pub(super) fn new(history: History, now_ms: i64) -> Self {
        let History { days, per_stage } = history;
        let before_ms = u64::try_from(now_ms).unwrap_or(0).saturating_sub(u64::from(days) * DAY_MS);
        Self { before_ms, per_stage: per_stage.max(1) }
    }

    /// The first id of that moment.
    fn id(self) -> String {
        Builder::from_unix_timestamp_millis(self.before_ms, &[0; 10]).into_uuid().to_string()
    }
}

/// Some of the deploys that may go. `CROSS JOIN` has the index of a stage looked at from its old end, up to its bound: some
/// milliseconds for hundreds of stages of which nothing goes.
///
/// Of each stage stay: the newest success, the success before the one that is live, and the newest before it that ran
/// something else, which is where a rollback leads.
pub(super) fn excess(conn: &Connection, cut: &Cut, limit: usize) -> Result<Vec<String>> {
    let mut sql = String::from(
        "WITH bounds AS MATERIALIZED (
             SELECT s.id AS stage, coalesce(s.live_deploy, 'z') AS live, max(?1, coalesce((SELECT id FROM deploys
                 WHERE stage_id = s.id ORDER BY id DESC LIMIT 1 OFFSET ?2), '')) AS until FROM stages s),
         kept AS MATERIALIZED (
             SELECT (SELECT max(id) FROM deploys WHERE stage_id = stage AND status = 'success') AS id FROM bounds
             UNION SELECT (SELECT max(id) FROM deploys WHERE stage_id = stage AND status = 'success' AND id < live)
             FROM bounds
             UNION SELECT (SELECT d.id FROM deploys l CROSS JOIN deploys d
                 WHERE l.id = live AND d.stage_id = stage AND d.status = 'success' AND d.id < live
                   AND (d.digest, d.spec_hash, d.secrets_label) IS NOT (l.digest, l.spec_hash, l.secrets_label)
                 ORDER BY d.id DESC LIMIT 1) FROM bounds)
         SELECT d.id FROM bounds CROSS JOIN deploys d ON d.stage_id = stage AND d.id < until
         WHERE d.phase = 'done' AND d.id NOT IN (SELECT id FROM kept WHERE id IS NOT NULL)",
    );
    for (table, column) in referrers(conn)? {
        sql.push_str(&format!(" AND NOT EXISTS (SELECT 1 FROM \"{table}\" WHERE \"{column}\" = d.id)"));
    }
    sql.push_str(" LIMIT ?3");
    let mut statement = conn.prepare(&sql)?;
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map((cut.id(), cut.per_stage - 1, limit), |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Every column that names a deploy, but the one of the logs, which go with it.
pub(super) fn referrers(conn: &Connection) -> Result<Vec<(String, String)>> {
    let sql = "SELECT t.name, f.\"from\" FROM sqlite_schema t JOIN pragma_foreign_key_list(t.name) f
               WHERE t.type = 'table' AND f.\"table\" = 'deploys' AND t.name <> 'deploy_logs'";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Drops a few, and answers how many.
pub(super) fn drop_some(tx: &Transaction<'_>, cut: &Cut) -> Result<usize> {
    let excess = excess(tx, cut, BATCH)?;
    for id in &excess {
        tx.execute("DELETE FROM deploy_logs WHERE deploy_id = ?1", [id])?;
        tx.execute("DELETE FROM deploys WHERE id = ?1", [id])?;
    }
    Ok(excess.len())
}
