//! A server that a test runs in a container of the ground, on a network of Docker's and with ports of the ground's
//! loopback. Removed by its id when this is dropped.
//!
//! No image with the server is needed: any small one lends its frame, and the host's programs and libraries are bound
//! into it, read-only.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::own_process::{TRIES, free_port};
use crate::scenario::harness::Engine;

/// For a hung machine; nothing depends on how long it takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// What a program needs of the host.
const BOUND: [&str; 4] = ["/usr", "/lib", "/lib64", "/bin"];

/// What it is made of.
pub struct Spec<'a> {
    /// What its name begins with.
    pub what: &'a str,
    pub network: &'a str,
    /// Any small one, with a tag; pulled if it is not there.
    pub image: &'a str,
    /// The program and its arguments.
    pub command: &'a [&'a str],
    /// Directories and files, beside those of the programs.
    pub binds: &'a [String],
    /// Its ports, each of which has one of the ground's loopback.
    pub ports: &'a [u16],
}

/// One that runs, or was stopped.
pub struct OwnContainer {
    docker: Engine,
    id: String,
    name: String,
    /// Ports of the ground's loopback, in the order of its own.
    ports: Vec<u16>,
}

impl OwnContainer {
    /// Starts it, on other ports where one of those chosen was taken in the meantime.
    pub fn start(docker: &Engine, spec: &Spec<'_>) -> Self {
        if !docker.has_image(spec.image) {
            let (repository, tag) = spec.image.rsplit_once(':').expect("an image with a tag");
            docker.done("POST", &format!("/images/create?fromImage={repository}&tag={tag}"), None);
        }
        for _ in 0..TRIES {
            let free: Vec<_> = spec.ports.iter().map(|_| free_port()).collect();
            let ports: Vec<u16> = free.iter().map(|(port, _)| *port).collect();
            drop(free);
            let name = format!("{}-{}-{}", spec.what, &uuid::Uuid::new_v4().simple().to_string()[..6], spec.network);
            let path = format!("/containers/create?name={name}");
            let made = docker.done("POST", &path, Some(&spec.body(&ports)));
            let id = made["Id"].as_str().expect("an id").to_owned();
            let container = Self { docker: docker.clone(), id, name, ports };
            match docker.call("POST", &format!("/containers/{}/start", container.id), None) {
                (204, _) => return container,
                // Dropped, and with it removed.
                (_, told) if told.to_string().contains("already") => {}
                (status, told) => panic!("{} does not start: {status} {told}", spec.what),
            }
        }
        panic!("no free ports for {}", spec.what)
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// Ends the server, and with it the container, which stays.
    pub fn stop(&self) {
        self.docker.act("stop?t=2", &self.id);
    }

    /// Starts it again.
    pub fn start_again(&self) {
        self.docker.act("start", &self.id);
    }

    /// Removes it, running or not.
    pub fn remove(&self) {
        self.docker.call("DELETE", &format!("/containers/{}?force=1", self.id), None);
    }

    /// Waits until the server is ready.
    pub fn wait(&self, is_ready: impl Fn() -> bool) {
        let begin = Instant::now();
        while !is_ready() {
            let inspected = self.docker.inspect(&self.id).expect("the container that was just made");
            assert!(inspected["State"]["Running"] == true, "it ended: {}", self.log());
            assert!(begin.elapsed() < PATIENCE, "it does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        let (_, log) = self.docker.raw("GET", &format!("/containers/{}/logs?stderr=1&stdout=1", self.id), None);
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for OwnContainer {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Spec<'_> {
    fn body(&self, ports: &[u16]) -> Value {
        let libraries = BOUND.iter().filter(|path| Path::new(path).exists()).map(|path| format!("{path}:{path}:ro"));
        let binds: Vec<String> = libraries.chain(self.binds.iter().cloned()).collect();
        let inside = |port: &u16| format!("{port}/tcp");
        let exposed: Value =
            self.ports.iter().map(|port| (inside(port), json!({}))).collect::<serde_json::Map<_, _>>().into();
        let published =
            |(own, port): (&u16, &u16)| (inside(own), json!([{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }]));
        let published: Value = self.ports.iter().zip(ports).map(published).collect::<serde_json::Map<_, _>>().into();
        json!({
            "Image": self.image,
            "Entrypoint": &self.command[..1],
            "Cmd": &self.command[1..],
            "User": "0:0",
            "StopSignal": "SIGTERM",
            "Healthcheck": { "Test": ["NONE"] },
            "ExposedPorts": exposed,
            "HostConfig": {
                "Binds": binds,
                "NetworkMode": self.network,
                // Docker asks resolvers that the ground cannot reach for names that it does not know: nobody waits for those.
                "DnsOptions": ["timeout:1", "attempts:1"],
                "PortBindings": published,
            },
        })
    }
}

/// Docker's own proxy accepts before the server listens: only an answer counts.
pub fn answers(address: &str) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let asked = stream.write_all(b"GET / HTTP/1.0\r\nHost: nobody\r\n\r\n").is_ok();
    let mut first = [0; 4];
    asked && stream.read_exact(&mut first).is_ok() && &first == b"HTTP"
}
