//! The life of a deploy: begun, through its phases, ended once (R14); and what failed, held (R12).
//!
//! The schema refuses the same things by itself; what is here says them in our words.

use rusqlite::{OptionalExtension as _, Transaction};

use crate::model::name::StageKey;
use crate::model::recorded::GivingUp;
use crate::model::{DeployId, DeployStatus, Phase};

use super::clock::now_ms;
use super::config::{stage_id, to_json};
use super::error::{Result, StoreError};
use super::images;
use super::rows::{NewDeploy, known, parsed};

/// Combinations held for one stage; the oldest goes first and may then be tried once more. A hundred failed versions
/// in a row are a broken pipeline, not a list to keep.
const MAX_HOLDS: i64 = 100;

pub(super) fn begin(tx: &Transaction<'_>, new: &NewDeploy) -> Result<()> {
    let stage = stage_id(tx, &new.key)?;
    if let Some(deploy) = in_flight_of(tx, &stage)? {
        return Err(StoreError::InFlight { key: new.key.clone(), deploy });
    }
    let secrets = new.secrets.as_ref().map(to_json).transpose()?;
    let now = now_ms();
    let sql = "INSERT INTO deploys (id, stage_id, trigger, cause, phase, status, repository, tag, digest, is_local,
                   spec, spec_hash, secrets, secrets_label, container_name, config_revision, generation,
                   created_at, updated_at)
               VALUES (:id, :stage, :trigger, :cause, :phase, :status, :repository, :tag, :digest, :is_local,
                   :spec, :spec_hash, :secrets, :secrets_label, :container_name, :config_revision, :generation,
                   :now, :now)";
    tx.execute(
        sql,
        rusqlite::named_params! {
            ":id": new.id.to_string(),
            ":stage": stage,
            ":trigger": new.trigger.as_str(),
            ":cause": new.cause,
            ":phase": Phase::Pending.as_str(),
            ":status": DeployStatus::Pending.as_str(),
            ":repository": new.image.repository.to_string(),
            ":tag": new.image.tag.as_ref().map(ToString::to_string),
            ":digest": new.image.digest.as_str(),
            ":is_local": new.image.local,
            ":spec": to_json(&new.spec)?,
            ":spec_hash": new.spec_hash,
            ":secrets": secrets,
            ":secrets_label": new.secrets_label,
            ":container_name": new.container_name,
            ":config_revision": new.config_revision,
            ":generation": new.generation,
            ":now": now,
        },
    )?;
    Ok(())
}

fn in_flight_of(tx: &Transaction<'_>, stage: &str) -> Result<Option<DeployId>> {
    let sql = "SELECT id FROM deploys WHERE stage_id = ?1 AND phase <> 'done'";
    Ok(tx.query_row(sql, [stage], |row| parsed(row, 0).map(DeployId)).optional()?)
}

pub(super) fn set_phase(tx: &Transaction<'_>, deploy: DeployId, to: Phase) -> Result<()> {
    let at = phase(tx, deploy)?;
    // `done` has an outcome, which only `finish` knows.
    let Some(status) = to.status().filter(|_| to >= at) else {
        return Err(StoreError::PhaseOrder { deploy, at, to });
    };
    if to > at {
        let sql = "UPDATE deploys SET phase = ?1, status = ?2, updated_at = ?3 WHERE id = ?4";
        tx.execute(sql, (to.as_str(), status.as_str(), now_ms(), deploy.to_string()))?;
    }
    Ok(())
}

/// The phase of a deploy that has not ended.
fn phase(tx: &Transaction<'_>, deploy: DeployId) -> Result<Phase> {
    let sql = "SELECT phase, status FROM deploys WHERE id = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((known(row, 0, Phase::parse)?, known(row, 1, DeployStatus::parse)?));
    let found = tx.query_row(sql, [deploy.to_string()], read).optional()?;
    match found.ok_or_else(|| StoreError::not_found("deploy", &deploy))? {
        (Phase::Done, status) => Err(StoreError::Ended { deploy, status }),
        (phase, _) => Ok(phase),
    }
}

