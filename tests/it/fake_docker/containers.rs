//! Creating, filling, stopping, renaming and removing containers.

use std::collections::BTreeMap;
use std::io::Read as _;

use axum::response::Response;
use serde_json::{Value, json};

use super::server::Asked;
use super::world::{Endpoint, FakeContainer, State, World};
use super::{Shared, answer, start};

/// `POST /containers/create?name=`
pub fn create(world: &Shared, asked: &Asked) -> Response {
    let name = asked.query("name").to_owned();
    let body = asked.json();
    let mut world = world.lock();
    if let Some(refusal) = refuse_creation(&mut world, &name, &body) {
        return refusal;
    }
    let container = made(&mut world, name, body);
    let id = container.id.clone();
    world.tell("create", &container);
    world.add_container(container);
    answer::value(201, &json!({ "Id": id, "Warnings": [] }))
}

fn refuse_creation(world: &mut World, name: &str, body: &Value) -> Option<Response> {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if !first || name.len() < 2 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)) {
        let text = format!("Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
        return Some(answer::error(400, &text));
    }
    let image = body["Image"].as_str().unwrap_or_default();
    if world.image(image).is_none() {
        return Some(answer::error(404, &format!("No such image: {image}")));
    }
    if let Some(refusal) = refuse_name(world, name) {
        return Some(refusal);
    }
    let mounts = body["HostConfig"]["Mounts"].as_array().cloned().unwrap_or_default();
    let missing = mounts.iter().filter(|mount| mount["Type"] == "bind").find_map(|mount| {
        let source = mount["Source"].as_str().unwrap_or_default();
        (!std::path::Path::new(source).exists()).then(|| source.to_owned())
    })?;
    let text = format!("invalid mount config for type \"bind\": bind source path does not exist: {missing}");
    Some(answer::error(400, &text))
}

fn refuse_name(world: &mut World, name: &str) -> Option<Response> {
    let holder = world.containers.iter().find(|container| container.name == name)?;
    let text = format!(
        "Conflict. The container name \"/{name}\" is already in use by container \"{}\". You have to remove (or \
         rename) that container to be able to reuse that name.",
        holder.id
    );
    Some(answer::error(409, &text))
}

fn made(world: &mut World, name: String, body: Value) -> FakeContainer {
    let id = world.id();
    let image = body["Image"].as_str().unwrap_or_default().to_owned();
    let (image_id, image_checks) = world.image(&image).map(|i| (i.id(), i.healthcheck)).unwrap_or_default();
    let own_check = body["Healthcheck"]["Test"][0].as_str().map(|kind| kind != "NONE");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let labels = body["Labels"].as_object().into_iter().flatten().map(|(k, v)| (k.clone(), text(v))).collect();
    let environment = body["Env"].as_array().into_iter().flatten().map(text).collect();
    let networks = first_networks(&body);
    FakeContainer {
        id,
        name,
        image,
        image_id,
        labels,
        environment,
        body,
        state: State::Created,
        exit_code: 0,
        restart_count: 0,
        oom_killed: false,
        error: String::new(),
        health: own_check.unwrap_or(image_checks).then_some("starting"),
        networks,
        published: Vec::new(),
        files: BTreeMap::new(),
        log: Vec::new(),
        created: std::time::SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs().try_into().unwrap_or(0)),
        starts: 0,
    }
}

fn first_networks(body: &Value) -> BTreeMap<String, Endpoint> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let aliases = |value: &Value| value["Aliases"].as_array().into_iter().flatten().map(text).collect();
    let endpoints = body["NetworkingConfig"]["EndpointsConfig"].as_object();
    let given = endpoints
        .into_iter()
        .flatten()
        .map(|(name, e)| (name.clone(), Endpoint { aliases: aliases(e), address: None }));
    let mut networks: BTreeMap<_, _> = given.collect();
    if networks.is_empty() {
        let mode = body["HostConfig"]["NetworkMode"].as_str().filter(|mode| !mode.is_empty() && *mode != "default");
        networks.insert(mode.unwrap_or("bridge").to_owned(), Endpoint { aliases: Vec::new(), address: None });
    }
    networks
}

/// `PUT /containers/{id}/archive?path=/`
pub fn upload(world: &Shared, asked: &Asked) -> Response {
    let mut world = world.lock();
    let Some(container) = world.get(&asked.object) else { return answer::no_container(&asked.object) };
    if container.body["HostConfig"]["ReadonlyRootfs"] == true {
        return answer::error(403, "container rootfs is marked read-only");
    }
    let mut archive = tar::Archive::new(asked.bytes());
    for mut entry in archive.entries().expect("a tar archive").flatten() {
        let path = format!("/{}", entry.path().expect("a path").display());
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("an entry in memory");
        container.files.insert(path, content);
    }
    answer::empty(200)
}

/// `POST /containers/{id}/stop` and `…/kill`
pub async fn stop(world: &Shared, asked: &Asked) -> Response {
    let is_kill = asked.op == super::Op::Kill;
    let (id, running) = {
        let mut world = world.lock();
        let Some(container) = world.get(&asked.object) else { return answer::no_container(&asked.object) };
        (container.id.clone(), container.is_running() || container.state == State::Restarting)
    };
    match (running, is_kill) {
        (true, _) => {
            start::kill(world, &id, if is_kill { 137 } else { 0 }).await;
            if !is_kill {
                world.told("stop", &id);
            }
        }
        (false, true) => {
            let text = format!("Cannot kill container: {}: Container {id} is not running", asked.object);
            return answer::error(409, &text);
        }
        (false, false) => return answer::empty(304),
    }
    answer::empty(204)
}

/// `POST /containers/{id}/unpause`
pub fn unpause(world: &Shared, asked: &Asked) -> Response {
    let mut world = world.lock();
    match world.get(&asked.object) {
        None => answer::no_container(&asked.object),
        Some(container) if container.state == State::Paused => {
            container.state = State::Running;
            let container = container.clone();
            world.tell("unpause", &container);
            answer::empty(204)
        }
        Some(container) => answer::error(500, &format!("Container {} is not paused", container.id)),
    }
}

/// `POST /containers/{id}/rename?name=`
pub fn rename(world: &Shared, asked: &Asked) -> Response {
    let name = asked.query("name");
    let mut world = world.lock();
    match world.get(&asked.object) {
        None => return answer::no_container(&asked.object),
        Some(container) if container.name == name => {
            return answer::error(400, "Renaming a container with the same name as its current name");
        }
        Some(_) => {}
    }
    if let Some(refusal) = refuse_name(&mut world, name) {
        return refusal;
    }
    start::rename(&mut world, &asked.object, name);
    answer::empty(204)
}

/// `DELETE /containers/{id}?force=`
pub async fn remove(world: &Shared, asked: &Asked) -> Response {
    let found = world.lock().get(&asked.object).map(|container| (container.id.clone(), container.is_running()));
    let Some((id, running)) = found else { return answer::no_container(&asked.object) };
    if running && !asked.flag("force") {
        let text = format!(
            "You cannot remove a running container {id}. Stop the container before attempting removal or force remove"
        );
        return answer::error(409, &text);
    }
    start::destroy(world, &id, running).await;
    answer::empty(204)
}
