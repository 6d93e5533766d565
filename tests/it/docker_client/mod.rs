//! The Docker client against the fake daemon: what goes over the wire, what comes back, what is refused before, and
//! what happens when the daemon does wrong.

mod events;
mod fake;
mod faults;
mod logs;
mod pulls;
mod verbs;
mod wire;

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfall::docker::{CreateContainer, Docker};
use landfall::model::ContainerSpec;

use crate::fake_docker::{FakeDocker, FakeImage};

/// The repository of the images of these tests.
const REPOSITORY: &str = "127.0.0.1:5000/demo/web";

/// A container of an image in the network `landfall`, with nothing but a name.
fn plain<'a>(name: &'a str, image: &'a str, spec: &'a ContainerSpec) -> CreateContainer<'a> {
    static NO_FILES: BTreeMap<String, PathBuf> = BTreeMap::new();
    CreateContainer {
        name,
        image,
        spec,
        labels: BTreeMap::from([("landfall.store".into(), "s".into())]),
        network: "landfall",
        aliases: vec!["web".into()],
        publish: None,
        secret_environment: Vec::new(),
        config_files: &NO_FILES,
        stop_timeout_secs: 10,
    }
}

/// A daemon that has an image and the network `landfall`, and a client of it.
async fn ground(image: &FakeImage) -> (FakeDocker, Docker) {
    let fake = FakeDocker::builder().image(image).network("landfall").start();
    let docker = fake.docker().await;
    (fake, docker)
}

/// Makes a container and returns its id.
async fn create(docker: &Docker, name: &str, image: &FakeImage) -> String {
    docker.create(&plain(name, &image.id(), &ContainerSpec::default())).await.expect("created")
}

/// Makes a container, starts it and returns its id.
async fn run(docker: &Docker, name: &str, image: &FakeImage) -> String {
    let id = create(docker, name, image).await;
    docker.start(&id).await.expect("started");
    id
}
