//! A real Caddy as a process of a test: on loopback ports of its own, with directories of its own, and nothing of the
//! machine's; or in a container of the ground. Both versions that are tried are found here.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::own_container::{OwnContainer, Spec, answers};
use crate::own_process::{Claim, Process, TRIES, program};
use crate::router_wire::Client;
use crate::scenario::harness::Engine;

/// In a container, where its admin API, plain HTTP and https are.
const INSIDE: [u16; 3] = [2019, 80, 443];

/// A version that tests run against.
#[derive(Debug, Clone)]
pub struct Version {
    program: PathBuf,
}

/// Debian's, which is old, and the newest that could be had. Without the latter it is said, and the former is all.
pub fn versions() -> Vec<Version> {
    let mut all = vec![Version { program: program("caddy") }];
    match std::env::var_os("LANDFALL_TEST_CADDY").map(PathBuf::from).or_else(fetched) {
        Some(program) => all.push(Version { program }),
        None => eprintln!("the newest caddy was not fetched (tests/ground/caddy): left out"),
    }
    all
}

/// The last, for a test that one version is enough for.
pub fn newest() -> Version {
    versions().pop().expect("one at least")
}

/// Where `tests/ground/caddy` puts what it fetched.
fn fetched() -> Option<PathBuf> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?;
    Some(cache.join("landfall-tests/caddy")).filter(|path| path.is_file())
}

/// One that runs.
pub struct Caddy {
    process: Option<Process>,
    /// It is in one, and no process of ours.
    container: Option<OwnContainer>,
    _ports: Option<Claim>,
    version: Version,
    dir: tempfile::TempDir,
    has_servers: bool,
    /// Its admin API.
    pub admin: u16,
    /// Where its own `http_port` is.
    pub http: u16,
    /// Where its own `https_port` is.
    pub https: u16,
}

impl Caddy {
    /// With nothing in its configuration but where it listens.
    pub fn empty(version: &Version) -> Self {
        Self::start(version, |_, _| Value::Null)
    }

    /// With servers made by hand, given the ports for http and https.
    pub fn start(version: &Version, servers: impl Fn(u16, u16) -> Value) -> Self {
        // Held until one is found whose ports nothing else on the machine has.
        let mut failed = Vec::new();
        for _ in 0..TRIES {
            let dir = tempfile::tempdir().expect("a directory");
            let claim = Claim::take(Ipv4Addr::new(127, 0, 0, 3), 29_100, 3, 1200);
            let (admin, http, https) = (claim.first(), claim.first() + 1, claim.first() + 2);
            let servers = servers(http, https);
            let has_servers = !servers.is_null();
            write_config(dir.path(), &format!("127.0.0.1:{admin}"), (http, https), servers);
            let (version, ports) = (version.clone(), Some(claim));
            let mut caddy =
                Self { process: None, container: None, _ports: ports, version, dir, has_servers, admin, http, https };
            if caddy.run() {
                return caddy;
            }
            failed.push(caddy);
        }
        panic!("no free port was found");
    }

