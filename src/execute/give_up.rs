//! What happens when a deploy does not work (R11): its log and exit code are kept, what served before serves as
//! before, and the failed container goes.

use super::gate::{GateError, end_of};
use super::log::harmless;
use super::perform::StepError;
use super::run::Work;
use super::veil::Veil;
use super::{StageResult, perform, route};
use crate::docker::{Docker, DockerError};
use crate::model::recorded::GivingUp;
use crate::model::retry::Retry;
use crate::model::{ContainerState, DeployId, DeployStatus, InstanceStatus, Phase};
use crate::plan::{Effect, Target, WayBack};
use crate::proxy::ProxyError;

/// Lines of the failed container that the deploy log keeps (R8).
const LAST_LINES: usize = 50;

/// Puts back what was touched and closes the deploy.
pub(super) async fn give_up(work: &mut Work<'_>, id: DeployId, effect: &Effect, error: StepError) -> StageResult {
    let veil = Veil::of(work);
    let reason = harmless(&veil.over(reason(work, effect, &error)));
    let hint = error.hint();
    if let StepError::Overtaken = error {
        work.log.line(format!("{reason}, and {} makes way", work.new_name())).await;
    } else {
        work.log.end(format!("failed: {reason}")).await;
        tell_hint(work, hint.as_deref()).await;
        keep_evidence(work, &veil).await;
    }
    let unsettled = matches!(error, StepError::Proxy(ProxyError::Unsettled { .. }));
    let is_at_fault = is_its_own_fault(work.phase, &error);
    let costs_an_outage = !work.stopped.is_empty() && is_seen_too_late(&error);
    let hold = is_at_fault || costs_an_outage;
    let status = status(work, &error);
    announce(work, id, GivingUp { status, reason: reason.clone(), hold, is_at_fault }).await;
    put_back(work, id, unsettled, is_at_fault).await;
    work.log.end(status.words()).await;
    if let Err(error) = work.context.store.finish(id, status, Some(&reason), hold).await {
        return StageResult::Failed { reason: format!("{reason}; and then: {error}"), hint: error.hint() };
    }
    StageResult::Deployed { status, deploy: id.short(), reason: Some(reason), hint }
}

fn reason(work: &Work<'_>, effect: &Effect, error: &StepError) -> String {
    match error {
        StepError::Gate(_) | StepError::Hook(_) | StepError::Overtaken => error.to_string(),
        StepError::Docker(_)
        | StepError::Start(_)
        | StepError::Proxy(_)
        | StepError::Store(_)
        | StepError::Secret(_)
        | StepError::Other(_) => format!("{}: {error}", effect.to_string().replace("(new)", &work.new_name())),
    }
}

/// Without a route, its name was what led to it (R11).
fn status(work: &Work<'_>, error: &StepError) -> DeployStatus {
    if work.proxy_touched || work.phase >= Phase::Monitoring {
        DeployStatus::RolledBack
    } else if let StepError::Overtaken = error {
        DeployStatus::Superseded
    } else {
        DeployStatus::Failed
    }
}

/// Said before anything is put back: should that be cut off, what failed is not tried once more (R15).
async fn announce(work: &Work<'_>, id: DeployId, end: GivingUp) {
    if let Err(error) = work.context.store.give_up(id, end).await {
        work.log.line(format!("that it failed could not be recorded before it is put back: {error}")).await;
    }
}

async fn tell_hint(work: &Work<'_>, hint: Option<&str>) {
    if let Some(hint) = hint {
        work.log.line(format!("hint: {hint}")).await;
    }
}

/// True when trying the same thing again would fail again (R12): the app's fault, or the spec's, not the outside's.
fn is_its_own_fault(phase: Phase, error: &StepError) -> bool {
    let after_pull = phase >= Phase::Creating;
    match error {
        StepError::Gate(GateError::Stopped(_) | GateError::Deadline { .. } | GateError::Sick { .. }) => true,
        StepError::Hook(_) => true,
        // A start that Docker refuses counts whatever its status, as does a taken port: with `recreate`, trying again
        // would stop and start the old instance again and again.
        StepError::Start(DockerError::PortTaken { .. } | DockerError::Refused { .. }) => true,
        StepError::Gate(GateError::Docker(error)) | StepError::Docker(error) | StepError::Start(error) => {
            after_pull && error.retry() == Retry::OnChange
        }
        StepError::Other(_) => after_pull,
        StepError::Gate(GateError::ByHand(_)) | StepError::Overtaken => false,
        StepError::Proxy(_) | StepError::Store(_) | StepError::Secret(_) => false,
    }
}

/// True for an outside fault that no plan can see coming. Where the old instance was stopped first, trying again on its
/// own would stop it again and again; who does not answer at all blocks the next plan before anything is touched.
fn is_seen_too_late(error: &StepError) -> bool {
    match error {
        StepError::Proxy(ProxyError::Unreachable { .. } | ProxyError::NoAnswer { .. }) => false,
        StepError::Proxy(ProxyError::Npm(error)) => !error.blocks_a_look(),
        StepError::Proxy(ProxyError::Caddy(error)) => !error.blocks_a_look(),
        StepError::Docker(error) | StepError::Start(error) => {
            !matches!(error, DockerError::Unreachable { .. } | DockerError::Timeout { .. })
        }
        StepError::Gate(GateError::Docker(_)) | StepError::Store(_) | StepError::Overtaken => false,
        StepError::Proxy(_) | StepError::Secret(_) => true,
        StepError::Gate(_) | StepError::Hook(_) | StepError::Other(_) => true,
    }
}

