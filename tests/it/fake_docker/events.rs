//! `GET /events`: what happens, as dockerd 20.10 tells it, in its order and with its filters.

use std::collections::{HashSet, VecDeque};
use std::time::SystemTime;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, watch};

use super::server::Asked;
use super::world::{FakeContainer, World};
use super::{FakeDocker, Shared};

/// So many events dockerd remembers.
const HISTORY: usize = 256;

/// Who listens, what happened, and what is still happening.
pub struct Events {
    past: VecDeque<Value>,
    listeners: Vec<Listener>,
    /// How long the end of a container takes: its `die` is told at the beginning, lists show it at the end, and
    /// whoever asks for the container itself waits.
    pub ending_takes: std::time::Duration,
    /// Containers whose end takes its time.
    pub ending: watch::Sender<HashSet<String>>,
}

/// One open stream: a line, or the end of the connection.
struct Listener {
    filters: Value,
    lines: mpsc::UnboundedSender<Result<Bytes, Cut>>,
}

/// The connection breaks.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("cut on request")]
pub struct Cut;

impl Events {
    pub fn new() -> Self {
        Self {
            past: VecDeque::new(),
            listeners: Vec::new(),
            ending_takes: std::time::Duration::ZERO,
            ending: watch::Sender::new(HashSet::new()),
        }
    }

    /// Tells everybody who wants to know, and remembers it.
    fn tell(&mut self, event: Value) {
        let line = Bytes::from(format!("{event}\n"));
        self.listeners.retain(|listener| {
            if wants(&listener.filters, &event) {
                listener.lines.send(Ok(line.clone())).is_ok()
            } else {
                !listener.lines.is_closed()
            }
        });
        self.past.push_back(event);
        while self.past.len() > HISTORY {
            self.past.pop_front();
        }
    }
}

impl World {
    /// Tells of a container: with its labels, its image and its name now.
    pub fn tell(&mut self, action: &str, container: &FakeContainer) {
        self.tell_more(action, container, &[]);
    }

