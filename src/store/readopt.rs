//! Deploys whose containers run and whose rows are gone, since the store was lost or an older one restored: recorded again
//! from what the labels of the containers say (R16).

use std::collections::BTreeSet;

use rusqlite::{Connection, Transaction};

use crate::model::{DeployId, DeployStatus, Phase};

use super::clock::now_ms;
use super::error::Result;
use super::rows::{LogLine, NewDeploy, NewInstance};
use super::{deploys, images, instances, logs};

/// A deploy to be recorded as one that succeeded, with the container that it made.
#[derive(Debug, Clone)]
pub struct Readopted {
    /// The deploy.
    pub deploy: NewDeploy,
    /// Its container.
    pub instance: NewInstance,
    /// What its log says.
    pub log: String,
    /// True for a container that a person made: it is ours by this record alone (R1, R5).
    pub by_hand: bool,
}

/// Those of some deploys that the store has no row of.
pub(super) fn unknown(conn: &Connection, ids: BTreeSet<DeployId>) -> Result<BTreeSet<DeployId>> {
    let mut statement = conn.prepare("SELECT NOT EXISTS (SELECT 1 FROM deploys WHERE id = ?1)")?;
    let mut unknown = BTreeSet::new();
    for id in ids {
        if statement.query_row([id.to_string()], |row| row.get(0))? {
            unknown.insert(id);
        }
    }
    Ok(unknown)
}

/// Records them, each as the live one of its stage.
pub(super) fn record(tx: &Transaction<'_>, found: &[Readopted]) -> Result<()> {
    for Readopted { deploy, instance, log, by_hand } in found {
        deploys::begin(tx, deploy)?;
        logs::append(tx, deploy.id, &[LogLine { at_ms: now_ms(), text: log.clone() }])?;
        instances::add(tx, instance)?;
        if *by_hand {
            tx.execute("INSERT INTO adopted (container_id) VALUES (?1)", [&instance.container_id])?;
        } else if !deploy.image.local {
            // Whoever made the container pulled for it.
            images::hold(tx, &deploy.key, &deploy.image, true)?;
        }
        if let Some(port) = instance.host_port {
            let sql = "INSERT OR IGNORE INTO port_reservations (port, deploy_id, reserved_at) VALUES (?1, ?2, ?3)";
            tx.execute(sql, (port, deploy.id.to_string(), now_ms()))?;
        }
        deploys::set_phase(tx, deploy.id, Phase::HealthChecking)?;
        deploys::finish(tx, deploy.id, DeployStatus::Success, None, false)?;
    }
    Ok(())
}

/// Lets the search for a free port begin above one that is known to be taken, though by nobody in the store.
pub(super) fn begin_above(tx: &Transaction<'_>, port: u16) -> Result<()> {
    tx.execute("UPDATE meta SET last_port = ?1 WHERE last_port < ?1", [port])?;
    Ok(())
}
