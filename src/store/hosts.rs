//! Hosts in a proxy that people use as well: which is a stage's, and whether its last change was proven (R1, R9); and
//! what a stage is routed with, where only that was changed since its newest success.

use rusqlite::{Connection, OptionalExtension as _, Row, Transaction};

use crate::model::name::StageKey;
use crate::model::{CertificateFailure, RecordedHost, RecordedRoute};

use super::clock::now_ms;
use super::config::stage_id;
use super::error::Result;
use super::recorded::ByStage;
use super::rows::json;

/// Columns that [`host`] reads, in its order.
pub(super) const COLUMNS: &str = "proxy, host_id, domains, is_dirty";

/// The host of a stage; none when it has none.
pub(super) fn of(conn: &Connection, key: &StageKey) -> Result<Option<RecordedHost>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM proxy_hosts h JOIN stages s ON s.id = h.stage_id JOIN projects p ON p.id = s.project_id
         WHERE p.name = ?1 AND s.name = ?2"
    );
    Ok(conn.query_row(&sql, (key.project.as_str(), key.stage.as_str()), |row| host(row, 0)).optional()?)
}

/// Remembers the host of a stage, or that it has none any more.
pub(super) fn set(tx: &Transaction<'_>, key: &StageKey, host: Option<&RecordedHost>) -> Result<()> {
    let Some(RecordedHost { proxy, id, domains, dirty }) = host else {
        return forget(tx, key);
    };
    let stage = stage_id(tx, key)?;
    let domains =
        serde_json::to_string(domains).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    let sql = "INSERT INTO proxy_hosts (stage_id, proxy, host_id, domains, is_dirty, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (stage_id) DO UPDATE SET proxy = excluded.proxy, host_id = excluded.host_id,
                   domains = excluded.domains, is_dirty = excluded.is_dirty, updated_at = excluded.updated_at";
    tx.execute(sql, (stage, proxy, id.map(i64::try_from).transpose().unwrap_or_default(), domains, dirty, now_ms()))?;
    Ok(())
}

/// A stage that the store does not know has none: its host may be left from before a backup.
fn forget(tx: &Transaction<'_>, key: &StageKey) -> Result<()> {
    let sql = "DELETE FROM proxy_hosts WHERE stage_id IN
                   (SELECT s.id FROM stages s JOIN projects p ON p.id = s.project_id WHERE p.name = ?1 AND s.name = ?2)";
    tx.execute(sql, (key.project.as_str(), key.stage.as_str()))?;
    Ok(())
}

/// What a stage is routed with since a change of its route alone; none without one.
pub(super) fn route(conn: &Connection, key: &StageKey) -> Result<Option<RecordedRoute>> {
    let sql = "SELECT s.route FROM stages s JOIN projects p ON p.id = s.project_id WHERE p.name = ?1 AND s.name = ?2";
    let found = conn.query_row(sql, (key.project.as_str(), key.stage.as_str()), |row| json(row, 0)).optional()?;
    Ok(found.flatten())
}

/// Remembers what a stage is routed with since a change of its route alone, or that there was none.
pub(super) fn set_route(tx: &Transaction<'_>, key: &StageKey, route: Option<&RecordedRoute>) -> Result<()> {
    let stage = stage_id(tx, key)?;
    let route = route.map(serde_json::to_string).transpose();
    let route = route.map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
    tx.execute("UPDATE stages SET route = ?1 WHERE id = ?2", (route, stage))?;
    Ok(())
}

/// Counts a certificate that is asked for now; other names than last time begin anew.
pub(super) fn ask_certificate(tx: &Transaction<'_>, key: &StageKey, names: &str) -> Result<()> {
    let sql = "INSERT INTO certificate_failures (stage_id, names, times, failed_at, reason)
               VALUES (?1, ?2, 1, ?3, 'it was asked for, and what came of it is not known')
               ON CONFLICT (stage_id) DO UPDATE
               SET times = iif(names = excluded.names, times + 1, 1), names = excluded.names,
                   failed_at = excluded.failed_at, reason = excluded.reason";
    tx.execute(sql, (stage_id(tx, key)?, names, now_ms()))?;
    Ok(())
}

/// Why there is none; without a reason nobody was asked, and it does not count.
pub(super) fn not_certified(tx: &Transaction<'_>, key: &StageKey, reason: Option<&str>) -> Result<()> {
    let stage = stage_id(tx, key)?;
    if let Some(reason) = reason {
        tx.execute("UPDATE certificate_failures SET reason = ?1 WHERE stage_id = ?2", (reason, stage))?;
    } else if tx.execute("DELETE FROM certificate_failures WHERE stage_id = ?1 AND times = 1", [&stage])? == 0 {
        tx.execute("UPDATE certificate_failures SET times = times - 1 WHERE stage_id = ?1", [&stage])?;
    }
    Ok(())
}

/// Forgets that there was none: there is one, or nobody asks for one any more.
pub(super) fn certified(tx: &Transaction<'_>, key: &StageKey) -> Result<()> {
    tx.execute("DELETE FROM certificate_failures WHERE stage_id = ?1", [stage_id(tx, key)?])?;
    Ok(())
}

/// Adds to the stages the certificates that could not be had.
pub(super) fn add_failures(conn: &Connection, stages: &mut ByStage) -> Result<()> {
    let mut statement = conn.prepare("SELECT stage_id, names, times, failed_at, reason FROM certificate_failures")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((_, stage)) = stages.get_mut(row)? {
            let failure = CertificateFailure {
                names: row.get(1)?,
                times: row.get(2)?,
                failed_at_ms: row.get(3)?,
                reason: row.get(4)?,
            };
            stage.certificate_failure = Some(Box::new(failure));
        }
    }
    Ok(())
}

/// Reads a host from a row, from this column on.
pub(super) fn host(row: &Row<'_>, from: usize) -> rusqlite::Result<RecordedHost> {
    let id: Option<i64> = row.get(from + 1)?;
    Ok(RecordedHost {
        proxy: row.get(from)?,
        id: id.and_then(|id| u64::try_from(id).ok()),
        domains: json(row, from + 2)?.unwrap_or_default(),
        dirty: row.get(from + 3)?,
    })
}
