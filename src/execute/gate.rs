//! The health gate (R8): waits until a container is ready, and gives up at once when it cannot become so.
//!
//! A single "it is running" sample lies about a crash loop, so a restart, or any state other than running, fails the
//! gate at once, whatever the check says.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::probe::{self, HttpLook};
use crate::docker::{ContainerInfo, Docker, DockerError};
use crate::model::desired::{Check, Ready};
use crate::model::observed::Health;
use crate::model::{ContainerState, Domain, Millis};

/// The first looks come this fast and then back off to `ready.interval`: most apps are up within a second, and every
/// look that comes late delays a deploy.
const FIRST_INTERVAL: Duration = Duration::from_millis(50);
/// So long the exit code of a crash loop is waited for.
const ENDS_AGAIN_WITHIN: Duration = Duration::from_secs(3);
/// Without any check: so long must it run without a restart (R8).
const RUNNING_FOR: Duration = Duration::from_secs(10);

/// How a gate ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passed {
    /// The check said so.
    Healthy,
    /// Nothing could be checked; it runs.
    Unknown,
}

/// Why a gate did not pass.
#[derive(Debug, thiserror::Error)]
pub enum GateError {
    /// The container is not running, or Docker started it again.
    #[error("{0}")]
    Stopped(String),
    /// Somebody removed or paused it, which no app does to itself.
    #[error("{0}")]
    ByHand(String),
    /// It was ready, and did not stay well while it was watched (R10).
    #[error("not well {after} after it began to serve: {why}")]
    Sick {
        /// How long it had been watched.
        after: Millis,
        /// What was seen.
        why: String,
    },
    /// The deadline passed.
    #[error("not ready within {deadline}: {last}")]
    Deadline {
        /// The deadline, as written.
        deadline: String,
        /// What the last look said.
        last: String,
    },
    /// Docker did not answer.
    #[error(transparent)]
    Docker(#[from] DockerError),
}

/// What the gate looks at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gate<'a> {
    pub(super) id: &'a str,
    pub(super) ready: &'a Ready,
    pub(super) network: &'a str,
    pub(super) port: Option<u16>,
    pub(super) domain: Option<&'a Domain>,
    /// True for a container that was just started, which Docker must not have started again since.
    pub(super) fresh: bool,
}

/// What Docker says of a container.
pub(super) enum Standing {
    Up(ContainerInfo),
    Down(ContainerInfo),
}

/// One look's result.
pub(super) enum Look {
    Ready(Passed),
    NotYet(String),
}

/// Waits until the container is ready.
pub(super) async fn wait(docker: &Docker, gate: Gate<'_>) -> Result<Passed, GateError> {
    let start = Instant::now();
    let deadline = start + gate.ready.deadline.duration();
    let mut pause = FIRST_INTERVAL.min(gate.ready.interval.duration());
    let mut restarts = gate.fresh.then_some(0);
    loop {
        let info = match standing(docker, gate, &mut restarts).await? {
            Standing::Up(info) => info,
            Standing::Down(info) if info.state == ContainerState::Paused => {
                return Err(GateError::ByHand(end_of(&info)));
            }
            Standing::Down(info) => return Err(GateError::Stopped(end_of(&ended(docker, info).await?))),
        };
        let last = match look(gate, &info, start.elapsed()).await {
            Look::Ready(passed) => return Ok(passed),
            Look::NotYet(why) => why,
        };
        if Instant::now() + pause > deadline {
            return Err(GateError::Deadline { deadline: gate.ready.deadline.to_string(), last });
        }
        sleep(pause).await;
        pause = (pause * 2).min(gate.ready.interval.duration().max(FIRST_INTERVAL));
    }
}

/// Looks at a container's state alone: it stands while it runs and was not started again, since it was made or, when it
/// ran before, since the first look.
pub(super) async fn standing(
    docker: &Docker,
    gate: Gate<'_>,
    restarts: &mut Option<u64>,
) -> Result<Standing, GateError> {
    let info = inspect(docker, gate.id).await?;
    let before = *restarts.get_or_insert(info.restart_count);
    let stands = info.state == ContainerState::Running && info.restart_count == before;
    Ok(if stands { Standing::Up(info) } else { Standing::Down(info) })
}

