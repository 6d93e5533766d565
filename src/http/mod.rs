//! The daemon's control socket: HTTP and JSON, for the commands of this program and whoever else is let in.
//!
//! | request | body → answer |
//! |---|---|
//! | `GET /v1/health` | → [`Health`] |
//! | `GET /v1/status` | → [`Status`] |
//! | `POST /v1/want` | [`Request`] → lines of [`Said`], the last one is the end; else [`Denial`] |
//! | `POST /v1/reload` | → 202 [`Health`] |
//!
//! *Guarantees*: what was accepted is done whether or not its client waits for it; who asks for a change is in the log by
//! uid and pid as the kernel knows them; everything that waits or grows has a limit (R31).
//!
//! *Must not*: decide or print. What is asked for goes to the loop, what comes of it is made into text by a function of
//! `cli`, the same as without a daemon. Who may write to the socket may do what the daemon may: its mode is the boundary.

mod client;
mod error;
mod server;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::daemon::State;
use crate::execute::Event;
use crate::model::{ConditionRow, StageKey};
use crate::reconcile::{Done, Error, Want};

pub use client::{Call, status};
pub use error::HttpError;
pub use server::Server;

/// Version of what is said here; it grows by additions only.
pub const FORMAT_VERSION: u32 = 1;
/// Version of the program.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Makes what came of a request into what a command prints.
pub type Render = fn(&Want, Result<Done, Error>) -> Value;

/// The daemon is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Health {
    /// Version of this form.
    pub format_version: u32,
    /// Its process.
    pub pid: u32,
}

/// What the daemon is at.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// Version of this form.
    pub format_version: u32,
    /// Its process.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
    /// When this was said, in milliseconds since 1970 UTC.
    pub now_ms: i64,
    /// Where it works.
    pub places: Given,
    /// What it is at.
    #[serde(flatten)]
    pub state: State,
    /// The conditions of the host, as in `landfall status`; none where they cannot be read.
    #[serde(default)]
    pub conditions: Option<Vec<ConditionRow>>,
    /// Those of the stages, by name.
    #[serde(default)]
    pub stages: Option<Vec<StageConditions>>,
}

/// The conditions of a stage.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StageConditions {
    /// Which.
    pub key: StageKey,
    /// As in `landfall status`.
    pub conditions: Vec<ConditionRow>,
}

/// Something that is asked for.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Version of this form.
    pub format_version: u32,
    /// The places that were named to the command: the daemon does nothing for who means another place.
    #[serde(default)]
    pub places: Given,
    /// What is asked for.
    pub want: Want,
}

/// Places, as far as they were named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    /// Directory of the store.
    pub data: Option<PathBuf>,
    /// Where the configuration is.
    pub config: Option<PathBuf>,
    /// The repository elsewhere, where it is there, with branch and folder.
    #[serde(default)]
    pub git: Option<String>,
    /// Directory of credentials.
    pub credentials: Option<PathBuf>,
    /// Address of the Docker engine.
    pub docker: Option<String>,
    /// Control socket of the proxy.
    pub proxy_socket: Option<PathBuf>,
}

/// One line of the answer to a request. Empty lines between them say that the daemon is there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// Something happened.
    Event(Event),
    /// It is over, and this is to be printed.
    End(Value),
    /// It was not begun, or left in the middle.
    Left(Denial),
}

/// Why a request is not answered with what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// A sentence for people.
    pub error: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl Given {
    /// The first place that is named here and is another one there: the option that names it, both places.
    fn conflict(&self, there: &Self) -> Option<(&'static str, String, String)> {
        let Self { data, config, git, credentials, docker, proxy_socket } = self;
        let shown = |path: &Option<PathBuf>| path.as_deref().map(real).map(|path| path.display().to_string());
        // Of the two one is named, and the other may be what the daemon has.
        let source = |given: &Self| given.git.clone().or_else(|| shown(&given.config));
        let option = if git.is_some() { "--git" } else { "--config" };
        let places = [
            ("--data", shown(data), shown(&there.data)),
            (option, git.clone().or_else(|| shown(config)), source(there)),
            ("--docker", docker.clone(), there.docker.clone()),
            ("--credentials", shown(credentials), shown(&there.credentials)),
            ("--proxy-socket", shown(proxy_socket), shown(&there.proxy_socket)),
        ];
        let named = places.into_iter().filter_map(|(option, here, there)| Some((option, here?, there?)));
        named.into_iter().find(|(_, here, there)| here != there)
    }
}

/// The same place however it is written, as far as it is there.
fn real(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}
