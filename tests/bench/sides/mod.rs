//! The proxies that are measured, and the upstream behind them: each a process that ends with the bench.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::binary;

/// Under which name the app is asked for.
pub const HOST: &str = "bench.test";
/// Longest time that a side may take to answer for the first time.
const READY: Duration = Duration::from_secs(20);
/// What `/proc` counts CPU time in, per second: the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// One of the proxies, or the upstream itself.
pub struct Side {
    pub name: &'static str,
    pub port: u16,
    child: Child,
}

impl Side {
    /// Every side that is to be had, the upstream first; says which are not.
    pub fn all(dir: &Path) -> Vec<Self> {
        let upstream = upstream(dir);
        let app = format!("127.0.0.1:{}", upstream.port);
        let mut sides = vec![landfall(dir, &app), nginx(dir, &app)];
        match binary("CADDY") {
            Some(caddy) => sides.push(self::caddy(dir, &caddy, &app)),
            None => println!("caddy: left out, no CADDY"),
        }
        sides.insert(0, upstream);
        sides.iter().for_each(Side::must_answer);
        sides
    }

    fn start(name: &'static str, port: u16, command: &mut Command) -> Self {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        Self { name, port, child: child.unwrap_or_else(|error| panic!("{name} does not start: {error}")) }
    }

    /// Waits until it gives the app's answer.
    fn must_answer(&self) {
        let begun = Instant::now();
        while !answers(self.port) {
            assert!(begun.elapsed() < READY, "{} does not answer", self.name);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// CPU time of its processes so far, its children's too.
    pub fn cpu_seconds(&self) -> f64 {
        let processes: Vec<(u32, u32, f64)> = fs::read_dir("/proc")
            .expect("/proc")
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .filter_map(stat)
            .collect();
        let mut tree = vec![self.child.id()];
        let mut ticks = 0.0;
        while let Some(id) = tree.pop() {
            ticks += processes.iter().filter(|(own, ..)| *own == id).map(|(.., ticks)| ticks).sum::<f64>();
            tree.extend(processes.iter().filter(|(_, parent, _)| *parent == id).map(|(own, ..)| *own));
        }
        ticks / TICKS
    }
}

impl Drop for Side {
    fn drop(&mut self) {
        // nginx takes its workers with it when it is asked, not when it is killed.
        let id = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        drop(self.child.wait());
    }
}

/// Id, parent and CPU ticks of a process.
fn stat(id: u32) -> Option<(u32, u32, f64)> {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    // The name stands in brackets and may hold anything.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
    Some((id, number(1)?, f64::from(number(11)?) + f64::from(number(12)?)))
}

fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let mut answer = String::new();
    let asked = stream.write_all(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n").as_bytes());
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.contains("200 OK") && answer.contains("xxxx")
}

/// A port that nobody has.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

/// An nginx of our own, with this in its `http` block.
fn nginx_with(dir: &Path, name: &'static str, port: u16, workers: &str, http: &str) -> Side {
    let own = dir.join(name);
    fs::create_dir(&own).expect("a directory");
    let temp: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("  {kind}_temp_path {};\n", own.join(kind).display()))
        .concat();
    let text = format!(
        "daemon off;\nmaster_process on;\nworker_processes {workers};\npid {0}/pid;\nerror_log {0}/error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n  access_log off;\n  keepalive_requests 1000000000;\n{temp}{http}\n}}\n",
        own.display()
    );
    let file = own.join("nginx.conf");
    fs::write(&file, text).expect("a file");
    Side::start(name, port, Command::new("nginx").arg("-c").arg(&file).arg("-p").arg(&own))
}

fn upstream(dir: &Path) -> Side {
    let (port, body) = (free_port(), "x".repeat(1024));
    let http = format!("  server {{ listen 127.0.0.1:{port}; location / {{ return 200 \"{body}\"; }} }}");
    nginx_with(dir, "upstream-alone", port, "1", &http)
}

fn landfall(dir: &Path, app: &str) -> Side {
    let binary = binary("LANDFALL_BIN").expect("LANDFALL_BIN: run this through tests/bench/compare.sh");
    let (port, own) = (free_port(), dir.join("landfall"));
    fs::create_dir(&own).expect("a directory");
    let control = own.join("proxy.sock");
    let mut command = Command::new(binary);
    command.arg("--data").arg(&own).args(["proxy", "--listen", &format!("127.0.0.1:{port}"), "--control"]);
    let side = Side::start("landfall", port, command.arg(&control));
    let begun = Instant::now();
    let mut stream = loop {
        match UnixStream::connect(&control) {
            Ok(stream) => break stream,
            Err(error) => assert!(begun.elapsed() < READY, "no control socket: {error}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let owner = r#"{"store":"00000000-0000-0000-0000-000000000001","project":"bench","stage":"prod"}"#;
    let body = format!(r#"{{"owner":{owner},"domains":["{HOST}"],"upstreams":["{app}"]}}"#);
    let length = body.len();
    let head = format!("PUT /routes HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n");
    stream.write_all((head + &body).as_bytes()).expect("it is told");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.contains("200 OK"), "{answer}");
    side
}

/// With connections to the app kept alive and the headers that a proxy at the edge sets.
fn nginx(dir: &Path, app: &str) -> Side {
    let port = free_port();
    let http = format!(
        "  upstream app {{ server {app}; keepalive 256; keepalive_requests 1000000000; }}\n\
         \x20 server {{ listen 127.0.0.1:{port} backlog=1024; server_name {HOST};\n    location / {{ proxy_pass http://app;\n\
         \x20     proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_set_header Host $host;\n\
         \x20     proxy_set_header X-Forwarded-For $remote_addr; proxy_set_header X-Forwarded-Proto $scheme;\n\
         \x20     proxy_set_header X-Forwarded-Host $host; }} }}"
    );
    nginx_with(dir, "nginx", port, "auto", &http)
}

fn caddy(dir: &Path, binary: &str, app: &str) -> Side {
    let (port, own) = (free_port(), dir.join("caddy"));
    fs::create_dir(&own).expect("a directory");
    let file = own.join("Caddyfile");
    let text = format!(
        "{{\n\tadmin off\n\tauto_https off\n}}\nhttp://{HOST}:{port} {{\n\tbind 127.0.0.1\n\treverse_proxy {app}\n}}\n"
    );
    fs::write(&file, text).expect("a file");
    let mut command = Command::new(binary);
    command.args(["run", "--adapter", "caddyfile", "--config"]).arg(&file);
    Side::start("caddy", port, command.env("HOME", &own).env("XDG_DATA_HOME", &own).env("XDG_CONFIG_HOME", &own))
}
