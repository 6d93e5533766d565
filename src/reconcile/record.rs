//! What was found of containers without a record: added to what a plan knows, and written down when it is carried out.

use super::readopt::{Adopted, Found};
use crate::execute::{Event, Sink};
use crate::model::recorded::{LiveDeploy, RecordedInstance};
use crate::model::{InstanceStatus, Recorded, Trigger};
use crate::store::{NewDeploy, NewInstance, Readopted, Store, StoreError};

/// Adds what was found to what a plan knows, as it will be recorded.
pub(super) fn remember(recorded: &mut Recorded, found: &Found) {
    for (key, pin) in &found.pins {
        recorded.stages.entry(key.clone()).or_default().pin = Some(pin.clone());
    }
    for (key, host) in &found.hosts {
        recorded.stages.entry(key.clone()).or_default().host = Some(host.clone());
    }
    for (key, id, instance) in &found.unproven {
        recorded.stages.entry(key.clone()).or_default().instances.insert(id.clone(), Box::new(instance.clone()));
    }
    for one in &found.adopted {
        let stage = recorded.stages.entry(one.key.clone()).or_default();
        stage.route = None;
        stage.live = Some(LiveDeploy {
            id: one.deploy,
            spec_json: serde_json::to_string(&one.spec).ok(),
            image: one.image.clone(),
            spec_hash: one.spec_hash.clone(),
            secrets: one.secrets.clone(),
            // Nobody knows for how long: nothing is promoted from it before that is recorded.
            since_ms: i64::MAX,
        });
        let (name, host_port, deploy) = (one.name.clone(), one.host_port, one.deploy);
        let instance = RecordedInstance { name, host_port, deploy, status: InstanceStatus::Running, adopted: None };
        stage.instances.insert(one.container_id.clone(), Box::new(instance));
    }
}

/// Records what was found, once the configuration is accepted and every stage has its row.
pub(super) async fn record(found: &Found, store: &Store, generation: i64, sink: &Sink) -> Result<(), StoreError> {
    if found.adopted.is_empty() && found.pins.is_empty() && !found.is_partial {
        return Ok(());
    }
    for (key, pin) in &found.pins {
        store.set_pin(key, pin).await?;
    }
    for (key, host) in &found.hosts {
        store.set_host(key, Some(host)).await?;
    }
    let rows = found.adopted.iter().map(|one| row(one, generation)).collect();
    store.readopt(rows, found.highest_port).await?;
    for one in &found.adopted {
        let text = format!("{} runs without a record and is taken over as it is: {}", one.name, one.image.version());
        sink.tell(Event::Line { key: Some(one.key.clone()), text });
    }
    Ok(())
}

fn row(one: &Adopted, generation: i64) -> Readopted {
    let one = one.clone();
    let log = format!("{} ran without a record: the store was lost, or an older one restored", one.name);
    let version = one.image.version();
    Readopted {
        instance: NewInstance {
            container_id: one.container_id,
            name: one.name.clone(),
            deploy: one.deploy,
            key: one.key.clone(),
            host_port: one.host_port,
            version,
        },
        deploy: NewDeploy {
            id: one.deploy,
            key: one.key,
            trigger: Trigger::Manual,
            cause: "re-adopted from its labels".into(),
            image: one.image,
            spec: one.spec,
            spec_hash: one.spec_hash,
            secrets: one.secrets,
            secrets_label: one.secrets_label,
            container_name: one.name,
            config_revision: one.revision,
            generation,
        },
        log,
        by_hand: false,
    }
}
