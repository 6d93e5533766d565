//! What a story looks at: answers through the proxy, containers, and what the store remembers.

use serde_json::Value;

use super::{Answer, Engine, Host, Instance, Load, Ran, ask};

impl Host {
    /// What answers at a domain.
    #[track_caller]
    pub fn get(&self, domain: &str, path: &str) -> Answer {
        self.request("GET", domain, path, "")
    }

    /// Sends a request with a body through the proxy.
    #[track_caller]
    pub fn request(&self, method: &str, domain: &str, path: &str, body: &str) -> Answer {
        let address = self.text("127.0.0.1:<proxy>");
        ask(&address, method, &self.text(domain), &self.text(path), body)
            .unwrap_or_else(|error| panic!("{method} {domain}{path}: {error}"))
    }

    /// Requests that the instance behind a domain has not answered yet, as the proxy says.
    pub fn in_flight(&self, domain: &str) -> u64 {
        let proxy = Engine::new(&self.path("proxy.sock").display().to_string());
        let table = proxy.done("GET", "/table", None);
        let upstream = table["routes"][self.text(domain)]["upstreams"][0].as_str().expect("a route").to_owned();
        proxy.done("GET", &format!("/inflight?upstream={upstream}"), None)["in_flight"].as_u64().unwrap()
    }

    /// A client that asks a domain all the time.
    pub fn load(&self, domain: &str) -> Load {
        Load::start(&self.text("http://127.0.0.1:<proxy>/"), &self.text(domain), self.dir.path())
    }

    /// Our containers of a stage, as the labels say.
    pub fn instances(&self, stage: &str) -> Vec<Instance> {
        self.engine.instances(&self.text(stage))
    }

    /// The one container of a stage.
    #[track_caller]
    pub fn instance(&self, stage: &str) -> Instance {
        let mut all = self.instances(stage);
        assert_eq!(all.len(), 1, "instances of {stage}: {all:?}");
        all.remove(0)
    }

    /// The deploys of a stage, newest first.
    #[track_caller]
    pub fn history(&self, stage: &str) -> Vec<Value> {
        let mut data = self.landfall(&format!("history {stage} -o json")).exits(0).json();
        data["deploys"].as_array_mut().map(std::mem::take).expect("deploys")
    }

    /// The statuses of the deploys of a stage, newest first.
    #[track_caller]
    pub fn statuses(&self, stage: &str) -> Vec<String> {
        self.history(stage).iter().map(|deploy| deploy["status"].as_str().unwrap().to_owned()).collect()
    }

    /// The newest deploy of a stage with its log, as text.
    #[track_caller]
    pub fn last_deploy(&self, stage: &str) -> Ran {
        let id = self.history(stage)[0]["id"].as_str().unwrap().to_owned();
        self.landfall(&format!("show {id}")).exits(0)
    }
}
