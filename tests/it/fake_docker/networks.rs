//! Networks and who is in them.

use axum::response::Response;
use serde_json::{Value, json};

use super::server::Asked;
use super::world::Endpoint;
use super::{Shared, answer};

/// The API since which a second network of one name is refused.
const NO_DUPLICATES_SINCE: &str = "1.44";

/// `GET /networks`
pub fn list(world: &Shared) -> Response {
    let world = world.lock();
    let row = |network: &super::world::Network| json!({ "Name": network.name, "Id": network.id, "Driver": "bridge", "Scope": "local", "Labels": network.labels });
    answer::value(200, &Value::Array(world.networks.iter().map(row).collect()))
}

/// `POST /networks/create`
pub fn create(world: &Shared, asked: &Asked) -> Response {
    let body = asked.json();
    let name = body["Name"].as_str().unwrap_or_default().to_owned();
    let mut world = world.lock();
    let exists = world.networks.iter().find(|network| network.name == name).map(|network| network.id.clone());
    // Versions of two digits each compare as text.
    let refuses = body["CheckDuplicate"] == true || world.version.as_str() >= NO_DUPLICATES_SINCE;
    if exists.is_some() && refuses {
        return answer::error(409, &format!("network with name {name} already exists"));
    }
    let id = world.add_network(&name, body["Labels"].clone());
    let warning = exists.map(|other| format!("Network with name {name} (id : {other}) already exists"));
    answer::value(201, &json!({ "Id": id, "Warning": warning.unwrap_or_default() }))
}

/// `DELETE /networks/{id}`
pub fn remove(world: &Shared, asked: &Asked) -> Response {
    let mut world = world.lock();
    let id = &asked.object;
    let Some(index) = world.networks.iter().position(|network| network.id == *id || network.name == *id) else {
        return answer::error(404, &format!("network {id} not found"));
    };
    world.networks.remove(index);
    answer::empty(204)
}

/// `POST /networks/{name}/connect`
pub fn connect(world: &Shared, asked: &Asked) -> Response {
    let body = asked.json();
    let id = body["Container"].as_str().unwrap_or_default();
    let aliases = body["EndpointConfig"]["Aliases"].as_array().into_iter().flatten();
    let aliases = aliases.filter_map(|alias| alias.as_str().map(str::to_owned)).collect();
    let network = asked.object.clone();
    let mut world = world.lock();
    if !world.has_network(&network) {
        return answer::error(404, &format!("network {network} not found"));
    }
    let address = world.address();
    let Some(container) = world.get(id) else { return answer::no_container(id) };
    let running = container.is_running();
    if running && container.networks.contains_key(&network) {
        let text = format!("endpoint with name {} already exists in network {network}", container.name);
        return answer::error(403, &text);
    }
    // The app does not listen there: nothing of ours asks a container on a network it joined while running.
    container.networks.insert(network.clone(), Endpoint { aliases, address: running.then_some(address) });
    let id = container.id.clone();
    world.tell_network("connect", &network, &id);
    answer::empty(200)
}

/// `POST /networks/{name}/disconnect`
pub fn disconnect(world: &Shared, asked: &Asked) -> Response {
    let body = asked.json();
    let id = body["Container"].as_str().unwrap_or_default();
    let network = &asked.object;
    let mut world = world.lock();
    if !world.has_network(network) {
        return answer::error(404, &format!("network {network} not found"));
    }
    let Some(container) = world.get(id) else { return answer::no_container(id) };
    let id = container.id.clone();
    if container.networks.remove(network).is_none() {
        let text = format!("container {id} is not connected to network {network}");
        return answer::error(500, &text);
    }
    world.tell_network("disconnect", network, &id);
    answer::empty(200)
}
