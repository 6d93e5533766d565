//! Instances: the containers that exist, one for each deploy that got so far (R7).

use rusqlite::{OptionalExtension as _, Transaction};

use crate::model::name::StageKey;
use crate::model::{DeployId, InstanceStatus};

use super::clock::{new_row_id, now_ms};
use super::config::{forget_when_gone, stage_id};
use super::error::{Result, StoreError};
use super::ports;
use super::rows::{NewInstance, parsed};

pub(super) fn add(tx: &Transaction<'_>, new: &NewInstance) -> Result<()> {
    let NewInstance { container_id, name, deploy, key, host_port, version } = new;
    let stage = stage_id(tx, key)?;
    let known = tx.query_row("SELECT 1 FROM deploys WHERE id = ?1", [deploy.to_string()], |_| Ok(())).optional()?;
    known.ok_or_else(|| StoreError::not_found("deploy", &deploy))?;
    let sql = "INSERT INTO instances
                   (id, stage_id, deploy_id, name, version, container_id, host_port, status, created_at, updated_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9) ON CONFLICT DO NOTHING";
    let running = InstanceStatus::Running.as_str();
    let deploy = deploy.to_string();
    let row = (new_row_id(), stage, deploy, name, version, container_id, host_port, running, now_ms());
    if tx.execute(sql, row)? == 0 { Err(StoreError::Exists(format!("instance {name}"))) } else { Ok(()) }
}

pub(super) fn set_status(tx: &Transaction<'_>, container_id: &str, status: InstanceStatus) -> Result<()> {
    let sql = "UPDATE instances SET status = ?1, updated_at = ?2 WHERE container_id = ?3";
    let changed = tx.execute(sql, (status.as_str(), now_ms(), container_id))?;
    if changed == 0 { Err(StoreError::not_found("instance with container", container_id)) } else { Ok(()) }
}

pub(super) fn remove(tx: &Transaction<'_>, container_id: &str) -> Result<()> {
    let sql = "SELECT p.name, s.name, i.deploy_id FROM instances i JOIN stages s ON s.id = i.stage_id
               JOIN projects p ON p.id = s.project_id WHERE i.container_id = ?1";
    let read =
        |row: &rusqlite::Row<'_>| Ok((StageKey::new(parsed(row, 0)?, parsed(row, 1)?), DeployId(parsed(row, 2)?)));
    let Some((key, deploy)) = tx.query_row(sql, [container_id], read).optional()? else {
        return Ok(());
    };
    tx.execute("DELETE FROM adopted WHERE container_id = ?1", [container_id])?;
    tx.execute("DELETE FROM instances WHERE container_id = ?1", [container_id])?;
    ports::release_ended(tx, deploy)?;
    forget_when_gone(tx, &key)
}
