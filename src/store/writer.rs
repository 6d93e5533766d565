//! The one writer: a connection on a thread of its own that takes one job after the other.
//!
//! The thread ends, and the file is closed, when the last handle is dropped; the lock is held until then.

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::{mpsc, oneshot};

use crate::faults::{self, When};
use crate::model::StoreId;

use super::datadir::DataDir;
use super::error::{Result, StoreError};
use super::lock::Lock;
use super::reader::Reader;
use super::watched::Watched;
use super::{open, recorded};

/// Jobs that may wait for the writer; whoever brings more waits too. Deploys run at most a handful at a time, each
/// with one job under way.
const QUEUE: usize = 64;

/// How far a transaction has to get before its call returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Durable {
    /// On the disk: it survives a power failure (R14).
    Disk,
    /// With the operating system: it survives our end, but not always a power failure. 50 times faster.
    Os,
}

type Job = Box<dyn FnOnce(&mut Writer) + Send>;

/// The store, open for writing. Clones share one writer.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    id: StoreId,
    dir: DataDir,
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
    /// Last, so that it is released after the thread has ended.
    _lock: Lock,
}

/// What the thread owns.
struct Writer {
    conn: Connection,
    path: PathBuf,
    watched: Watched,
}

impl Store {
    /// Opens the store of a data directory, making it on first use, and brings its schema up to date. Holds the lock
    /// until the last handle is gone.
    pub async fn open(dir: &DataDir, lock: Lock) -> Result<Self> {
        pass("store.open", When::Before, dir).await?;
        let (jobs, queue) = mpsc::channel(QUEUE);
        let (opened, id) = oneshot::channel();
        let theirs = dir.clone();
        let thread = std::thread::Builder::new().name("store".into()).spawn(move || run(&theirs, opened, queue));
        let thread = thread.map_err(|source| StoreError::Io {
            doing: "start the thread of",
            path: PathBuf::from("the store"),
            source,
        })?;
        let id = id.await.map_err(|_| StoreError::Closed)??;
        let inner = Inner { id, dir: dir.clone(), jobs: Some(jobs), thread: Some(thread), _lock: lock };
        let store = Self { inner: Arc::new(inner) };
        pass("store.open", When::After, dir).await?;
        Ok(store)
    }

    /// Makes a store with the id of one that was lost, so that what carries it is ours again (R16).
    ///
    /// # Errors
    /// There is a store already.
    pub async fn make_as(dir: &DataDir, lock: Lock, id: StoreId) -> Result<Self> {
        if dir.has_store() {
            return Err(StoreError::Exists(format!("a store in {}", dir.root().display())));
        }
        open::create(dir, id)?;
        Self::open(dir, lock).await
    }

    /// Opens the store for reading; none when there is none. Changes no byte of the directory (R21). Blocks.
    pub fn open_read(dir: &DataDir) -> Result<Option<Reader>> {
        Reader::open(dir)
    }

    pub(super) fn store_id(&self) -> StoreId {
        self.inner.id
    }

    /// Runs one transaction. It takes the write lock at its beginning: one that reads first and writes later fails
    /// at once when another process wrote in between, without waiting. `name` is that of its fail points.
    pub(super) async fn write<T, F>(&self, name: &'static str, durable: Durable, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    {
        self.pass(name, When::Before).await?;
        let result = self.run(move |writer| writer.transact(durable, job)).await?;
        self.pass(name, When::After).await?;
        Ok(result)
    }

    /// Passes a fail point of whoever works with this store.
    ///
    /// # Errors
    /// A test asked for a fault here.
    pub async fn pass(&self, name: &'static str, when: When) -> Result<()> {
        pass(name, when, &self.inner.dir).await
    }

    /// Runs queries that see one state of the store.
    pub(super) async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        self.run(move |writer| job(&writer.conn)).await
    }

    async fn run<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Writer) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |writer| {
            let result = job(writer).map_err(|error| error.at(&writer.path));
            // Nobody waits any more when the caller was cancelled: what was written stays written.
            let _ = answer.send(result);
        });
        let jobs = self.inner.jobs.as_ref().ok_or(StoreError::Closed)?;
        jobs.send(job).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Inner {
    /// Waits for the jobs under way, some milliseconds, so that the lock is not released before the file is closed.
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Passes a fail point. A fault is told as one of the disk.
async fn pass(name: &'static str, when: When, dir: &DataDir) -> Result<()> {
    let passed = faults::point(name, when, dir.root()).await;
    passed.map_err(|fault| StoreError::io("write", &dir.db(), std::io::Error::other(fault)))
}

fn run(dir: &DataDir, opened: oneshot::Sender<Result<StoreId>>, mut queue: mpsc::Receiver<Job>) {
    let mut writer = match Writer::open(dir) {
        Ok((writer, id)) => {
            let _ = opened.send(Ok(id));
            writer
        }
        Err(error) => {
            let _ = opened.send(Err(error.at(&dir.db())));
            return;
        }
    };
    while let Some(job) = queue.blocking_recv() {
        job(&mut writer);
    }
    writer.close();
}

impl Writer {
    fn open(dir: &DataDir) -> Result<(Self, StoreId)> {
        let conn = open::open_write(dir)?;
        let id = recorded::store_id(&conn)?;
        Ok((Self { conn, path: dir.db(), watched: Watched::new(dir)? }, id))
    }

    fn transact<T>(&mut self, durable: Durable, job: impl FnOnce(&Transaction<'_>) -> Result<T>) -> Result<T> {
        self.watched.check()?;
        let level = match durable {
            Durable::Disk => "FULL",
            Durable::Os => "NORMAL",
        };
        self.conn.pragma_update(None, "synchronous", level)?;
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = job(&tx)?;
        tx.commit()?;
        Ok(result)
    }

    /// Copies the log into the store and empties it, unless a reader is in the way: that costs nobody anything, so it
    /// does not wait.
    fn close(self) {
        let _ = self.conn.busy_timeout(Duration::ZERO);
        let _ = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        let _ = self.conn.close();
    }
}