pub(super) fn give_up(tx: &Transaction<'_>, deploy: DeployId, end: &GivingUp) -> Result<()> {
    if !end.status.is_terminal() {
        return Err(StoreError::NotAnEnd(end.status));
    }
    phase(tx, deploy)?;
    let sql = "UPDATE deploys SET giving_up = ?1, updated_at = ?2 WHERE id = ?3";
    tx.execute(sql, (to_json(end)?, now_ms(), deploy.to_string()))?;
    Ok(())
}

pub(super) fn finish(
    tx: &Transaction<'_>,
    deploy: DeployId,
    status: DeployStatus,
    reason: Option<&str>,
    quarantine: bool,
) -> Result<()> {
    if !status.is_terminal() {
        return Err(StoreError::NotAnEnd(status));
    }
    let at = phase(tx, deploy)?;
    if at < earliest(status) {
        return Err(StoreError::PhaseOrder { deploy, at, to: Phase::Done });
    }
    let sql = "UPDATE deploys SET phase = 'done', status = ?1, reason = ?2, updated_at = ?3, finished_at = ?3
               WHERE id = ?4";
    tx.execute(sql, (status.as_str(), reason, now_ms(), deploy.to_string()))?;
    if status == DeployStatus::Success {
        make_live(tx, deploy)
    } else if quarantine {
        hold(tx, deploy, reason.unwrap_or(status.as_str()))
    } else {
        Ok(())
    }
}

/// The first phase that a deploy can end from in this way: what works has passed its gate, and what rolled back had
/// moved traffic (R11).
const fn earliest(status: DeployStatus) -> Phase {
    match status {
        DeployStatus::Success => Phase::HealthChecking,
        DeployStatus::RolledBack => Phase::Switching,
        DeployStatus::Pending
        | DeployStatus::Pulling
        | DeployStatus::Starting
        | DeployStatus::HealthChecking
        | DeployStatus::ConfiguringProxy
        | DeployStatus::Failed
        | DeployStatus::Superseded => Phase::Pending,
    }
}

/// What works is not held any more, however it came to be tried again.
pub(super) fn make_live(tx: &Transaction<'_>, deploy: DeployId) -> Result<()> {
    let id = deploy.to_string();
    // Its own spec says how it is routed.
    let sql =
        "UPDATE stages SET live_deploy = ?1, route = NULL WHERE id = (SELECT stage_id FROM deploys WHERE id = ?1)";
    tx.execute(sql, [&id])?;
    let sql = "DELETE FROM holds WHERE (stage_id, spec_hash, digest, secrets_label) IN
                   (SELECT stage_id, spec_hash, digest, secrets_label FROM deploys WHERE id = ?1)";
    tx.execute(sql, [&id])?;
    images::serves(tx, deploy)
}

fn hold(tx: &Transaction<'_>, deploy: DeployId, reason: &str) -> Result<()> {
    let id = deploy.to_string();
    let sql = "INSERT OR REPLACE INTO holds
                   (stage_id, spec_hash, digest, secrets_label, deploy_id, version, reason, held_at)
               SELECT stage_id, spec_hash, digest, secrets_label, id, coalesce(tag, substr(digest, 8, 12)), ?2, ?3
               FROM deploys WHERE id = ?1";
    tx.execute(sql, (&id, reason, now_ms()))?;
    let sql = "DELETE FROM holds WHERE deploy_id IN
                   (SELECT deploy_id FROM holds WHERE stage_id = (SELECT stage_id FROM deploys WHERE id = ?1)
                    ORDER BY held_at DESC, deploy_id DESC LIMIT -1 OFFSET ?2)";
    tx.execute(sql, (&id, MAX_HOLDS))?;
    Ok(())
}

pub(super) fn release_holds(tx: &Transaction<'_>, key: Option<&StageKey>) -> Result<usize> {
    let count = match key {
        None => tx.execute("DELETE FROM holds", [])?,
        Some(key) => tx.execute("DELETE FROM holds WHERE stage_id = ?1", [stage_id(tx, key)?])?,
    };
    Ok(count)
}
