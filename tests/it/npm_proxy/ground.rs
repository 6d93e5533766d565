//! A host behind Nginx Proxy Manager: the fake Docker daemon, the contract server with a real nginx, and a person who
//! has hosts of his own there.

use landfall::model::Recorded;
use serde_json::{Value, json};

use crate::execute::ground::{Host, image, web};
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
        let (url, probe) = (self.npm.url(), self.npm.probe());
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

    /// Asks through nginx: the version that answers, or the status of who else does.
    pub async fn answer(&self, domain: &str) -> String {
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
}

/// No drain beyond what the proxy needs, so that tests are quick.
pub const QUICK: &str = "        drain: 1s\n";

/// A row without what changes by itself.
pub fn timeless(mut row: Value) -> Value {
    row.as_object_mut().expect("a row").remove("modified_on");
    row
}
