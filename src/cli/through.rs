//! Requests on their way: through the daemon where one runs on the data directory, else done here, under the store's lock.
//!
//! Both ways lead to the same text. A daemon that does not answer holds nobody up: it takes the lock for each pass, so that
//! what is done here meanwhile is safe.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::exit::Exit;
use super::failure::Failure;
use super::live::Live;
use super::outcome::{Rendered, render};
use super::render::Out;
use crate::http::{self, Call, FORMAT_VERSION, Given, HttpError, Request};
use crate::reconcile::{Places, UnderWay, Want};
use crate::store::{DaemonLock, DataDir, FoundDaemon};

/// Where the unit's daemon is asked, for who may not read its data directory.
const SOCKET: &str = "/run/landfall/landfall.sock";
/// So long a command that only looks waits for a daemon to say what it is at.
const STATUS_WITHIN: Duration = Duration::from_secs(2);

/// How the daemon is found.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// The socket that was named.
    pub(super) socket: Option<PathBuf>,
    /// The places that were named: the daemon must have the same.
    pub(super) named: Given,
}

/// A daemon that should answer.
struct Daemon {
    socket: PathBuf,
    /// Without it nothing can be done here.
    is_only_way: bool,
}

impl Way {
    /// Does what is asked for, with live progress, and prints what comes of it.
    pub(super) async fn carry_out(&self, places: &Places, want: Want, out: Out) -> Result<Exit, Failure> {
        let live = Live::new();
        let rendered = match self.connect(places, out).await? {
            Some(call) => self.ask(call, want, &live, out).await,
            None => {
                let done = Box::pin(want.clone().carry_out(places, live.sink())).await;
                Ok(render(&want, done))
            }
        };
        live.finish();
        Ok(out.rendered(&rendered?))
    }

    /// The same places, with what a daemon has in hand there.
    pub(super) async fn aware(&self, places: Places) -> Places {
        let Some(Daemon { socket, .. }) = self.find(&places) else { return places };
        match tokio::time::timeout(STATUS_WITHIN, http::status(&socket)).await {
            Ok(Ok(status)) => {
                let stages = status.state.under_way.into_keys().collect();
                let told = UnderWay { pid: status.pid, stages, at_ms: status.now_ms };
                Places { beside: places.beside.told(told), ..places }
            }
            // The lock tells as much as it did before there was a socket.
            Ok(Err(_)) | Err(_) => places,
        }
    }

    /// A daemon that runs on the data directory, as far as we may see.
    fn find(&self, places: &Places) -> Option<Daemon> {
        match DaemonLock::find(&DataDir::new(&places.data)) {
            FoundDaemon::None => None,
            FoundDaemon::Runs(holder) => {
                let socket = self.socket.clone().or(holder.socket)?;
                Some(Daemon { socket, is_only_way: false })
            }
            FoundDaemon::Hidden => {
                let usual = || Some(PathBuf::from(SOCKET)).filter(|socket| socket.exists());
                let socket = self.socket.clone().or_else(usual)?;
                Some(Daemon { socket, is_only_way: true })
            }
        }
    }

    /// A connection to the daemon; none where there is none, or where it does not answer and we can do without.
    async fn connect(&self, places: &Places, out: Out) -> Result<Option<Call>, Failure> {
        let Some(Daemon { socket, is_only_way }) = self.find(places) else { return Ok(None) };
        match Call::open(&socket).await {
            Ok(call) => {
                tracing::debug!(socket = %socket.display(), "through the daemon");
                Ok(Some(call))
            }
            Err(error) if is_only_way => Err(error.into()),
            Err(error) => {
                out.note(&beside(&error));
                Ok(None)
            }
        }
    }

    async fn ask(&self, call: Call, want: Want, live: &Live, out: Out) -> Result<Rendered, Failure> {
        let is_refused = matches!(want, Want::Converge { .. } | Want::ByHand { .. });
        let request = Request { format_version: FORMAT_VERSION, places: self.named.clone(), want };
        let answer = tokio::select! {
            answer = call.ask(&request, |event| live.show(event)) => answer.map_err(|error| match error {
                HttpError::Denied(_) if is_refused => Failure::from(error).refused(),
                error => error.into(),
            })?,
            _ = tokio::signal::ctrl_c() => {
                live.finish();
                out.note("the daemon goes on with it; `landfall history` shows how it ends");
                return Ok(Rendered { exit: Exit::Error, ..Rendered::ok(serde_json::Value::Null) });
            }
        };
        serde_json::from_value(answer).map_err(|error| {
            let hint = "restart the daemon after an upgrade: `systemctl restart landfall`";
            Failure::text(format!("the daemon's answer cannot be read: {error}"), hint.to_owned())
        })
    }
}

/// Why it is done without the daemon, and what to do about that.
fn beside(error: &HttpError) -> String {
    let hint = error.hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
    format!("{error}{hint}; this is done beside it, under the lock of the store")
}

/// Where a daemon is asked: as named, else below systemd's runtime directory, else in its data directory.
pub(super) fn socket_of(named: Option<PathBuf>, data: &Path) -> PathBuf {
    let systemd = std::env::var_os("RUNTIME_DIRECTORY").filter(|directory| !directory.is_empty());
    named.unwrap_or_else(|| systemd.map_or_else(|| data.to_owned(), PathBuf::from).join("landfall.sock"))
}
