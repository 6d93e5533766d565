//! The Docker client against the fake daemon: what goes over the wire, what comes back, and what is refused before.

use std::collections::BTreeMap;

use landfall::docker::{CreateContainer, Docker, DockerError};
use landfall::model::ContainerSpec;

use crate::fake_docker::{FakeDocker, FakeImage};

const REPOSITORY: &str = "127.0.0.1:5000/demo/web";

/// A container of an image, with nothing but a name.
fn plain<'a>(
    name: &'a str,
    image: &'a str,
    spec: &'a ContainerSpec,
    files: &'a BTreeMap<String, std::path::PathBuf>,
) -> CreateContainer<'a> {
    CreateContainer {
        name,
        image,
        spec,
        labels: BTreeMap::from([("landfall.store".into(), "s".into())]),
        network: "landfall",
        aliases: vec!["web".into()],
        publish: None,
        secret_environment: Vec::new(),
        config_files: files,
        stop_timeout_secs: 10,
    }
}

/// Makes a container and returns its id.
async fn create(docker: &Docker, name: &str, image: &FakeImage) -> String {
    let spec = ContainerSpec::default();
    let files = BTreeMap::new();
    docker.create(&plain(name, &image.id(), &spec, &files)).await.expect("created")
}

#[tokio::test]
async fn every_request_but_the_ping_names_the_version_that_both_sides_know() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().api_version("1.45").publish(&image).network("landfall").start();
    let docker = Docker::connect(&fake.url()).await.unwrap();
    docker.list().await.unwrap();
    docker.networks().await.unwrap();
    docker.pull(&image.repository, &image.digest, None, |_| {}).await.unwrap();
    let id = create(&docker, "web-1", &image).await;
    docker.start(&id).await.unwrap();
    docker.logs_tail(&id, 5).await.unwrap();
    docker.remove(&id, true).await.unwrap();
    let paths: Vec<_> = fake.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths[0], "/_ping");
    assert!(paths[1..].iter().all(|path| path.starts_with("/v1.45/")), "{paths:?}");
    assert_eq!(docker.api_version().to_string(), "1.45");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_at_once() {
    let fake = FakeDocker::builder().api_version("1.40").start();
    let error = Docker::connect(&fake.url()).await.unwrap_err();
    assert!(matches!(error, DockerError::TooOld { .. }), "{error}");
    assert!(error.hint().unwrap().contains("20.10"));
}
