//! What the daemon writes to its log about passes: what happens, what waits for a word of the user, what went wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::repeats::Repeats;
use super::scheduler::Outcome;
use crate::execute::{Event, Sink, StageResult};
use crate::model::desired::Promote;
use crate::model::{DeployStatus, StageKey};
use crate::plan::Verdict;
use crate::reconcile::{Converged, Error};
use crate::store::now_ms;

/// The log of all passes of a daemon: what one complained of, the next does not at once complain of again (S4).
#[derive(Debug, Clone, Default)]
pub(super) struct Log {
    repeats: Arc<Mutex<Repeats>>,
}

impl Log {
    fn is_new(&self, about: &str, text: &str) -> bool {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner).is_new(Instant::now(), about, text)
    }

    /// Logs how a pass ended, and says what is to be tried again.
    pub(super) fn ended(&self, result: &Result<Converged, Error>) -> Outcome {
        match result {
            Ok(converged) => self.told(converged),
            Err(error) => {
                let text = with_causes(error);
                if self.is_new("", &text) {
                    tracing::error!(hint = error.hint(), "{text}");
                }
                Outcome::Failed
            }
        }
    }

    /// Logs what waits, and says what failed for a reason that may pass.
    pub(super) fn told(&self, converged: &Converged) -> Outcome {
        let plan = &converged.view.plan;
        if let Some(held) = plan.held.as_ref().filter(|held| self.is_new("", &held.to_string())) {
            tracing::warn!("held: {held}; `landfall apply --allow-prune` lets it");
        }
        for stage in &plan.stages {
            let key = stage.key.to_string();
            match (stage.verdict, &stage.held, &stage.blocked) {
                (Verdict::Held, Some(held), _) if self.is_new(&key, &held.to_string()) => {
                    tracing::warn!(stage = key, "{key}: held: {held}");
                }
                (Verdict::Blocked, _, Some(blocked)) if self.is_new(&key, &blocked.reason) => {
                    let hint = blocked.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                    tracing::error!(stage = key, "{key}: blocked: {blocked}{hint}");
                }
                _ => {}
            }
        }
        if let Some(error) = converged.unrecorded.as_ref().filter(|error| self.is_new("", &error.to_string())) {
            tracing::error!(hint = error.hint(), "how the pass ended is not recorded: {error}");
        }
        Outcome::Done { failed: failed(converged), later: later(converged) }
    }
}

/// What made way for a newer configuration is looked after by the next pass, which is due anyway.
fn failed(converged: &Converged) -> BTreeSet<StageKey> {
    let made_way =
        |result: &StageResult| matches!(result, StageResult::Deployed { status: DeployStatus::Superseded, .. });
    let bad = converged.results.iter().filter(|(_, result)| !result.is_ok() && !made_way(result));
    let blocked = converged.view.plan.stages.iter().filter(|stage| stage.verdict == Verdict::Blocked);
    bad.map(|(key, _)| key).chain(blocked.map(|stage| &stage.key)).cloned().collect()
}

/// Stages that wait for a time, and how long it is until then.
fn later(converged: &Converged) -> BTreeMap<StageKey, Duration> {
    let now = now_ms();
    let until = converged.view.plan.stages.iter().filter_map(|stage| Some((stage.key.clone(), stage.due_ms()?)));
    let wait = |until: i64| Duration::from_millis(u64::try_from(until.saturating_sub(now)).unwrap_or(0));
    until.map(|(key, until)| (key, wait(until))).chain(promoted(converged)).collect()
}

/// Stages that what this pass brought up will be promoted to, and when.
fn promoted(converged: &Converged) -> impl Iterator<Item = (StageKey, Duration)> + '_ {
    let is_new = |key: &StageKey| {
        matches!(converged.results.get(key), Some(StageResult::Deployed { status: DeployStatus::Success, .. }))
    };
    converged.view.desired.stages.values().filter_map(move |stage| {
        let Promote { from, after } = stage.track.promote()?;
        is_new(from).then(|| (stage.key.clone(), after.duration()))
    })
}

/// An error with what caused it, on one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    // Some errors already quote their source.
    causes.fold(error.to_string(), |line, cause| if line.contains(&cause) { line } else { format!("{line}: {cause}") })
}

impl Log {
    /// Events as log lines. The stage stands in the text as well as in its field: the journal shows the text alone.
    pub(super) fn sink(&self) -> Sink {
        let log = self.clone();
        Sink::new(move |event| match event {
            Event::Planned { .. } | Event::Pull { .. } => {}
            Event::Begin { key, verdict, to } => tracing::info!(stage = %key, version = to, "{key}: {verdict}"),
            Event::Phase { key, phase } => tracing::debug!(stage = %key, "{key}: {phase}"),
            Event::Line { key: Some(key), text } => tracing::info!(stage = %key, "{key}: {text}"),
            Event::Line { key: None, text } => tracing::info!("{text}"),
            Event::End { key, result } => log.over(&key, result),
        })
    }

