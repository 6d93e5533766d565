//! Loopback ports of the host, reserved so that two instances never want the same one (R7).

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension as _, Transaction};

use crate::model::DeployId;

use super::clock::now_ms;
use super::error::{Result, StoreError};

/// Goes round the range instead of taking the lowest free one: a port that was just released may still be known to
/// someone as that of the old app.
pub(super) fn reserve(tx: &Transaction<'_>, range: (u16, u16), owner: DeployId, skip: &BTreeSet<u16>) -> Result<u16> {
    let id = owner.to_string();
    let sql = "SELECT port FROM port_reservations WHERE deploy_id = ?1";
    let own: Option<u16> = tx.query_row(sql, [&id], |row| row.get(0)).optional()?;
    let in_range = |port: &u16| (range.0..=range.1).contains(port);
    if let Some(port) = own.filter(|port| in_range(port) && !skip.contains(port)) {
        return Ok(port);
    }
    release_left_behind(tx)?;
    let taken = taken(tx)?;
    let last: u16 = tx.query_row("SELECT last_port FROM meta", [], |row| row.get(0))?;
    let next = last.saturating_add(1);
    let after = if (range.0..=range.1).contains(&next) { next } else { range.0 };
    let free = |port: &u16| *port > 0 && !taken.contains(port) && !skip.contains(port);
    let port = (after..=range.1).chain(range.0..after).find(free).ok_or(StoreError::NoPort { range })?;
    let sql = "INSERT INTO port_reservations (port, deploy_id, reserved_at) VALUES (?1, ?2, ?3)
               ON CONFLICT (deploy_id) DO UPDATE SET port = excluded.port, reserved_at = excluded.reserved_at";
    tx.execute(sql, (port, &id, now_ms()))?;
    tx.execute("UPDATE meta SET last_port = ?1", [port])?;
    Ok(port)
}

pub(super) fn release(tx: &Transaction<'_>, owner: DeployId) -> Result<()> {
    tx.execute("DELETE FROM port_reservations WHERE deploy_id = ?1", [owner.to_string()])?;
    Ok(())
}

/// The same once the deploy has its end: one that goes on takes the container that has the port, should Docker have left
/// it out of a list.
pub(super) fn release_ended(tx: &Transaction<'_>, owner: DeployId) -> Result<()> {
    let sql =
        "DELETE FROM port_reservations WHERE deploy_id IN (SELECT id FROM deploys WHERE id = ?1 AND phase = 'done')";
    tx.execute(sql, [owner.to_string()])?;
    Ok(())
}

/// Ports of deploys that ended without leaving an instance: whoever should have released them was killed.
fn release_left_behind(tx: &Transaction<'_>) -> Result<()> {
    let sql = "DELETE FROM port_reservations WHERE deploy_id IN (SELECT id FROM deploys WHERE phase = 'done')
               AND deploy_id NOT IN (SELECT deploy_id FROM instances)";
    tx.execute(sql, [])?;
    Ok(())
}

fn taken(tx: &Transaction<'_>) -> Result<BTreeSet<u16>> {
    let mut statement = tx.prepare("SELECT port FROM port_reservations")?;
    let ports = statement.query_map([], |row| row.get(0))?;
    Ok(ports.collect::<rusqlite::Result<_>>()?)
}
