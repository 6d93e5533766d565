//! The plan of one stage that the configuration names.

use std::sync::Arc;

use super::by_hand;
use super::deploy::deploy_steps;
use super::host;
use super::ownership::Own;
use super::planted::{self, Bug};
use super::repair::repair;
use super::retire::{foreign_route, retire_steps};
use super::{
    Blocked, Cause, Held, Input, Owned, PlannedDeploy, StagePlan, Verdict, changes, in_flight, promote, resume,
    surroundings,
};
use crate::model::hash::{self, HashInput, SecretsMatch};
use crate::model::policy;
use crate::model::recorded::{InFlight, LiveDeploy, Quarantine};
use crate::model::{ContainerState, DesiredStage, Domain, ImageRef, ObservedContainer, ObservedProxy};

/// Plans a stage: left alone, kept at what somebody chose, or brought to what the configuration wants.
pub(super) fn plan(input: Input<'_>, owned: &Owned<'_>, stage: &DesiredStage) -> StagePlan {
    if let Some(held) = by_hand::paused(input, &stage.key) {
        let from = serving_version(input, stage, owned.of(&stage.key));
        return StagePlan { from, ..by_hand::leave(&stage.key, held) };
    }
    let image = input.images.get(&stage.key);
    match by_hand::chosen(input.recorded, stage, image) {
        Some(choice) => by_hand::plan(input, owned, stage, choice),
        None => {
            let plan = wanted(input, owned, stage, image, false);
            StagePlan { coming: promote::coming(input, owned, stage), ..plan }
        }
    }
}

/// Plans a stage to a spec and an image: unchanged, put right, replaced, held or blocked. What is told of its route is
/// told of what serves, where that is not what is wanted.
pub(super) fn wanted(
    input: Input<'_>,
    owned: &Owned<'_>,
    stage: &DesiredStage,
    image: Option<&Result<ImageRef, Blocked>>,
    at_any_time: bool,
) -> StagePlan {
    let mut plan = weighed(input, owned, stage, image, at_any_time);
    let notes = host::standing(input, plan.kept.as_deref().unwrap_or(stage));
    plan.warnings.extend(notes);
    plan
}

fn weighed(
    input: Input<'_>,
    owned: &Owned<'_>,
    stage: &DesiredStage,
    image: Option<&Result<ImageRef, Blocked>>,
    at_any_time: bool,
) -> StagePlan {
    let mut plan = StagePlan::new(&stage.key, Verdict::Unchanged);
    let open = input.recorded.stages.get(&stage.key).and_then(|recorded| recorded.in_flight.as_ref());
    // The container of a deploy that goes on, or waits, is nobody else's business.
    let made = open.and_then(|open| in_flight::of(owned.of(&stage.key), open.deploy.id));
    let own: Vec<Own<'_>> = owned.of(&stage.key).iter().filter(|own| Some(**own) != made).copied().collect();
    let own = own.as_slice();
    plan.from = serving_version(input, stage, own);
    let image = match image {
        Some(Ok(image)) => image,
        Some(Err(blocked)) => return block(input, stage, own, blocked.clone(), plan),
        None => return without_image(input, owned, stage, own, plan),
    };
    plan.to = Some(image.version());
    if let Some(why) = input.unreadable.get(&stage.key) {
        if input.options.secrets_needed {
            let hint = Some("put it there, or correct the reference".to_owned());
            return block(input, stage, own, Blocked { refused: true, reason: why.clone(), hint }, plan);
        }
        plan.warnings.push(format!("{why}; it counts as unchanged, and `apply` will need it"));
    }
    if let Some(blocked) = refusal(input, stage) {
        return block(input, stage, own, blocked, plan);
    }
    if let Some(what) = input.desired.clashes.get(&stage.key).cloned().or_else(|| foreign_route(input, stage)) {
        plan.verdict = Verdict::Held;
        plan.held = Some(Held::Clash { what });
        keep_well(input, stage, own, &mut plan);
        return plan;
    }
    plan.warnings.extend(host::warning(input, stage));
    plan.warnings.extend(host::https_ends(input, stage));
    plan.warnings.extend(host::left_behind(input, stage));
    let target = Wanted { input, stage, image };
    if let Some(open) = open {
        plan.causes.push(Cause::Interrupted { phase: open.phase });
        return target.go_on(open, made.as_ref(), own, plan);
    }
    if input.options.renew {
        plan.causes.push(Cause::Restart);
        return target.deploy(own, plan);
    }
    if let Some(current) = best(own.iter().filter(|own| target.is(own, &mut plan.warnings)), input) {
        repair(input, stage, current, own, &mut plan);
        plan.keeps = Some(current.labels.deploy);
        if !plan.steps.is_empty() {
            plan.verdict = Verdict::Repair;
        }
        return plan;
    }
    match target.quarantine() {
        Some(failed) if !input.options.retry => hold(input, stage, own, failed, plan),
        Some(_) | None if at_any_time => target.deploy(own, plan),
        Some(_) | None => target.deploy_in_window(own, plan),
    }
}

