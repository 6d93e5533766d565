//! A host of its own for each story: config, data, credentials, a `landfall proxy`, ports, and the built binary to run.
//!
//! All stories share one dockerd and run side by side. Whatever a story makes holds its `<id>` in its name, and that is
//! what is removed at its end; every text that a story gives is expanded, see [`Host::text`].

mod engine;
mod http;
mod load;
mod look;
mod paused;
mod running;
mod second;
mod slot;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

pub use engine::{Engine, Instance};
pub use http::{Answer, ask};
pub use load::{Load, assert_answered, assert_lossless, assert_replaced};
pub use paused::PausedRegistry;
pub use running::{Ran, Running};
pub use second::Dockerd;
use slot::Slot;

/// The time limit is for a hung host; nothing depends on how long something takes.
const PATIENCE: Duration = Duration::from_secs(40);

/// A project behind the proxy; stories change its tag with `replace`.
pub const WEB: &str = "
projects:
  web-<id>:
    image: <images>/web
    port: 8080
    ready: { http: { path: /healthz }, deadline: 20s, interval: 100ms }
    drain: 2s
    stop_grace_period: 2s
    stages:
      prod: { track: { tag: v1 }, route: { domains: [ web.<id>.test ] } }
";

/// The domain of [`WEB`].
pub const WEB_DOMAIN: &str = "web.<id>.test";
/// The stage of [`WEB`].
pub const WEB_PROD: &str = "web-<id>/prod";

/// A variable of the ground.
pub fn ground(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this through tests/run.sh"))
}

/// Asks until there is an answer.
#[track_caller]
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begin.elapsed() < PATIENCE, "not within {} s: {what}", PATIENCE.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// One host.
pub struct Host {
    /// In every name that the story makes.
    pub id: String,
    /// The dockerd: the one that all stories share, or its own.
    pub engine: Engine,
    /// The Docker address that the binary is given.
    pub docker: String,
    slot: Slot,
    dir: tempfile::TempDir,
    proxy: Option<Running>,
    own: Option<Dockerd>,
}

impl Host {
    /// A host with a proxy that answers.
    pub fn new() -> Self {
        let mut host = Self::without_proxy();
        host.start_proxy();
        host
    }

    /// A host with a proxy, and a dockerd of its own.
    pub fn with_own_dockerd() -> Self {
        let mut host = Self::without_proxy();
        let own = Dockerd::start(host.slot.number());
        host.docker = format!("unix://{}", own.socket().display());
        host.engine = Engine::new(&host.docker);
        host.own = Some(own);
        host.start_proxy();
        host
    }

    /// The dockerd that it has for itself.
    pub fn dockerd(&self) -> &Dockerd {
        self.own.as_ref().expect("a dockerd of its own")
    }

    /// A host on which `landfall proxy` was not started.
    pub fn without_proxy() -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string()[..6].to_owned();
        let docker = ground("LANDFALL_TEST_DOCKER");
        let engine = Engine::new(&docker);
        let dir = tempfile::Builder::new().prefix("landfall-").tempdir().unwrap();
        std::fs::create_dir(dir.path().join("config")).unwrap();
        std::fs::create_dir(dir.path().join("credentials")).unwrap();
        let host = Self { id, engine, docker, slot: Slot::take(), dir, proxy: None, own: None };
        host.settings("");
        host
    }

    /// Starts the proxy, or starts it again.
    pub fn start_proxy(&mut self) {
        let listen = self.text("127.0.0.1:<proxy>");
        let running = self.spawn(&format!("proxy --listen {listen}"));
        eventually("the proxy listens", || std::net::TcpStream::connect(&listen).ok());
        self.proxy = Some(running);
    }

    /// Ends the proxy.
    pub fn stop_proxy(&mut self) {
        self.proxy = None;
    }

    /// `<id>` is the story's own mark, `<images>` the registry without login, `<private>` the one with, `<proxy>` the
    /// port of the proxy, `<port>` and `<other port>` ports of the host for the story to use.
    pub fn text(&self, text: &str) -> String {
        text.replace("<id>", &self.id)
            .replace("<images>", &ground("LANDFALL_TEST_IMAGES"))
            .replace("<private>", &ground("LANDFALL_TEST_REGISTRY_AUTH"))
            .replace("<proxy>", &self.slot.proxy_port().to_string())
            .replace("<port>", &self.slot.own_port().to_string())
            .replace("<other port>", &(self.slot.own_port() + 1).to_string())
    }

    /// A port that instances are given: the first, the second and so on, counted from 0.
    pub fn instance_port(&self, number: u16) -> u16 {
        self.slot.instance_ports().0 + number
    }

    /// The config directory.
    pub fn config(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A path beside both.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file of the config directory.
    pub fn write(&self, file: &str, text: &str) {
        self.write_to(&self.config(), file, text);
    }

    /// Writes a file below a directory.
    pub fn write_to(&self, dir: &Path, file: &str, text: &str) {
        let path = dir.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, self.text(text)).unwrap();
    }

    /// Writes `settings.yaml`: network and ports of the story's own, and more lines of settings.
    pub fn settings(&self, more: &str) {
        let (first, last) = self.slot.instance_ports();
        let more: String = more.lines().map(|line| format!("  {line}\n")).collect();
        self.write("settings.yaml", &format!("settings:\n  network: lf-<id>\n  ports: {first}-{last}\n{more}"));
    }

    /// Writes a credential.
    pub fn credential(&self, name: &str, value: &str) {
        std::fs::write(self.path("credentials").join(name), value).unwrap();
    }

    /// The binary with its surroundings: nothing of the test's own environment reaches it.
    pub fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfall"));
        command
            .args(self.text(arguments).split_whitespace())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LANDFALL_CONFIG", self.config())
            .env("LANDFALL_DATA", self.data())
            .env("LANDFALL_DOCKER", &self.docker)
            .env("LANDFALL_CREDENTIALS", self.path("credentials"))
            .env("LANDFALL_PROXY_SOCKET", self.path("proxy.sock"))
            .current_dir(self.dir.path());
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn landfall(&self, arguments: &str) -> Ran {
        self.run(self.command(arguments))
    }

    /// Runs a prepared command to its end.
    #[track_caller]
    pub fn run(&self, command: Command) -> Ran {
        Ran::run(command, &self.id, PATIENCE)
    }

    /// Starts a command; it is killed when the story ends.
    pub fn spawn(&self, arguments: &str) -> Running {
        self.spawn_prepared(self.command(arguments))
    }

    /// Starts a prepared command.
    pub fn spawn_prepared(&self, command: Command) -> Running {
        Running::start(command, self.dir.path())
    }

    /// Pushes a version of the app of the story's own, with variables that tell it how to behave.
    pub fn push(&self, tag: &str, options: &[&str]) {
        let image = self.text(&format!("<images>/web:{tag}"));
        let options = options.iter().map(|option| self.text(option));
        let pushed = Command::new(ground("LANDFALL_TEST_PUSH")).arg(&image).args(options).output().unwrap();
        assert!(pushed.status.success(), "{image}: {}", String::from_utf8_lossy(&pushed.stderr));
    }

    /// A file written and applied: how most stories begin.
    #[track_caller]
    pub fn deployed(&self, file: &str, text: &str) {
        self.write(file, text);
        self.landfall("apply").exits(0);
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.proxy = None;
        if self.own.is_none() {
            self.engine.remove_all(&self.id);
        }
    }
}
