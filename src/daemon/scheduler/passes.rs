//! The passes that are on, and what each works on.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pass, Reason, Scope};
use crate::model::StageKey;

/// The passes that are on.
#[derive(Debug, Default)]
pub(super) struct Passes {
    last_id: u64,
    on: BTreeMap<u64, On>,
}

/// One of them.
#[derive(Debug)]
struct On {
    is_planning: bool,
    /// What it works on still.
    busy: BTreeSet<StageKey>,
    over: Over,
}

/// What a pass was about.
#[derive(Debug)]
pub(super) struct Over {
    /// A person asked for it.
    pub(super) is_asked: bool,
    scope: Scope,
    /// What it left to others.
    others: BTreeSet<StageKey>,
}

impl Over {
    /// True for a stage that it was about.
    pub(super) fn had(&self, stage: &StageKey) -> bool {
        match &self.scope {
            Scope::All => !self.others.contains(stage),
            Scope::Stages(stages) => stages.contains(stage),
        }
    }
}

impl Passes {
    pub(super) fn is_empty(&self) -> bool {
        self.on.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.on.len()
    }

    /// True while one of them may still turn out to work on anything of its scope.
    pub(super) fn is_planning(&self) -> bool {
        self.on.values().any(|pass| pass.is_planning)
    }

    /// What is being worked on, as far as passes told.
    pub(super) fn busy(&self) -> BTreeSet<StageKey> {
        self.on.values().flat_map(|pass| &pass.busy).cloned().collect()
    }

    pub(super) fn begin(
        &mut self,
        scope: Scope,
        reason: Reason,
        request: Option<u64>,
        busy: BTreeSet<StageKey>,
    ) -> Pass {
        self.last_id += 1;
        let over = Over { is_asked: request.is_some(), scope: scope.clone(), others: busy.clone() };
        self.on.insert(self.last_id, On { is_planning: true, busy: BTreeSet::new(), over });
        Pass { id: self.last_id, scope, reason, request, busy }
    }

    pub(super) fn planned(&mut self, pass: u64, stages: BTreeSet<StageKey>) {
        if let Some(on) = self.on.get_mut(&pass) {
            (on.is_planning, on.busy) = (false, stages);
        }
    }

    pub(super) fn ended(&mut self, pass: u64, stage: &StageKey) {
        if let Some(on) = self.on.get_mut(&pass) {
            on.busy.remove(stage);
        }
    }

    /// Takes a pass that is over off the list.
    pub(super) fn over(&mut self, pass: u64) -> Option<Over> {
        self.on.remove(&pass).map(|on| on.over)
    }
}
