//! What is replaced again and again, behind which proxy, and who asks for it meanwhile.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::end::End;
use super::round::Tally;
use crate::fault_table::{self, Row};
use crate::npm::Npm;
use crate::recorder::Recorder;
use crate::scenario::harness::{
    Answer, Engine, Host, Load, WEB, WEB_DOMAIN, WEB_PROD, ask, assert_answered, assert_lossless, assert_replaced,
};
use crate::scenario::{npm_proxy, recreate};

/// Behind what a row ran on, where only a soak runs it (tests/faults.sh).
pub const SOAK: &str = ", soak";
/// What a stage with a volume has written at the beginning.
const KEPT: &str = "kept since the first version";

/// How a version follows another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// The new one beside the old one: no request may be lost.
    Beside,
    /// The old one stops first, since both need its volume.
    Recreate,
}

/// One stage that goes from version to version.
pub struct Story {
    pub host: Host,
    /// Before dockerd; it knows how many containers were asked for.
    pub recorder: Recorder,
    npm: Option<Npm>,
    way: Way,
    load: Option<Load>,
    /// Every version so far.
    pub tags: Vec<String>,
    takes: Duration,
    /// What there was after the undisturbed replacement.
    pub undisturbed: End,
}

impl Story {
    /// Blue and green behind `landfall proxy`.
    pub fn replaced() -> Self {
        Self::begin(Host::new(), None, Way::Beside)
    }

    /// Blue and green behind Nginx Proxy Manager, whose nginx is a container.
    pub fn behind_nginx() -> Self {
        let host = Host::without_proxy();
        let npm = npm_proxy::behind(&host, "lf-<id>");
        Self::begin(host, Some(npm), Way::Beside)
    }

    /// A stage with a volume.
    pub fn recreated() -> Self {
        Self::begin(Host::new(), None, Way::Recreate)
    }

    /// Brings a first version up, and replaces it by a second one, undisturbed and under load.
    fn begin(host: Host, npm: Option<Npm>, way: Way) -> Self {
        let recorder = Recorder::start(&host.docker);
        let (takes, undisturbed) = (Duration::ZERO, End::default());
        let mut story = Self { host, recorder, npm, way, load: None, tags: Vec::new(), takes, undisturbed };
        story.next_version();
        story.host.landfall("apply").exits(0);
        if way == Way::Recreate {
            story.host.request("PUT", story.domain(), "/write?/state/note", KEPT);
        }
        story.load = (way == Way::Beside).then(|| story.client());
        story.next_version();
        let began = Instant::now();
        story.host.landfall("apply").exits(0);
        story.takes = began.elapsed();
        story.undisturbed = End::of(&story);
        story
    }

    /// Writes a configuration with a version that no other round has.
    pub fn next_version(&mut self) {
        let tag = format!("k{}-{}", self.tags.len(), self.host.id);
        self.host.push(&tag, &[&format!("VERSION={tag}")]);
        let (yaml, file) = match self.way {
            Way::Beside => (WEB, "web.yaml"),
            Way::Recreate => (recreate::DB, "db.yaml"),
        };
        self.host.write(file, &yaml.replace("tag: v1", &format!("tag: {tag}")));
        self.tags.push(tag);
    }

    /// The version that is wanted.
    pub fn tag(&self) -> &str {
        self.tags.last().expect("a version")
    }

    /// How long an undisturbed replacement takes.
    pub fn takes(&self) -> Duration {
        self.takes
    }

    pub fn stage(&self) -> &'static str {
        match self.way {
            Way::Beside => WEB_PROD,
            Way::Recreate => recreate::DB_PROD,
        }
    }

    pub fn domain(&self) -> &'static str {
        match self.way {
            Way::Beside => WEB_DOMAIN,
            Way::Recreate => recreate::DOMAIN,
        }
    }

    /// Where traffic comes in.
    fn address(&self) -> String {
        self.npm.as_ref().map_or_else(|| self.host.text("127.0.0.1:<proxy>"), Npm::probe)
    }

    fn client(&self) -> Load {
        Load::start(&format!("http://{}/", self.address()), &self.host.text(self.domain()), &self.host.path(""))
    }

    /// What answers at the domain.
    pub fn answer(&self) -> Answer {
        ask(&self.address(), "GET", &self.host.text(self.domain()), "/", "").expect("an answer of the proxy")
    }

    /// Someone answers; with a volume that changes hands, there may be nobody for a while.
    #[track_caller]
    pub fn is_served(&self, when: &str) {
        if let Some(load) = &self.load {
            assert_eq!(self.answer().status, 200, "{when}: nobody serves");
            load.flows();
        }
    }

    /// What the volume holds, where there is one.
    pub fn note(&self) -> Option<String> {
        (self.way == Way::Recreate).then(|| self.host.get(self.domain(), "/file?/state/note").body)
    }

    /// Where each route of the stage leads to.
    pub fn routes(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        match &self.npm {
            Some(npm) => {
                npm.hosts().iter().map(|row| (row["domain_names"].to_string(), text(&row["forward_host"]))).collect()
            }
            None => {
                let table =
                    Engine::new(&self.host.path("proxy.sock").display().to_string()).done("GET", "/table", None);
                let routes = table["routes"].as_object().cloned().unwrap_or_default();
                routes.iter().map(|(domain, route)| (domain.clone(), text(&route["upstream"]))).collect()
            }
        }
    }

    /// Once all rounds are over: what the clients saw, and a line for the table of faults.
    pub fn end(mut self, tally: &Tally, fault: &'static str, soak: &str) {
        if let Some(load) = self.load.take() {
            self.assert_nothing_lost(&load.finish());
        }
        let (on, scenario) = match (&self.npm, self.way) {
            (Some(_), _) => ("real dockerd, real nginx", "replace"),
            (None, Way::Beside) => ("real dockerd, embedded proxy", "replace"),
            (None, Way::Recreate) => ("real dockerd, embedded proxy", "recreate"),
        };
        let Tally { injected, passes, millis } = *tally;
        let on = format!("{on}{soak}");
        let row = Row { fault, scenario, on: &on, injected, survived: injected, held: 0, passes, millis };
        fault_table::write(&format!("{fault} {scenario} {on}"), &[row]);
    }

    /// R9: every request was answered, by every version in its turn.
    fn assert_nothing_lost(&self, tally: &Value) {
        assert_answered(tally, &self.tags);
        if self.npm.is_some() {
            return npm_proxy::assert_nothing_lost(tally, &self.tags);
        }
        assert_lossless(tally);
        for pair in self.tags.windows(2) {
            assert_replaced(tally, &pair[0], &pair[1]);
        }
    }
}
