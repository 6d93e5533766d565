//! One stage through its steps: a deploy with its row, phases and log, or a repair or removal without one.

use super::givers::Givers;
use super::log::Log;
use super::perform::{self, StepError};
use super::{Context, Event, StageResult, give_up, host_paths};
use crate::docker::DockerError;
use crate::model::{DeployId, DeployStatus, Phase, hash};
use crate::plan::{Cause, Effect, PlannedDeploy, Resumed, StagePlan, Step, Target, WayBack};
use crate::proxy::Saved;
use crate::store::{NewDeploy, NewInstance, StoreError};

/// What a piece of work has done so far: what `give_up` must know to put things back.
pub(super) struct Work<'a> {
    pub(super) context: &'a Context,
    pub(super) plan: &'a StagePlan,
    pub(super) log: Log<'a>,
    /// The deploy and its id; none for a repair or a removal.
    pub(super) deploy: Option<(DeployId, &'a PlannedDeploy)>,
    /// Id of the container that this deploy made.
    pub(super) container: Option<String>,
    /// Number of the certificate that the proxy got for the stage just now.
    pub(super) certificate: Option<u64>,
    /// Loopback port reserved for it.
    pub(super) host_port: Option<u16>,
    /// Old containers that were stopped before the new one was made (`recreate`).
    pub(super) stopped: Vec<Target>,
    /// What the proxy had before the first write, and what was remembered of stages that gave a domain.
    pub(super) saved: Option<(Saved, Givers)>,
    /// True once a write to the proxy may have been made, whatever it answered.
    pub(super) proxy_touched: bool,
    /// The phase in force.
    pub(super) phase: Phase,
}

impl Work<'_> {
    /// `<project>-<stage>-<last 8 hex digits of the deploy id>` (R7).
    pub(super) fn new_name(&self) -> String {
        let short = self.deploy.map(|(id, _)| id.short()).unwrap_or_default();
        format!("{}-{short}", self.plan.key.stem())
    }
}

/// Takes a stage through its plan.
pub(super) async fn stage(context: &Context, plan: &StagePlan) -> StageResult {
    let begin = Event::Begin { key: plan.key.clone(), verdict: plan.verdict, to: plan.to.clone() };
    context.sink.tell(begin);
    explain(context, plan);
    match &plan.deploy {
        Some(deploy) => run_deploy(context, plan, deploy).await,
        None => run_plain(context, plan).await,
    }
}

/// Why a stage is put right or removed (the first line of a deploy says it for the others), and what to know of it.
fn explain(context: &Context, plan: &StagePlan) {
    let causes: Vec<String> = plan.causes.iter().map(ToString::to_string).collect();
    let why = (plan.deploy.is_none() && !causes.is_empty()).then(|| causes.join("; "));
    for text in why.into_iter().chain(plan.warnings.iter().map(|warning| format!("warning: {warning}"))) {
        context.sink.tell(Event::Line { key: Some(plan.key.clone()), text });
    }
}

fn work<'a>(context: &'a Context, plan: &'a StagePlan, deploy: Option<(DeployId, &'a PlannedDeploy)>) -> Work<'a> {
    Work {
        context,
        plan,
        log: Log::new(context, &plan.key, deploy.map(|(id, _)| id)),
        deploy,
        container: None,
        host_port: None,
        certificate: None,
        stopped: Vec::new(),
        saved: None,
        proxy_touched: false,
        phase: Phase::Pending,
    }
}

/// A repair or a removal: no row, the same steps.
async fn run_plain(context: &Context, plan: &StagePlan) -> StageResult {
    let mut work = work(context, plan, None);
    for step in &plan.steps {
        if let Err(error) = perform::step(&mut work, &step.effect).await {
            let reason = format!("{}: {error}", step.effect);
            let hint = give_way(&mut work, &step.effect, &error).await.or_else(|| error.hint());
            return StageResult::Failed { reason, hint };
        }
    }
    StageResult::Done
}

/// A stopped container whose port or network someone else has by now can never start again: it makes way, and the
/// next pass deploys anew. Volumes stay.
async fn give_way(work: &mut Work<'_>, effect: &Effect, error: &StepError) -> Option<String> {
    let Effect::Start { target: target @ Target::Existing { name, .. } } = effect else { return None };
    let StepError::Docker(DockerError::PortTaken { .. } | DockerError::NotFound { .. }) = error else { return None };
    let gone = perform::step(work, &Effect::Remove { target: target.clone() }).await;
    gone.is_ok().then(|| format!("{name} was removed, since it cannot start again; the next apply deploys anew"))
}

