//! A host behind Nginx Proxy Manager: the fake Docker daemon, the contract server with a real nginx, and a person who
//! has hosts of his own there.

use std::time::{Duration, Instant};

use landfall::execute::Event;
use landfall::model::{Recorded, RecordedHost};
use serde_json::{Value, json};

use crate::execute::ground::{Host, ended, image, web};
use crate::fake_docker::FakeImage;
use crate::npm::{Nginx, Npm, Options};
use crate::router_wire::Client;

/// The user that Landfall has there.
pub const EMAIL: &str = "landfall@example.com";
/// Its password, which must appear nowhere.
pub const PASSWORD: &str = "correct-horse-battery-staple";

/// A host, and the proxy before it.
pub struct Behind {
    pub npm: Npm,
    pub host: Host,
}

impl Behind {
    /// The newest version, with these images in the registry.
    pub async fn with(images: &[&FakeImage]) -> Self {
        Self::version("2.15.1", images).await
    }

    /// A version of it.
    pub async fn version(version: &str, images: &[&FakeImage]) -> Self {
        let npm = Npm::start(&Options::new(version, Nginx::Local));
        npm.add_user(EMAIL, PASSWORD, true, "manage");
        let behind = Self { npm, host: Host::with(images).await };
        behind.credential(PASSWORD);
        behind.settings("");
        behind
    }

    /// Two versions of the app, the first of them deployed.
    pub async fn at_v1() -> Self {
        let behind = Self::with(&[&image("v1"), &image("v2")]).await;
        behind.host.apply(&web("v1", QUICK)).await;
        behind
    }

    /// What Landfall is told the password is.
    pub fn credential(&self, password: &str) {
        std::fs::write(self.host.path("credentials/npm_password"), password).expect("a file");
    }

    /// Writes the settings, with more lines indented by two.
    pub fn settings(&self, more: &str) {
        self.settings_at(&self.npm.url(), more);
    }

    /// The same, with another address of the API.
    pub fn settings_at(&self, url: &str, more: &str) {
        let probe = self.npm.probe();
        self.host.settings(&format!(
            "  proxy:
    nginx_proxy_manager:
      url: {url}
      email: {EMAIL}
      password: {{ credential: npm_password }}
      upstream: host
      probe: {probe}
{more}"
        ));
    }

    /// Asks through nginx: the version that answers, or the status of who else does. For a moment after a write old and
    /// new workers answer in turn, so that it asks until all answers of a while are the same.
    pub async fn answer(&self, domain: &str) -> String {
        let mut last = self.one_answer(domain).await;
        let mut same = 0;
        let begun = Instant::now();
        while same < SETTLED {
            assert!(begun.elapsed() < PATIENCE, "{domain} is answered in turn by {last} and others");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let next = self.one_answer(domain).await;
            same = if next == last { same + 1 } else { 0 };
            last = next;
        }
        last
    }

    async fn one_answer(&self, domain: &str) -> String {
        let reply = Client::connect(self.npm.probe().parse().expect("an address")).await.get(domain, "/").await;
        reply.header("x-version").map_or_else(|| format!("status {}", reply.status), str::to_owned)
    }

    /// The host of a domain, as the admin sees it.
    pub fn row(&self, domain: &str) -> Value {
        self.npm.host(domain).unwrap_or_else(|| panic!("no host for {domain}: {:#?}", self.npm.hosts()))
    }

    pub fn id(&self, domain: &str) -> i64 {
        self.row(domain)["id"].as_i64().expect("an id")
    }

    /// A host that a person made, with everything set that Landfall does not own.
    pub fn by_hand(&self, domain: &str) -> i64 {
        self.npm.by_hand().create_host(&json!({
            "domain_names": [domain, format!("www.{domain}")], "forward_scheme": "http",
            "forward_host": "127.0.0.1", "forward_port": 9, "caching_enabled": true,
            "advanced_config": "# kept by hand", "meta": { "letsencrypt_agree": false, "mine": { "deep": [1] } },
        }))
    }

    pub fn recorded(&self) -> Recorded {
        self.host.recorded()
    }

    /// What the store remembers of the host of a stage.
    pub fn known(&self, key: &str) -> Option<RecordedHost> {
        let key = key.parse().expect("a stage");
        self.recorded().stages.remove(&key).and_then(|stage| stage.host)
    }

    /// True when the store has a write to the host of `web/prod` that was not proven.
    pub fn is_dirty(&self) -> bool {
        self.known("web/prod").is_some_and(|host| host.dirty)
    }

    /// A pass over what is written: how its only stage ended, and why.
    pub async fn pass(&self) -> (String, String) {
        ended(&self.host.converge().await)
    }

    /// True when a pass told this line of `web/prod` to whoever watches.
    pub fn said(&self, words: &str) -> bool {
        let is_it = |event: &Event| matches!(event, Event::Line { key: Some(_), text } if text.contains(words));
        self.host.events().iter().any(is_it)
    }

    /// What a look says.
    pub async fn plan(&self) -> String {
        self.host.look().await.expect("a look").plan.to_string()
    }

    /// Takes everything out of the configuration.
    pub async fn remove_all(&self) {
        self.host.remove_all().await;
    }

    /// One host, that of `web/prod`, leads to the only container, which runs this version; nothing is left to do.
    pub async fn is_settled_at(&self, version: &str) {
        assert_eq!(self.answer("web.test").await, version);
        assert_eq!(self.host.containers(), [format!("web-prod@{version} running")]);
        assert_eq!(self.npm.hosts().len(), 1, "{:#?}", self.npm.hosts());
        assert!(!self.is_dirty());
        let plan = self.host.look().await.expect("a look").plan;
        assert!(plan.is_noop(), "{plan}");
    }
}

/// Asks for a domain all the time; whatever comes is kept.
pub struct Clients {
    stop: tokio::sync::watch::Sender<bool>,
    task: tokio::task::JoinHandle<Vec<String>>,
}

impl Clients {
    pub fn of(behind: &Behind, domain: &'static str) -> Self {
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let at = behind.npm.probe().parse().expect("an address");
        let task = tokio::spawn(async move {
            let mut answers = Vec::new();
            while !*stopped.borrow() {
                let reply = Client::connect(at).await.get(domain, "/").await;
                answers.push(reply.header("x-version").map_or_else(|| reply.status.to_string(), str::to_owned));
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            answers
        });
        Self { stop, task }
    }

    /// Every answer was of one of these versions, and there were some.
    pub async fn saw_only(self, versions: &[&str]) {
        self.stop.send_replace(true);
        let answers = self.task.await.expect("clients that were answered");
        let other: Vec<_> = answers.iter().filter(|answer| !versions.contains(&answer.as_str())).collect();
        assert!(answers.len() > 10 && other.is_empty(), "{} answers, of them {other:?}", answers.len());
    }
}

/// So many answers in a row, some 20 ms apart, are no more of workers that are about to end.
const SETTLED: u32 = 15;
/// For a machine that is hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// No drain beyond what the proxy needs, so that tests are quick.
pub const QUICK: &str = "        drain: 1s\n";

/// A row without what changes by itself.
pub fn timeless(mut row: Value) -> Value {
    row.as_object_mut().expect("a row").remove("modified_on");
    row
}
