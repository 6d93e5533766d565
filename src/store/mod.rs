//! The store: what was applied, tried, pinned and held, in one `SQLite` file. The only place that names rusqlite.
//!
//! *Expected flow*: take the [`Lock`], open a [`Store`], accept a configuration, then for each deploy begin it, set
//! each phase before the effect that it announces, and end it once (R14). Who only reads opens a [`Reader`].
//!
//! *Guarantees*: every call that changes something is one transaction, on disk before it returns (log lines alone may
//! be lost in a power failure). A phase never goes back, a deploy ends once, a stage has at most one deploy in flight:
//! the schema says so too. No secret's value is written (R28). A reader changes no byte (R21).
//!
//! *Assumptions*: one writer at a time, which the lock proves; the data directory is on a local file system.
//!
//! *Caveats*: whether a missing store is a first run or a loss (R16) is for who sees the containers to say.

mod backup;
mod by_hand;
mod clock;
mod conditions;
mod config;
mod daemon_lock;
mod datadir;
mod deploys;
mod error;
mod hosts;
mod images;
mod instances;
mod lock;
mod logs;
mod migrate;
mod open;
mod ports;
mod queries;
mod reader;
mod readopt;
mod recorded;
mod remedy;
mod restore;
mod retention;
mod rows;
mod watched;
mod writer;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::desired::History;
use crate::model::name::StageKey;
use crate::model::recorded::{Choice, GivingUp, Pause, Pin, RecordedImage};
use crate::model::{
    AllConditions, DeployId, DeployStatus, DesiredStage, Findings, ImageRef, InstanceStatus, Phase, Recorded,
    RecordedHost, RecordedRoute, StoreId,
};

pub use backup::{Copied, backup};
pub use clock::{new_deploy_id, now_ms};
pub use daemon_lock::{DaemonHolder, DaemonLock, FoundDaemon};
pub use datadir::DataDir;
pub use error::{Result, StoreError};
pub use lock::{Holder, Lock};
pub use reader::Reader;
pub use readopt::Readopted;
pub use restore::{Restored, restore};
pub use rows::{AcceptedConfig, DeployRow, Filter, InForce, InstanceRow, LogLine, NewDeploy, NewInstance};
pub use writer::Store;

use writer::Durable;

/// Writing. Each call is one transaction.
impl Store {
    /// Puts a configuration in force, if it differs from the one that is; answers its generation. What it no longer
    /// names stays as a tombstone.
    pub async fn accept_config(&self, accepted: AcceptedConfig) -> Result<i64> {
        let rows = config::Rows::new(&accepted)?;
        self.write("store.accept_config", Durable::Disk, move |tx| config::accept(tx, &rows)).await
    }

    /// Remembers which digest a stage's tag stood for when it was first asked.
    pub async fn set_pin(&self, key: &StageKey, pin: &Pin) -> Result<()> {
        let (key, pin) = (key.clone(), pin.clone());
        self.write("store.set_pin", Durable::Disk, move |tx| config::set_pin(tx, &key, &pin)).await
    }

    /// Remembers what a stage waits for somebody to ask for; none for nothing.
    pub async fn set_candidate(&self, key: &StageKey, candidate: Option<&Pin>) -> Result<()> {
        let (key, candidate) = (key.clone(), candidate.cloned());
        self.write("store.set_candidate", Durable::Disk, move |tx| config::set_candidate(tx, &key, candidate.as_ref()))
            .await
    }

    /// Records a deploy as `pending`. [`StoreError::InFlight`] when its stage is being deployed already.
    pub async fn begin_deploy(&self, new: NewDeploy) -> Result<()> {
        self.write("store.begin_deploy", Durable::Disk, move |tx| deploys::begin(tx, &new)).await
    }

    /// Records that a phase begins; to be called before its side effect (R14). Saying the same phase again is fine.
    pub async fn set_phase(&self, id: DeployId, phase: Phase) -> Result<()> {
        self.write("store.set_phase", Durable::Disk, move |tx| deploys::set_phase(tx, id, phase)).await
    }

    /// Records how a deploy will end, before what it touched is put back: should that be cut off, whoever closes it knows
    /// (R15).
    pub async fn give_up(&self, id: DeployId, end: GivingUp) -> Result<()> {
        self.write("store.give_up", Durable::Disk, move |tx| deploys::give_up(tx, id, &end)).await
    }