/// A deploy: its row first, then every step under its committed phase, then exactly one terminal status.
async fn run_deploy(context: &Context, plan: &StagePlan, deploy: &PlannedDeploy) -> StageResult {
    if let Err(reason) = host_paths::check(&deploy.stage.container, &context.desired.settings.policy) {
        return StageResult::Failed { reason, hint: Some("mount what it leads to, and allow that".into()) };
    }
    let id = deploy.resumes.as_ref().map_or_else(crate::store::new_deploy_id, |resumed| resumed.deploy);
    let mut work = work(context, plan, Some((id, deploy)));
    let begun = match &deploy.resumes {
        Some(resumed) => go_on(&mut work, deploy, resumed).await,
        None => context.store.begin_deploy(row(&work, id, deploy)).await,
    };
    if let Err(error) = begun {
        return StageResult::Failed { reason: error.to_string(), hint: error.hint() };
    }
    let causes: Vec<String> = plan.causes.iter().map(ToString::to_string).collect();
    work.log.line(format!("deploy {} of {}: {}", id.short(), deploy.image, causes.join("; "))).await;
    for step in &plan.steps {
        if let Err(error) = enter_and_perform(&mut work, id, step).await {
            if work.phase >= Phase::Draining {
                // The new instance serves and is proven: what of the old one stays is litter, and the next pass retires it.
                work.log.line(format!("{}: {error}; the next apply tries again", step.effect)).await;
                continue;
            }
            return give_up::give_up(&mut work, id, &step.effect, error).await;
        }
    }
    finish(&work, id).await
}

/// Takes up an interrupted deploy where it was (R15). A kill between the making of its container and the row of that is
/// made good first.
async fn go_on(work: &mut Work<'_>, deploy: &PlannedDeploy, resumed: &Resumed) -> Result<(), StoreError> {
    work.phase = resumed.phase;
    work.host_port = resumed.host_port;
    work.container.clone_from(&resumed.container);
    work.proxy_touched = resumed.back != WayBack::NotNeeded;
    if resumed.container.is_none() && resumed.phase >= Phase::Creating {
        // With `recreate` the old one may be stopped by now, and must run again should a hook fail this time (R11).
        let old = work.plan.steps.iter().filter(|step| step.phase == resumed.phase);
        work.stopped = old.filter_map(|step| step.effect.stops().cloned()).collect();
    }
    match &resumed.container {
        Some(container) if !resumed.is_known => {
            let instance = instance(work, resumed.deploy, deploy, container);
            work.context.store.add_instance(instance).await
        }
        Some(_) | None => Ok(()),
    }
}

/// The row of the container that a deploy made.
pub(super) fn instance(work: &Work<'_>, id: DeployId, deploy: &PlannedDeploy, container: &str) -> NewInstance {
    NewInstance {
        container_id: container.to_owned(),
        name: work.new_name(),
        deploy: id,
        key: work.plan.key.clone(),
        host_port: work.host_port,
        version: deploy.image.version(),
    }
}

async fn enter_and_perform(work: &mut Work<'_>, id: DeployId, step: &Step) -> Result<(), StepError> {
    if step.phase != work.phase {
        work.context.store.set_phase(id, step.phase).await?;
        work.phase = step.phase;
        work.context.sink.tell(Event::Phase { key: work.plan.key.clone(), phase: step.phase });
    }
    if !matches!(step.effect, Effect::Gate { .. } | Effect::Drain { .. } | Effect::Pull { .. }) {
        work.log.line(step.effect.to_string().replace("(new)", &work.new_name())).await;
    }
    unless_overtaken(work, &step.effect).await
}

/// What only waits ends at once when the stage is to run something else by now: before traffic moved, the deploy makes
/// way; after it, its watch is over. All else is done to its end, since nobody knows what half of it did.
async fn unless_overtaken(work: &mut Work<'_>, effect: &Effect) -> Result<(), StepError> {
    let (context, key) = (work.context, &work.plan.key);
    let overtaken = context.newest.overtakes(&context.desired, key);
    let makes_way = matches!(effect, Effect::Pull { .. } | Effect::Gate { .. });
    let is_watch = matches!(effect, Effect::Monitor { .. });
    if !makes_way && !is_watch {
        return perform::step(work, effect).await;
    }
    tokio::select! {
        biased;
        () = overtaken => {}
        done = perform::step(work, effect) => return done,
    }
    if makes_way {
        return Err(StepError::Overtaken);
    }
    work.log.line("the configuration moved on, which ends the watch").await;
    Ok(())
}

async fn finish(work: &Work<'_>, id: DeployId) -> StageResult {
    work.log.end(DeployStatus::Success.words()).await;
    match work.context.store.finish(id, DeployStatus::Success, None, false).await {
        Ok(()) => StageResult::Deployed { status: DeployStatus::Success, deploy: id.short(), reason: None, hint: None },
        Err(error) => StageResult::Failed { reason: error.to_string(), hint: error.hint() },
    }
}

fn row(work: &Work<'_>, id: DeployId, deploy: &PlannedDeploy) -> NewDeploy {
    let causes: Vec<String> = work.plan.causes.iter().map(ToString::to_string).collect();
    NewDeploy {
        id,
        key: work.plan.key.clone(),
        trigger: Cause::trigger(&work.plan.causes),
        image: deploy.image.clone(),
        spec: deploy.stage.clone(),
        spec_hash: deploy.spec_hash.clone(),
        secrets: deploy.secrets.clone(),
        secrets_label: hash::secrets_label(deploy.secrets.as_ref()),
        container_name: work.new_name(),
        config_revision: work.context.desired.revision.clone(),
        generation: work.context.generation,
        cause: causes.join("; "),
    }
}
