//! The data directory: the store and whether it is whole, room on its disk, who may read it, and who works on it.

use super::super::{Error, Places};
use super::{Finding, bad, good};
use crate::store::{DaemonLock, DataDir, Lock, Store, StoreError};

/// With less room than this, a deploy with a long log, or a backup, may find none.
const LITTLE_ROOM: u64 = 64 * MIB;
const MIB: u64 = 1 << 20;

/// Looks at all of it; writes nothing.
pub(super) async fn examine(places: &Places) -> Vec<Finding> {
    let dir = DataDir::new(&places.data);
    let theirs = dir.clone();
    // Every page of the file is read.
    let checked = tokio::task::spawn_blocking(move || store(&theirs)).await;
    let checked = checked.unwrap_or_else(|error| {
        let error = Error::Internal(error.to_string());
        bad("store", error.to_string(), error.hint())
    });
    vec![checked, room(&dir), modes(&dir), lock(&dir)]
}

fn store(dir: &DataDir) -> Finding {
    let place = dir.root().display();
    let look = || -> Result<_, StoreError> {
        let Some(reader) = Store::open_read(dir)? else { return Ok(None) };
        reader.check()?;
        Ok(reader.recorded()?.store)
    };
    match look() {
        Ok(Some(id)) => good("store", format!("{id} in {place}, whole")),
        Ok(None) => good("store", format!("none in {place} yet: the first `landfall apply` makes it")),
        Err(error) => bad("store", error.to_string(), error.hint()),
    }
}

fn room(dir: &DataDir) -> Finding {
    let place = dir.root().display();
    match dir.room() {
        Ok(None) => good("room", format!("{place} is not there yet")),
        Ok(Some(room)) if room < LITTLE_ROOM => bad(
            "room",
            format!("{} MiB are free on the disk of {place}", room / MIB),
            Some(format!(
                "free some space, {} MiB at least: nothing is started that cannot be recorded",
                LITTLE_ROOM / MIB
            )),
        ),
        Ok(Some(room)) => good("room", format!("{} MiB free on the disk of {place}", room / MIB)),
        Err(error) => bad("room", error.to_string(), error.hint()),
    }
}

fn modes(dir: &DataDir) -> Finding {
    let open = dir.open_to_others();
    if open.is_empty() {
        return good("modes", format!("{} and its keys are for their owner only", dir.root().display()));
    }
    let told = open.iter().map(|(path, mode)| format!("{} has mode {mode:04o}", path.display()));
    let mend = open.iter().map(|(path, _)| {
        let mode = if path == dir.root() { "700" } else { "600" };
        format!("chmod {mode} {}", path.display())
    });
    let told: Vec<String> = told.collect();
    bad("modes", format!("others can use {}", told.join(", ")), Some(mend.collect::<Vec<_>>().join(" && ")))
}

/// Nobody is ill who works; but whoever waits wants to know for whom.
fn lock(dir: &DataDir) -> Finding {
    let now = Lock::holder(dir).map_or_else(|| "free".to_owned(), |holder| format!("held by {holder}"));
    let daemon = DaemonLock::holder(dir)
        .map_or_else(|| "no daemon runs".to_owned(), |holder| format!("a daemon runs ({holder})"));
    good("lock", format!("{now}; {daemon}"))
}
