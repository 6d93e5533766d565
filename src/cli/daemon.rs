//! `landfall daemon`: watches the YAML files and converges until it is stopped.

use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::daemon::{self, Ask, Calls, Signals};
use crate::reconcile::Places;
use crate::store::{DaemonLock, DataDir};

/// Runs until SIGTERM or SIGINT.
pub(super) async fn run(places: Places, _out: Out) -> Result<Exit, Failure> {
    let alone = DaemonLock::take(&DataDir::new(&places.data), "daemon", None).await?;
    let (_handle, asks) = tokio::sync::mpsc::channel::<Ask>(1);
    Box::pin(daemon::run(places, alone, Calls::new(listen()?, asks))).await;
    Ok(Exit::Ok)
}

/// From here on signals ask and do not end the process.
pub(super) fn listen() -> Result<Signals, Failure> {
    Signals::listen().map_err(|error| Failure::new(anyhow::anyhow!("cannot listen to signals: {error}"), None))
}