async fn inspect(docker: &Docker, id: &str) -> Result<ContainerInfo, GateError> {
    docker.inspect(id).await?.ok_or_else(|| GateError::ByHand("its container is gone".into()))
}

/// A container that Docker started again has no exit code while it runs; what ended once ends again soon.
async fn ended(docker: &Docker, mut info: ContainerInfo) -> Result<ContainerInfo, GateError> {
    let until = Instant::now() + ENDS_AGAIN_WITHIN;
    while info.state == ContainerState::Running && Instant::now() < until {
        sleep(FIRST_INTERVAL).await;
        info = inspect(docker, &info.id).await?;
    }
    Ok(info)
}

/// How a container ended, in words: exit code, out of memory, Docker's error. One that runs again has no exit code.
pub(super) fn end_of(info: &ContainerInfo) -> String {
    let mut text = match info.state {
        ContainerState::Running => "it ended".to_owned(),
        ContainerState::Paused => "it was paused".to_owned(),
        ContainerState::Created
        | ContainerState::Restarting
        | ContainerState::Exited
        | ContainerState::Removing
        | ContainerState::Dead => format!("exit {}", info.exit_code),
    };
    if info.oom_killed {
        text.push_str(", out of memory");
    }
    match info.restart_count {
        0 => {}
        1 => text.push_str(", and Docker started it again"),
        times => text.push_str(&format!(", and Docker started it again {times} times")),
    }
    if !info.error.is_empty() {
        text.push_str(&format!(", {}", info.error));
    }
    text
}

/// Looks once at a container that has been running for so long.
pub(super) async fn look(gate: Gate<'_>, info: &ContainerInfo, running_for: Duration) -> Look {
    match &gate.ready.check {
        Check::Http { path, expect, host } => {
            let Some((address, port)) = address(gate, info) else {
                return Look::NotYet(format!("it has no address in network {}", gate.network));
            };
            let domain = gate.domain.map(Domain::host);
            let fallback = format!("{address}:{port}");
            let host = host.as_deref().or(domain).unwrap_or(&fallback);
            let look = HttpLook { host, path, expect: *expect };
            judge(probe::http(address, port, look, gate.ready.timeout.duration()).await)
        }
        Check::Tcp => match address(gate, info) {
            Some((address, port)) => judge(probe::tcp(address, port, gate.ready.timeout.duration()).await),
            None => Look::NotYet(format!("it has no address in network {}", gate.network)),
        },
        Check::Docker => docker_health(info),
        Check::Running if info.has_healthcheck => docker_health(info),
        Check::Running if running_for >= RUNNING_FOR => Look::Ready(Passed::Unknown),
        Check::Running => Look::NotYet("still within its first 10 s".into()),
    }
}

fn judge(answer: Result<(), String>) -> Look {
    match answer {
        Ok(()) => Look::Ready(Passed::Healthy),
        Err(why) => Look::NotYet(why),
    }
}

fn docker_health(info: &ContainerInfo) -> Look {
    match info.health {
        Some(Health::Healthy) => Look::Ready(Passed::Healthy),
        Some(Health::Starting) => Look::NotYet("Docker's health check is still starting".into()),
        Some(Health::Unhealthy) => Look::NotYet("Docker's health check says unhealthy".into()),
        None => Look::NotYet("the image has no HEALTHCHECK; write `ready: { http: … }` or `{ tcp: {} }`".into()),
    }
}

/// The container's own address and the app's port; a container in the host's network is the host itself.
fn address(gate: Gate<'_>, info: &ContainerInfo) -> Option<(IpAddr, u16)> {
    let port = gate.port?;
    if info.networks.contains_key("host") {
        return Some((IpAddr::from([127, 0, 0, 1]), port));
    }
    let mut own = info.networks.get(gate.network).into_iter().chain(info.networks.values());
    own.find_map(|address| address.parse().ok()).map(|address| (address, port))
}
