//! What there is at the end of a round, as lines that are the same for every version.

use std::collections::BTreeSet;

use serde_json::Value;

use super::story::Story;
use crate::scenario::harness::Instance;

/// What there is, line by line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct End(BTreeSet<String>);

impl End {
    /// Looks at the containers and their networks, the routes, what answers, and what is left to do.
    pub fn of(story: &Story) -> Self {
        let host = &story.host;
        let mut lines = BTreeSet::new();
        for instance in host.instances(story.stage()) {
            lines.insert(container(story, &instance));
        }
        // Containers that carry no label of ours count as well, such as that of nginx.
        lines.insert(format!("{} containers", host.engine.names(&host.id).len()));
        for (domain, upstream) in story.routes() {
            let behind = host.instances(story.stage()).into_iter().find(|own| leads_to(story, &upstream, own));
            let behind = behind.map_or(upstream, |own| wanted(story, &own.version));
            lines.insert(format!("{domain} leads to {behind}"));
        }
        let answer = story.answer();
        lines.insert(format!("{} answers with {}", wanted(story, &answer.version), answer.status));
        lines.insert(format!("the volume holds {:?}", story.note()));
        let count = |command: &str| host.landfall(command).exits(0);
        count("status");
        count("diff").says("1 unchanged");
        Self(lines)
    }
}

/// A container: its state, whether its name is the one on its label, and the names it has in each network.
fn container(story: &Story, own: &Instance) -> String {
    let inspected = story.host.engine.inspect(&own.id).expect("a container that was listed");
    let is_named = inspected["Config"]["Labels"]["landfall.self"] == own.name.as_str();
    let networks = inspected["NetworkSettings"]["Networks"].as_object().cloned().unwrap_or_default();
    let aliases = |endpoint: &Value| -> Vec<String> {
        let all = endpoint["Aliases"].as_array().cloned().unwrap_or_default();
        // Docker adds the beginning of the container's id.
        all.iter().filter_map(Value::as_str).filter(|alias| !own.id.starts_with(alias)).map(str::to_owned).collect()
    };
    let networks: Vec<_> =
        networks.iter().map(|(name, endpoint)| format!("{name} as {:?}", aliases(endpoint))).collect();
    format!("{}: {}, named as labelled: {is_named}, in {}", wanted(story, &own.version), own.state, networks.join(", "))
}

/// Where a proxy leads to: the published port, or the name.
fn leads_to(story: &Story, upstream: &str, own: &Instance) -> bool {
    let inspected = story.host.engine.inspect(&own.id).expect("a container that was listed");
    let port = inspected["NetworkSettings"]["Ports"]["8080/tcp"][0]["HostPort"].as_str().unwrap_or_default();
    upstream == own.name || upstream == format!("127.0.0.1:{port}")
}

fn wanted(story: &Story, version: &str) -> String {
    if version == story.tag() { "the wanted version".to_owned() } else { format!("another version, {version:?}") }
}
