//! What people and the start of a process ask: deploys, their logs and specs, instances.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _};

use crate::model::name::{Name, StageKey, StageName};
use crate::model::{DeployId, DesiredStage, InstanceStatus};

use super::config::from_json;
use super::error::{Result, StoreError};
use super::rows::{DEPLOY_COLUMNS, DeployRow, Filter, InstanceRow, deploy_row, known, parsed};

/// Hex digits that a short id has at least: fewer fit several deploys soon.
const MIN_SHORT_ID: usize = 4;

const FROM_DEPLOYS: &str = "FROM deploys d JOIN stages s ON s.id = d.stage_id JOIN projects p ON p.id = s.project_id";

pub(super) fn in_flight(conn: &Connection) -> Result<Vec<DeployRow>> {
    let sql = format!("SELECT {DEPLOY_COLUMNS} {FROM_DEPLOYS} WHERE d.phase <> 'done' ORDER BY d.id");
    let mut statement = conn.prepare(&sql)?;
    Ok(statement.query_map([], deploy_row)?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn deploys(conn: &Connection, filter: &Filter, limit: usize) -> Result<Vec<DeployRow>> {
    let sql = format!(
        "SELECT {DEPLOY_COLUMNS} {FROM_DEPLOYS}
         WHERE (?1 IS NULL OR p.name = ?1) AND (?2 IS NULL OR s.name = ?2 OR substr(s.name, 1, length(?2) + 1) = ?2 || '@') ORDER BY d.id DESC LIMIT ?3"
    );
    let mut statement = conn.prepare(&sql)?;
    let project = filter.project.as_ref().map(Name::as_str);
    let stage = filter.stage.as_ref().map(StageName::as_str);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    Ok(statement.query_map((project, stage, limit), deploy_row)?.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn deploy(conn: &Connection, text: &str) -> Result<DeployRow> {
    let hex: String = text.chars().filter(|c| *c != '-').collect::<String>().to_ascii_lowercase();
    if hex.len() < MIN_SHORT_ID || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(StoreError::not_found("deploy", text));
    }
    let sql = format!(
        "SELECT {DEPLOY_COLUMNS} {FROM_DEPLOYS}
         WHERE replace(d.id, '-', '') LIKE ?1 || '%' OR replace(d.id, '-', '') LIKE '%' || ?1"
    );
    let mut statement = conn.prepare(&sql)?;
    let mut found = statement.query_map([&hex], deploy_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(StoreError::not_found("deploy", text)),
        count => Err(StoreError::Ambiguous { text: text.to_owned(), count }),
    }
}

pub(super) fn spec(conn: &Connection, id: DeployId) -> Result<DesiredStage> {
    let sql = "SELECT spec FROM deploys WHERE id = ?1";
    let found: Option<String> = conn.query_row(sql, [id.to_string()], |row| row.get(0)).optional()?;
    from_json(&found.ok_or_else(|| StoreError::not_found("deploy", &id))?)
}

pub(super) fn instances(conn: &Connection) -> Result<Vec<InstanceRow>> {
    let sql =
        "SELECT p.name, s.name, i.deploy_id, i.name, i.container_id, i.version, i.status, i.host_port, i.created_at
               FROM instances i JOIN stages s ON s.id = i.stage_id JOIN projects p ON p.id = s.project_id
               ORDER BY p.name, s.name, i.deploy_id";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(InstanceRow {
            key: StageKey::new(parsed(row, 0)?, parsed(row, 1)?),
            deploy: DeployId(parsed(row, 2)?),
            name: row.get(3)?,
            container_id: row.get(4)?,
            version: row.get(5)?,
            status: known(row, 6, InstanceStatus::parse)?,
            host_port: row.get(7)?,
            created_at_ms: row.get(8)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Keeps of some hashes those that no deploy's spec mentions.
pub(super) fn unused_files(conn: &Connection, hashes: BTreeSet<String>) -> Result<BTreeSet<String>> {
    let mut statement = conn.prepare("SELECT NOT EXISTS (SELECT 1 FROM deploys WHERE instr(spec, ?1) > 0)")?;
    let mut unused = BTreeSet::new();
    for hash in hashes {
        if statement.query_row([&hash], |row| row.get(0))? {
            unused.insert(hash);
        }
    }
    Ok(unused)
}
