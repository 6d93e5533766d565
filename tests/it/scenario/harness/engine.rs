//! The real dockerd, past our own client: what a test does by hand, and what it looks at.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::{Value, json};

/// A dockerd.
#[derive(Debug, Clone)]
pub struct Engine {
    socket: PathBuf,
}

/// A container with our labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    pub id: String,
    pub name: String,
    /// `running`, `exited` and so on.
    pub state: String,
    /// The version it shows.
    pub version: String,
}

impl Engine {
    pub fn new(url: &str) -> Self {
        Self { socket: url.trim_start_matches("unix://").into() }
    }

    /// One call; status and body, which is null when it is no JSON.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, body) = self.raw(method, path, body);
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    /// The same with the body as it came.
    pub fn raw(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Vec<u8>) {
        let mut stream = UnixStream::connect(&self.socket).unwrap();
        let body = body.map(Value::to_string).unwrap_or_default();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").map_or(answer.len(), |at| at + 4);
        let body = answer.split_off(end);
        let status = String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|code| code.parse().ok());
        (status.unwrap_or(0), body)
    }

    /// Does something that has to work.
    #[track_caller]
    pub fn done(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let (status, answer) = self.call(method, path, body);
        assert!((200..300).contains(&status) || status == 304, "{method} {path}: {status} {answer}");
        answer
    }

    /// `docker stop`, `pause`, `unpause`, `restart`, `kill` and so on.
    #[track_caller]
    pub fn act(&self, action: &str, container: &str) {
        self.done("POST", &format!("/containers/{container}/{action}"), None);
    }

    /// `docker rm -f`.
    #[track_caller]
    pub fn remove(&self, container: &str) {
        self.done("DELETE", &format!("/containers/{container}?force=1"), None);
    }

    /// Everything dockerd holds about a container; none when there is none.
    pub fn inspect(&self, container: &str) -> Option<Value> {
        let (status, body) = self.call("GET", &format!("/containers/{container}/json"), None);
        (status == 200).then_some(body)
    }

    /// Makes and starts a container past Landfall; returns its id.
    #[track_caller]
    pub fn run(&self, name: &str, config: &Value) -> String {
        let made = self.done("POST", &format!("/containers/create?name={name}"), Some(config));
        let id = made["Id"].as_str().unwrap().to_owned();
        self.act("start", &id);
        id
    }

    #[track_caller]
    pub fn create_network(&self, name: &str) {
        self.done("POST", "/networks/create", Some(&json!({ "Name": name, "CheckDuplicate": true })));
    }

    #[track_caller]
    pub fn create_volume(&self, name: &str) {
        self.done("POST", "/volumes/create", Some(&json!({ "Name": name })));
    }

    /// Takes a container out of a network, as `docker network disconnect -f`.
    #[track_caller]
    pub fn disconnect(&self, network: &str, container: &str) {
        let body = json!({ "Container": container, "Force": true });
        self.done("POST", &format!("/networks/{network}/disconnect"), Some(&body));
    }

    /// The permission bits of a file in a container.
    #[track_caller]
    pub fn file_mode(&self, container: &str, path: &str) -> u32 {
        let (status, archive) = self.raw("GET", &format!("/containers/{container}/archive?path={path}"), None);
        assert_eq!(status, 200, "{path} of {container}");
        let mut archive = tar::Archive::new(&archive[..]);
        let entry = archive.entries().unwrap().next().expect("an entry").unwrap();
        entry.header().mode().unwrap() & 0o7777
    }

    /// True when there is an image of this name.
    pub fn has_image(&self, reference: &str) -> bool {
        self.call("GET", &format!("/images/{reference}/json"), None).0 == 200
    }

    pub fn has_volume(&self, name: &str) -> bool {
        self.call("GET", &format!("/volumes/{name}"), None).0 == 200
    }

    /// All containers that carry our labels of a stage, whatever their state; foreign copies too.
    pub fn instances(&self, stage: &str) -> Vec<Instance> {
        let (project, stage) = stage.split_once('/').expect("project/stage");
        let filters = json!({ "label": [format!("landfall.project={project}"), format!("landfall.stage={stage}")] });
        let listed = self.list("containers/json?all=1", &filters);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let instance = |c: &Value| Instance {
            id: text(&c["Id"]),
            name: text(&c["Names"][0]).trim_start_matches('/').to_owned(),
            state: text(&c["State"]),
            version: text(&c["Labels"]["landfall.instance"]),
        };
        listed.as_array().into_iter().flatten().map(instance).collect()
    }

    /// The names of all containers that hold a text, whoever made them.
    pub fn names(&self, mark: &str) -> Vec<String> {
        let listed = self.list("containers/json?all=1", &json!({ "name": [mark] }));
        listed.as_array().into_iter().flatten().map(|container| container["Names"][0].to_string()).collect()
    }

    fn list(&self, path: &str, filters: &Value) -> Value {
        let mark = if path.contains('?') { '&' } else { '?' };
        let encoded: String = filters.to_string().bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.done("GET", &format!("/{path}{mark}filters={encoded}"), None)
    }

    /// Everything with a text in its name, containers and images by their labels and tags too.
    pub fn remove_all(&self, mark: &str) {
        let by_name = json!({ "name": [mark] });
        for container in self.list("containers/json?all=1", &by_name).as_array().into_iter().flatten() {
            self.call("DELETE", &format!("/containers/{}?force=1&v=1", container["Id"].as_str().unwrap()), None);
        }
        for network in self.list("networks", &by_name).as_array().into_iter().flatten() {
            self.call("DELETE", &format!("/networks/{}", network["Id"].as_str().unwrap()), None);
        }
        for volume in self.list("volumes", &by_name)["Volumes"].as_array().into_iter().flatten() {
            self.call("DELETE", &format!("/volumes/{}", volume["Name"].as_str().unwrap()), None);
        }
        let ours = json!({ "reference": [format!("landfall/*{mark}*")] });
        for image in self.list("images/json", &ours).as_array().into_iter().flatten() {
            for tag in image["RepoTags"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if tag.contains(mark) {
                    self.call("DELETE", &format!("/images/{tag}"), None);
                }
            }
        }
    }
}
