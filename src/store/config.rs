//! The configuration in force: the four tables `settings`, `registries`, `projects` and `stages`, replaced in one
//! transaction with a generation (R14). What a configuration no longer names becomes a tombstone.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Transaction};

use crate::model::name::{Name, StageKey};
use crate::model::recorded::Pin;
use crate::model::{Desired, DesiredStage, Registry, Settings};

use super::clock::{new_row_id, now_ms};
use super::error::{Result, StoreError};
use super::rows::{AcceptedConfig, InForce, parsed};
use super::{by_hand, hosts, images};

/// A configuration as the tables hold it: JSON by name.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Rows {
    revision: String,
    commit: Option<String>,
    settings: String,
    registries: BTreeMap<String, String>,
    stages: BTreeMap<StageKey, String>,
}

/// A row in force: its spec and whether it is a tombstone.
struct Present {
    spec: String,
    removed: bool,
}

impl Rows {
    pub(super) fn new(accepted: &AcceptedConfig) -> Result<Self> {
        let AcceptedConfig { revision, commit, desired } = accepted;
        // The revision inside says the same; what was accepted under counts.
        let Desired { settings, registries, stages, several, older: _, clashes: _, revision: _ } = &**desired;
        Ok(Self {
            revision: revision.clone(),
            commit: commit.clone(),
            settings: to_json(settings)?,
            registries: registries.iter().map(|(k, v)| Ok((k.to_string(), to_json(v)?))).collect::<Result<_>>()?,
            stages: stages.iter().chain(several).map(|(k, v)| Ok((k.clone(), to_json(v)?))).collect::<Result<_>>()?,
        })
    }
}

/// Puts the rows in force and answers the generation. Writes nothing when they are in force already.
pub(super) fn accept(tx: &Transaction<'_>, rows: &Rows) -> Result<i64> {
    let before = current(tx)?;
    if let Some((generation, before)) = &before
        && before == rows
    {
        return Ok(*generation);
    }
    let generation = before.map_or(0, |(generation, _)| generation) + 1;
    let now = now_ms();
    let sql = "INSERT INTO generations (generation, revision, commit_id, accepted_at) VALUES (?1, ?2, ?3, ?4)";
    tx.execute(sql, (generation, &rows.revision, &rows.commit, now))?;
    let sql = "INSERT INTO settings (id, spec, generation) VALUES (1, ?1, ?2)
               ON CONFLICT (id) DO UPDATE SET spec = excluded.spec, generation = excluded.generation
               WHERE spec <> excluded.spec";
    tx.execute(sql, (&rows.settings, generation))?;
    accept_registries(tx, rows, generation, now)?;
    accept_projects(tx, rows, generation, now)?;
    accept_stages(tx, rows, generation, now)?;
    Ok(generation)
}

fn accept_registries(tx: &Transaction<'_>, rows: &Rows, generation: i64, now: i64) -> Result<()> {
    let sql = "INSERT INTO registries (id, name, spec, generation, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT (name) DO UPDATE
               SET spec = excluded.spec, generation = excluded.generation, removed_at = NULL
               WHERE spec <> excluded.spec OR removed_at IS NOT NULL";
    let mut put = tx.prepare(sql)?;
    for (name, spec) in &rows.registries {
        put.execute((new_row_id(), name, spec, generation, now))?;
    }
    let names: BTreeSet<&str> = rows.registries.keys().map(String::as_str).collect();
    bury(tx, "registries", |name| names.contains(name), generation, now)
}

fn accept_projects(tx: &Transaction<'_>, rows: &Rows, generation: i64, now: i64) -> Result<()> {
    let sql = "INSERT INTO projects (id, name, generation, created_at) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, removed_at = NULL
               WHERE removed_at IS NOT NULL";
    let names: BTreeSet<&str> = rows.stages.keys().map(|key| key.project.as_str()).collect();
    let mut put = tx.prepare(sql)?;
    for name in &names {
        put.execute((new_row_id(), name, generation, now))?;
    }
    bury(tx, "projects", |name| names.contains(name), generation, now)
}

/// Makes tombstones of the rows that are in force and not to be kept.
fn bury(tx: &Transaction<'_>, table: &str, keep: impl Fn(&str) -> bool, generation: i64, now: i64) -> Result<()> {
    let mut statement = tx.prepare(&format!("SELECT name FROM {table} WHERE removed_at IS NULL"))?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut bury = tx.prepare(&format!("UPDATE {table} SET removed_at = ?1, generation = ?2 WHERE name = ?3"))?;
    for name in names.iter().filter(|name| !keep(name)) {
        bury.execute((now, generation, name))?;
    }
    Ok(())
}

fn accept_stages(tx: &Transaction<'_>, rows: &Rows, generation: i64, now: i64) -> Result<()> {
    let sql = "INSERT INTO stages (id, project_id, name, spec, generation, created_at)
               VALUES (?1, (SELECT id FROM projects WHERE name = ?2), ?3, ?4, ?5, ?6)
               ON CONFLICT (project_id, name) DO UPDATE
               SET spec = excluded.spec, generation = excluded.generation, removed_at = NULL";
    let before = all_stages(tx)?;
    let mut put = tx.prepare(sql)?;
    for (key, spec) in &rows.stages {
        if before.get(key).is_none_or(|present| present.removed || present.spec != *spec) {
            put.execute((new_row_id(), key.project.as_str(), key.stage.as_str(), spec, generation, now))?;
        }
    }
    let sql = "UPDATE stages SET removed_at = ?1, generation = ?2
               WHERE project_id = (SELECT id FROM projects WHERE name = ?3) AND name = ?4";
    let mut bury = tx.prepare(sql)?;
    for (key, _) in before.iter().filter(|(key, present)| !present.removed && !rows.stages.contains_key(key)) {
        bury.execute((now, generation, key.project.as_str(), key.stage.as_str()))?;
        forget_when_gone(tx, key)?;
    }
    Ok(())
}