    /// A deploy that failed is told in any case: each is one more in the history.
    fn over(&self, key: &StageKey, result: StageResult) {
        match result {
            StageResult::Done => tracing::info!(stage = %key, "{key}: done"),
            StageResult::Deployed { status, deploy, reason: None, .. } => {
                tracing::info!(stage = %key, deploy, "{key}: {}", status.words());
            }
            StageResult::Deployed {
                status: status @ DeployStatus::Superseded, deploy, reason: Some(reason), ..
            } => {
                tracing::info!(stage = %key, deploy, "{key}: {}: {reason}", status.words());
            }
            StageResult::Deployed { status, deploy, reason: Some(reason), hint } => {
                tracing::error!(stage = %key, deploy, hint, "{key}: {}: {reason}", status.words());
            }
            StageResult::Failed { reason, hint } if self.is_new(&key.to_string(), &reason) => {
                tracing::error!(stage = %key, hint, "{key}: {reason}");
            }
            StageResult::Skipped { reason } if self.is_new(&key.to_string(), &reason) => {
                tracing::warn!(stage = %key, "{key}: skipped: {reason}");
            }
            StageResult::Failed { .. } | StageResult::Skipped { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load;
    use crate::daemon::told::Told;
    use crate::model::{Observed, Recorded};
    use crate::plan::{Held, Plan, StagePlan};
    use crate::reconcile::{Found, View};
    use crate::store::StoreError;

    /// A pass that ended so for one stage.
    fn pass(stage: StagePlan, result: Option<StageResult>) -> Converged {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.yaml"), "projects: {}\n").unwrap();
        let loaded = Arc::new(load(dir.path()).unwrap_or_else(|error| panic!("{error}")));
        let results = result.into_iter().map(|result| (stage.key.clone(), result)).collect();
        let view = View {
            desired: Arc::clone(&loaded.desired),
            loaded,
            recorded: Recorded::default(),
            observed: Observed::default(),
            images: BTreeMap::new(),
            candidates: BTreeMap::new(),
            policies: BTreeMap::new(),
            registries: BTreeMap::new(),
            plan: Plan { stages: vec![stage], ..Plan::default() },
            open: Vec::new(),
            found: Found::default(),
        };
        Converged { view, results, refused: false, unrecorded: None }
    }

    fn deployed(status: DeployStatus) -> StageResult {
        StageResult::Deployed { status, deploy: "d".into(), reason: Some("so".into()), hint: None }
    }

    #[test]
    fn r12_what_failed_or_waits_for_another_is_tried_again_and_what_made_way_for_a_newer_configuration_did_not_fail() {
        let key: StageKey = "web/prod".parse().unwrap();
        let failed = |verdict, result| {
            let outcome = Log::default().told(&pass(StagePlan::new(&key, verdict), result));
            let Outcome::Done { failed, later } = outcome else { panic!("{outcome:?}") };
            assert!(later.is_empty() && failed.iter().all(|stage| *stage == key));
            !failed.is_empty()
        };
        for (status, is_failed) in [
            (DeployStatus::Success, false),
            (DeployStatus::Superseded, false),
            (DeployStatus::Failed, true),
            (DeployStatus::RolledBack, true),
        ] {
            assert_eq!(failed(Verdict::Replace, Some(deployed(status))), is_failed, "{status:?}");
        }
        let skipped = StageResult::Skipped { reason: "db/prod failed".into() };
        assert!(failed(Verdict::Create, Some(skipped)) && failed(Verdict::Blocked, None));
        assert!(!failed(Verdict::Repair, Some(StageResult::Done)) && !failed(Verdict::Held, None));
    }

    #[test]
    fn a_stage_that_is_left_alone_until_a_time_is_looked_at_then() {
        let key: StageKey = "web/prod".parse().unwrap();
        let later = |until_ms| {
            let held = Held::Suspended { since_ms: 0, until_ms };
            let stage = StagePlan { held: Some(held), ..StagePlan::new(&key, Verdict::Held) };
            let Outcome::Done { later, .. } = Log::default().told(&pass(stage, None)) else { panic!("it was planned") };
            later.get(&key).copied()
        };
        let hour = Duration::from_secs(3600);
        let wait = later(Some(now_ms() + 3_600_000)).expect("a time");
        assert!(wait <= hour && wait > hour / 2, "{wait:?}");
        assert_eq!((later(Some(1)), later(None)), (Some(Duration::ZERO), None));
    }

    #[test]
    fn what_is_held_is_told_once_and_a_deploy_that_failed_each_time() {
        let (told, _guard) = Told::here();
        let (log, key) = (Log::default(), "web/prod".parse::<StageKey>().unwrap());
        let held = || {
            let held = Held::Suspended { since_ms: 0, until_ms: None };
            pass(StagePlan { held: Some(held), ..StagePlan::new(&key, Verdict::Held) }, None)
        };
        for _ in 0..3 {
            log.told(&held());
            let result = deployed(DeployStatus::Failed);
            log.sink().tell(Event::End { key: key.clone(), result });
            let result = StageResult::Failed { reason: "no such file".into(), hint: None };
            log.sink().tell(Event::End { key: key.clone(), result });
        }
        assert_eq!((told.times("web/prod: held: "), told.times("no such file")), (1, 1));
        assert_eq!(told.times("ERROR"), 3 + 1);
        log.sink().tell(Event::End { key, result: deployed(DeployStatus::Superseded) });
        assert_eq!((told.times("superseded: so"), told.times("ERROR")), (1, 3 + 1), "that is no fault");
    }

    #[test]
    fn a_log_line_tells_the_cause_once() {
        let source = std::io::Error::other("read-only file system");
        let error = Error::from(StoreError::Io { doing: "open", path: "/data/lock".into(), source });
        assert_eq!(with_causes(&error), "cannot open /data/lock: read-only file system");
    }
}
