//! What happens to containers, as Docker tells it while it happens.
//!
//! Events are hints: Docker drops them when nobody reads them fast enough, forgets them when it restarts, and tells of
//! the death of a container some 0.3 s before its lists show it (see [`Docker::settled`]). Whoever needs the truth asks.

use std::pin::Pin;
use std::time::{Duration, SystemTime};

use bollard::models::{EventMessage, EventMessageTypeEnum as Kind};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};
use serde_json::json;

use super::{Docker, DockerError};
use crate::model::Labels;

/// What Docker is asked to tell. The rest means nothing to us or comes together with one of these: `kill`, `stop` and
/// `oom` are followed by `die` if they end the container, and a network cannot go before its containers have left it.
/// Above all, the three `exec_…` of every health check stay away. Docker compares beginnings, since `health_status` has
/// an end of its own.
const ACTIONS: [&str; 7] = ["start", "die", "pause", "rename", "destroy", "health_status", "disconnect"];

/// Longest wait for Docker to finish what it just told of. A container's end takes it 0.3 s; after this the hint is
/// passed on all the same.
const SETTLE: Duration = Duration::from_secs(2);

/// Something that happened to a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// What.
    pub what: Happened,
    /// Docker's id, 64 hex digits.
    pub id: String,
    /// Its name, after a renaming the new one; empty when it left a network, since Docker does not say.
    pub name: String,
    /// Our labels, where it has all of them; none as well when it left a network.
    pub labels: Option<Labels>,
}

/// What can happen to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Happened {
    /// It runs, for the first time or again.
    Started,
    /// Its process ended, whoever ended it.
    Died,
    /// It was frozen.
    Paused,
    /// It has another name.
    Renamed,
    /// It left a network.
    Disconnected,
    /// It was removed.
    Destroyed,
    /// Its HEALTHCHECK says something else than before.
    Health,
}

type Lines = Pin<Box<dyn Stream<Item = Result<Bytes, DockerError>> + Send>>;

impl Docker {
    /// What happens from this time on; Docker tells of the last 256 events too, where they are not older. The time
    /// closes the gap between the answer's head and the moment at which Docker begins to listen.
    pub fn events(&self, since: SystemTime) -> Events {
        let filters = json!({ "type": ["container", "network"], "event": ACTIONS }).to_string();
        let path = format!("/events?since={}&filters={}", time(since), encoded(&filters));
        Events { docker: self.clone(), lines: Box::pin(self.lines(WHAT, path)) }
    }

    /// Returns when a list shows what an event just told of a container: Docker answers a question for it only when it
    /// has finished the change. One call, at most two seconds; false when it has not by then.
    pub async fn settled(&self, id: &str) -> bool {
        let asked = tokio::time::timeout(SETTLE, self.inspect(id)).await;
        let is_shown = matches!(asked, Ok(Ok(_)));
        if !is_shown {
            tracing::debug!(id, "docker did not say within {} s how a container is", SETTLE.as_secs());
        }
        is_shown
    }
}

/// For a query.
fn encoded(text: &str) -> String {
    let byte = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(byte).collect()
}

/// Seconds and nanoseconds since 1970.
fn time(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    format!("{}.{:09}", since.as_secs(), since.subsec_nanos())
}

/// A subscription; asked for with the first call of [`next`](Self::next), and ended when it is dropped.
pub struct Events {
    docker: Docker,
    lines: Lines,
}

impl Events {
    /// The next event. May be dropped while it waits, and called again.
    ///
    /// # Errors
    /// The connection broke, Docker told of something that cannot be understood, or was silent for so long that the
    /// connection may be dead, or of more than a line may hold. The subscription is over then, and anything may have been missed.
    pub async fn next(&mut self) -> Result<ContainerEvent, DockerError> {
        let limit = self.docker.limits.event_silence;
        loop {
            match tokio::time::timeout(limit, self.lines.next()).await {
                Ok(Some(Ok(line))) => {
                    // Its text is left out: it may hold secrets.
                    let message = serde_json::from_slice(&line);
                    let message = message.map_err(|_| DockerError::Unreadable { what: WHAT.to_owned() })?;
                    if let Some(event) = event(message) {
                        return Ok(event);
                    }
                }
                Ok(Some(Err(error))) => return Err(error),
                Ok(None) => {
                    let address = self.docker.address().to_owned();
                    return Err(DockerError::Unreachable { address, reason: "it ended the stream of events".into() });
                }
                Err(_) => return Err(DockerError::Timeout { what: WHAT.to_owned(), limit }),
            }
        }
    }
}

/// Completes "docker did not …".
const WHAT: &str = "tell what happens";

/// None for what was not asked for; an older daemon may not know how to leave it out.
fn event(message: EventMessage) -> Option<ContainerEvent> {
    let EventMessage { typ, action, actor, scope: _, time: _, time_nano: _ } = message;
    let (action, actor) = (action.unwrap_or_default(), actor.unwrap_or_default());
    let mut attributes = actor.attributes.unwrap_or_default();
    match typ? {
        Kind::CONTAINER => {
            let what = happened(&action)?;
            let name = attributes.remove("name").unwrap_or_default();
            let labels = Labels::parse(&attributes.into_iter().collect());
            Some(ContainerEvent { what, id: actor.id.unwrap_or_default(), name, labels })
        }
        Kind::NETWORK if action == "disconnect" => {
            let id = attributes.remove("container")?;
            Some(ContainerEvent { what: Happened::Disconnected, id, name: String::new(), labels: None })
        }
        // The rest of a foreign enum.
        _ => None,
    }
}

fn happened(action: &str) -> Option<Happened> {
    match action {
        "start" => Some(Happened::Started),
        "die" => Some(Happened::Died),
        "pause" => Some(Happened::Paused),
        "rename" => Some(Happened::Renamed),
        "destroy" => Some(Happened::Destroyed),
        _ => action.starts_with("health_status").then_some(Happened::Health),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_as_docker_reads_it() {
        assert_eq!(time(SystemTime::UNIX_EPOCH + Duration::new(1_700_000_000, 5)), "1700000000.000000005");
    }

    #[test]
    fn the_work_of_a_health_check_is_no_event() {
        for action in ["exec_start: /app --health", "exec_die", "exec_create: /app", "top", "attach", ""] {
            assert_eq!(happened(action), None, "{action}");
        }
        assert_eq!(happened("health_status: unhealthy"), Some(Happened::Health));
    }
}
