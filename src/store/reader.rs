//! The store, read only: for `diff`, `status`, `history` and the pages, with or without a writer beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use rusqlite::Connection;

use crate::model::recorded::RecordedImage;
use crate::model::{AllConditions, DeployId, DesiredStage, Recorded, StageKey};

use super::datadir::DataDir;
use super::error::{Result, StoreError};
use super::rows::{DeployRow, Filter, InForce, InstanceRow, LogLine};
use super::{conditions, config, images, logs, open, queries, readopt, recorded};

/// A writer that starts or is killed just now leaves the shared index unusable for some microseconds; a reader may
/// not mend it, so it tries so often again, with a pause.
const TRIES: u32 = 50;
const PAUSE: Duration = Duration::from_millis(10);

/// A connection that can only read, from [`super::Store::open_read`]. To be opened for a look and dropped: a
/// [`super::Store`] of the same process cannot be opened meanwhile and waits, because `SQLite` shares what it knows of
/// a file within a process.
#[derive(Debug)]
pub struct Reader {
    conn: Connection,
    path: PathBuf,
}

impl Reader {
    pub(super) fn open(dir: &DataDir) -> Result<Option<Self>> {
        let Some(conn) = open::open_read(dir)? else {
            return Ok(None);
        };
        let reader = Self { conn, path: dir.db() };
        reader.read(|conn| open::check_readable(conn, &reader.path))?;
        Ok(Some(reader))
    }

    /// Reads every page of the file, and finds what is damaged.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] with the first damage.
    pub fn check(&self) -> Result<()> {
        self.read(|conn| open::check(conn, &self.path))
    }

    /// What a plan needs to know of the past, without the specs of the newest successes.
    pub fn recorded(&self) -> Result<Recorded> {
        self.read(recorded::recorded)
    }

    /// The resolved specs of some deploys, as JSON; those that are not there are left out.
    pub fn specs(&self, ids: &BTreeSet<DeployId>) -> Result<BTreeMap<DeployId, String>> {
        self.read(|conn| recorded::specs(conn, ids))
    }

    /// How everything is, as the last passes found it.
    pub fn conditions(&self) -> Result<AllConditions> {
        self.read(conditions::read)
    }

    /// The configuration in force; none before the first.
    pub fn in_force(&self) -> Result<Option<InForce>> {
        self.read(config::in_force)
    }

    /// Deploys that have not ended, oldest first.
    pub fn in_flight(&self) -> Result<Vec<DeployRow>> {
        self.read(queries::in_flight)
    }

    /// The newest deploys, newest first.
    pub fn deploys(&self, filter: &Filter, limit: usize) -> Result<Vec<DeployRow>> {
        self.read(|conn| queries::deploys(conn, filter, limit))
    }

    /// The deploy of an id, or of the beginning or end of one, as people copy it; at least 4 hex digits.
    pub fn deploy(&self, text: &str) -> Result<DeployRow> {
        self.read(|conn| queries::deploy(conn, text))
    }

    /// The resolved spec of a deploy.
    pub fn spec(&self, id: DeployId) -> Result<DesiredStage> {
        self.read(|conn| queries::spec(conn, id))
    }

    /// The log of a deploy.
    pub fn log(&self, id: DeployId) -> Result<Vec<LogLine>> {
        self.read(|conn| logs::read(conn, id))
    }

    /// Every instance, by stage and age.
    pub fn instances(&self) -> Result<Vec<InstanceRow>> {
        self.read(queries::instances)
    }

    /// The images that may be of no use (R24), as [`super::Store::spare_images`] has them.
    pub fn spare_images(&self, newer: u8, whole: &BTreeSet<StageKey>) -> Result<Vec<RecordedImage>> {
        self.read(|conn| images::candidates(conn, newer, whole))
    }

    /// Those of some deploys that the store has no row of.
    pub fn unknown_deploys(&self, ids: &BTreeSet<DeployId>) -> Result<BTreeSet<DeployId>> {
        self.read(|conn| readopt::unknown(conn, ids.clone()))
    }

    fn read<T>(&self, job: impl Fn(&Connection) -> Result<T>) -> Result<T> {
        patiently(|| job(&self.conn)).map_err(|error| error.at(&self.path))
    }
}

/// Tries again while a writer is about to make the index usable.
pub(super) fn patiently<T>(mut job: impl FnMut() -> Result<T>) -> Result<T> {
    let mut tries = 0;
    loop {
        tries += 1;
        match job() {
            Err(StoreError::Sqlite(error)) if tries < TRIES && open::is_read_only(&error) => std::thread::sleep(PAUSE),
            result => return result,
        }
    }
}
