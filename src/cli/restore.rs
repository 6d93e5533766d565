//! `landfall restore`: a backup takes the place of the store.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::render::{Out, time};
use crate::reconcile::{LOCK_WAIT, Places};
use crate::store::{self, Copied, DaemonLock, DataDir, Lock, Restored};

/// Restores, and says what became of what was there.
pub(super) async fn run(places: &Places, file: &Path, out: Out) -> Result<Exit, Failure> {
    let data = DataDir::new(&places.data);
    // Held to the end: a daemon that starts meanwhile would work on the store that goes.
    let daemon = DaemonLock::take(&data, "restore", None).await?;
    let lock = Lock::acquire(&data, "restore", LOCK_WAIT).await?;
    let Restored { copied, kept, before } = store::restore(&data, &lock, &daemon, file)?;
    let Copied { store, schema, deploys, newest_ms, bytes: _ } = copied;
    let newest = newest_ms.map(|ms| format!(", the newest of {}", time(ms))).unwrap_or_default();
    out.line(&format!("restored store {store} with {deploys} deploys{newest}"));
    if let Some(kept) = &kept {
        out.line(&format!("what was there before is kept as {}", kept.display()));
    }
    if let Some(before) = before.filter(|before| *before != store) {
        out.note(&format!("that was another store, {before}: what it runs does not belong to {store}"));
    }
    out.line("`landfall apply` brings it up to date with what runs; until then it knows only what the backup knew");
    out.data(serde_json::json!({
        "store": store, "schema": schema, "deploys": deploys, "newest_deploy_at": newest_ms.map(time),
        "kept": kept, "before": before,
    }));
    Ok(Exit::Ok)
}
