//! `Recorded`: what a plan needs to know of the past, in ten queries however many stages there are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rusqlite::{Connection, OptionalExtension as _, Row};

use crate::model::name::StageKey;
use crate::model::recorded::{InFlight, LiveDeploy, Pin, Quarantine, RecordedInstance};
use crate::model::{DeployId, InstanceStatus, Labels, Phase, Recorded, RecordedStage, StoreId};

use super::error::Result;
use super::rows::{image, json, known, parsed};
use super::{by_hand, hosts};

/// The stages while they are read.
pub(super) struct ByStage {
    all: BTreeMap<StageKey, RecordedStage>,
    /// By the id of their row.
    keys: HashMap<String, StageKey>,
}

type Found<'a> = (&'a StageKey, &'a mut RecordedStage);

impl ByStage {
    /// The stage that a row belongs to by its first column; none for one that is gone.
    pub(super) fn get_mut(&mut self, row: &Row<'_>) -> rusqlite::Result<Option<Found<'_>>> {
        self.get_mut_by(row, 0)
    }

    fn get_mut_by(&mut self, row: &Row<'_>, at: usize) -> rusqlite::Result<Option<Found<'_>>> {
        let key = self.keys.get(row.get_ref(at)?.as_str()?);
        Ok(key.and_then(|key| Some((key, self.all.get_mut(key)?))))
    }
}

/// Who this store is (R1).
pub(super) fn store_id(conn: &Connection) -> Result<StoreId> {
    Ok(conn.query_row("SELECT store_id FROM meta", [], |row| parsed(row, 0).map(StoreId))?)
}

pub(super) fn recorded(conn: &Connection) -> Result<Recorded> {
    // One transaction, so that a writer in between does not show half of itself.
    let tx = conn.unchecked_transaction()?;
    let mut stages = stages(&tx)?;
    add_instances(&tx, &mut stages)?;
    add_quarantine(&tx, &mut stages)?;
    add_hosts(&tx, &mut stages)?;
    add_in_flight(&tx, &mut stages)?;
    by_hand::add(&tx, &mut stages)?;
    hosts::add_failures(&tx, &mut stages)?;
    let sql = "SELECT generation, revision FROM generations ORDER BY generation DESC LIMIT 1";
    let head = tx.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (generation, revision) = head.unwrap_or_default();
    Ok(Recorded { store: Some(store_id(&tx)?), generation, revision, stages: stages.all })
}

fn stages(conn: &Connection) -> Result<ByStage> {
    let sql = "SELECT s.id, p.name, s.name, s.pin, d.id, NULL, d.spec_hash, d.secrets,
                   d.repository, d.tag, d.digest, d.is_local, coalesce(d.finished_at, d.updated_at), s.route,
                   s.removed_at IS NOT NULL, s.candidate
               FROM projects p JOIN stages s ON s.project_id = p.id LEFT JOIN deploys d ON d.id = s.live_deploy
               WHERE s.removed_at IS NULL OR EXISTS (SELECT 1 FROM instances i WHERE i.stage_id = s.id)
                   OR EXISTS (SELECT 1 FROM proxy_hosts h WHERE h.stage_id = s.id)
                   OR EXISTS (SELECT 1 FROM deploys o WHERE o.stage_id = s.id AND o.phase <> 'done')
               ORDER BY p.name, s.name";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let (mut all, mut keys) = (Vec::new(), HashMap::new());
    while let Some(row) = rows.next()? {
        let key = StageKey::new(parsed(row, 1)?, parsed(row, 2)?);
        let pin: Option<Pin> = json(row, 3)?;
        let (live, candidate) = (live(row, pin.as_ref())?, json(row, 15)?);
        let (route, is_removed) = (json(row, 13)?, row.get(14)?);
        let stage = RecordedStage { is_removed, pin, candidate, live, route, ..RecordedStage::default() };
        keys.insert(row.get(0)?, key.clone());
        all.push((key, stage));
    }
    // They come in the order of their keys, by the indexes: a map made of what is in order is half as large.
    Ok(ByStage { all: all.into_iter().collect(), keys })
}

/// The newest success of a stage, without its spec. Mostly it is what the tag is pinned to, and shares the texts of that.
fn live(row: &Row<'_>, pin: Option<&Pin>) -> rusqlite::Result<Option<LiveDeploy>> {
    if row.get_ref(4)?.as_str_or_null()?.is_none() {
        return Ok(None);
    }
    let mut live = applied(row, 4)?;
    if let Some(pin) = pin.filter(|pin| Pin::of(&live.image).as_ref() == Some(*pin)) {
        live.image = pin.image();
    }
    Ok(Some(live))
}

/// Reads what a deploy applies: id, spec, spec hash, secrets, image, time.
fn applied(row: &Row<'_>, at: usize) -> rusqlite::Result<LiveDeploy> {
    Ok(LiveDeploy {
        id: DeployId(parsed(row, at)?),
        spec_json: row.get(at + 1)?,
        spec_hash: row.get(at + 2)?,
        secrets: json(row, at + 3)?,
        image: image(row, at + 4)?,
        since_ms: row.get(at + 8)?,
    })
}

fn add_instances(conn: &Connection, stages: &mut ByStage) -> Result<()> {
    let sql =
        "SELECT i.stage_id, i.container_id, i.name, i.host_port, i.deploy_id, i.status, a.container_id IS NOT NULL,
                   d.repository, d.tag, d.digest, d.is_local, d.spec_hash, d.secrets_label, d.config_revision
               FROM instances i JOIN deploys d ON d.id = i.deploy_id
               LEFT JOIN adopted a ON a.container_id = i.container_id";
    let store = store_id(conn)?;
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((key, stage)) = stages.get_mut(row)? {
            let by_hand: bool = row.get(6)?;
            let instance = RecordedInstance {
                name: row.get(2)?,
                host_port: row.get(3)?,
                deploy: DeployId(parsed(row, 4)?),
                status: known(row, 5, InstanceStatus::parse)?,
                adopted: by_hand.then(|| labels(store, key, row).map(Box::new)).transpose()?,
            };
            stage.instances.insert(row.get(1)?, Box::new(instance));
        }
    }
    Ok(())
}

/// What the labels of an instance would say that a person made.
fn labels(store: StoreId, key: &StageKey, row: &Row<'_>) -> rusqlite::Result<Labels> {
    let image = image(row, 7)?;
    Ok(Labels {
        store,
        key: key.clone(),
        instance: image.version(),
        deploy: DeployId(parsed(row, 4)?),
        spec: row.get(11)?,
        image: image.to_string(),
        digest: image.digest.to_string(),
        secrets: row.get(12)?,
        config: row.get(13)?,
        own_name: row.get(2)?,
    })
}

fn add_quarantine(conn: &Connection, stages: &mut ByStage) -> Result<()> {
    let sql = "SELECT h.stage_id, h.spec_hash, h.digest, h.secrets_label, h.deploy_id, h.held_at, h.version, h.reason,
               d.spec FROM holds h JOIN deploys d ON d.id = h.deploy_id ORDER BY h.held_at, h.deploy_id";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let held = Quarantine {
            spec_hash: row.get(1)?,
            digest: parsed(row, 2)?,
            secrets: row.get(3)?,
            deploy: DeployId(parsed(row, 4)?),
            failed_at_ms: row.get(5)?,
            version: row.get(6)?,
            reason: row.get(7)?,
            spec_json: row.get(8)?,
        };
        if let Some((_, stage)) = stages.get_mut(row)? {
            stage.quarantine.push(held);
        }
    }
    Ok(())
}