    /// Ends a deploy; once. A success makes it the live one of its stage; with `quarantine`, a failure holds its
    /// combination of spec, digest and secrets until one of them changes (R12).
    pub async fn finish(
        &self,
        id: DeployId,
        status: DeployStatus,
        reason: Option<&str>,
        quarantine: bool,
    ) -> Result<()> {
        let reason = reason.map(ToOwned::to_owned);
        self.write("store.finish", Durable::Disk, move |tx| {
            deploys::finish(tx, id, status, reason.as_deref(), quarantine)
        })
        .await
    }

    /// Lets a deploy that did not end well count as the live one of its stage: its container passed the gate and serves.
    pub async fn set_live(&self, id: DeployId) -> Result<()> {
        self.write("store.set_live", Durable::Disk, move |tx| deploys::make_live(tx, id)).await
    }

    /// Adds lines to the log of a deploy, up to its cap (R17).
    pub async fn append_log(&self, id: DeployId, lines: Vec<LogLine>) -> Result<()> {
        self.write("store.append_log", Durable::Os, move |tx| logs::append(tx, id, &lines)).await
    }

    /// Records a container that was made for a deploy, as `running`.
    pub async fn add_instance(&self, new: NewInstance) -> Result<()> {
        self.write("store.add_instance", Durable::Disk, move |tx| instances::add(tx, &new)).await
    }

    /// Records the status of an instance.
    pub async fn set_instance_status(&self, container_id: &str, status: InstanceStatus) -> Result<()> {
        let id = container_id.to_owned();
        self.write("store.set_instance_status", Durable::Disk, move |tx| instances::set_status(tx, &id, status)).await
    }

    /// Forgets an instance whose container is gone, and releases its port; without an error when it is not known.
    pub async fn remove_instance(&self, container_id: &str) -> Result<()> {
        let id = container_id.to_owned();
        self.write("store.remove_instance", Durable::Disk, move |tx| instances::remove(tx, &id)).await
    }

    /// Reserves a loopback port of the range (both ends included) for the container of a deploy. The one it has
    /// already is answered again, unless it is in `skip`.
    pub async fn reserve_port(&self, range: (u16, u16), owner: DeployId, skip: &BTreeSet<u16>) -> Result<u16> {
        let skip = skip.clone();
        self.write("store.reserve_port", Durable::Disk, move |tx| ports::reserve(tx, range, owner, &skip)).await
    }

    /// Releases the port of a deploy, if it has one.
    pub async fn release_port(&self, owner: DeployId) -> Result<()> {
        self.write("store.release_port", Durable::Disk, move |tx| ports::release(tx, owner)).await
    }

    /// Remembers the host that a stage has in the proxy, or that it has none; before a write as dirty (R9, R14).
    pub async fn set_host(&self, key: &StageKey, host: Option<&RecordedHost>) -> Result<()> {
        let (key, host) = (key.clone(), host.cloned());
        self.write("store.set_host", Durable::Disk, move |tx| hosts::set(tx, &key, host.as_ref())).await
    }

    /// Remembers what a stage is routed with from a change of its route alone on, or that there was none; its next
    /// success forgets it.
    pub async fn set_route(&self, key: &StageKey, route: Option<&RecordedRoute>) -> Result<()> {
        let (key, route) = (key.clone(), route.cloned());
        self.write("store.set_route", Durable::Disk, move |tx| hosts::set_route(tx, &key, route.as_ref())).await
    }

    /// Remembers the version that somebody chose for a stage instead of the configuration's, or that nobody did (R13).
    pub async fn choose(&self, key: &StageKey, choice: Option<&Choice>) -> Result<()> {
        let (key, choice) = (key.clone(), choice.cloned());
        self.write("store.choose", Durable::Disk, move |tx| by_hand::choose(tx, &key, choice.as_ref())).await
    }

    /// Leaves a stage alone, or looks after it again.
    pub async fn pause(&self, key: &StageKey, pause: Option<Pause>) -> Result<()> {
        let key = key.clone();
        self.write("store.pause", Durable::Disk, move |tx| by_hand::pause(tx, &key, pause.as_ref())).await
    }

