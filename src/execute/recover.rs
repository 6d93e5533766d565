//! What an earlier run left open. Until step C resumes deploys, each is closed `failed` (interrupted), is not held,
//! and its container goes unless it serves.

use std::collections::BTreeSet;

use crate::docker::Docker;
use crate::model::{DeployStatus, Desired, InstanceStatus, Millis, Observed, ObservedProxy, Phase, Recorded, StoreId};
use crate::store::{DeployRow, LogLine, Store, StoreError, now_ms};

use super::perform::StepError;

/// Closes every deploy that has no terminal status; returns how many there were.
///
/// # Errors
/// The store or Docker could not be asked; nothing is closed that was not cleaned up.
pub async fn recover(
    store: &Store,
    docker: &Docker,
    desired: &Desired,
    recorded: &Recorded,
    observed: &Observed,
) -> Result<usize, StepError> {
    let open = store.in_flight().await?;
    for deploy in &open {
        let (text, serves) = match leftover(store.id(), deploy, recorded, observed) {
            Some((id, name, true)) if is_unproven(deploy, desired) => {
                store.set_instance_status(&id, InstanceStatus::Failed).await?;
                (format!("interrupted; {name} was not watched to the end, and serves until another one was"), false)
            }
            Some((_, name, true)) => (format!("interrupted; {name} serves and stays"), true),
            Some((id, name, false)) => {
                docker.remove(&id, true).await?;
                store.remove_instance(&id).await?;
                (format!("interrupted; removed {name}"), false)
            }
            None => {
                store.release_port(deploy.id).await?;
                ("interrupted; it left no container".to_owned(), false)
            }
        };
        close(store, deploy, text).await?;
        // It passed its gate: what follows compares with it, and keeps it well while a successor is held.
        if serves && deploy.phase >= Phase::Switching {
            store.set_live(deploy.id).await?;
        }
    }
    Ok(open.len())
}

/// Recorded and observed as `recover` would leave them: without the containers of interrupted deploys that it removes. A
/// look that changes nothing plans from this, so that it tells what the next pass will do.
pub fn as_recovered(
    store: StoreId,
    open: &[DeployRow],
    desired: &Desired,
    mut recorded: Recorded,
    mut observed: Observed,
) -> (Recorded, Observed) {
    let mut removed = BTreeSet::new();
    for deploy in open {
        let Some((id, _, serves)) = leftover(store, deploy, &recorded, &observed) else { continue };
        if !serves {
            removed.insert(id);
        } else if is_unproven(deploy, desired) {
            let stage = recorded.stages.get_mut(&deploy.key);
            if let Some(instance) = stage.and_then(|stage| stage.instances.get_mut(&id)) {
                instance.status = InstanceStatus::Failed;
            }
        }
    }
    observed.containers.retain(|container| !removed.contains(&container.id));
    (recorded, observed)
}

/// True when an instance that serves was to be watched, and was not to the end (R10): the old one still runs. It is
/// replaced by one that is.
fn is_unproven(deploy: &DeployRow, desired: &Desired) -> bool {
    let is_watched = desired.stages.get(&deploy.key).is_some_and(|stage| stage.monitor > Millis(0));
    is_watched && matches!(deploy.phase, Phase::Switching | Phase::Monitoring)
}

/// Forgets instances whose containers are gone, whoever removed them: their ports are free again.
///
/// # Errors
/// The store cannot be written.
pub async fn forget_gone(store: &Store, recorded: &Recorded, observed: &Observed) -> Result<(), StoreError> {
    let seen: BTreeSet<&str> = observed.containers.iter().map(|c| c.id.as_str()).collect();
    let known = recorded.stages.values().flat_map(|stage| stage.instances.keys());
    for gone in known.filter(|id| !seen.contains(id.as_str())) {
        store.remove_instance(gone).await?;
    }
    Ok(())
}

async fn close(store: &Store, deploy: &DeployRow, text: String) -> Result<(), StoreError> {
    store.append_log(deploy.id, vec![LogLine { at_ms: now_ms(), text }]).await?;
    store.finish(deploy.id, DeployStatus::Failed, Some("interrupted"), false).await
}

/// The container of an interrupted deploy, and whether it serves.
fn leftover(
    store: StoreId,
    deploy: &DeployRow,
    recorded: &Recorded,
    observed: &Observed,
) -> Option<(String, String, bool)> {
    let container = observed.containers.iter().find(|c| {
        let labels = c.labels.as_ref();
        labels.is_some_and(|l| l.store == store && l.deploy == deploy.id && l.own_name == c.name)
    })?;
    let routed = observed.proxy.leads_to(container);
    // Past its gate and with nothing in front to tell otherwise, the old one may be gone already: keep it. A change of
    // its host that was begun and not proven tells nothing either: the proxy may still be about to make it.
    let host = recorded.stages.get(&deploy.key).and_then(|stage| stage.host.as_ref());
    let says_nothing = !matches!(observed.proxy, ObservedProxy::Routes(_)) || host.is_some_and(|host| host.dirty);
    let unknown = says_nothing && deploy.phase >= Phase::Switching;
    Some((container.id.clone(), container.name.clone(), routed || unknown || deploy.phase > Phase::Switching))
}
