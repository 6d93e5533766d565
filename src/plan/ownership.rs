//! Whose a container is (R1): ours only with this store's id, and under its own name or an id that the store knows.

use std::collections::BTreeMap;

use super::planted::{self, Bug};
use crate::model::{Labels, Observed, ObservedContainer, Recorded, StageKey};

/// One of our containers with its labels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own<'a> {
    /// The container.
    pub container: &'a ObservedContainer,
    /// Its labels.
    pub labels: &'a Labels,
}

/// Our containers, by stage.
#[derive(Debug, Clone, Default)]
pub struct Owned<'a> {
    by_stage: BTreeMap<&'a StageKey, Vec<Own<'a>>>,
}

impl<'a> Owned<'a> {
    /// Sorts what was observed; everything foreign is left out here and so cannot reach a step.
    pub fn new(recorded: &'a Recorded, observed: &'a Observed) -> Self {
        let mut by_stage: BTreeMap<&StageKey, Vec<Own<'_>>> = BTreeMap::new();
        for container in &observed.containers {
            if let Some(own) = own(recorded, container) {
                by_stage.entry(&own.labels.key).or_default().push(own);
            }
        }
        // Docker lists what was made within one second in any order, and a plan has one name.
        for own in by_stage.values_mut() {
            own.sort_by_key(|own| (own.container.created_ms, &own.container.id));
        }
        Self { by_stage }
    }

    /// The containers of a stage, oldest first.
    pub fn of(&self, key: &StageKey) -> &[Own<'a>] {
        self.by_stage.get(key).map_or(&[], Vec::as_slice)
    }

    /// Every stage that has a container.
    pub fn stages(&self) -> impl Iterator<Item = &'a StageKey> + '_ {
        self.by_stage.keys().copied()
    }
}

fn own<'a>(recorded: &Recorded, container: &'a ObservedContainer) -> Option<Own<'a>> {
    let labels = container.labels.as_ref()?;
    let ours = recorded.store == Some(labels.store);
    let under_its_name = labels.own_name == container.name;
    let known = || recorded.stages.get(&labels.key).is_some_and(|s| s.instances.contains_key(&container.id));
    let believed = planted::has(Bug::BelievesLabels);
    (ours && (under_its_name || known() || believed)).then_some(Own { container, labels })
}