    /// In a container of a dockerd, on one of its networks: it finds other containers by their names. Any small image lends
    /// its frame. Given are servers made by hand, which listen on ports of the container.
    pub fn in_container(version: &Version, docker: &Engine, network: &str, image: &str, servers: Value) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let [admin, http, https] = INSIDE;
        let has_servers = !servers.is_null();
        write_config(dir.path(), &format!(":{admin}"), (http, https), servers);
        let binds = [
            format!("{}:/srv/caddy:ro", version.program.display()),
            format!("{}:/srv/config:ro", dir.path().display()),
        ];
        let command = ["/srv/caddy", "run", "--config", "/srv/config/config.json"];
        let spec = Spec { what: "caddy", network, image, command: &command, binds: &binds, ports: &INSIDE };
        let container = OwnContainer::start(docker, &spec);
        let (admin, http, https) = (container.ports()[0], container.ports()[1], container.ports()[2]);
        let (container, version) = (Some(container), version.clone());
        let caddy = Self { process: None, container, _ports: None, version, dir, has_servers, admin, http, https };
        caddy.wait();
        caddy
    }

    /// Until it answers, in its container.
    fn wait(&self) {
        let mut ports = vec![self.admin];
        ports.extend(self.has_servers.then_some(self.http));
        let is_ready = || ports.iter().all(|port| answers(&format!("127.0.0.1:{port}")));
        self.container.as_ref().expect("a container").wait(is_ready);
    }

    /// Runs it with the configuration of its file; false when a port was taken.
    fn run(&mut self) -> bool {
        let dir = self.dir.path();
        let mut command: Command = Process::command(&self.version.program);
        command.args(["run", "--config"]).arg(dir.join("config.json")).env_clear().current_dir(dir);
        for (name, value) in [("HOME", "home"), ("XDG_DATA_HOME", "data"), ("XDG_CONFIG_HOME", "config")] {
            command.env(name, dir.join(value));
        }
        // The API is there before the servers are.
        let mut ports = vec![self.admin];
        ports.extend(self.has_servers.then_some(self.http));
        let is_ready = || ports.iter().all(|port| std::net::TcpStream::connect(("127.0.0.1", *port)).is_ok());
        self.process = Process::start(command, &dir.join("log"), is_ready);
        self.process.is_some()
    }

    /// Ends it, and starts it again with the configuration of its file: what was changed since is gone.
    pub fn restart(&mut self) {
        if let Some(container) = &self.container {
            container.stop();
            container.start_again();
            return self.wait();
        }
        self.stop();
        assert!(self.run(), "{}", self.said());
    }

    /// What `caddy reload` does: the configuration of its file, and what was changed since is gone.
    pub async fn reload(&self) {
        let text = std::fs::read_to_string(self.dir.path().join("config.json")).expect("its file");
        self.by_hand("POST", "/load", Some(serde_json::from_str(&text).expect("JSON"))).await;
    }

    pub fn stop(&mut self) {
        drop(self.process.take());
    }

    /// What it wrote to its log.
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// The address of its admin API, as it stands in the settings.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.admin)
    }

    /// Where plain HTTP is answered.
    pub fn addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.http).into()
    }

    /// All of its configuration, byte by byte.
    pub async fn config_text(&self) -> String {
        self.read("/config/").await
    }

    pub async fn config(&self) -> Value {
        serde_json::from_str(&self.config_text().await).expect("JSON")
    }

    /// The routes of a server.
    pub async fn routes(&self, server: &str) -> Vec<Value> {
        let config = self.config().await;
        config["apps"]["http"]["servers"][server]["routes"].as_array().cloned().unwrap_or_default()
    }

    /// A change as a person makes it, made again when it was lost with its connection.
    pub async fn by_hand(&self, method: &str, path: &str, body: Option<Value>) {
        let before = self.config_text().await;
        loop {
            match call(self.admin_addr(), method, path, body.as_ref()).await {
                Some((status, text)) => return assert_eq!(status, 200, "{method} {path}: {text}"),
                None if self.config_text().await != before => return,
                None => {}
            }
        }
    }

    /// Has its admin API served on a Unix socket instead, as a person does; what reads its configuration here reaches it no
    /// more.
    pub async fn serve_admin_on_a_socket(&self) -> PathBuf {
        let socket = self.dir.path().join("admin.sock");
        let mut config = self.config().await;
        config["admin"]["listen"] = json!(format!("unix/{}", socket.display()));
        // The answer may be lost with the port that it comes from.
        drop(call(self.admin_addr(), "POST", "/load", Some(&config)).await);
        let connect = async || tokio::net::UnixStream::connect(&socket).await.is_ok();
        crate::router_support::until("the admin API moves", connect).await;
        socket
    }

    /// Reads something.
    async fn read(&self, path: &str) -> String {
        loop {
            if let Some((_, text)) = call(self.admin_addr(), "GET", path, None).await {
                return text;
            }
        }
    }

    fn admin_addr(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.admin).into()
    }

    /// Who answers for a host, by the header of the test's apps; or the status with the body.
    pub async fn answer(&self, host: &str) -> String {
        answer_at(self.addr(), host, "/").await
    }
}

/// Writes the file that it begins with.
fn write_config(dir: &Path, admin: &str, (http, https): (u16, u16), servers: Value) {
    let mut config = json!({
        "admin": { "listen": admin },
        "apps": {
            "http": { "http_port": http, "https_port": https },
            // Names below `localhost` get certificates of its own authority, which no machine is to trust.
            "pki": { "certificate_authorities": { "local": { "install_trust": false } } },
        },
        "logging": { "logs": { "default": { "level": "ERROR" } } },
    });
    if !servers.is_null() {
        config["apps"]["http"]["servers"] = servers;
    }
    std::fs::write(dir.join("config.json"), config.to_string()).expect("a file");
}

/// Who answers for a host at an address. With each change Caddy closes the sockets that it listened on, and with them
/// connections that it has not taken yet: then it is asked again.
pub async fn answer_at(addr: SocketAddr, host: &str, path: &str) -> String {
    loop {
        if let Some(reply) = Client::connect(addr).await.try_get(host, path).await {
            let text = || format!("{} {}", reply.status, String::from_utf8_lossy(&reply.body));
            return reply.header("x-version").map_or_else(text, str::to_owned);
        }
    }
}

/// One call to the admin API; none when the connection ended instead.
async fn call(addr: SocketAddr, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, String)> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut client = Client::connect(addr).await;
    client.send(&(head + &body)).await;
    let reply = client.reply().await?;
    Some((reply.status, String::from_utf8_lossy(&reply.body).into_owned()))
}
