//! Hooks: a command of the new image, run once to its end in a container of its own, which then goes whatever came of it.
//!
//! *Guarantees*: one that runs before a deploy ends well, or nothing else is touched; one that runs after it changes
//! nothing about it. *Must not*: be taken for an instance: its labels have no spec, and the store has no row of it.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::gate::end_of;
use super::perform::StepError;
use super::run::Work;
use super::veil::Veil;
use super::{create, give_up};
use crate::docker::{ContainerInfo, Docker};
use crate::model::{ContainerState, Hook, HookLabels, Moment, Observed, StageKey, StoreId};

/// The first looks come this fast, then slower.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// Longest pause between two looks.
const LAST_LOOK: Duration = Duration::from_secs(1);

/// Runs a hook to its end; what was written goes to the deploy log.
///
/// # Errors
/// It did not end well; after a deploy that is only told.
pub(super) async fn run(work: &Work<'_>, moment: Moment, hook: &Hook) -> Result<(), StepError> {
    match (attempt(work, moment, hook).await, moment) {
        (Err(error), Moment::PostDeploy) => {
            let text = Veil::of(work).over(format!("warning: {error}; the new version serves all the same"));
            work.log.line(text).await;
            Ok(())
        }
        (ended, Moment::PreDeploy | Moment::PostDeploy) => ended,
    }
}

async fn attempt(work: &Work<'_>, moment: Moment, hook: &Hook) -> Result<(), StepError> {
    let docker = &work.context.docker;
    let name = format!("{}-{}", work.new_name(), moment.suffix());
    let id = create::for_hook(work, &name, moment, hook).await?;
    let ended = to_its_end(work, &id, moment, hook).await;
    work.log.lines(give_up::last_lines(docker, &id, &Veil::of(work)).await).await;
    if let Err(error) = docker.remove(&id, true).await {
        work.log.line(format!("{name} could not be removed: {error}; the next apply does")).await;
    }
    ended
}

async fn to_its_end(work: &Work<'_>, id: &str, moment: Moment, hook: &Hook) -> Result<(), StepError> {
    let docker = &work.context.docker;
    let Some((_, deploy)) = work.deploy else { return Ok(()) };
    let spec = &deploy.stage.container;
    if !spec.secret_files.is_empty() {
        create::secret_files(work, id).await?;
    }
    for network in &spec.networks {
        docker.connect_network(network, id, &[]).await?;
    }
    docker.start(id).await.map_err(StepError::Start)?;
    match wait(docker, id, hook.timeout.duration()).await? {
        Some(info) if info.exit_code == 0 && !info.oom_killed => Ok(()),
        Some(info) => Err(StepError::Hook(format!("{moment} failed: {}", end_of(&info)))),
        None => {
            docker.stop(id, deploy.stage.stop_grace_period.duration()).await?;
            Err(StepError::Hook(format!("{moment} did not end within {}", hook.timeout)))
        }
    }
}

/// The container once it has ended; none when it runs on.
async fn wait(docker: &Docker, id: &str, within: Duration) -> Result<Option<ContainerInfo>, StepError> {
    let (until, mut pause) = (Instant::now() + within, FIRST_LOOK);
    loop {
        let gone = || StepError::Other("its container is gone".into());
        let info = docker.inspect(id).await?.ok_or_else(gone)?;
        match info.state {
            ContainerState::Exited | ContainerState::Dead | ContainerState::Removing => return Ok(Some(info)),
            ContainerState::Created | ContainerState::Running | ContainerState::Paused | ContainerState::Restarting => {
            }
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        sleep(pause.min(left)).await;
        pause = (pause * 2).min(LAST_LOOK);
    }
}

/// Removes what is left of hooks that nobody waits for any more: under the lock, those of all stages that no pass beside
/// this one works on.
///
/// # Errors
/// Docker does not remove one. It may still run, and the next deploy must not run beside it.
pub async fn sweep(
    store: StoreId,
    docker: &Docker,
    observed: &Observed,
    busy: &BTreeSet<StageKey>,
) -> Result<(), StepError> {
    for container in &observed.containers {
        let is_ours =
            |hook: &HookLabels| hook.store == store && hook.own_name == container.name && !busy.contains(&hook.key);
        if container.hook.as_ref().is_some_and(is_ours) {
            docker.remove(&container.id, true).await?;
        }
    }
    Ok(())
}
