//! A dockerd that one story has for itself, so that it can be stopped, killed and started again without disturbing others.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::ground;

/// A dockerd and its containerd; both end with it, and so does all they made.
pub struct Dockerd {
    dir: PathBuf,
    /// What its networks are made of.
    addresses: String,
}

impl Dockerd {
    /// Starts one; the number is one that no other story has.
    pub fn start(number: u16) -> Self {
        let docker = ground("LANDFALL_TEST_DOCKER");
        let beside = Path::new(docker.trim_start_matches("unix://"));
        let id = uuid::Uuid::new_v4().simple().to_string()[..6].to_owned();
        let addresses = format!("10.{}.0.0/16", 100 + number);
        let dockerd = Self { dir: beside.with_file_name(format!("second-{id}")), addresses };
        dockerd.run("up", &dockerd.addresses);
        dockerd
    }

    /// Its socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("docker.sock")
    }

    /// Sends it a signal, such as `STOP`; returns after `TERM` and `KILL` when it is gone.
    pub fn signal(&self, signal: &str) {
        self.run("signal", signal);
    }

    /// Starts it again, and returns when it answers.
    pub fn again(&self) {
        self.run("again", &self.addresses);
    }

    #[track_caller]
    fn run(&self, command: &str, argument: &str) {
        let script = PathBuf::from(ground("LANDFALL_TEST_PUSH")).with_file_name("second");
        let ran = Command::new(script).arg(command).arg(&self.dir).arg(argument).output().unwrap();
        let told = String::from_utf8_lossy(&ran.stderr);
        // A panic within a panic would hide the first one.
        assert!(ran.status.success() || std::thread::panicking(), "{command} of {}: {told}", self.dir.display());
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        self.run("down", &self.addresses);
    }
}