    /// The same, and a few words more.
    pub fn tell_more(&mut self, action: &str, container: &FakeContainer, more: &[(&str, String)]) {
        let mut attributes: Map<String, Value> =
            container.labels.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        attributes.insert("image".into(), json!(container.image));
        attributes.insert("name".into(), json!(container.name));
        attributes.extend(more.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        self.events.tell(message("container", action, &container.id, &Value::Object(attributes)));
    }

    /// Tells that a container joined or left a network.
    pub fn tell_network(&mut self, action: &str, network: &str, container: &str) {
        let known = self.networks.iter().find(|known| known.name == network || known.id == network);
        let (id, name) = known.map(|known| (known.id.clone(), known.name.clone())).unwrap_or_default();
        let attributes = json!({ "container": container, "name": name, "type": "bridge" });
        self.events.tell(message("network", action, &id, &attributes));
    }
}

fn message(kind: &str, action: &str, id: &str, attributes: &Value) -> Value {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let nanos = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
    let actor = json!({ "ID": id, "Attributes": attributes });
    json!({
        "Type": kind, "Action": action, "Actor": actor, "scope": "local", "time": now.as_secs(), "timeNano": nanos,
    })
}

/// `GET /events?since=&filters=`
pub fn events(world: &Shared, asked: &Asked) -> Response {
    let filters: Value = serde_json::from_str(asked.query("filters")).unwrap_or_default();
    let since = nanos(asked.query("since"));
    let (lines, listener) = mpsc::unbounded_channel();
    let past: Vec<_> = {
        let mut world = world.lock();
        let is_meant = |event: &&Value| event["timeNano"].as_i64() >= since && wants(&filters, event);
        let past = world.events.past.iter().filter(|_| since.is_some()).filter(is_meant);
        let past = past.map(|event| Ok(Bytes::from(format!("{event}\n")))).collect();
        world.events.listeners.push(Listener { filters, lines });
        past
    };
    let future = futures_util::stream::unfold(listener, async |mut listener| Some((listener.recv().await?, listener)));
    let body = Body::from_stream(futures_util::stream::iter(past).chain(future));
    ([("content-type", "application/json")], body).into_response()
}

/// `seconds.nanoseconds`; none for no time.
fn nanos(time: &str) -> Option<i64> {
    let (seconds, nanos) = time.split_once('.').unwrap_or((time, "0"));
    Some(seconds.parse::<i64>().ok()? * 1_000_000_000 + nanos.parse::<i64>().ok()?)
}

/// dockerd's filters: each one given must match, by any of its values. Actions are compared whole, unless one of
/// those that have an end of their own is asked for: then by their beginnings, all of them.
fn wants(filters: &Value, event: &Value) -> bool {
    let values = |name: &str| -> Vec<&str> {
        match &filters[name] {
            Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
            Value::Object(map) => map.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (kinds, actions, labels) = (values("type"), values("event"), values("label"));
    let action = text(&event["Action"]);
    let by_beginning = ["health_status", "exec_create", "exec_start"].iter().any(|kind| actions.contains(kind));
    let is_action = |wanted: &&str| if by_beginning { action.starts_with(*wanted) } else { action == **wanted };
    let has_label = |label: &&str| {
        let (name, value) = label.split_once('=').unwrap_or((label, ""));
        let have = event["Actor"]["Attributes"][name].as_str();
        have.is_some_and(|have| value.is_empty() || have == value)
    };
    (kinds.is_empty() || kinds.contains(&text(&event["Type"]).as_str()))
        && (actions.is_empty() || actions.iter().any(is_action))
        // A network has no labels of a container: who filters by label never hears of joining and leaving.
        && labels.iter().all(has_label)
}

/// What tests do to the stream.
impl FakeDocker {
    /// Ends every stream of events, as a proxy in between that is restarted would; what happened is still known.
    pub fn cut_events(&self) {
        for listener in self.world.lock().events.listeners.drain(..) {
            let _ = listener.lines.send(Err(Cut));
        }
    }

    /// The daemon restarts: the streams end, and it has forgotten what happened. Containers go on.
    pub fn forget_events(&self) {
        self.cut_events();
        self.world.lock().events.past.clear();
    }

    /// Sends this to everybody who listens, whatever it is.
    pub fn send_event(&self, text: &str) {
        let line = Bytes::from(text.to_owned());
        self.world.lock().events.listeners.retain(|listener| listener.lines.send(Ok(line.clone())).is_ok());
    }

    /// How many streams of events are open.
    pub fn listeners(&self) -> usize {
        let events = &mut self.world.lock().events;
        events.listeners.retain(|listener| !listener.lines.is_closed());
        events.listeners.len()
    }

    /// From now on the end of a container takes so long, as it does on a real host.
    pub fn endings_take(&self, time: std::time::Duration) {
        self.world.lock().events.ending_takes = time;
    }

    /// A health check runs in a container: the three events of every one of them.
    pub fn check_health(&self, name: &str) {
        let mut world = self.world.lock();
        let container = world.get(name).cloned().unwrap_or_else(|| panic!("no container {name}"));
        for action in ["exec_create: /app --health", "exec_start: /app --health", "exec_die"] {
            world.tell(action, &container);
        }
    }
}

impl Shared {
    /// Tells of a container as it is now.
    pub fn told(&self, action: &str, id: &str) {
        let mut world = self.lock();
        if let Some(container) = world.get(id).cloned() {
            world.tell(action, &container);
        }
    }

    /// Returns when the end of a container is over, if it is ending.
    pub async fn ended(&self, id: &str) {
        let (id, mut ending) = {
            let mut world = self.lock();
            let id = world.get(id).map_or_else(|| id.to_owned(), |container| container.id.clone());
            (id, world.events.ending.subscribe())
        };
        // Ends with an error only when the fake is gone.
        let _ = ending.wait_for(|ending| !ending.contains(&id)).await;
    }
}
