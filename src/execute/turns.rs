//! Whose turn it is: a stage is begun as soon as all that it waits for has succeeded, so many at a time as the settings
//! say. One that waits for what failed is skipped, and so are those that wait for it (R23).

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};

use super::{Context, Event, Results, StageResult, run};
use crate::model::StageKey;
use crate::plan::{After, StagePlan};

/// Takes every stage that has work through it.
pub(super) async fn run(context: &Arc<Context>, stages: &[StagePlan]) -> Results {
    let mut turns = Turns {
        context,
        permits: Arc::clone(&context.permits),
        waiting: stages.iter().filter(|stage| !stage.steps.is_empty()).collect(),
        tasks: JoinSet::new(),
        names: BTreeMap::new(),
        results: Results::new(),
    };
    loop {
        // Who is skipped may be waited for as well.
        while turns.skip(|result| result.is_some_and(|result| !result.is_ok())) {}
        turns.begin_ready();
        if !turns.end_one().await {
            break;
        }
    }
    // A plan lets nobody wait for what has no work, nor in a circle: none should be left.
    turns.skip(|result| !result.is_some_and(StageResult::is_ok));
    turns.results
}

struct Turns<'a> {
    context: &'a Arc<Context>,
    permits: Arc<Semaphore>,
    waiting: Vec<&'a StagePlan>,
    tasks: JoinSet<StageResult>,
    names: BTreeMap<Id, StageKey>,
    results: Results,
}

impl Turns<'_> {
    /// Skips those that wait for a stage with such a result; true when there were some.
    fn skip(&mut self, is_in_vain: impl Fn(Option<&StageResult>) -> bool) -> bool {
        let (results, mut skipped) = (&self.results, Vec::new());
        self.waiting.retain(|stage| {
            let after = stage.after.iter().find(|after| is_in_vain(results.get(after.key())));
            skipped.extend(after.map(|after| (stage.key.clone(), after)));
            after.is_none()
        });
        let any = !skipped.is_empty();
        for (key, after) in skipped {
            self.end(key, StageResult::Skipped { reason: format!("{after}, did not succeed") });
        }
        any
    }

    fn begin_ready(&mut self) {
        let is_done = |after: &After| self.results.get(after.key()).is_some_and(StageResult::is_ok);
        let (ready, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|stage| stage.after.iter().all(is_done));
        self.waiting = waiting;
        let ready: Vec<&StagePlan> = ready;
        for stage in ready {
            let (context, stage, permits) = (Arc::clone(self.context), stage.clone(), Arc::clone(&self.permits));
            let key = stage.key.clone();
            let task = self.tasks.spawn(async move {
                let _permit = permits.acquire().await;
                run::stage(&context, &stage).await
            });
            self.names.insert(task.id(), key);
        }
    }

    /// Waits until one more has ended; false when none is being worked on.
    async fn end_one(&mut self) -> bool {
        let Some(ended) = self.tasks.join_next_with_id().await else { return false };
        // A panic in one becomes its failure and touches no other.
        let (id, result) = ended.unwrap_or_else(|error| (error.id(), fault(&error)));
        if let Some(key) = self.names.remove(&id) {
            self.end(key, result);
        }
        true
    }

    fn end(&mut self, key: StageKey, result: StageResult) {
        self.context.sink.tell(Event::End { key: key.clone(), result: result.clone() });
        self.results.insert(key, result);
    }
}

fn fault(error: &JoinError) -> StageResult {
    let reason = format!("a fault of Landfall itself: {error}");
    let hint = Some("the next `apply` cleans up; please report this".to_owned());
    StageResult::Failed { reason, hint }
}
