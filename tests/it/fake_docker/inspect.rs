//! `GET /containers/{id}/json`.

use axum::response::Response;
use serde_json::{Map, Value, json};

use super::server::Asked;
use super::world::{FakeContainer, State};
use super::{Shared, answer, listing};

/// One container in full; dockerd answers when it has finished what it does to it.
pub async fn inspect(world: &Shared, asked: &Asked) -> Response {
    world.ended(&asked.object).await;
    match world.lock().get(&asked.object) {
        Some(container) => answer::value(200, &full(container)),
        None => answer::no_container(&asked.object),
    }
}

fn full(container: &FakeContainer) -> Value {
    json!({
        "Id": container.id,
        "Created": "2026-01-01T00:00:00Z",
        "Name": format!("/{}", container.name),
        "State": state(container),
        "Image": container.image_id,
        "RestartCount": container.restart_count,
        "HostConfig": container.body["HostConfig"],
        "Config": {
            "Image": container.image,
            "Labels": container.labels,
            "Env": container.environment,
            "Healthcheck": container.health.map(|_| json!({ "Test": ["CMD", "/app", "--health"] })),
        },
        "NetworkSettings": { "Networks": listing::networks(container), "Ports": ports(container) },
    })
}

fn state(container: &FakeContainer) -> Value {
    let never = "0001-01-01T00:00:00Z";
    let started = if container.starts == 0 { never } else { "2026-01-01T00:00:01Z" };
    let finished = if container.state == State::Exited { "2026-01-01T00:00:09Z" } else { never };
    json!({
        "Status": listing::state_word(container.state),
        "Running": container.is_running(),
        "Paused": container.state == State::Paused,
        "Restarting": container.state == State::Restarting,
        "OOMKilled": container.oom_killed,
        "ExitCode": container.exit_code,
        "Error": container.error,
        "StartedAt": started,
        "FinishedAt": finished,
        "Health": container.health.map(|health| json!({ "Status": health, "FailingStreak": 0, "Log": [] })),
    })
}

fn ports(container: &FakeContainer) -> Value {
    let binding = |(host, inside): &(u16, u16)| {
        (format!("{inside}/tcp"), json!([{ "HostIp": "127.0.0.1", "HostPort": host.to_string() }]))
    };
    Value::Object(container.published.iter().map(binding).collect::<Map<_, _>>())
}