/// Nothing is to run, yet; what serves is kept well meanwhile.
fn without_image(
    input: Input<'_>,
    owned: &Owned<'_>,
    stage: &DesiredStage,
    own: &[Own<'_>],
    mut plan: StagePlan,
) -> StagePlan {
    let Some(coming) = promote::coming(input, owned, stage) else { return plan.block(unpinned()) };
    plan.verdict = Verdict::Held;
    plan.held = Some(Held::Comes(coming));
    keep_well(input, stage, own, &mut plan);
    plan
}

fn unpinned() -> Blocked {
    Blocked { refused: false, reason: "its image was not resolved".into(), hint: None }
}

/// What people call the version that serves: of the newest success, else of what runs.
fn serving_version(input: Input<'_>, stage: &DesiredStage, own: &[Own<'_>]) -> Option<String> {
    let live = input.recorded.stages.get(&stage.key).and_then(|s| s.live.as_ref());
    let is_live = |own: &&Own<'_>| live.is_some_and(|live| live.id == own.labels.deploy);
    let running = || own.iter().filter(|own| own.container.state == ContainerState::Running);
    let running = running().find(is_live).or_else(|| running().next());
    running.map(|o| o.labels.instance.clone()).or_else(|| live.map(|l| l.image.version()))
}

/// What must be there before a single step is taken.
fn refusal(input: Input<'_>, stage: &DesiredStage) -> Option<Blocked> {
    // Whoever was asked says who does not answer, and what helps.
    if let ObservedProxy::Unreachable(why) = &input.observed.proxy {
        let has = match (stage.domains.is_empty(), host::is_recorded(input, &stage.key)) {
            (false, _) => Some("it has a domain"),
            (true, true) => Some("it gives up its domain"),
            (true, false) => None,
        };
        if let Some(has) = has {
            return Some(Blocked { refused: true, reason: format!("{has}, and {why}"), hint: None });
        }
    }
    if let Err(blocked) = host::certificate(input, stage).and_then(|_| host::access_list(input, stage)) {
        return Some(blocked);
    }
    let missing = stage.container.networks.iter().find(|n| !input.observed.networks.contains(*n))?;
    Some(Blocked {
        refused: true,
        reason: format!("network `{missing}` does not exist on this host"),
        hint: Some(format!("make it with `docker network create {missing}`, or take it out of `networks`")),
    })
}

/// What a stage should run, and how to tell.
struct Wanted<'a> {
    input: Input<'a>,
    stage: &'a DesiredStage,
    image: &'a ImageRef,
}

