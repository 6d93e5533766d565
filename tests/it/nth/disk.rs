//! What befalls the files of a store while it is open, and how each is put right afterwards: with the remedy that the
//! error names.
//!
//! These are no fail points: the store meets what `SQLite` and the kernel make of it.

use std::fs::{self, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use landfall::reconcile::{self, Error, Places};
use landfall::store::{self, DaemonLock, DataDir, Lock};
use rusqlite::{Connection, TransactionBehavior};

const PATH: &str = "LANDFALL_TEST_BUSY";
const READY: &str = "ready";
/// Shorter than the store waits for another writer, and long beside a transaction.
const MOMENT: Duration = Duration::from_millis(300);

/// What befalls the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Harm {
    /// Another process writes for a moment.
    BusyBriefly,
    /// Another process writes for longer than is waited for it.
    Busy,
    /// The file is moved away, and put back after the pass.
    Removed,
    /// All of it is removed for good; a new one with its id takes over what runs.
    Lost,
    /// The file is emptied; an older backup is restored.
    Emptied,
    /// The file is cut in half; an older backup is restored.
    Halved,
    /// The disk is full until after the pass. Wants a disk of its own.
    Full,
}

impl Harm {
    /// Those that any disk can meet.
    pub const ANYWHERE: [Self; 6] =
        [Self::BusyBriefly, Self::Busy, Self::Removed, Self::Lost, Self::Emptied, Self::Halved];

    /// As the table of faults says it.
    pub fn name(self) -> &'static str {
        match self {
            Self::BusyBriefly => "store busy for a moment",
            Self::Busy => "store busy for longer than is waited",
            Self::Removed => "store moved away while open, and put back",
            Self::Lost => "store removed while open, and taken over",
            Self::Emptied => "store emptied while open, an older one restored",
            Self::Halved => "store cut in half while open, an older one restored",
            Self::Full => "disk of the store full",
        }
    }

    /// Whether whoever ran the pass is told: the others cost a transaction at most, which may be one that only adds to
    /// a log.
    pub fn is_told(self) -> bool {
        !matches!(self, Self::BusyBriefly | Self::Busy)
    }

    /// Whether operations of the pass after the one that is hit are hit too.
    fn lasts(self) -> bool {
        self.is_told()
    }
}

/// A harm that was done and is not put right yet.
#[derive(Debug)]
pub struct Done {
    harm: Harm,
    data: DataDir,
    /// Who has the write lock.
    busy: Option<Busy>,
}

impl Done {
    /// Does it.
    pub fn now(harm: Harm, data: &DataDir) -> Self {
        let busy = matches!(harm, Harm::BusyBriefly | Harm::Busy).then(|| Busy::start(&data.db()));
        let mut done = Self { harm, data: data.clone(), busy };
        match harm {
            Harm::BusyBriefly => {
                let busy = done.busy.take();
                std::thread::spawn(move || {
                    std::thread::sleep(MOMENT);
                    drop(busy);
                });
            }
            Harm::Busy => {}
            Harm::Removed => fs::rename(data.db(), done.aside()).expect("to move it away"),
            Harm::Lost => done.remove_all(),
            Harm::Emptied => resize(&data.db(), |_| 0),
            Harm::Halved => resize(&data.db(), |len| len / 2),
            Harm::Full => fill(&ballast(data)),
        }
        done
    }

    /// The next transaction begins: what costs one only is over.
    pub fn next_begins(&mut self) {
        if !self.harm.lasts() {
            self.busy = None;
        }
    }

    /// Puts it right, as whoever reads the error does.
    pub async fn put_right(self, places: &Places, backup: &Path) {
        match self.harm {
            Harm::BusyBriefly | Harm::Busy => {}
            Harm::Removed => fs::rename(self.aside(), self.data.db()).expect("to put it back"),
            Harm::Lost => self.take_over(places).await,
            Harm::Emptied | Harm::Halved => {
                let lock = Lock::acquire(&self.data, "restore", Duration::ZERO).await.expect("the lock");
                let daemon = DaemonLock::take(&self.data, "daemon", None).await.expect("no daemon");
                store::restore(&self.data, &lock, &daemon, backup).expect("a restored store");
            }
            Harm::Full => fs::remove_file(ballast(&self.data)).expect("to make room"),
        }
    }

    async fn take_over(&self, places: &Places) {
        self.remove_all();
        let error = reconcile::look(places, &landfall::plan::Options::default()).await.expect_err("the loss is told");
        let Error::StoreLost { stores, .. } = error else { panic!("{error}") };
        let id = *stores.keys().next().expect("the store that runs here");
        reconcile::adopt_store(places, id).await.expect("a store of the same id");
    }

    fn aside(&self) -> PathBuf {
        self.data.root().join("aside.db")
    }

    fn remove_all(&self) {
        for end in ["", "-wal", "-shm"] {
            let mut path = self.data.db().into_os_string();
            path.push(end);
            let _ = fs::remove_file(path);
        }
    }
}

/// A backup of the store as it is, to be gone back to.
pub fn back_up(data: &DataDir, to: &Path) {
    store::backup(data, to, true).expect("a backup");
}

fn resize(path: &Path, to: impl FnOnce(u64) -> u64) {
    let file = OpenOptions::new().write(true).open(path).expect("the store");
    let len = file.metadata().expect("its length").len();
    file.set_len(to(len)).expect("to cut it");
}

fn ballast(data: &DataDir) -> PathBuf {
    data.root().join("ballast")
}

/// Takes all the room there is.
fn fill(path: &Path) {
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("a file");
    for size in [64 << 10, 4096, 1] {
        while file.write_all(&vec![0; size]).is_ok() {}
    }
}

/// Another process that holds the write lock of a store; ends when dropped, and its lock with it.
#[derive(Debug)]
struct Busy(Child);

impl Busy {
    fn start(db: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", "nth::disk::writes_into_a_store", "--ignored", "--nocapture"]).env(PATH, db);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a second process");
        let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with(READY)), "the second process ended early");
        Self(child)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Not a test: what the second process runs.
#[test]
#[ignore = "the role of a second process; without one it does nothing"]
fn writes_into_a_store() {
    let Some(path) = std::env::var_os(PATH) else { return };
    let mut conn = Connection::open(path).expect("the store");
    conn.busy_timeout(Duration::from_secs(5)).expect("to wait");
    let _writing = conn.transaction_with_behavior(TransactionBehavior::Immediate).expect("the write lock");
    println!("\n{READY}");
    // Until the first process closes the pipe, or kills this one.
    let _ = std::io::stdin().read_line(&mut String::new());
}
