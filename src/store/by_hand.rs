//! What a person said about a stage beyond its configuration: a version chosen instead (R13), that it is
//! left alone, and that a page stands in for its app.

use rusqlite::{Connection, Row, Transaction};

use crate::model::name::StageKey;
use crate::model::recorded::{Choice, Pause};
use crate::model::{ChoiceKind, DeployId, Digest, PauseKind};

use super::config::stage_id;
use super::error::Result;
use super::recorded::ByStage;
use super::rows::{image, known, parsed};

/// Remembers the version that somebody chose for a stage, or that nobody did.
pub(super) fn choose(tx: &Transaction<'_>, key: &StageKey, choice: Option<&Choice>) -> Result<()> {
    let stage = stage_id(tx, key)?;
    tx.execute("DELETE FROM choices WHERE stage_id = ?1", [&stage])?;
    let Some(choice) = choice else { return Ok(()) };
    let Choice { kind, from, image, spec_json, refused_version, refused_json, refused_digest, chosen_at_ms } = choice;
    let sql = "INSERT INTO choices (stage_id, kind, from_deploy, repository, tag, digest, is_local, spec,
                   refused_version, refused_spec, refused_digest, chosen_at)
               VALUES (:stage, :kind, :from, :repository, :tag, :digest, :is_local, :spec,
                   :refused_version, :refused_spec, :refused_digest, :at)";
    tx.execute(
        sql,
        rusqlite::named_params! {
            ":stage": stage,
            ":kind": kind.as_str(),
            ":from": from.map(|id| id.to_string()),
            ":repository": image.repository.to_string(),
            ":tag": image.tag.as_ref().map(ToString::to_string),
            ":digest": image.digest.as_str(),
            ":is_local": image.local,
            ":spec": spec_json,
            ":refused_version": refused_version,
            ":refused_spec": refused_json,
            ":refused_digest": refused_digest.as_ref().map(Digest::as_str),
            ":at": chosen_at_ms,
        },
    )?;
    Ok(())
}

/// Leaves a stage alone, or looks after it again.
pub(super) fn pause(tx: &Transaction<'_>, key: &StageKey, pause: Option<&Pause>) -> Result<()> {
    let stage = stage_id(tx, key)?;
    match pause {
        None => tx.execute("DELETE FROM pauses WHERE stage_id = ?1", [&stage])?,
        Some(Pause { kind, since_ms, until_ms }) => tx.execute(
            "INSERT OR REPLACE INTO pauses (stage_id, kind, since, until) VALUES (?1, ?2, ?3, ?4)",
            (&stage, kind.as_str(), since_ms, until_ms),
        )?,
    };
    Ok(())
}

/// A page stands in for the app of a stage from now on, or not any more.
pub(super) fn maintain(tx: &Transaction<'_>, key: &StageKey, since_ms: Option<i64>) -> Result<()> {
    let stage = stage_id(tx, key)?;
    match since_ms {
        None => tx.execute("DELETE FROM maintenance WHERE stage_id = ?1", [&stage])?,
        Some(since) => tx.execute(
            "INSERT INTO maintenance (stage_id, since) VALUES (?1, ?2) ON CONFLICT (stage_id) DO NOTHING",
            (&stage, since),
        )?,
    };
    Ok(())
}

/// Adds all of it to what is recorded of the stages.
pub(super) fn add(conn: &Connection, stages: &mut ByStage) -> Result<()> {
    let mut statement = conn.prepare("SELECT stage_id, since FROM maintenance")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((_, stage)) = stages.get_mut(row)? {
            stage.maintenance_since_ms = Some(row.get(1)?);
        }
    }
    let sql = "SELECT stage_id, kind, from_deploy, repository, tag, digest, is_local, spec, refused_version,
                   refused_spec, refused_digest, chosen_at FROM choices";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((_, stage)) = stages.get_mut(row)? {
            stage.choice = Some(Box::new(choice(row)?));
        }
    }
    let mut statement = conn.prepare("SELECT stage_id, kind, since, until FROM pauses")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((_, stage)) = stages.get_mut(row)? {
            let (since_ms, until_ms) = (row.get(2)?, row.get(3)?);
            stage.pause = Some(Pause { kind: known(row, 1, PauseKind::parse)?, since_ms, until_ms });
        }
    }
    Ok(())
}

fn choice(row: &Row<'_>) -> rusqlite::Result<Choice> {
    let is_set = |at: usize| row.get_ref(at).map(|value| value != rusqlite::types::ValueRef::Null);
    Ok(Choice {
        kind: known(row, 1, ChoiceKind::parse)?,
        from: is_set(2)?.then(|| parsed(row, 2).map(DeployId)).transpose()?,
        image: image(row, 3)?,
        spec_json: row.get(7)?,
        refused_version: row.get(8)?,
        refused_json: row.get(9)?,
        refused_digest: is_set(10)?.then(|| parsed(row, 10)).transpose()?,
        chosen_at_ms: row.get(11)?,
    })
}