    /// A page stands in for the app of a stage since this moment, in milliseconds since 1970 UTC, or not any more.
    pub async fn maintain(&self, key: &StageKey, since_ms: Option<i64>) -> Result<()> {
        let key = key.clone();
        self.write("store.maintain", Durable::Disk, move |tx| by_hand::maintain(tx, &key, since_ms)).await
    }

    /// Counts a certificate that the proxy is about to be asked for (R14).
    pub async fn ask_certificate(&self, key: &StageKey, names: &str) -> Result<()> {
        let (key, names) = (key.clone(), names.to_owned());
        self.write("store.ask_certificate", Durable::Disk, move |tx| hosts::ask_certificate(tx, &key, &names)).await
    }

    /// Why there is no certificate after all; without a reason nobody was asked, and it does not count.
    pub async fn not_certified(&self, key: &StageKey, reason: Option<&str>) -> Result<()> {
        let (key, reason) = (key.clone(), reason.map(ToOwned::to_owned));
        let write = move |tx: &rusqlite::Transaction<'_>| hosts::not_certified(tx, &key, reason.as_deref());
        self.write("store.not_certified", Durable::Disk, write).await
    }

    /// The stage has its certificate.
    pub async fn certified(&self, key: &StageKey) -> Result<()> {
        let key = key.clone();
        self.write("store.certified", Durable::Disk, move |tx| hosts::certified(tx, &key)).await
    }

    /// Records that a stage is about to use an image of a registry, and whether we pull it; before that is done (R14). One
    /// that is on the host and known to be used by the stage is not written again.
    pub async fn hold_image(&self, key: &StageKey, image: &ImageRef, is_pulled: bool) -> Result<()> {
        let (key, image) = (key.clone(), image.clone());
        if !is_pulled {
            let (key, image) = (key.clone(), image.clone());
            if self.read(move |conn| images::is_held(conn, &key, &image)).await? {
                return Ok(());
            }
        }
        self.write("store.hold_image", Durable::Disk, move |tx| images::hold(tx, &key, &image, is_pulled)).await
    }

    /// Forgets an image that went from the host, whoever used it.
    pub async fn forget_image(&self, image: &ImageRef) -> Result<()> {
        let image = image.clone();
        self.write("store.forget_image", Durable::Disk, move |tx| images::forget(tx, &image)).await
    }

    /// Remembers that an image was to go now and stayed.
    pub async fn leave_image(&self, image: &ImageRef) -> Result<()> {
        let image = image.clone();
        self.write("store.leave_image", Durable::Os, move |tx| images::left(tx, &image)).await
    }

    /// Lets what failed be tried again, of one stage or of all (`apply --retry`, R12); answers how many were held.
    pub async fn release_quarantine(&self, key: Option<&StageKey>) -> Result<usize> {
        let key = key.cloned();
        self.write("store.release_quarantine", Durable::Disk, move |tx| deploys::release_holds(tx, key.as_ref())).await
    }
}

/// Taking up and forgetting.
impl Store {
    /// Records deploys again whose containers run and whose rows are gone (R16). `above` is the highest port of the host
    /// that any container of ours has: ports of those that are not recorded are not known to be taken.
    pub async fn readopt(&self, found: Vec<Readopted>, above: Option<u16>) -> Result<()> {
        let record = move |tx: &rusqlite::Transaction<'_>| {
            readopt::record(tx, &found)?;
            above.map_or(Ok(()), |port| readopt::begin_above(tx, port))
        };
        self.write("store.readopt", Durable::Disk, record).await
    }

    /// Takes findings into the conditions, as of now. Where they change nothing, nothing is written. Conditions may be lost
    /// in a power failure: the next pass finds them again.
    pub async fn find(&self, findings: Findings) -> Result<()> {
        let (now, findings) = (now_ms(), std::sync::Arc::new(findings));
        let looked = std::sync::Arc::clone(&findings);
        if self.read(move |conn| conditions::would_change(conn, now, &looked)).await? {
            self.write("store.find", Durable::Os, move |tx| conditions::find(tx, now, &findings)).await?;
        }
        Ok(())
    }

    /// Drops deploys with their logs that are older, or more of a stage, than is asked for; answers how many. What is in
    /// use, and what can be gone back to, stays (R17). A call that finds nothing to drop writes nothing.
    pub async fn prune_history(&self, history: History) -> Result<usize> {
        let cut = retention::Cut::new(history, now_ms());
        let mut dropped = 0;
        for _ in 0..retention::MAX_BATCHES {
            if self.read(move |conn| retention::excess(conn, &cut, 1)).await?.is_empty() {
                break;
            }
            dropped += self.write("store.drop_history", Durable::Os, move |tx| retention::drop_some(tx, &cut)).await?;
        }
        Ok(dropped)
    }
}