/// Forgets what a removed stage ran once nothing of it is left, so that a stage of the same name later begins anew;
/// its deploys stay (R17).
pub(super) fn forget_when_gone(tx: &Transaction<'_>, key: &StageKey) -> Result<()> {
    let sql = "UPDATE stages SET pin = NULL, candidate = NULL, live_deploy = NULL
               WHERE project_id = (SELECT id FROM projects WHERE name = ?1) AND name = ?2 AND removed_at IS NOT NULL
                 AND NOT EXISTS (SELECT 1 FROM instances WHERE stage_id = stages.id)";
    if tx.execute(sql, (key.project.as_str(), key.stage.as_str()))? > 0 {
        by_hand::choose(tx, key, None)?;
        by_hand::pause(tx, key, None)?;
        by_hand::maintain(tx, key, None)?;
        hosts::certified(tx, key)?;
        images::stage_is_gone(tx, key)?;
    }
    Ok(())
}

/// The row id of a stage, in force or not.
pub(super) fn stage_id(conn: &Connection, key: &StageKey) -> Result<String> {
    let sql = "SELECT s.id FROM stages s JOIN projects p ON p.id = s.project_id WHERE p.name = ?1 AND s.name = ?2";
    let found = conn.query_row(sql, (key.project.as_str(), key.stage.as_str()), |row| row.get(0)).optional()?;
    found.ok_or_else(|| StoreError::not_found("stage", key))
}

pub(super) fn set_pin(tx: &Transaction<'_>, key: &StageKey, pin: &Pin) -> Result<()> {
    let (id, pin) = (stage_id(tx, key)?, to_json(pin)?);
    tx.execute("UPDATE stages SET pin = ?1 WHERE id = ?2 AND pin IS NOT ?1", (pin, id))?;
    Ok(())
}

pub(super) fn set_candidate(tx: &Transaction<'_>, key: &StageKey, candidate: Option<&Pin>) -> Result<()> {
    let (id, candidate) = (stage_id(tx, key)?, candidate.map(to_json).transpose()?);
    tx.execute("UPDATE stages SET candidate = ?1 WHERE id = ?2 AND candidate IS NOT ?1", (candidate, id))?;
    Ok(())
}

/// The configuration in force, as `Desired`: for a start while the files cannot be read (R2).
pub(super) fn in_force(conn: &Connection) -> Result<Option<InForce>> {
    let tx = conn.unchecked_transaction()?;
    let Some((generation, rows)) = current(&tx)? else {
        return Ok(None);
    };
    let Rows { revision, commit, settings, registries, stages } = rows;
    let named = |(name, spec): (String, String)| Ok((name_of(&name)?, from_json::<Registry>(&spec)?));
    // Which instances a stage runs, a pass finds out again.
    let stages = stages.into_iter().filter(|(key, _)| key.stage.tag().is_none());
    let stages = stages.map(|(k, v)| Ok((k, from_json::<DesiredStage>(&v)?))).collect::<Result<Vec<_>>>()?;
    let (several, stages) = stages.into_iter().partition(|(_, stage)| stage.max_instances > 1);
    let desired = Desired {
        settings: from_json::<Settings>(&settings)?,
        registries: registries.into_iter().map(named).collect::<Result<_>>()?,
        stages,
        several,
        older: BTreeMap::new(),
        clashes: BTreeMap::new(),
        revision,
    };
    let sql = "SELECT accepted_at FROM generations WHERE generation = ?1";
    let accepted_at_ms = tx.query_row(sql, [generation], |row| row.get(0))?;
    Ok(Some(InForce { generation, commit, accepted_at_ms, desired }))
}

fn current(conn: &Connection) -> Result<Option<(i64, Rows)>> {
    let sql = "SELECT g.generation, g.revision, g.commit_id, s.spec FROM generations g, settings s
               ORDER BY g.generation DESC LIMIT 1";
    let head = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))).optional()?;
    let Some((generation, revision, commit, settings)) = head else {
        return Ok(None);
    };
    let mut statement = conn.prepare("SELECT name, spec FROM registries WHERE removed_at IS NULL")?;
    let registries = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let registries = registries.collect::<rusqlite::Result<_>>()?;
    let stages = all_stages(conn)?.into_iter().filter(|(_, present)| !present.removed);
    let stages = stages.map(|(key, present)| (key, present.spec)).collect();
    Ok(Some((generation, Rows { revision, commit, settings, registries, stages })))
}

fn all_stages(conn: &Connection) -> Result<BTreeMap<StageKey, Present>> {
    let sql =
        "SELECT p.name, s.name, s.spec, s.removed_at IS NOT NULL FROM stages s JOIN projects p ON p.id = s.project_id";
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        let key = StageKey::new(parsed(row, 0)?, parsed(row, 1)?);
        Ok((key, Present { spec: row.get(2)?, removed: row.get(3)? }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn name_of(text: &str) -> Result<Name> {
    text.parse().map_err(|error| StoreError::unreadable("a name", error))
}

pub(super) fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::unreadable("a spec", error))
}

pub(super) fn from_json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| StoreError::unreadable("a spec", error))
}
