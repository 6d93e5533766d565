//! What people and the world do to containers behind Landfall's back.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use serde_json::json;

use super::app::Whim;
use super::world::{Endpoint, FakeContainer, State};
use super::{FakeDocker, FakeImage, start};

impl FakeDocker {
    /// `docker run`, by somebody else: a running container with these labels.
    pub fn run_by_hand(&self, name: &str, labels: &BTreeMap<String, String>) {
        let mut world = self.world.lock();
        let endpoint = Endpoint { aliases: Vec::new(), address: Some(world.address()) };
        let container = FakeContainer {
            id: world.id(),
            name: name.to_owned(),
            image: "somebody/else".to_owned(),
            image_id: String::new(),
            labels: labels.clone(),
            environment: Vec::new(),
            body: json!({}),
            state: State::Running,
            exit_code: 0,
            restart_count: 0,
            oom_killed: false,
            error: String::new(),
            health: None,
            networks: BTreeMap::from([("bridge".to_owned(), endpoint)]),
            published: Vec::new(),
            files: BTreeMap::new(),
            log: Vec::new(),
            created: 0,
            starts: 1,
        };
        world.tell("start", &container);
        world.add_container(container);
    }

    /// `docker stop`
    pub async fn stop_by_hand(&self, name: &str) {
        let id = self.container(name).id;
        start::kill(&self.world, &id, 0).await;
        self.world.told("stop", &id);
    }

    /// `docker kill`
    pub async fn kill_by_hand(&self, name: &str) {
        let id = self.container(name).id;
        start::kill(&self.world, &id, 137).await;
    }

    /// `docker rm -f`
    pub async fn remove_by_hand(&self, name: &str) {
        let container = self.container(name);
        start::destroy(&self.world, &container.id, container.is_running()).await;
    }

    /// The app ends by itself; Docker does not restart it.
    pub async fn crash(&self, name: &str, exit_code: i64, oom_killed: bool) {
        let id = self.container(name).id;
        start::end(&self.world, &id, exit_code).await;
        self.change(name, |container| container.oom_killed = oom_killed);
    }

    /// `docker pause`
    pub fn pause_by_hand(&self, name: &str) {
        self.change(name, |container| container.state = State::Paused);
        self.world.told("pause", name);
    }

    /// `docker rename`
    pub fn rename_by_hand(&self, name: &str, other: &str) {
        start::rename(&mut self.world.lock(), name, other);
    }

    /// `docker network disconnect`
    pub fn disconnect_by_hand(&self, name: &str, network: &str) {
        self.change(name, |container| drop(container.networks.remove(network)));
        let id = self.container(name).id;
        self.world.lock().tell_network("disconnect", network, &id);
    }

    /// `docker volume create`
    pub fn volume_by_hand(&self, name: &str) {
        self.world.lock().volumes.insert(name.to_owned(), json!({ "by": "hand" }));
    }

    /// `docker network rm`, whoever is in it.
    pub fn remove_network_by_hand(&self, name: &str) {
        self.world.lock().networks.retain(|network| network.name != name);
    }

    /// `docker rmi`
    pub fn remove_image_by_hand(&self, name: &str) {
        self.world.lock().images.retain(|image| !image.names.iter().any(|known| known == name));
    }

    /// `docker tag`
    pub fn name_image_by_hand(&self, image: &FakeImage, name: &str) {
        let mut world = self.world.lock();
        let known = world.images.iter_mut().find(|known| known.id() == image.id());
        known.expect("the image is on the host").names.push(name.to_owned());
    }

    /// Docker's own health check says so from now on.
    pub fn set_health(&self, name: &str, health: &'static str) {
        self.change(name, |container| container.health = Some(health));
        self.world.told(&format!("health_status: {health}"), name);
    }

    /// The app of a container answers a path with this status so many times, and then as before.
    pub fn answer(&self, name: &str, path: &str, status: u16, times: usize) {
        let whims = self.world.lock().whims.clone();
        let whim = Whim { instance: name.to_owned(), path: path.to_owned(), status, times };
        whims.lock().unwrap_or_else(PoisonError::into_inner).push(whim);
    }

    /// How often it still answers so.
    pub fn whims_left(&self, name: &str) -> usize {
        let whims = self.world.lock().whims.clone();
        let whims = whims.lock().unwrap_or_else(PoisonError::into_inner);
        whims.iter().filter(|whim| whim.instance == name).map(|whim| whim.times).sum()
    }

    /// The app writes a line to stdout.
    pub fn say(&self, name: &str, line: &str) {
        let id = self.container(name).id;
        self.world.log(&id, 1, line);
    }

    /// Changes a container in any way.
    pub fn change(&self, name: &str, change: impl FnOnce(&mut FakeContainer)) {
        let mut world = self.world.lock();
        change(world.get(name).unwrap_or_else(|| panic!("no container {name}")));
    }
}
