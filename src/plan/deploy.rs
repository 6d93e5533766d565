//! The steps that bring a new instance live and retire the old ones (engine.md "Deploying").

use super::host::{self, options};
use super::ownership::Own;
use super::planted::{self, Bug};
use super::retire::{drop_steps, is_running, retire_steps, routed_domains};
use super::{Effect, Input, Step, Target};
use crate::model::spec::{HostNamespace, MountSource};
use crate::model::{DesiredStage, Hook, ImageRef, Millis, Moment, Phase, Strategy};

/// All steps of a deploy, in the order of its strategy.
pub(super) fn deploy_steps(input: Input<'_>, stage: &DesiredStage, image: &ImageRef, own: &[Own<'_>]) -> Vec<Step> {
    match stage.strategy {
        Strategy::BlueGreen => blue_green(input, stage, image, own),
        Strategy::Recreate => recreate(input, stage, image, own),
    }
}

/// The new one beside the old, the gate, the switch, and only then the old one goes (R4).
fn blue_green(input: Input<'_>, stage: &DesiredStage, image: &ImageRef, own: &[Own<'_>]) -> Vec<Step> {
    let mut steps = prepare(stage, image);
    let beside = own.iter().find(|o| is_running(o)).map(|o| o.container.name.clone());
    steps.extend(create(stage, beside));
    steps.extend(start(stage));
    if !shares_host_network(stage) {
        steps.push(Step::new(Phase::Switching, Effect::JoinNames { target: Target::New }));
    }
    let served_by_old = steps.len();
    steps.extend(certify(input, stage));
    steps.extend(switch(input, stage));
    steps.extend(monitor(stage));
    // What it does is not taken back: the new one serves, and is proven.
    steps.extend(hook(Moment::PostDeploy, stage.hooks.post_deploy.as_ref(), Phase::Draining));
    let mut retire: Vec<Step> =
        own.iter().flat_map(|old| retire_steps(input, old, stage.drain, stage.stop_grace_period)).collect();
    // Should there be several, all are drained before one is stopped: a phase never goes back (R14).
    retire.sort_by_key(|step| step.phase);
    let at = if planted::has(Bug::RetiresFirst) { served_by_old } else { steps.len() };
    steps.splice(at..at, retire);
    steps
}

/// The old one stops first, because both need the same volume or port; it is removed only after the new one serves.
fn recreate(input: Input<'_>, stage: &DesiredStage, image: &ImageRef, own: &[Own<'_>]) -> Vec<Step> {
    let mut steps = prepare(stage, image);
    // One that an interrupted deploy stopped counts too: should this deploy fail, it is what must run again (R11).
    let live = input.recorded.stages.get(&stage.key).and_then(|s| s.live.as_ref()).map(|live| live.id);
    for old in own.iter().filter(|o| is_running(o) || Some(o.labels.deploy) == live) {
        let target = old.target();
        steps.push(Step::new(Phase::Creating, Effect::Stop { target, grace: stage.stop_grace_period }));
    }
    steps.extend(create(stage, None));
    if !shares_host_network(stage) {
        steps.push(Step::new(Phase::Creating, Effect::JoinNames { target: Target::New }));
    }
    steps.extend(start(stage));
    steps.extend(certify(input, stage));
    steps.extend(switch(input, stage));
    steps.extend(monitor(stage));
    // What it does is not taken back: the new one serves, and is proven.
    steps.extend(hook(Moment::PostDeploy, stage.hooks.post_deploy.as_ref(), Phase::Draining));
    steps.extend(own.iter().filter_map(drop_steps));
    steps
}

/// Nothing that runs is touched before the image is on the host (R6) and its `pre_deploy` has ended well.
fn prepare(stage: &DesiredStage, image: &ImageRef) -> Vec<Step> {
    let mut steps = vec![Step::new(Phase::Pulling, Effect::Pull { image: image.clone() })];
    for mount in &stage.container.mounts {
        match &mount.source {
            MountSource::Volume(name) => {
                steps.push(Step::new(Phase::Creating, Effect::CreateVolume { name: name.clone() }));
            }
            MountSource::ExternalVolume(_)
            | MountSource::HostPath(_)
            | MountSource::ConfigTree { .. }
            | MountSource::Tmpfs { .. } => {}
        }
    }
    steps.extend(hook(Moment::PreDeploy, stage.hooks.pre_deploy.as_ref(), Phase::Creating));
    steps
}

fn hook(moment: Moment, hook: Option<&Hook>, phase: Phase) -> Option<Step> {
    hook.map(|hook| Step::new(phase, Effect::Hook { moment, hook: hook.clone() }))
}

fn create(stage: &DesiredStage, beside: Option<String>) -> Vec<Step> {
    let mut steps = vec![Step::new(Phase::Creating, Effect::Create { beside })];
    if !stage.container.secret_files.is_empty() {
        steps.push(Step::new(Phase::Creating, Effect::WriteSecrets));
    }
    for network in &stage.container.networks {
        let effect = Effect::Connect { target: Target::New, network: network.clone() };
        steps.push(Step::new(Phase::Creating, effect));
    }
    steps
}

fn start(stage: &DesiredStage) -> [Step; 2] {
    [
        Step::new(Phase::Starting, Effect::Start { target: Target::New }),
        Step::new(Phase::HealthChecking, Effect::Gate { target: Target::New, ready: stage.ready.clone() }),
    ]
}

/// Before the switch: while a certificate is made, a host of the same names is not served.
fn certify(input: Input<'_>, stage: &DesiredStage) -> Option<Step> {
    host::certify(input, stage).map(|effect| Step::new(Phase::Switching, effect))
}

/// Moves the traffic, or takes the routes out when the stage has no domain any more.
fn switch(input: Input<'_>, stage: &DesiredStage) -> Option<Step> {
    if !stage.domains.is_empty() {
        let effect = switch_to(input, stage, Target::New);
        return Some(Step::new(Phase::Switching, effect));
    }
    let domains = routed_domains(input, &stage.key);
    (!domains.is_empty()).then(|| Step::new(Phase::Switching, Effect::Unroute { domains }))
}

/// Nothing of the old one is touched before this is over (R10).
fn monitor(stage: &DesiredStage) -> Option<Step> {
    let effect = Effect::Monitor { target: Target::New, ready: stage.ready.clone(), duration: stage.monitor };
    (stage.monitor > Millis(0)).then(|| Step::new(Phase::Monitoring, effect))
}

/// The switch of all domains of a stage to one of its containers.
pub(super) fn switch_to(input: Input<'_>, stage: &DesiredStage, target: Target) -> Effect {
    Effect::Switch { domains: stage.domains.clone(), options: Box::new(options(input, stage)), target }
}

/// A container in the host's network has no address and no name of its own.
pub(super) fn shares_host_network(stage: &DesiredStage) -> bool {
    stage.container.host_namespaces.contains(&HostNamespace::Network)
}
