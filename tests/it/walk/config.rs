//! The configuration that a walk edits: two stages that come, go and change, and one that nothing may happen to.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::execute::ground::{REPOSITORY, image};
use crate::random::Random;

/// Versions, the last of which never becomes ready.
pub const VERSIONS: [&str; 4] = ["v1", "v2", "v3", "v4"];
pub const BAD: &str = "v4";
/// Stages that are edited.
pub const STAGES: [&str; 2] = ["a", "b"];
/// The one that is not.
pub const STILL: &str = "c";
const DOMAINS: [&str; 4] = ["a.test", "b.test", "x.test", "y.test"];

/// One stage as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    pub version: &'static str,
    pub domain: &'static str,
    level: &'static str,
    is_recreate: bool,
}

/// What is written now.
#[derive(Debug, Clone)]
pub struct Config(pub BTreeMap<&'static str, Stage>);

impl Config {
    pub fn new() -> Self {
        let stage = |domain| Stage { version: "v1", domain, level: "info", is_recreate: false };
        Self([("a", stage("a.test")), ("b", stage("b.test")), (STILL, stage("c.test"))].into())
    }

    /// One edit; what it was, in words.
    pub fn edit(&mut self, random: &mut Random) -> String {
        let name = random.one_of(&STAGES);
        let free = DOMAINS.into_iter().filter(|domain| self.0.values().all(|stage| stage.domain != *domain));
        let free: Vec<_> = free.collect();
        let domain = random.one_of(&free);
        let Some(stage) = self.0.get_mut(name) else {
            let stage = Stage { version: random.one_of(&VERSIONS), domain, level: "info", is_recreate: false };
            self.0.insert(name, stage);
            return format!("add {name}: {stage:?}");
        };
        match random.next() % 8 {
            0 => {
                self.0.remove(name);
                return format!("take {name} out");
            }
            1 => stage.level = if stage.level == "info" { "debug" } else { "info" },
            2 => stage.domain = domain,
            3 => stage.is_recreate = !stage.is_recreate,
            _ => stage.version = random.one_of(&VERSIONS),
        }
        format!("change {name}: {stage:?}")
    }

    /// As YAML. Only for what never becomes ready is a deadline short, since the machine may be slow.
    pub fn yaml(&self) -> String {
        let mut text = format!("projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    stages:\n");
        for (name, Stage { version, domain, level, is_recreate }) in &self.0 {
            let deadline = if *version == BAD { "100ms" } else { "10s" };
            let strategy = if *is_recreate { "recreate" } else { "blue_green" };
            let _ = write!(
                text,
                "      {name}:
        track: {{ digest: \"{}\" }}
        route: {{ domains: [ {domain} ] }}
        environment: {{ LEVEL: {level} }}
        strategy: {strategy}
        ready: {{ http: {{ path: /healthz }}, interval: 10ms, timeout: 1s, deadline: {deadline} }}
",
                image(version).digest
            );
        }
        text
    }
}
