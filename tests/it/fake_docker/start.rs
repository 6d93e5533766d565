//! Starting a container: its ports, its addresses, its app; and ending it.

use std::net::{Ipv4Addr, SocketAddr};

use axum::response::Response;
use tokio::net::TcpListener;

use super::app::{App, Behaviour};
use super::server::Asked;
use super::world::{Running, State, World};
use super::{FakeImage, Shared, answer};

/// `POST /containers/{id}/start`
pub async fn start(world: &Shared, asked: &Asked) -> Response {
    world.ended(&asked.object).await;
    let prepared = {
        let mut world = world.lock();
        match world.get(&asked.object) {
            None => return answer::no_container(&asked.object),
            Some(container) if container.is_running() => return answer::empty(304),
            Some(_) => prepare(&mut world, &asked.object),
        }
    };
    match prepared {
        Ok(plan) => {
            run(world, plan);
            answer::empty(204)
        }
        Err((status, text)) => answer::error(status, &text),
    }
}

/// What a start needs, with the host's ports bound already.
struct Start {
    id: String,
    image: FakeImage,
    name: String,
    command: Vec<String>,
    published: Vec<std::net::TcpListener>,
    addresses: Vec<Ipv4Addr>,
}

fn prepare(world: &mut World, id: &str) -> Result<Start, (u16, String)> {
    let container = world.get(id).cloned().expect("looked up before");
    if let Some(network) = container.networks.keys().find(|name| !world.has_network(name)) {
        return Err(failed(world, &container.id, 404, format!("network {network} not found")));
    }
    let ports = wanted_ports(&container.body);
    let mut published = Vec::new();
    for (host, _) in &ports {
        published.push(bind(world, *host).map_err(|text| failed(world, &container.id, 500, text))?);
    }
    let image = world.image(&container.image_id).cloned().unwrap_or_else(|| FakeImage::new("by/hand", "0"));
    let addresses = container.networks.keys().map(|_| world.address()).collect::<Vec<_>>();
    let entry = world.get(id).expect("looked up before");
    entry.state = State::Running;
    entry.starts += 1;
    entry.error = String::new();
    entry.exit_code = 0;
    entry.published = ports;
    for (endpoint, address) in entry.networks.values_mut().zip(&addresses) {
        endpoint.address = Some(*address);
    }
    let joined: Vec<_> = entry.networks.keys().cloned().collect();
    let health = health_of(&image.behaviour);
    entry.health = entry.health.map(|_| health);
    for network in joined {
        world.tell_network("connect", &network, &container.id);
    }
    let words = container.body["Cmd"].as_array().into_iter().flatten();
    let value = |name: &str| {
        let pair = container.environment.iter().find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        pair.unwrap_or_default().to_owned()
    };
    let in_full = |word: &str| word.strip_prefix('$').map_or_else(|| word.to_owned(), value);
    let command = words.filter_map(|word| word.as_str().map(in_full)).collect();
    Ok(Start { id: container.id, image, name: container.name, command, published, addresses })
}

/// dockerd keeps a container whose start failed, with the reason.
fn failed(world: &mut World, id: &str, status: u16, text: String) -> (u16, String) {
    let container = world.get(id).expect("looked up before");
    container.error.clone_from(&text);
    container.exit_code = 128;
    (status, text)
}

fn health_of(behaviour: &Behaviour) -> &'static str {
    match behaviour {
        Behaviour::Healthy | Behaviour::WellFor(_) | Behaviour::Answers(_) | Behaviour::Crash { .. } => "healthy",
        Behaviour::Unhealthy => "unhealthy",
        Behaviour::Silent | Behaviour::HealthyAfter(_) => "starting",
    }
}

/// (port of the host, port of the container) of every TCP binding.
fn wanted_ports(body: &serde_json::Value) -> Vec<(u16, u16)> {
    let bindings = body["HostConfig"]["PortBindings"].as_object();
    let mut ports = Vec::new();
    for (key, list) in bindings.into_iter().flatten() {
        let inside = key.trim_end_matches("/tcp").parse().ok();
        for binding in list.as_array().into_iter().flatten() {
            let host = binding["HostPort"].as_str().and_then(|port| port.parse().ok());
            ports.extend(host.zip(inside));
        }
    }
    ports
}

fn bind(world: &World, port: u16) -> Result<std::net::TcpListener, String> {
    let begin = "driver failed programming external connectivity on endpoint";
    let taken = world.containers.iter().any(|c| c.is_running() && c.published.iter().any(|(host, _)| *host == port));
    if taken {
        return Err(format!("{begin}: Bind for 127.0.0.1:{port} failed: port is already allocated"));
    }
    let text = |_| {
        format!("{begin}: Error starting userland proxy: listen tcp4 127.0.0.1:{port}: bind: address already in use")
    };
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(text)?;
    listener.set_nonblocking(true).expect("a socket option");
    Ok(listener)
}

/// Exit code and last words of a container whose command is `exit`, a number, and words, one a line; `$NAME` is a
/// variable.
fn told_to_end(command: &[String]) -> Option<(i64, String)> {
    let [exit, code, words @ ..] = command else { return None };
    (exit == "exit").then(|| (code.parse().expect("an exit code"), words.join("\n")))
}

