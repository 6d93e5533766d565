//! Everything that is there at the end of a run, as lines of text that are the same on every host.
//!
//! A container is named by its stage and version, since its own name holds the id of its deploy. Where two things must
//! agree, as a container and the row of its instance, a line says so only when they do not.

use std::collections::{BTreeMap, BTreeSet};

use landfall::model::recorded::{LiveDeploy, RecordedImage};
use landfall::model::{
    HookLabels, HostOptions, Labels, ObservedProxy, ObservedRoute, Recorded, RecordedRoute, StoreId,
};
use landfall::reconcile::View;
use landfall::store::{InstanceRow, Reader};

use super::ground::Ground;
use crate::execute::ground::whole;
use crate::execute::words::version;
use crate::fake_docker::FakeContainer;
use crate::router_wire::Reply;

/// What there is, line by line, and what was seen of whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State(BTreeSet<String>);

impl State {
    /// Reads all of it. A host that cannot be looked at is in no state that any other is in.
    pub async fn of(ground: &Ground) -> Self {
        let mut state = Self::default();
        let Some(reader) = ground.reader() else {
            state.say("no store".to_owned());
            return state;
        };
        let recorded = whole(&reader);
        state.say_docker(ground, recorded.store, &reader.instances().expect("instances"));
        state.say_recorded(ground, &reader, &recorded);
        state.say_files(ground);
        match ground.look().await {
            Err(error) => state.say(format!("no plan: {error}")),
            Ok(view) => {
                state.say_routes(ground, &view).await;
                state.say_plan(&view);
            }
        }
        state
    }

    /// True when a stage waits because its version failed, or an image because it could not go.
    pub fn holds_a_failure(&self) -> bool {
        self.0.iter().any(|line| line.starts_with("failed before: "))
    }

    /// Lines that only one of the two has, in the manner of a diff.
    pub fn differences(&self, wanted: &Self) -> Vec<String> {
        let missing = wanted.0.difference(&self.0).map(|line| format!("- {line}"));
        missing.chain(self.0.difference(&wanted.0).map(|line| format!("+ {line}"))).collect()
    }

    fn say(&mut self, line: String) {
        self.0.insert(line);
    }

    fn say_docker(&mut self, ground: &Ground, store: Option<StoreId>, rows: &[InstanceRow]) {
        let all = ground.host.fake.containers();
        let ours: Vec<_> = all.iter().filter_map(|c| Some((c, ours(c, store)?))).collect();
        for (number, (container, labels)) in ours.iter().enumerate() {
            let networks: Vec<_> =
                container.networks.iter().map(|(name, at)| format!("{name} as {:?}", at.aliases)).collect();
            let what = format!("{} in {}", named(labels), networks.join(", "));
            self.say(format!("container {number}: {what}, {:?}", container.state));
            if labels.own_name != container.name {
                self.say(format!("container {number} has lost its name"));
            }
            if !rows.iter().any(|row| row.container_id == container.id) {
                self.say(format!("container {number} is not known to the store"));
            }
        }
        let of_hook = |c: &&FakeContainer| HookLabels::parse(&c.labels).is_some();
        for left in ground.host.fake.containers().iter().filter(of_hook) {
            self.say(format!("container of a hook: {:?}", left.state));
        }
        for row in rows {
            let has = if ours.iter().any(|(c, _)| c.id == row.container_id) { "" } else { ", and has no container" };
            self.say(format!("instance of {} {}: {:?}{has}", row.key, row.version, row.status));
        }
        self.say(format!("networks {}", ground.host.fake.networks().join(", ")));
        self.say(format!("volumes {:?}", ground.host.fake.volumes().keys().collect::<Vec<_>>()));
        let images: BTreeSet<_> = ground.host.fake.image_names().into_iter().collect();
        self.say(format!("images {images:?}"));
    }

