//! nginx in a container of the ground, so that it finds other containers by name as Docker's DNS tells them.

use std::path::Path;

use serde_json::json;

use super::{DefaultSite, Served, Signal, conf, local};
use crate::own_container::{OwnContainer, Spec, answers};
use crate::scenario::harness::Engine;

/// Where its files are in the container.
const INSIDE: &str = "/data/nginx";

/// A container with nginx in it.
pub struct Container {
    docker: Engine,
    own: OwnContainer,
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
        let program = local::program();
        let program = program.to_str().expect("a path in UTF-8");
        let shown = dir.display();
        let own = OwnContainer::start(
            &docker,
            &Spec {
                what: "npm",
                network,
                image,
                command: &[program, "-p", INSIDE, "-e", "logs/error.log", "-c", "nginx.conf"],
                binds: &[
                    format!("{shown}:{INSIDE}"),
                    format!("{shown}/passwd:/etc/passwd:ro"),
                    format!("{shown}/group:/etc/group:ro"),
                ],
                ports: &[80, 443],
            },
        );
        let [probe, https] = [0, 1].map(|at| format!("127.0.0.1:{}", own.ports()[at]));
        let container = Self { docker, own, served: Served { probe, https }, modern: local::is_modern() };
        container.wait();
        container
    }

    /// Where it serves, seen from the ground.
    pub fn served(&self) -> Served {
        self.served.clone()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        self.own.name()
    }

    /// What its files listen on, and whether it knows the newer form of HTTP/2.
    pub fn listen(&self) -> (String, String, bool) {
        ("80".to_owned(), "443".to_owned(), self.modern)
    }

    /// For a test of the files beside other work.
    pub fn tester(&self) -> Tester {
        Tester { docker: self.docker.clone(), id: self.own.id().to_owned() }
    }

    /// What tells it to read its files again.
    pub fn hangup(&self) -> Signal {
        let (docker, id) = (self.docker.clone(), self.own.id().to_owned());
        Box::new(move || match docker.call("POST", &format!("/containers/{id}/kill?signal=HUP"), None) {
            (204, _) => Ok(()),
            (status, text) => Err(format!("nginx: [error] {status} {text}")),
        })
    }

    /// Ends nginx, and with it the container, which stays.
    pub fn stop(&self) {
        self.own.stop();
    }

    /// Starts it again.
    pub fn start_again(&self) {
        self.own.start_again();
        self.wait();
    }

    /// Removes it, running or not.
    pub fn remove(&self) {
        self.own.remove();
    }

    /// Waits until nginx answers.
    fn wait(&self) {
        self.own.wait(|| answers(&self.served.probe));
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
