//! nginx in a container of the ground, so that it finds other containers by name as Docker's DNS tells them.
//!
//! No image with nginx is needed: any small one lends its frame, and the host's programs and libraries are bound into
//! it, read-only. The container is removed by its id when this is dropped.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{DefaultSite, Served, Signal, conf, local};
use crate::own_process::{TRIES, free_port};
use crate::scenario::harness::Engine;

/// For a hung machine; nothing depends on how long it takes.
const PATIENCE: Duration = Duration::from_secs(30);
/// What nginx needs of the host.
const BOUND: [&str; 4] = ["/usr", "/lib", "/lib64", "/bin"];
/// Where its files are in the container.
const INSIDE: &str = "/data/nginx";

/// A container with nginx in it.
pub struct Container {
    docker: Engine,
    id: String,
    name: String,
    served: Served,
    modern: bool,
}

/// Tests the files in the container.
pub struct Tester {
    docker: Engine,
    id: String,
}

impl Container {
    /// Starts it on a network, from an image that is pulled if it is not there.
    pub fn start(dir: &Path, docker: &str, network: &str, image: &str) -> Self {
        let docker = Engine::new(docker);
        prepare(dir);
        if !docker.has_image(image) {
            let (repository, tag) = image.rsplit_once(':').expect("an image with a tag");
            docker.done("POST", &format!("/images/create?fromImage={repository}&tag={tag}"), None);
        }
        for _ in 0..TRIES {
            let ((http, one), (https, two)) = (free_port(), free_port());
            drop((one, two));
            let name = format!("npm-{}-{network}", &uuid::Uuid::new_v4().simple().to_string()[..6]);
            let path = format!("/containers/create?name={name}");
            let made = docker.done("POST", &path, Some(&spec(dir, network, image, (http, https))));
            let id = made["Id"].as_str().expect("an id").to_owned();
            let served = Served { probe: format!("127.0.0.1:{http}"), https: format!("127.0.0.1:{https}") };
            let mut container = Self { docker: docker.clone(), id, name, served, modern: local::is_modern() };
            match docker.call("POST", &format!("/containers/{}/start", container.id), None) {
                (204, _) => {
                    container.wait();
                    return container;
                }
                // A port was taken in the meantime: with other ones, then.
                (_, told) if told.to_string().contains("already") => container.remove(),
                (status, told) => panic!("nginx does not start: {status} {told}"),
            }
        }
        panic!("no free ports for nginx")
    }

    /// Where it serves, seen from the ground.
    pub fn served(&self) -> Served {
        self.served.clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its files listen on, and whether it knows the newer form of HTTP/2.
    pub fn listen(&self) -> (String, String, bool) {
        ("80".to_owned(), "443".to_owned(), self.modern)
    }

    /// For a test of the files beside other work.
    pub fn tester(&self) -> Tester {
        Tester { docker: self.docker.clone(), id: self.id.clone() }
    }

    /// What tells it to read its files again.
    pub fn hangup(&self) -> Signal {
        let (docker, id) = (self.docker.clone(), self.id.clone());
        Box::new(move || match docker.call("POST", &format!("/containers/{id}/kill?signal=HUP"), None) {
            (204, _) => Ok(()),
            (status, text) => Err(format!("nginx: [error] {status} {text}")),
        })
    }

    /// Ends nginx, and with it the container, which stays.
    pub fn stop(&mut self) {
        self.docker.act("stop?t=2", &self.id);
    }

    /// Starts it again.
    pub fn start_again(&mut self) {
        self.docker.act("start", &self.id);
        self.wait();
    }

    /// Removes it, running or not.
    pub fn remove(&mut self) {
        self.docker.call("DELETE", &format!("/containers/{}?force=1", self.id), None);
    }

    /// Waits until nginx answers.
    fn wait(&self) {
        let begin = Instant::now();
        loop {
            let inspected = self.docker.inspect(&self.id).expect("the container that was just made");
            assert!(inspected["State"]["Running"] == true, "nginx ended: {}", self.log());
            if answers(&self.served.probe) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "nginx does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn log(&self) -> String {
        let (_, log) = self.docker.raw("GET", &format!("/containers/{}/logs?stderr=1&stdout=1", self.id), None);
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Tester {
    /// `nginx -t` in the container; in one that is stopped there is nothing to ask, and the files pass.
    pub fn test(&self) -> Result<(), String> {
        let wanted = json!({ "AttachStdout": true, "AttachStderr": true, "Tty": true,
            "Cmd": [local::program(), "-t", "-p", INSIDE, "-e", "logs/error.log", "-c", "nginx.conf"] });
        let (status, made) = self.docker.call("POST", &format!("/containers/{}/exec", self.id), Some(&wanted));
        if status == 409 {
            return Ok(());
        }
        let exec = made["Id"].as_str().ok_or_else(|| format!("nginx: {status} {made}"))?;
        let start = json!({ "Detach": false, "Tty": true });
        let (_, said) = self.docker.raw("POST", &format!("/exec/{exec}/start"), Some(&start));
        let (_, ended) = self.docker.call("GET", &format!("/exec/{exec}/json"), None);
        if ended["ExitCode"] == 0 { Ok(()) } else { Err(String::from_utf8_lossy(&said).replace("\r\n", "\n")) }
    }
}

/// The main file and the two lists of users that nginx reads.
fn prepare(dir: &Path) {
    let text = conf::main("443", "127.0.0.11", true);
    std::fs::write(dir.join("nginx.conf"), text).expect("a file");
    std::fs::write(dir.join("default_host/site.conf"), DefaultSite::Congratulations.text("80")).expect("a file");
    std::fs::write(dir.join("passwd"), "root:x:0:0:root:/:/bin/false\n").expect("a file");
    std::fs::write(dir.join("group"), "root:x:0:\n").expect("a file");
}

fn spec(dir: &Path, network: &str, image: &str, (http, https): (u16, u16)) -> Value {
    let mut binds: Vec<String> =
        BOUND.iter().filter(|path| Path::new(path).exists()).map(|path| format!("{path}:{path}:ro")).collect();
    let dir = dir.display();
    binds.push(format!("{dir}:{INSIDE}"));
    binds.push(format!("{dir}/passwd:/etc/passwd:ro"));
    binds.push(format!("{dir}/group:/etc/group:ro"));
    let published = |port: u16| json!([{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }]);
    json!({
        "Image": image,
        "Entrypoint": [local::program()],
        "Cmd": ["-p", INSIDE, "-e", "logs/error.log", "-c", "nginx.conf"],
        "User": "0:0",
        "StopSignal": "SIGTERM",
        "Healthcheck": { "Test": ["NONE"] },
        "ExposedPorts": { "80/tcp": {}, "443/tcp": {} },
        "HostConfig": {
            "Binds": binds,
            "NetworkMode": network,
            // Docker asks resolvers that the ground cannot reach for names that it does not know: nobody waits for those.
            "DnsOptions": ["timeout:1", "attempts:1"],
            "PortBindings": { "80/tcp": published(http), "443/tcp": published(https) },
        },
    })
}

/// Docker's own proxy accepts before nginx listens: only an answer counts.
fn answers(address: &str) -> bool {
    use std::io::{Read as _, Write as _};
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let asked = stream.write_all(b"GET / HTTP/1.0\r\nHost: nobody\r\n\r\n").is_ok();
    let mut first = [0; 4];
    asked && stream.read_exact(&mut first).is_ok() && &first == b"HTTP"
}