    /// Where each domain leads, what is set of it, and what a client gets.
    async fn say_routes(&mut self, ground: &Ground, view: &View) {
        let ObservedProxy::Routes(routes) = &view.observed.proxy else { return };
        let containers = ground.host.fake.containers();
        let labels: BTreeMap<u16, Labels> =
            containers.iter().filter_map(|c| Some((c.published.first()?.0, Labels::parse(&c.labels)?))).collect();
        for (domain, ObservedRoute { upstream, owner: _, host }) in
            routes.iter().filter(|(_, route)| is_of_landfall(route))
        {
            let port = upstream.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
            let behind = port.and_then(|port: u16| labels.get(&port)).map_or_else(|| upstream.clone(), named);
            let answer = in_words(&ground.front.ask(&ground.host, domain).await);
            let set = host.as_ref().map(|host| (&host.options, &host.trouble));
            self.say(format!("route {domain} to {behind}, where {answer}; set is {set:?}"));
            let is_secured = host.as_ref().and_then(|host| host.options.as_ref()).is_some_and(HostOptions::is_secured);
            if let Some(authority) = ground.authority.as_ref().filter(|_| is_secured) {
                let mut client = authority.browse(&ground.host.router, domain.host()).await;
                let path = if domain.path().is_empty() { "/" } else { domain.path() };
                self.say(format!(
                    "route {domain} over https, where {}",
                    in_words(&client.get(domain.host(), path).await)
                ));
            }
        }
    }

    fn say_recorded(&mut self, ground: &Ground, reader: &Reader, recorded: &Recorded) {
        for deploy in reader.in_flight().expect("deploys") {
            self.say(format!("deploy of {} without an end: {}", deploy.key, deploy.phase.as_str()));
        }
        for (key, stage) in &recorded.stages {
            let live = stage.live.as_ref().map(|live| version(live.image.digest.as_str()));
            self.say(format!("live of {key}: {live:?}"));
            for held in &stage.quarantine {
                self.say(format!("failed before: {key} {}", version(held.digest.as_str())));
            }
            // A route that was noted and is what the newest success says anyway is as good as none.
            let spec = stage.live.as_ref().and_then(LiveDeploy::spec);
            let is_own = |noted: &RecordedRoute| {
                spec.as_ref().is_some_and(|spec| spec.domains == noted.domains && *spec.route == noted.route)
            };
            let noted = stage.route.as_ref().filter(|noted| !is_own(noted));
            self.say(format!("host of {key}: {:?} {noted:?}", stage.host));
        }
        let images = reader.spare_images(0, &recorded.stages.keys().cloned().collect()).expect("images");
        // What a store knew of images is lost with it, and then they stay: it counts where it does not agree with the host.
        let on_host = ground.host.fake.image_names();
        for RecordedImage { key, image, newer: _, is_pulled: _, left_at_ms } in images {
            let version = version(image.digest.as_str());
            if !on_host.contains(&image.by_digest()) {
                self.say(format!("image {version} of {key} is known to the store, and gone"));
            }
            if left_at_ms.is_some() {
                self.say(format!("failed before: {version} of {key} stayed"));
            }
        }
    }

    /// Copies of mounted files, and nothing half made beside them.
    fn say_files(&mut self, ground: &Ground) {
        let Ok(entries) = std::fs::read_dir(ground.host.path("data/files")) else { return };
        for entry in entries.flatten() {
            self.say(format!("copy {}", entry.file_name().display()));
        }
    }

    fn say_plan(&mut self, view: &View) {
        let in_force = view.recorded.revision == view.loaded.desired.revision;
        self.say(format!("what is wanted is in force: {in_force}"));
        for step in &view.plan.shared {
            self.say(format!("plan: {}", step.effect));
        }
        for stage in &view.plan.stages {
            self.say(format!("plan of {}: {}", stage.key, stage.verdict));
        }
        self.say(format!("plan is held as a whole: {}", view.plan.held.is_some()));
    }
}

/// Not one that a person made, which answers as that person likes.
fn is_of_landfall(route: &ObservedRoute) -> bool {
    route.owner.is_some()
}

/// Who answers, or with what.
fn in_words(reply: &Reply) -> String {
    match (reply.header("x-version"), reply.header("location")) {
        (Some(version), _) => format!("{version} answers"),
        (None, Some(location)) => format!("{} leads to {location}", reply.status),
        (None, None) => format!("{} comes", reply.status),
    }
}

/// The labels of a container of this store.
fn ours(container: &FakeContainer, store: Option<StoreId>) -> Option<Labels> {
    Labels::parse(&container.labels).filter(|labels| Some(labels.store) == store)
}

fn named(labels: &Labels) -> String {
    format!("{}@{}", labels.key.dns_name(), version(&labels.digest))
}