/// The exit code and the last lines of the failed container, before it is removed.
async fn keep_evidence(work: &Work<'_>, veil: &Veil) {
    let Some(id) = &work.container else { return };
    let docker = &work.context.docker;
    let mut lines = Vec::new();
    if let Ok(Some(info)) = docker.inspect(id).await {
        let state = if info.state == ContainerState::Running { "was running".to_owned() } else { end_of(&info) };
        lines.push(format!("container {}: {state}", info.name));
    }
    lines.extend(last_lines(docker, id, veil).await);
    work.log.lines(lines).await;
}

/// What a container wrote last, without secrets (R8, R28).
pub(super) async fn last_lines(docker: &Docker, id: &str, veil: &Veil) -> Vec<String> {
    let tail = match docker.logs_tail(id, LAST_LINES).await {
        Ok(tail) => tail,
        Err(error) => return vec![format!("its output could not be read: {error}")],
    };
    let heading = match tail.len() {
        0 => "it wrote nothing".to_owned(),
        1 => "its last line:".to_owned(),
        lines => format!("its last {lines} lines:"),
    };
    std::iter::once(heading).chain(tail.into_iter().map(|line| veil.over(format!("| {line}")))).collect()
}

/// Routes, then the old instance, then the failed container. Where nobody can say which of the two has the traffic,
/// both stay as they are: the next pass sees more, and retires the one that does not serve.
async fn put_back(work: &mut Work<'_>, deploy: DeployId, unsettled: bool, is_at_fault: bool) {
    let settled = !unsettled && restore_route(work).await;
    if settled {
        give_back_name(work).await;
        restart_old(work).await;
        route::settle(work).await;
        remove_new(work, deploy).await;
    } else {
        work.log.line(format!("{} stays, since traffic may lead to it", work.new_name())).await;
        // What was found sick is not what the next pass may keep.
        if let (true, Some(id)) = (is_at_fault, &work.container) {
            mark_failed(work, id).await;
        }
    }
}

/// Other stages find the old one alone under the name of the stage, before the new one goes (R33).
async fn give_back_name(work: &Work<'_>) {
    let (Some(id), true) = (&work.container, work.phase >= Phase::Monitoring) else { return };
    let network = work.context.desired.settings.names_network();
    if let Err(error) = work.context.docker.disconnect_network(&network, id).await {
        work.log.line(format!("{} keeps the name of the stage until it goes: {error}", work.new_name())).await;
    }
}

/// True when traffic surely goes where it went before.
async fn restore_route(work: &mut Work<'_>) -> bool {
    let way_back = work.deploy.and_then(|(_, deploy)| deploy.resumes.as_ref()).map(|resumed| resumed.back.clone());
    let restored = match (way_back, work.saved.take()) {
        (Some(WayBack::Unknown), _) => return false,
        // What this run found in the proxy may be its own switch from before the interruption.
        (Some(WayBack::By(effect)), _) => {
            // What was just certified is the new spec's.
            work.certificate = None;
            Box::pin(perform::step(work, &effect)).await
        }
        (Some(WayBack::NotNeeded) | None, Some(saved)) => route::restore(work, &saved).await,
        (Some(WayBack::NotNeeded) | None, None) => return true,
    };
    match restored {
        Ok(()) => {
            work.log.line("traffic goes where it went before").await;
            true
        }
        Err(error) => {
            work.log.line(format!("the route could not be put back: {error}; the next apply does")).await;
            false
        }
    }
}

/// `recreate` stopped the old one first; it is started again.
async fn restart_old(work: &Work<'_>) {
    // The new one may hold the volume's lock or the port that the old one needs.
    if let (false, Some(new)) = (work.stopped.is_empty(), &work.container) {
        let _ = work.context.docker.stop(new, std::time::Duration::from_secs(1)).await;
    }
    for target in &work.stopped {
        let Target::Existing { id, name, .. } = target else { continue };
        match work.context.docker.start(id).await {
            Ok(()) => work.log.line(format!("{name} runs again")).await,
            Err(error) => work.log.line(format!("{name} could not be started again: {error}")).await,
        }
    }
}

/// Whoever finds it alive later, should it not go, must not give it traffic.
async fn mark_failed(work: &Work<'_>, id: &str) {
    if let Err(error) = work.context.store.set_instance_status(id, InstanceStatus::Failed).await {
        tracing::debug!(%error, "the failed instance is not marked");
    }
}

async fn remove_new(work: &Work<'_>, deploy: DeployId) {
    if let Some(id) = &work.container {
        let name = work.new_name();
        mark_failed(work, id).await;
        if let Err(error) = work.context.docker.remove(id, true).await {
            work.log.line(format!("{name} could not be removed: {error}; the next apply does")).await;
            return;
        }
        work.log.line(format!("removed {name}")).await;
        if let Err(error) = work.context.store.remove_instance(id).await {
            work.log.line(error.to_string()).await;
        }
    }
    if let Err(error) = work.context.store.release_port(deploy).await {
        work.log.line(error.to_string()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::NpmError;

    #[test]
    fn r12_a_proxy_that_is_away_between_plan_and_switch_holds_nothing() {
        let seen_too_late = |error: NpmError| is_seen_too_late(&StepError::Proxy(error.into()));
        assert!(!seen_too_late(NpmError::Unreachable { url: "http://npm.test".into(), reason: "refused".into() }));
        assert!(!seen_too_late(NpmError::TwoFactor { email: "landfall@example.com".into() }));
        let offline = NpmError::Offline { host: "proxy host 1".into(), reason: "unknown directive".into() };
        assert!(seen_too_late(offline), "only the next switch would see it again, and stop the old instance for it");
    }
}
