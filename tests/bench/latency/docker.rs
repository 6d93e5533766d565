//! dockerd and a registry by plain HTTP over plain sockets: the least that anyone pays.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::SystemTime;

use serde_json::Value;

/// A dockerd.
pub struct Docker {
    socket: PathBuf,
}

impl Docker {
    pub fn new(socket: &str) -> Self {
        Self { socket: socket.into() }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> UnixStream {
        let mut stream = UnixStream::connect(&self.socket).expect("dockerd answers");
        stream.set_read_timeout(Some(super::DEADLINE)).expect("a timeout");
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = format!(
            "{method} /v1.41{path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).expect("dockerd reads");
        stream
    }

    /// A call that must succeed, and its answer's body.
    pub fn ok(&self, method: &str, path: &str, body: Option<&Value>) -> String {
        let mut answer = String::new();
        self.ask(method, path, body).read_to_string(&mut answer).expect("dockerd answers");
        assert!(answer.starts_with("HTTP/1.0 2"), "{method} {path}: {answer}");
        answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    }

    /// True if one container has this label, and it runs.
    pub fn has_one_alone(&self, label: &str) -> bool {
        let filter = format!("%7B%22label%22%3A%5B%22{}%22%5D%7D", label.replace('=', "%3D"));
        let list: Vec<Value> =
            serde_json::from_str(&self.ok("GET", &format!("/containers/json?all=1&filters={filter}"), None))
                .expect("a list");
        matches!(&list[..], [one] if one["State"] == "running")
    }

    /// Containers that start from now on.
    pub fn starts(&self) -> Starts {
        let filter = "%7B%22type%22%3A%5B%22container%22%5D%2C%22event%22%3A%5B%22start%22%5D%7D";
        let mut lines = BufReader::new(self.ask("GET", &format!("/events?filters={filter}"), None));
        // The head comes at once, and with it the stream has begun.
        let mut line = String::new();
        while lines.read_line(&mut line).expect("events") > 2 {
            line.clear();
        }
        Starts(lines)
    }
}

/// The stream of these events.
pub struct Starts(BufReader<UnixStream>);

impl Starts {
    /// When the first one happened, by dockerd's clock, which is this machine's.
    pub fn first(mut self) -> SystemTime {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("an event");
        let event: Value = serde_json::from_str(&line).expect("an event");
        super::at(event["timeNano"].as_u64().expect("a time"))
    }
}

/// The digest that a manifest has in a registry.
pub fn head(registry: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(registry).expect("the registry answers");
    let accept = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json";
    let request = format!("HEAD {path} HTTP/1.0\r\nHost: {registry}\r\nAccept: {accept}\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("the registry reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("the registry answers");
    let digest = answer.lines().find_map(|line| line.strip_prefix("Docker-Content-Digest: "));
    digest.unwrap_or_else(|| panic!("no digest: {answer}")).trim().to_owned()
}
