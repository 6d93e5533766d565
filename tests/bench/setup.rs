//! The host that the benches measure: so many stages, converged, on the private dockerd of the test ground.

#[path = "unit.rs"]
mod unit;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::recorder::Recorder;

/// The list that an observer needs, as the raw side asks for it.
pub const LIST: &str = "/v1.41/containers/json?all=1&filters=%7B%22label%22%3A%5B%22landfall.store%22%5D%7D";

/// A converged host.
pub struct Host {
    dir: tempfile::TempDir,
    pub socket: PathBuf,
    stages: usize,
    images: String,
    /// More lines of settings.
    settings: &'static str,
}

/// A number from the environment.
pub fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this through tests/bench/compare.sh"))
}

impl Host {
    /// Writes a configuration of so many stages and applies it.
    pub fn converged(stages: usize) -> Self {
        Self::converged_with(stages, "")
    }

    /// The same with more lines of settings, each indented by two.
    pub fn converged_with(stages: usize, settings: &'static str) -> Self {
        let docker = variable("LANDFALL_TEST_DOCKER");
        let socket = PathBuf::from(docker.strip_prefix("unix://").expect("a local dockerd"));
        let dir = tempfile::tempdir().expect("a directory");
        let host = Self { dir, socket, stages, images: variable("LANDFALL_TEST_IMAGES"), settings };
        std::fs::create_dir(host.config()).expect("a directory");
        std::fs::write(host.config().join("bench.yaml"), host.yaml()).expect("a file");
        let applied = host.landfall(&["apply"]).stdout(Stdio::null()).output().expect("landfall starts");
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
        host
    }

    fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    fn yaml(&self) -> String {
        let settings = self.settings;
        let mut text = format!("settings:\n  network: bench\n  proxy: {{ none: {{}} }}\n{settings}projects:\n");
        for n in 0..self.stages {
            text.push_str(&format!(
                "  app{n}:\n    image: {}/web\n    port: 8080\n    environment: {{ NUMBER: \"{n}\", LEVEL: info }}\n    \
                 ready: {{ tcp: {{}} }}\n    labels: {{ team: bench }}\n    stages:\n      prod: {{ track: {{ tag: v1 }} }}\n",
                self.images
            ));
        }
        text
    }

    /// The binary under test, on this host.
    pub fn landfall(&self, args: &[&str]) -> Command {
        self.landfall_at(&format!("unix://{}", self.socket.display()), args)
    }

    pub fn landfall_at(&self, docker: &str, args: &[&str]) -> Command {
        let mut command =
            Command::new(std::env::var("LANDFALL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_landfall").into()));
        command.arg("--config").arg(self.config()).arg("--data").arg(self.dir.path().join("data"));
        command.args(["--docker", docker]).args(args);
        command
    }

    /// The raw list as a process of its own.
    pub fn curl(&self) -> Command {
        let mut command = Command::new("curl");
        command.args(["-sSf", "--unix-socket"]).arg(&self.socket).arg(format!("http://docker{LIST}"));
        command
    }

    /// What a `diff` asks Docker, method and path, as a recording socket in between sees it.
    pub fn calls_of_a_diff(&self) -> Vec<String> {
        let recorder = Recorder::start(&self.socket.display().to_string());
        let output = self.landfall_at(&recorder.url(), &["diff"]).output().expect("landfall starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        recorder.requests().into_iter().map(|request| format!("{} {}", request.method, request.path)).collect()
    }

    /// Compose with as many services of its own, up; none when `COMPOSE` names no plugin.
    pub fn compose(&self) -> Option<Compose> {
        let binary = PathBuf::from(std::env::var_os("COMPOSE")?);
        let file = self.dir.path().join("compose.yaml");
        let mut text = "services:\n".to_owned();
        for n in 0..self.stages {
            text.push_str(&format!(
                "  app{n}:\n    image: {}/web:v1\n    environment: {{ NUMBER: \"{n}\" }}\n",
                self.images
            ));
        }
        std::fs::write(&file, text).expect("a file");
        let compose = Compose { binary, file, docker: format!("unix://{}", self.socket.display()) };
        let up = compose.command().args(["up", "-d"]).output().expect("compose starts");
        assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
        Some(compose)
    }
}

/// `landfall daemon`, until it is dropped.
pub struct Daemon(Child);

impl Daemon {
    /// Starts it, and returns when it has told that it saw the host.
    pub fn start(host: &Host) -> Self {
        Self::start_at(host, &format!("unix://{}", host.socket.display()))
    }

    /// The same, by another way to Docker.
    pub fn start_at(host: &Host, docker: &str) -> Self {
        let path = host.dir.path().join("notify.sock");
        let systemd = std::os::unix::net::UnixDatagram::bind(&path).expect("a socket");
        systemd.set_read_timeout(Some(Duration::from_secs(60))).expect("a socket option");
        let mut command = host.landfall_at(docker, &["daemon"]);
        command.envs(unit::environment()).env("NOTIFY_SOCKET", &path).stdout(Stdio::null()).stderr(Stdio::null());
        let daemon = Self(command.spawn().expect("landfall starts"));
        let mut told = [0; 4096];
        loop {
            let length = systemd.recv(&mut told).expect("READY=1");
            if told[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                return daemon;
            }
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The middle one; sorts them.
pub fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// A line with the median, the range and the ratio to another median.
pub fn report(name: &str, times: &mut [Duration], base: Option<Duration>) {
    let middle = median(times);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let ratio = base.map(|base| format!("  {:.2}x", ms(middle) / ms(base))).unwrap_or_default();
    let (low, high) = (times[0], times[times.len() - 1]);
    println!("{name:<40} {:>8.1} ms [{:.1}-{:.1}]{ratio}", ms(middle), ms(low), ms(high));
}

/// The Compose binary and a project of the same size, already up.
pub struct Compose {
    binary: PathBuf,
    file: PathBuf,
    docker: String,
}

impl Compose {
    /// One run that changes nothing.
    pub fn dry_run(&self) -> Command {
        let mut command = self.command();
        command.args(["--dry-run", "up", "-d"]);
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        // Called by itself and not by `docker`, the plugin takes no `compose` before its arguments.
        command.args(["-p", "bench", "-f"]).arg(&self.file).env("DOCKER_HOST", &self.docker);
        command
    }
}