fn run(world: &Shared, start: Start) {
    let Start { id, image, name, command, published, addresses } = start;
    let (heads, whims) = {
        let world = world.lock();
        (world.heads.clone(), world.whims.clone())
    };
    let app = App { behaviour: image.behaviour.clone(), version: image.version.clone(), instance: name, heads, whims };
    let mut running = Running::default();
    for listener in published {
        let listener = TcpListener::from_std(listener).expect("a listener in a runtime");
        running.tasks.push(tokio::spawn(app.clone().listen(listener)));
    }
    for address in addresses {
        running.tasks.push(tokio::spawn(app.clone().listen_at(SocketAddr::from((address, image.port)))));
    }
    world.lock().running.insert(id.clone(), running);
    world.told("start", &id);
    if let Some((exit_code, words)) = told_to_end(&command) {
        tokio::spawn(crash(world.clone(), id, std::time::Duration::ZERO, exit_code, words));
        return;
    }
    world.log(&id, 1, &format!("listening on :{} as {}", image.port, image.version));
    match image.behaviour {
        Behaviour::Crash { after, exit_code, last_words } => {
            tokio::spawn(crash(world.clone(), id, after, exit_code, last_words));
        }
        Behaviour::HealthyAfter(after) => {
            tokio::spawn(turn_healthy(world.clone(), id, after));
        }
        Behaviour::Healthy
        | Behaviour::WellFor(_)
        | Behaviour::Unhealthy
        | Behaviour::Answers(_)
        | Behaviour::Silent => {}
    }
}

async fn crash(world: Shared, id: String, after: std::time::Duration, exit_code: i64, last_words: String) {
    tokio::time::sleep(after).await;
    if world.lock().get(&id).is_none_or(|container| container.state != State::Running) {
        return;
    }
    for line in last_words.lines() {
        world.log(&id, 2, line);
    }
    let restarts = world.lock().get(&id).is_some_and(|container| {
        let policy = container.body["HostConfig"]["RestartPolicy"]["Name"].as_str().unwrap_or("no");
        !matches!(policy, "no" | "")
    });
    end_as(&world, &id, exit_code, if restarts { State::Restarting } else { State::Exited }).await;
}

async fn turn_healthy(world: Shared, id: String, after: std::time::Duration) {
    tokio::time::sleep(after).await;
    if let Some(container) = world.lock().get(&id) {
        container.health = container.health.map(|_| "healthy");
        if container.health.is_none() {
            return;
        }
    }
    world.told("health_status: healthy", &id);
}

/// Somebody asks for the end of a container.
pub async fn kill(world: &Shared, id: &str, exit_code: i64) {
    world.told("kill", id);
    end(world, id, exit_code).await;
}

/// Ends a container, if it runs, and removes it.
pub async fn destroy(world: &Shared, id: &str, is_running: bool) {
    if is_running {
        kill(world, id, 137).await;
    }
    let mut world = world.lock();
    let Some(container) = world.get(id).cloned() else { return };
    world.containers.retain(|container| container.id != id);
    world.tell("destroy", &container);
}

/// Gives a container another name.
pub fn rename(world: &mut World, id: &str, name: &str) {
    let Some(container) = world.get(id) else { return };
    let old = std::mem::replace(&mut container.name, name.to_owned());
    let container = container.clone();
    world.tell_more("rename", &container, &[("oldName", format!("/{old}"))]);
}

/// Ends what a container has going on and waits until its ports are free; one that does not run stays as it is. As
/// with dockerd, its death is told first, and shown when all of it is cleaned up.
pub async fn end(world: &Shared, id: &str, exit_code: i64) {
    end_as(world, id, exit_code, State::Exited).await;
}

async fn end_as(world: &Shared, id: &str, exit_code: i64, state: State) {
    let takes = {
        let mut world = world.lock();
        let is_ending = world.events.ending.borrow().contains(id);
        let alive = world.get(id).filter(|c| !is_ending && (c.is_running() || c.state == State::Restarting)).cloned();
        alive.map(|container| {
            world.tell_more("die", &container, &[("exitCode", exit_code.to_string())]);
            world.events.ending.send_if_modified(|ending| ending.insert(id.to_owned()));
            world.events.ending_takes
        })
    };
    match takes {
        // Whoever asked may hang up; it ends all the same.
        Some(takes) => drop(tokio::spawn(cleaned_up(world.clone(), id.to_owned(), takes, exit_code, state)).await),
        None => world.ended(id).await,
    }
}

async fn cleaned_up(world: Shared, id: String, takes: std::time::Duration, exit_code: i64, state: State) {
    let running = world.lock().running.remove(&id).unwrap_or_default();
    for task in running.tasks {
        task.abort();
        // An aborted task ends with an error; what matters is that its sockets are closed.
        let _ = task.await;
    }
    if !takes.is_zero() {
        tokio::time::sleep(takes).await;
    }
    let mut world = world.lock();
    let mut left = Vec::new();
    if let Some(container) = world.get(&id) {
        container.state = state;
        container.restart_count += i64::from(state == State::Restarting);
        container.exit_code = exit_code;
        container.published.clear();
        container.networks.values_mut().for_each(|endpoint| endpoint.address = None);
        left.extend(container.networks.keys().cloned());
    }
    for network in left {
        world.tell_network("disconnect", &network, &id);
    }
    world.events.ending.send_if_modified(|ending| ending.remove(&id));
}
