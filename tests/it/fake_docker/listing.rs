//! `GET /containers/json`.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::server::Asked;
use super::world::{FakeContainer, State};
use super::{Shared, answer};

/// All containers that carry the labels, or have one of the ids, asked for.
pub fn list(world: &Shared, asked: &Asked) -> Response {
    listed(&world.lock().containers, asked)
}

/// The same as it was before the last change.
pub fn stale(world: &Shared, asked: &Asked) -> Response {
    listed(&world.lock().before_last_change, asked)
}

fn listed(containers: &[FakeContainer], asked: &Asked) -> Response {
    let filters: Value = serde_json::from_str(asked.query("filters")).unwrap_or_default();
    let wanted = labels_wanted(&filters["label"]);
    let ids = labels_wanted(&filters["id"]);
    let is_meant = |c: &&FakeContainer| ids.is_empty() || ids.contains(&c.id);
    let shown = containers.iter().filter(|c| asked.flag("all") || c.is_running()).filter(is_meant);
    let rows: Vec<_> = shown.filter(|c| wanted.iter().all(|label| carries(c, label))).map(row).collect();
    answer::value(200, &Value::Array(rows))
}

/// Docker takes a list and, from old clients, a map.
fn labels_wanted(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        Value::Object(map) => map.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

fn carries(container: &FakeContainer, label: &str) -> bool {
    match label.split_once('=') {
        Some((name, value)) => container.labels.get(name).is_some_and(|have| have == value),
        None => container.labels.contains_key(label),
    }
}

fn row(container: &FakeContainer) -> Value {
    let port = |(host, inside): &(u16, u16)| json!({ "IP": "127.0.0.1", "PrivatePort": inside, "PublicPort": host, "Type": "tcp" });
    json!({
        "Id": container.id,
        "Names": [format!("/{}", container.name)],
        "Image": container.image,
        "ImageID": container.image_id,
        "Command": "/app",
        "Created": container.created,
        "Ports": container.published.iter().map(port).collect::<Vec<_>>(),
        "Labels": container.labels,
        "State": state_word(container.state),
        "Status": status(container),
        "HostConfig": { "NetworkMode": container.body["HostConfig"]["NetworkMode"] },
        "NetworkSettings": { "Networks": networks(container) },
        "Mounts": [],
    })
}

/// dockerd's word for a state.
pub fn state_word(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Running => "running",
        State::Paused => "paused",
        State::Restarting => "restarting",
        State::Exited => "exited",
    }
}

fn status(container: &FakeContainer) -> String {
    match container.state {
        State::Created => "Created".to_owned(),
        State::Paused => "Up 5 seconds (Paused)".to_owned(),
        State::Restarting => format!("Restarting ({}) 1 second ago", container.exit_code),
        State::Exited => format!("Exited ({}) 5 seconds ago", container.exit_code),
        State::Running => match container.health {
            Some("starting") => "Up 5 seconds (health: starting)".to_owned(),
            Some(health) => format!("Up 5 seconds ({health})"),
            None => "Up 5 seconds".to_owned(),
        },
    }
}

/// The networks of a container, as lists and inspections show them.
pub fn networks(container: &FakeContainer) -> Value {
    let endpoint = |(name, endpoint): (&String, &super::Endpoint)| {
        let address = endpoint.address.map_or_else(String::new, |address| address.to_string());
        (name.clone(), json!({ "IPAddress": address, "Aliases": endpoint.aliases, "NetworkID": name }))
    };
    Value::Object(container.networks.iter().map(endpoint).collect::<Map<_, _>>())
}
