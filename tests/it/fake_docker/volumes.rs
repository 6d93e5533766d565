//! Named volumes.

use axum::response::Response;
use serde_json::{Value, json};

use super::server::Asked;
use super::{Shared, answer};

/// `GET /volumes/{name}`
pub fn inspect(world: &Shared, asked: &Asked) -> Response {
    let name = &asked.object;
    match world.lock().volumes.get(name) {
        Some(labels) => answer::value(200, &shown(name, labels)),
        None => answer::error(404, &format!("get {name}: no such volume")),
    }
}

/// `POST /volumes/create`
pub fn create(world: &Shared, asked: &Asked) -> Response {
    let body = asked.json();
    let name = body["Name"].as_str().unwrap_or_default();
    let mut world = world.lock();
    // One that exists keeps its labels, as dockerd has it.
    let labels = world.volumes.entry(name.to_owned()).or_insert_with(|| body["Labels"].clone());
    answer::value(201, &shown(name, labels))
}

fn shown(name: &str, labels: &Value) -> Value {
    json!({ "Name": name, "Driver": "local", "Mountpoint": "/fake", "Labels": labels, "Scope": "local", "Options": null })
}