fn add_hosts(conn: &Connection, stages: &mut ByStage) -> Result<()> {
    let mut statement = conn.prepare(&format!("SELECT {}, stage_id FROM proxy_hosts", hosts::COLUMNS))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((_, stage)) = stages.get_mut_by(row, 4)? {
            stage.host = Some(hosts::host(row, 0)?);
        }
    }
    Ok(())
}

/// Deploys without an end (R15).
fn add_in_flight(conn: &Connection, stages: &mut ByStage) -> Result<()> {
    let sql = "SELECT d.stage_id, d.id, d.spec, d.spec_hash, d.secrets, d.repository, d.tag, d.digest, d.is_local,
                   d.updated_at, d.secrets_label, d.phase, p.port, d.giving_up
               FROM deploys d LEFT JOIN port_reservations p ON p.deploy_id = d.id WHERE d.phase <> 'done'";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some((_, stage)) = stages.get_mut(row)? {
            stage.in_flight = Some(Box::new(InFlight {
                deploy: applied(row, 1)?,
                secrets_label: row.get(10)?,
                phase: known(row, 11, Phase::parse)?,
                host_port: row.get(12)?,
                giving_up: json(row, 13)?,
            }));
        }
    }
    Ok(())
}

/// The resolved specs of some deploys, as JSON; those that are not there are left out.
pub(super) fn specs(conn: &Connection, ids: &BTreeSet<DeployId>) -> Result<BTreeMap<DeployId, String>> {
    let mut statement = conn.prepare("SELECT spec FROM deploys WHERE id = ?1")?;
    let mut specs = BTreeMap::new();
    for id in ids {
        let spec: Option<String> = statement.query_row([id.to_string()], |row| row.get(0)).optional()?;
        specs.extend(spec.map(|spec| (*id, spec)));
    }
    Ok(specs)
}