/// Reading, on the writer's connection: sees everything written before.
impl Store {
    /// What a plan needs to know of the past, without the specs of the newest successes.
    pub async fn recorded(&self) -> Result<Recorded> {
        self.read(recorded::recorded).await
    }

    /// The resolved specs of some deploys, as JSON; those that are not there are left out.
    pub async fn specs(&self, ids: BTreeSet<DeployId>) -> Result<BTreeMap<DeployId, String>> {
        self.read(move |conn| recorded::specs(conn, &ids)).await
    }

    /// How everything is, as the last passes found it.
    pub async fn conditions(&self) -> Result<AllConditions> {
        self.read(conditions::read).await
    }

    /// The host that a stage has in the proxy, as it is remembered.
    pub async fn host(&self, key: &StageKey) -> Result<Option<RecordedHost>> {
        let key = key.clone();
        self.read(move |conn| hosts::of(conn, &key)).await
    }

    /// What a stage is routed with since a change of its route alone; none without one.
    pub async fn route(&self, key: &StageKey) -> Result<Option<RecordedRoute>> {
        let key = key.clone();
        self.read(move |conn| hosts::route(conn, &key)).await
    }

    /// The configuration in force; none before the first.
    pub async fn in_force(&self) -> Result<Option<InForce>> {
        self.read(config::in_force).await
    }

    /// Deploys that have not ended, oldest first.
    pub async fn in_flight(&self) -> Result<Vec<DeployRow>> {
        self.read(queries::in_flight).await
    }

    /// The newest deploys, newest first.
    pub async fn deploys(&self, filter: &Filter, limit: usize) -> Result<Vec<DeployRow>> {
        let filter = filter.clone();
        self.read(move |conn| queries::deploys(conn, &filter, limit)).await
    }

    /// The deploy of an id, or of the beginning or end of one, as people copy it; at least 4 hex digits.
    pub async fn deploy(&self, text: &str) -> Result<DeployRow> {
        let text = text.to_owned();
        self.read(move |conn| queries::deploy(conn, &text)).await
    }

    /// The resolved spec of a deploy.
    pub async fn spec(&self, id: DeployId) -> Result<DesiredStage> {
        self.read(move |conn| queries::spec(conn, id)).await
    }

    /// The log of a deploy.
    pub async fn log(&self, id: DeployId) -> Result<Vec<LogLine>> {
        self.read(move |conn| logs::read(conn, id)).await
    }

    /// Every instance, by stage and age.
    pub async fn instances(&self) -> Result<Vec<InstanceRow>> {
        self.read(queries::instances).await
    }

    /// The images that may be of no use (R24): those that at least so many newer ones of their stage succeeded after, that
    /// never succeeded, whose stages are gone, and all of some stages; each with every stage that has it.
    pub async fn spare_images(&self, newer: u8, whole: BTreeSet<StageKey>) -> Result<Vec<RecordedImage>> {
        self.read(move |conn| images::candidates(conn, newer, &whole)).await
    }

    /// Those of some content hashes that no deploy's spec names: their copies on the host are of no use any more (R34).
    pub async fn unused_files(&self, hashes: BTreeSet<String>) -> Result<BTreeSet<String>> {
        self.read(move |conn| queries::unused_files(conn, hashes)).await
    }

    /// Those of some deploys that the store has no row of.
    pub async fn unknown_deploys(&self, ids: BTreeSet<DeployId>) -> Result<BTreeSet<DeployId>> {
        self.read(move |conn| readopt::unknown(conn, ids)).await
    }

    /// Who this store is (R1).
    pub fn id(&self) -> StoreId {
        self.store_id()
    }
}

#[cfg(test)]
mod tests;
