//! The Docker and registry clients against a real dockerd and real registries (tests/ground).
//!
//! Every name ends in a random part, so tests may run side by side; each removes what it made.

mod apps;
mod containers;
mod images;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use landfall::docker::{CreateContainer, Docker};
use landfall::model::observed::ObservedContainer;
use landfall::model::{ContainerSpec, Digest, Repository};
use landfall::registry::{Access, Registry};

/// A variable of the ground.
fn ground(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this through tests/run.sh"))
}

/// The repository of the test app.
fn web() -> Repository {
    format!("{}/web", ground("LANDFALL_TEST_IMAGES")).parse().unwrap()
}

async fn docker() -> Docker {
    Docker::connect(&ground("LANDFALL_TEST_DOCKER")).await.unwrap()
}

/// What a tag of a repository without login has now.
async fn digest(repository: &Repository, tag: &str) -> Digest {
    let access = Access::new(repository, None, None).unwrap();
    Registry::new().head(repository, &tag.parse().unwrap(), &access).await.unwrap()
}

/// Pulls a version of the test app and returns its reference.
async fn pulled(docker: &Docker, tag: &str) -> String {
    let digest = digest(&web(), tag).await;
    docker.pull(&web(), &digest, None, |_| {}).await.unwrap();
    format!("{}@{digest}", web())
}

/// A name that nobody else has.
fn unique(stem: &str) -> String {
    let id = uuid::Uuid::new_v4().simple().to_string();
    format!("{stem}-{}", &id[..8])
}

/// Something that is removed at the end of a test, failed or not.
struct Cleanup {
    docker: PathBuf,
    paths: Vec<String>,
}

impl Cleanup {
    fn new() -> Self {
        Self { docker: ground("LANDFALL_TEST_DOCKER").trim_start_matches("unix://").into(), paths: Vec::new() }
    }

    fn container(&mut self, name: &str) {
        self.paths.insert(0, format!("/containers/{name}?force=1&v=1"));
    }

    fn network(&mut self, name: &str) {
        self.paths.push(format!("/networks/{name}"));
    }

    fn volume(&mut self, name: &str) {
        self.paths.push(format!("/volumes/{name}"));
    }
}

impl Drop for Cleanup {
    fn drop(&mut self) {
        for path in &self.paths {
            raw(&self.docker, "DELETE", path);
        }
    }
}

/// A request past our client, answered as text.
fn raw(socket: &PathBuf, method: &str, path: &str) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

/// What dockerd holds about a container.
fn raw_inspect(name: &str) -> serde_json::Value {
    let socket = ground("LANDFALL_TEST_DOCKER").trim_start_matches("unix://").into();
    serde_json::from_str(&raw(&socket, "GET", &format!("/containers/{name}/json"))).unwrap()
}

/// A container in a network, with nothing but a name.
fn plain<'a>(name: &'a str, image: &'a str, network: &'a str, spec: &'a ContainerSpec) -> CreateContainer<'a> {
    static NO_FILES: BTreeMap<String, PathBuf> = BTreeMap::new();
    CreateContainer {
        name,
        image,
        spec,
        labels: BTreeMap::from([("landfall.store".into(), "test".into())]),
        network,
        aliases: Vec::new(),
        publish: None,
        secret_environment: Vec::new(),
        config_files: &NO_FILES,
        stop_timeout_secs: 10,
    }
}

/// Asks until there is an answer; the time limit is for a hung host.
async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(20), "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The answer of an app to one request, once it listens.
async fn get(address: &str, path: &str) -> String {
    landfall::client::install_tls_provider();
    let url = format!("http://{address}{path}");
    eventually(&url, async || reqwest::get(&url).await.ok()).await.text().await.unwrap()
}

async fn observed(docker: &Docker, name: &str) -> ObservedContainer {
    let all = docker.list().await.unwrap();
    all.into_iter().find(|container| container.name == name).unwrap_or_else(|| panic!("{name} is not listed"))
}

/// A port that nobody listens on now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
