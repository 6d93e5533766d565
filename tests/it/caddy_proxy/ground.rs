//! A host behind Caddy: the fake Docker daemon, a real Caddy, and a person who has sites of their own there.

use serde_json::{Value, json};

use crate::caddy::{Caddy, Version};
use crate::execute::ground::{Host, ended, image, web};
use crate::fake_docker::FakeImage;

/// A host, and the proxy before it.
pub struct Behind {
    pub caddy: Caddy,
    pub host: Host,
}

/// No drain, so that tests are quick.
pub const QUICK: &str = "        drain: 0s\n";

/// Sites that a person made: one of their own, one within a wildcard's, and one that takes whatever comes.
pub fn sites(http: u16, _: u16) -> Value {
    json!({
        "sites": {
            "listen": [format!("127.0.0.1:{http}")],
            "routes": [
                {
                    "match": [{ "host": ["hand.test"] }],
                    "handle": [{ "handler": "static_response", "body": "by hand" }],
                    "terminal": true,
                },
                {
                    "@id": "theirs",
                    "match": [{ "host": ["*.wild.test"] }],
                    "handle": [{ "handler": "subroute", "routes": [{
                        "match": [{ "host": ["inner.wild.test"] }],
                        "handle": [{ "handler": "static_response", "body": "inner" }],
                    }]}],
                },
                { "handle": [{ "handler": "static_response", "body": "anything", "status_code": "404" }] },
            ],
            "automatic_https": { "skip": ["web.test"] },
        },
    })
}

impl Behind {
    /// Behind sites that a person made, with these images in the registry.
    pub async fn with(version: &Version, images: &[&FakeImage]) -> Self {
        Self::of(Caddy::start(version, sites), images).await
    }

    /// Behind this one.
    pub async fn of(caddy: Caddy, images: &[&FakeImage]) -> Self {
        let behind = Self { caddy, host: Host::with(images).await };
        behind.settings("");
        behind
    }

    /// Two versions of the app, the first of them deployed.
    pub async fn at_v1(version: &Version) -> Self {
        let behind = Self::with(version, &[&image("v1"), &image("v2")]).await;
        behind.host.apply(&web("v1", QUICK)).await;
        behind
    }

    /// Writes the settings, with more keys of Caddy's.
    pub fn settings(&self, more: &str) {
        self.settings_at(&self.caddy.url(), more);
    }

    /// The same, with another address of the API.
    pub fn settings_at(&self, admin: &str, more: &str) {
        self.host.settings(&format!("  proxy:\n    caddy: {{ admin: \"{admin}\", {more} }}\n"));
    }

    /// A pass over what is written: how its only stage ended, and why.
    pub async fn pass(&self) -> (String, String) {
        ended(&self.host.converge().await)
    }

    /// Takes everything out of the configuration.
    pub async fn remove_all(&self) {
        self.host.remove_all().await;
    }

    /// The stage `web/prod` answers with this version, from the only container, and nothing is left to do.
    pub async fn is_settled_at(&self, version: &str) {
        assert_eq!(self.caddy.answer("web.test").await, version);
        assert_eq!(self.host.containers(), [format!("web-prod@{version} running")]);
        let plan = self.host.look().await.expect("a look").plan;
        assert!(plan.is_noop(), "{plan}");
    }
}
