//! What an earlier run left open and does not go on (R15): closed as the plan says, before anything else is done. And
//! instances whose containers are gone.

use std::collections::BTreeSet;

use crate::docker::Docker;
use crate::model::{InstanceStatus, Observed, Recorded, StageKey};
use crate::plan::{Ending, Left};
use crate::store::{LogLine, Store, StoreError, now_ms};

use super::perform::StepError;

/// Closes deploys that do not go on.
///
/// # Errors
/// The store or Docker could not be asked; nothing is closed that was not cleaned up.
pub async fn close(store: &Store, docker: &Docker, endings: &[Ending]) -> Result<(), StepError> {
    for ending in endings {
        match &ending.container {
            Left::Serves { .. } | Left::MayServe { .. } => {}
            Left::Nothing => store.release_port(ending.deploy).await?,
            Left::Stays { id, .. } => store.set_instance_status(id, InstanceStatus::Failed).await?,
            Left::Removed { id, .. } => {
                docker.remove(id, true).await?;
                store.remove_instance(id).await?;
                // One that was made and not recorded has its port by its deploy alone.
                store.release_port(ending.deploy).await?;
            }
        }
        end(store, ending).await?;
    }
    Ok(())
}

async fn end(store: &Store, ending: &Ending) -> Result<(), StoreError> {
    let Ending { deploy, status, reason, hold, is_live, .. } = ending;
    store.append_log(*deploy, vec![LogLine { at_ms: now_ms(), text: ending.text() }]).await?;
    store.finish(*deploy, *status, reason.as_deref(), *hold).await?;
    // A success is by itself.
    if *is_live && *status != crate::model::DeployStatus::Success {
        store.set_live(*deploy).await?;
    }
    Ok(())
}

/// Forgets instances whose containers are gone, whoever removed them: their ports are free again. What others work on may
/// have been made since Docker was asked.
///
/// # Errors
/// The store cannot be written.
pub async fn forget_gone(
    store: &Store,
    recorded: &Recorded,
    observed: &Observed,
    busy: &BTreeSet<StageKey>,
) -> Result<(), StoreError> {
    let seen: BTreeSet<&str> = observed.containers.iter().map(|c| c.id.as_str()).collect();
    let stages = recorded.stages.iter().filter(|(key, _)| !busy.contains(key));
    let known = stages.flat_map(|(_, stage)| stage.instances.keys());
    for gone in known.filter(|id| !seen.contains(id.as_str())) {
        store.remove_instance(gone).await?;
    }
    Ok(())
}