impl Wanted<'_> {
    fn hash_input(&self) -> HashInput<'_> {
        self.stage.hash_input(&self.input.desired.settings)
    }

    /// True when a container is what the stage should run, started at least once.
    fn is(&self, own: &Own<'_>, warnings: &mut Vec<String>) -> bool {
        let same = own.container.state.was_started()
            && (!self.input.recorded.has_failed(&own.labels.key, &own.container.id) || planted::has(Bug::KeepsFailed))
            && own.labels.digest == self.image.digest.as_str()
            && hash::matches(&own.labels.spec, self.hash_input());
        if !same {
            return false;
        }
        let has_secrets =
            !(self.stage.container.secret_environment.is_empty() && self.stage.container.secret_files.is_empty());
        match hash::secrets_match(&own.labels.secrets, self.input.fingerprints.get(&self.stage.key)) {
            SecretsMatch::Same => true,
            SecretsMatch::Changed => false,
            SecretsMatch::Unknown => {
                // One that cannot be read was warned about before.
                if has_secrets && !self.input.unreadable.contains_key(&self.stage.key) {
                    warnings.push("its secrets could not be compared and count as unchanged".into());
                }
                true
            }
        }
    }

    /// The failure that stands against this combination (R12).
    fn quarantine(&self) -> Option<&Quarantine> {
        let secrets = hash::secrets_label(self.input.fingerprints.get(&self.stage.key));
        let recorded = self.input.recorded.stages.get(&self.stage.key)?;
        recorded.quarantine.iter().find(|q| {
            q.digest == self.image.digest
                && q.secrets == secrets
                && hash::matches(&q.spec_hash, self.hash_input())
                && self.is_judged_alike(q)
        })
    }

    /// True when the failed one was judged and replaced by the same rules: a gate that was too strict is no reason to
    /// hold what passes a mended one, nor is what it did not wait for or run before. A spec that cannot be read counts as alike.
    fn is_judged_alike(&self, failed: &Quarantine) -> bool {
        let then = serde_json::from_str::<DesiredStage>(&failed.spec_json);
        let begun = |stage: &DesiredStage| (stage.depends_on.clone(), stage.hooks.clone());
        let judged = |stage: &DesiredStage| (stage.ready.clone(), stage.strategy, stage.monitor);
        let rules = |stage: &DesiredStage| (begun(stage), judged(stage));
        then.map_or(true, |then| rules(&then) == rules(self.stage))
    }

    /// A new instance: what changed, and the steps.
    fn deploy(&self, own: &[Own<'_>], mut plan: StagePlan) -> StagePlan {
        self.explain(own, &mut plan);
        plan.verdict = if own.is_empty() { Verdict::Create } else { Verdict::Replace };
        plan.steps = deploy_steps(self.input, self.stage, self.image, own);
        plan.deploy = Some(Box::new(PlannedDeploy {
            image: self.image.clone(),
            stage: self.stage.clone(),
            spec_hash: hash::spec_hash(self.hash_input()),
            secrets: self.input.fingerprints.get(&self.stage.key).cloned(),
            resumes: None,
        }));
        plan
    }

    /// A new instance, unless its window is closed. What ran is made again at any time: that is no deploy of something new.
    fn deploy_in_window(&self, own: &[Own<'_>], plan: StagePlan) -> StagePlan {
        let Some(opens_ms) = self.stage.window.as_ref().and_then(|window| window.opens(self.input.now_ms)) else {
            return self.deploy(own, plan);
        };
        let mut open = self.deploy(own, plan.clone());
        if open.causes.iter().all(Cause::is_drift) {
            return open;
        }
        if self.input.options.now {
            open.causes.push(Cause::OutsideWindow);
            return open;
        }
        // What served is gone: it is made again as it was.
        let live = self.input.recorded.stages.get(&self.stage.key).filter(|_| own.is_empty());
        if let Some((spec, live)) = live.and_then(|recorded| Some((recorded.served_spec()?, recorded.live.as_ref()?))) {
            let again = Wanted { input: self.input, stage: &spec, image: &live.image };
            let to = Some(live.image.version());
            return again.deploy(own, StagePlan { to, ..plan });
        }
        let held = Some(Held::Window { opens_ms });
        let mut plan = StagePlan { verdict: Verdict::Held, held, ..plan };
        keep_well(self.input, self.stage, own, &mut plan);
        plan
    }

    /// What is left of a deploy that was interrupted, under its own id (R15).
    fn go_on(&self, open: &InFlight, made: Option<&Own<'_>>, own: &[Own<'_>], plan: StagePlan) -> StagePlan {
        let mut plan = self.deploy(own, plan);
        plan.steps = resume::left(self.input, plan.steps, open, made);
        if let Some(deploy) = &mut plan.deploy {
            deploy.resumes = Some(resume::resumed(self.input, self.stage, open, made, own));
        }
        plan
    }

    /// True where what the stage tracks led to this tag, and may lead to another one without a change of it.
    fn is_followed(&self, tag: &str) -> bool {
        self.stage.track.moves() && tag.parse().is_ok_and(|tag| policy::accepts(&self.stage.track, &tag))
    }

    /// Says why: against the newest success when the store knows it, else against the labels of what runs.
    fn explain(&self, own: &[Own<'_>], plan: &mut StagePlan) {
        let live = self.input.recorded.stages.get(&self.stage.key).and_then(|s| s.live.as_ref());
        let old_digest =
            live.map(|l| l.image.digest.as_str()).or_else(|| own.first().map(|o| o.labels.digest.as_str()));
        let from = plan.from.clone().unwrap_or_default();
        let to = self.image.version();
        match old_digest {
            None => plan.causes.push(Cause::First),
            Some(_) if from != to && self.stage.track.promote().is_some() => {
                plan.causes.push(Cause::Promoted { from, to });
            }
            Some(_) if from != to && self.is_followed(&from) => plan.causes.push(Cause::NewTag { from, to }),
            Some(_) if from != to => plan.causes.push(Cause::Version { from, to }),
            Some(old) if old != self.image.digest.as_str() && self.is_followed(&to) => plan.causes.push(Cause::Moved),
            Some(old) if old != self.image.digest.as_str() => plan.causes.push(Cause::Digest),
            Some(_) => {}
        }
        let old_hash = live.map(|l| l.spec_hash.as_str()).or_else(|| own.first().map(|o| o.labels.spec.as_str()));
        let old = live.and_then(LiveDeploy::spec);
        if let Some(hash) = old_hash.filter(|hash| !hash::matches(hash, self.hash_input())) {
            plan.causes.extend(surroundings::explain(self.input, self.stage, own, hash, old.as_ref()));
        }
        if let Some(old) = old {
            plan.changes = changes(&old, self.stage);
        }
        self.explain_secrets(own, plan);
        if plan.causes.is_empty() {
            plan.causes.push(Cause::Gone);
        }
    }

    fn explain_secrets(&self, own: &[Own<'_>], plan: &mut StagePlan) {
        let live = self.input.recorded.stages.get(&self.stage.key).and_then(|s| s.live.as_ref());
        let now = self.input.fingerprints.get(&self.stage.key);
        let label = live.map(|l| hash::secrets_label(l.secrets.as_ref()));
        let label = label.or_else(|| own.first().map(|o| o.labels.secrets.clone())).unwrap_or_default();
        if hash::secrets_match(&label, now) != SecretsMatch::Changed {
            return;
        }
        let old = live.and_then(|l| l.secrets.as_ref()).map(|f| &f.values);
        let differs = |name: &&String, value: &String| old.is_some_and(|old| old.get(*name) != Some(value));
        let names = now.map(|f| f.values.iter().filter(|(n, v)| differs(n, v)).map(|(n, _)| n.clone()).collect());
        plan.causes.push(Cause::Secret { names: names.unwrap_or_default() });
    }
}

/// A stage that cannot be brought to what is wanted: what serves is kept well meanwhile.
pub(super) fn block(
    input: Input<'_>,
    stage: &DesiredStage,
    own: &[Own<'_>],
    blocked: Blocked,
    plan: StagePlan,
) -> StagePlan {
    let mut plan = plan.block(blocked);
    keep_well(input, stage, own, &mut plan);
    plan
}

/// A stage whose wanted version failed before: it waits, and what serves is kept well meanwhile.
fn hold(
    input: Input<'_>,
    stage: &DesiredStage,
    own: &[Own<'_>],
    failed: &Quarantine,
    mut plan: StagePlan,
) -> StagePlan {
    plan.verdict = Verdict::Held;
    plan.held = Some(Held::Failed {
        version: failed.version.clone(),
        reason: failed.reason.clone(),
        failed_at_ms: failed.failed_at_ms,
        deploy: failed.deploy.short(),
    });
    keep_well(input, stage, own, &mut plan);
    plan
}

/// Keeps what serves well while a stage is held or blocked: the instance of the newest success, by the spec it has.
pub(super) fn keep_well(input: Input<'_>, stage: &DesiredStage, own: &[Own<'_>], plan: &mut StagePlan) {
    let recorded = input.recorded.stages.get(&stage.key);
    let live = recorded.and_then(|recorded| Some((recorded.live.as_ref()?.id, recorded.served_spec()?)));
    // What Docker is removing, or could not remove, can never serve again.
    let is_live = |own: &&Own<'_>, id| own.labels.deploy == id && own.container.state.was_started();
    let current = live.as_ref().and_then(|(id, _)| best(own.iter().filter(|own| is_live(own, *id)), input));
    match (live, current) {
        (Some((_, mut spec)), Some(current)) => {
            // A domain that another stage has by now is not taken back.
            let is_taken = |domain: &Domain| super::retire::taker(input, domain).is_some_and(|key| key != stage.key);
            let has_place = |domain: &Domain| host::has_place(input, domain) && !is_taken(domain);
            if !spec.domains.iter().all(has_place) {
                keep_domains(&mut spec, has_place);
            }
            repair(input, &spec, current, own, plan);
            plan.kept = Some(Box::new(spec));
        }
        _ => {
            for failed in own.iter().filter(|own| input.recorded.has_failed(&own.labels.key, &own.container.id)) {
                plan.causes.push(Cause::Leftover { name: failed.container.name.clone() });
                plan.steps.extend(retire_steps(input, failed, stage.drain, stage.stop_grace_period));
            }
        }
    }
}

/// Leaves a spec some of its domains; what redirects to one that is left out goes as well.
fn keep_domains(spec: &mut DesiredStage, stays: impl Fn(&Domain) -> bool) {
    let leads_away = |domain: &Domain| spec.route.redirects.get(domain).is_some_and(|to| !stays(to));
    let domains: Vec<Domain> =
        spec.domains.iter().filter(|domain| stays(domain) && !leads_away(domain)).cloned().collect();
    let route = Arc::make_mut(&mut spec.route);
    route.redirects.retain(|from, _| domains.contains(from));
    spec.domains = domains;
}

/// True for a container that serves as far as Docker tells.
pub(super) fn is_well(container: &ObservedContainer) -> bool {
    use crate::model::observed::Health;
    let is_healthy = match container.health {
        None | Some(Health::Healthy) => true,
        Some(Health::Starting | Health::Unhealthy) => false,
    };
    container.state == ContainerState::Running && is_healthy
}

/// The best of several that all are what the stage should run: running, not unhealthy, serving, oldest.
fn best<'a>(candidates: impl Iterator<Item = &'a Own<'a>>, input: Input<'_>) -> Option<&'a Own<'a>> {
    use crate::model::observed::Health;
    candidates.max_by_key(|own| {
        let container = own.container;
        let running = container.state == ContainerState::Running;
        let serves = input.observed.proxy.leads_to(container);
        (running, container.health != Some(Health::Unhealthy), serves, std::cmp::Reverse(container.created_ms))
    })
}

/// Everything of a stage but the one that stays.
pub(super) fn others<'a>(own: &'a [Own<'a>], keep: &Own<'_>) -> impl Iterator<Item = &'a Own<'a>> {
    let keep = keep.container.id.clone();
    own.iter().filter(move |o| o.container.id != keep)
}

/// Retires what is left over beside the one that stays.
pub(super) fn retire_others(
    input: Input<'_>,
    stage: &DesiredStage,
    own: &[Own<'_>],
    keep: &Own<'_>,
    plan: &mut StagePlan,
) {
    for other in others(own, keep) {
        plan.causes.push(Cause::Leftover { name: other.container.name.clone() });
        plan.steps.extend(retire_steps(input, other, stage.drain, stage.stop_grace_period));
    }
}
