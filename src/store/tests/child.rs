//! A second process: the test binary runs itself, plays a role with a data directory, and is killed.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::support::{accepted, begun};
use crate::model::Phase;
use crate::store::{DataDir, Lock, LogLine, Store, migrate};

const ROLE: &str = "LANDFALL_TEST_ROLE";
const DIR: &str = "LANDFALL_TEST_DIR";
/// What a role says when it has come to the point where it is to be killed.
const READY: &str = "ready";

/// What the second process does before it waits to be killed.
#[derive(Debug, Clone, Copy)]
pub(super) enum Role {
    /// Holds the lock.
    Lock,
    /// Holds the store open with a deploy in flight at `creating`.
    Deploy,
    /// Writes as fast as it can, so that its log is copied into the store and begun anew again and again.
    Busy,
    /// Is in the middle of a migration that has run its statements and is not committed.
    Migrate,
}

/// A running second process; killed when dropped.
pub(super) struct Second(Child);

impl Second {
    /// Starts it, and returns when it is where it should be.
    pub(super) fn start(role: Role, dir: &DataDir) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "store::tests::child::plays_its_role", "--ignored", "--nocapture"]);
        command.env(ROLE, format!("{role:?}")).env(DIR, dir.root());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        assert!(is_ready(lines), "the second process ended early");
        Self(child)
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn is_ready(lines: BufReader<ChildStdout>) -> bool {
    lines.lines().map_while(Result::ok).any(|line| line.ends_with(READY))
}

/// Not a test: what the second process runs.
#[tokio::test]
#[ignore = "the role of a second process; without one it does nothing"]
async fn plays_its_role() {
    let (Ok(role), Ok(dir)) = (std::env::var(ROLE), std::env::var(DIR)) else { return };
    let dir = DataDir::new(dir);
    let lock = Lock::acquire(&dir, "apply", Duration::ZERO).await.unwrap();
    match role.as_str() {
        "Lock" => wait(),
        "Deploy" => {
            let store = Store::open(&dir, lock).await.unwrap();
            store.accept_config(accepted("r1", &["shop/prod"])).await.unwrap();
            let id = begun(&store, "shop/prod").await;
            store.set_phase(id, Phase::Creating).await.unwrap();
            wait();
        }
        "Busy" => {
            let store = Store::open(&dir, lock).await.unwrap();
            store.accept_config(accepted("r1", &["shop/prod"])).await.unwrap();
            let id = begun(&store, "shop/prod").await;
            println!("\n{READY}");
            for at_ms in 0.. {
                let lines = (0..50).map(|n| LogLine { at_ms, text: format!("{n:<1000}") }).collect();
                store.append_log(id, lines).await.unwrap();
            }
        }
        "Migrate" => {
            let mut conn = rusqlite::Connection::open(dir.db()).unwrap();
            let wait_in_it = |_: &rusqlite::Connection| wait();
            migrate::migrate_then(&mut conn, &dir.db(), &super::migrations::MORE, wait_in_it).unwrap();
        }
        other => panic!("no role {other}"),
    }
}

fn wait() {
    println!("\n{READY}");
    std::thread::sleep(Duration::from_secs(60));
}
