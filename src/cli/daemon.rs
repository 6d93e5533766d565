//! `landfall daemon`: watches the YAML files and converges until it is stopped; asked over its control socket meanwhile.

use std::path::PathBuf;

use super::exit::Exit;
use super::failure::Failure;
use super::outcome::render;
use super::through::socket_of;
use crate::daemon::{self, Calls, Signals};
use crate::http::{Given, Server};
use crate::reconcile::{ConfigPlace, Done, Error, Places, Want};
use crate::socket::{ControlSocket, SocketError};
use crate::store::{DaemonLock, DataDir};

/// Runs until SIGTERM or SIGINT.
pub(super) async fn run(places: Places, socket: Option<PathBuf>) -> Result<Exit, Failure> {
    let path = socket_of(socket, &places.data);
    // First of all, so that a second daemon is refused before it has taken anything.
    let alone = DaemonLock::take(&DataDir::new(&places.data), "daemon", Some(&path)).await?;
    let socket = ControlSocket::claim(&path)?;
    let (calls, handle) = Calls::new(listen()?);
    tracing::info!(socket = %path.display(), "asked at {}", path.display());
    let server = Server::start(socket, handle, given(&places), rendered);
    Box::pin(daemon::run(places, &alone, calls)).await;
    server.finish().await;
    Ok(Exit::Ok)
}

/// The places of the daemon, for who means others.
fn given(places: &Places) -> Given {
    let (config, git) = match &places.config {
        ConfigPlace::Directory { dir, .. } => (Some(dir.clone()), None),
        ConfigPlace::Remote { .. } => (None, Some(places.config.to_string())),
    };
    Given {
        data: Some(places.data.clone()),
        config,
        git,
        credentials: Some(places.credentials.clone()),
        docker: Some(places.docker.clone()),
        proxy_socket: Some(places.proxy_socket.clone()),
    }
}

/// What a command prints, on its way to the command.
fn rendered(want: &Want, done: Result<Done, Error>) -> serde_json::Value {
    // Only text has keys here, so that this cannot fail; who gets no object says so.
    serde_json::to_value(render(want, done)).unwrap_or_default()
}

/// From here on signals ask and do not end the process.
pub(super) fn listen() -> Result<Signals, Failure> {
    Signals::listen().map_err(|error| Failure::new(anyhow::anyhow!("cannot listen to signals: {error}"), None))
}

impl From<SocketError> for Failure {
    fn from(error: SocketError) -> Self {
        let hint = error.hint("--socket");
        Self::new(error, Some(hint))
    }
}
