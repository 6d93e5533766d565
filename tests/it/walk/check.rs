//! What must hold whenever nothing went wrong for a while.

use std::collections::{BTreeMap, BTreeSet};

use landfall::model::{DeployId, DeployStatus, Labels, ObservedProxy, StageKey};
use landfall::plan::{Held, StagePlan, Verdict};

use super::Walk;
use super::config::STILL;
use crate::execute::ground::image;
use crate::execute::words::version;
use crate::fake_docker::FakeContainer;

/// What was so the last time.
#[derive(Debug, Default)]
pub struct Before {
    /// Where each stage was answered, and by which version.
    pub served: BTreeMap<String, (String, String)>,
    /// How each deploy ended.
    ended: BTreeMap<DeployId, DeployStatus>,
    /// The container of the stage that nothing may happen to.
    still: Option<String>,
}

impl Walk {
    /// All of it, and what is so now for the next time.
    pub async fn check(&mut self) {
        self.check_plan().await;
        self.check_history();
        self.check_foreign().await;
        let view = self.ground.look().await.expect("a look");
        let planned: BTreeSet<&StageKey> = view.plan.stages.iter().map(|stage| &stage.key).collect();
        for container in &self.ours() {
            let key = labels(container).key;
            assert!(planned.contains(&key), "{} belongs to {key}, which nobody wants", container.name);
        }
        // Who went serves nobody, also once it comes again.
        self.before.served.retain(|name, _| planned.iter().any(|key| key.stage.as_str() == name));
        for stage in &view.plan.stages {
            self.check_stage(stage).await;
        }
    }

    /// Nothing is left to be done, and a pass more does nothing (R18).
    async fn check_plan(&mut self) {
        let view = self.ground.look().await.expect("a look");
        let idle = view.plan.stages.iter().all(|stage| stage.steps.is_empty() && stage.deploy.is_none());
        assert!(idle && view.plan.shared.is_empty() && view.plan.endings.is_empty(), "{}", view.plan);
        if !view.plan.images.is_empty() {
            // What a deploy that failed brought goes with the pass after it (R24).
            self.ground.begin(None);
            self.pass(false).await;
        }
        self.ground.begin(None);
        self.pass(false).await;
        assert_eq!(self.ground.host.changes(), [""; 0], "a pass more does nothing (R18)");
    }

    /// Every deploy has one end, which it keeps (R14, R17).
    fn check_history(&mut self) {
        let now: BTreeMap<_, _> = self.ground.host.deploys().iter().map(|row| (row.id, row.status)).collect();
        let open: Vec<_> = now.iter().filter(|(_, status)| !status.is_terminal()).collect();
        assert!(open.is_empty(), "without an end (R14): {open:?}");
        for (id, status) in &self.before.ended {
            assert_eq!(now.get(id), Some(status), "deploy {} had another end, or one at all (R17)", id.short());
        }
        self.before.ended = now;
        let known: BTreeSet<_> = self.ground.host.instances().into_iter().map(|row| row.container_id).collect();
        let there: BTreeSet<_> = self.ours().into_iter().map(|container| container.id).collect();
        assert_eq!(known, there, "what the store knows, and what is there (R15)");
    }

    async fn check_foreign(&self) {
        assert_eq!(self.ground.harm().await, None);
        for (name, then) in &self.strangers {
            let now = self.ground.host.fake.find(name).map(|container| format!("{container:?}"));
            assert_eq!(now.as_ref(), Some(then), "{name} was touched (R1)");
        }
    }

    async fn check_stage(&mut self, stage: &StagePlan) {
        let name = stage.key.stage.to_string();
        let wanted = self.config.0.get(name.as_str()).copied();
        let wanted = wanted.map(|stage| (stage.domain.to_owned(), stage.version.to_owned()));
        let last = self.before.served.get(&name).cloned();
        match (stage.verdict, &stage.held) {
            (Verdict::Unchanged, _) => {
                let wanted = wanted.expect("a stage of the configuration");
                self.is_served(&name, wanted).await;
            }
            (_, Some(Held::Chosen { version, .. })) => {
                let (domain, _) = wanted.expect("a stage of the configuration");
                let chosen = super::config::VERSIONS.into_iter().find(|v| image(v).digest.short() == version);
                self.is_served(&name, (domain, chosen.expect("a version").to_owned())).await;
            }
            (_, Some(Held::Failed { .. })) => {
                assert!(self.of(&name).len() < 2, "beside what {name} is held at there is more");
                let moved =
                    |domain: &str| self.config.0.iter().any(|(other, stage)| *other != name && stage.domain == domain);
                if let Some((domain, version)) = last.filter(|(domain, _)| !moved(domain)) {
                    let answer = self.ground.host.version_at(&domain).await;
                    assert_eq!(answer, version, "what served {domain} before a failed deploy serves (R11)");
                }
            }
            (_, Some(Held::Suspended { .. } | Held::Clash { .. } | Held::Waits { .. } | Held::Rests { .. })) => {}
            (verdict, held) => panic!("{name} ends as {verdict}: {held:?}"),
        }
    }

    /// One container of a stage runs what it should, and its domain, and no other, leads there.
    async fn is_served(&mut self, name: &str, (domain, wanted): (String, String)) {
        let own = self.of(name);
        let [one] = own.as_slice() else { panic!("{name} has {} containers", own.len()) };
        assert!(one.is_running(), "{name} runs");
        assert_eq!(version(&labels(one).digest), wanted, "what runs of {name}");
        assert_eq!(labels(one).own_name, one.name, "the name of {name} (R20)");
        assert_eq!(self.ground.host.version_at(&domain).await, wanted, "who answers {domain}");
        let ObservedProxy::Routes(routes) = self.ground.host.router.observe().await else { panic!("no proxy") };
        let owned = routes
            .iter()
            .filter(|(_, route)| route.owner.as_ref().is_some_and(|(_, k)| k.to_string() == format!("web/{name}")));
        let owned: Vec<_> = owned.map(|(domain, _)| domain.to_string()).collect();
        assert_eq!(owned.as_slice(), std::slice::from_ref(&domain), "what leads to {name}");
        if name == STILL {
            let still = self.before.still.get_or_insert_with(|| one.id.clone());
            assert_eq!(*still, one.id, "nothing happens to {name}");
        }
        self.before.served.insert(name.to_owned(), (domain, wanted));
    }

    /// The containers of this store.
    fn ours(&self) -> Vec<FakeContainer> {
        let store = self.ground.host.recorded().store;
        let is_ours = |c: &FakeContainer| Labels::parse(&c.labels).is_some_and(|labels| Some(labels.store) == store);
        self.ground.host.fake.containers().into_iter().filter(is_ours).collect()
    }

    /// Those of one stage.
    pub fn of(&self, name: &str) -> Vec<FakeContainer> {
        self.ours().into_iter().filter(|container| labels(container).key.stage.as_str() == name).collect()
    }
}

fn labels(container: &FakeContainer) -> Labels {
    Labels::parse(&container.labels).expect("labels of ours")
}
