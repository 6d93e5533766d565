//! `landfall daemon`: watches the YAML files and converges until it is stopped.

use tokio::signal::unix::{SignalKind, signal};

use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::daemon::{self, Calls};
use crate::reconcile::Places;

/// Runs until SIGTERM or SIGINT.
pub(super) async fn run(places: Places, _out: Out) -> Result<Exit, Failure> {
    Box::pin(daemon::run(places, Calls::until(terminated()))).await?;
    Ok(Exit::Ok)
}

/// Resolves when the process is asked to stop.
pub(super) async fn terminated() {
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) else {
        // Without handlers the signals end the process by themselves.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
