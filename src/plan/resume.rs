//! What is left to do of a deploy that was interrupted: the ordinary steps, without those that are done (R15).

use super::host::options;
use super::retire::is_running;
use super::{Effect, Input, Own, Step, Target};
use crate::model::recorded::InFlight;
use crate::model::{ContainerState, DeployId, DesiredStage, Moment, Phase};

/// A deploy that goes on under its own id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resumed {
    /// Which one.
    pub deploy: DeployId,
    /// How far it was.
    pub phase: Phase,
    /// Docker's id of its container, where that was made.
    pub container: Option<String>,
    /// Loopback port of the host reserved for it.
    pub host_port: Option<u16>,
    /// The store knows the container.
    pub is_known: bool,
    /// What leads traffic back, should it fail.
    pub back: WayBack,
}

/// How traffic goes back to where it went before a deploy that was interrupted. What the proxy had then died with the run
/// that had asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WayBack {
    /// By itself: it never moved.
    NotNeeded,
    /// By this write.
    By(Effect),
    /// Only the next plan can tell.
    Unknown,
}

/// What a deploy that goes on begins with.
pub(super) fn resumed(
    input: Input<'_>,
    stage: &DesiredStage,
    open: &InFlight,
    made: Option<&Own<'_>>,
    own: &[Own<'_>],
) -> Resumed {
    let known = input.recorded.stages.get(&stage.key);
    let is_known = |made: &Own<'_>| known.is_some_and(|stage| stage.instances.contains_key(&made.container.id));
    Resumed {
        deploy: open.deploy.id,
        phase: open.phase,
        container: made.map(|made| made.container.id.clone()),
        host_port: open.host_port,
        is_known: made.is_some_and(is_known),
        back: if open.phase < Phase::Switching { WayBack::NotNeeded } else { way_back(input, stage, own) },
    }
}

fn way_back(input: Input<'_>, stage: &DesiredStage, own: &[Own<'_>]) -> WayBack {
    if stage.domains.is_empty() {
        return WayBack::NotNeeded;
    }
    let Some(recorded) = input.recorded.stages.get(&stage.key) else { return WayBack::Unknown };
    let Some(live) = &recorded.live else {
        return WayBack::By(Effect::Unroute { domains: stage.domains.clone() });
    };
    let old = own.iter().find(|own| own.labels.deploy == live.id && is_running(own));
    let (Some(old), Some(spec)) = (old, recorded.served_spec()) else { return WayBack::Unknown };
    // The write would lead to the port of the new one.
    if spec.container.port != stage.container.port {
        return WayBack::Unknown;
    }
    let options = Box::new(options(input, &spec));
    match spec.domains {
        domains if domains.is_empty() => WayBack::By(Effect::Unroute { domains: stage.domains.clone() }),
        domains => WayBack::By(Effect::Switch { domains, options, target: old.target() }),
    }
}

/// The steps that are left, each under the phase that was reached: a phase never goes back (R14).
pub(super) fn left(input: Input<'_>, steps: Vec<Step>, open: &InFlight, made: Option<&Own<'_>>) -> Vec<Step> {
    let names = input.desired.settings.names_network();
    let rename = made
        .filter(|made| made.container.name != made.labels.own_name)
        .map(|made| Step::new(open.phase, Effect::Rename { target: Target::New, to: made.labels.own_name.clone() }));
    let left = steps.into_iter().filter_map(|Step { phase, effect }| {
        let effect = match made {
            Some(made) => still_to_do(effect, made, &names)?,
            None => effect,
        };
        Some(Step::new(phase.max(open.phase), effect))
    });
    rename.into_iter().chain(left).collect()
}

/// A step of a deploy whose container is there; none where it is done.
fn still_to_do(effect: Effect, made: &Own<'_>, names: &str) -> Option<Effect> {
    let state = made.container.state;
    let has_joined = |network: &str| made.container.networks.contains_key(network);
    let is_left = match &effect {
        Effect::Pull { .. } | Effect::CreateVolume { .. } | Effect::Create { .. } => false,
        // One before the deploy ended well before its container was made.
        Effect::Hook { moment, .. } => *moment == Moment::PostDeploy,
        // What ran has read them.
        Effect::WriteSecrets => state == ContainerState::Created,
        Effect::Connect { target: Target::New, network } => !has_joined(network),
        Effect::JoinNames { target: Target::New } => !has_joined(names),
        Effect::Start { target: Target::New } => match state {
            ContainerState::Paused => return Some(Effect::Unpause { target: Target::New }),
            ContainerState::Running | ContainerState::Restarting => false,
            ContainerState::Created | ContainerState::Exited | ContainerState::Removing | ContainerState::Dead => true,
        },
        Effect::CreateNetwork { .. }
        | Effect::Connect { .. }
        | Effect::JoinNames { .. }
        | Effect::Start { .. }
        | Effect::Unpause { .. }
        | Effect::Rename { .. }
        | Effect::Gate { .. }
        | Effect::Certify { .. }
        | Effect::Switch { .. }
        | Effect::Monitor { .. }
        | Effect::Unroute { .. }
        | Effect::LeaveNames { .. }
        | Effect::Drain { .. }
        | Effect::Stop { .. }
        | Effect::Remove { .. } => true,
    };
    is_left.then_some(effect)
}
