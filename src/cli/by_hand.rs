//! What `landfall deploy`, `rollback`, `restart` print, which a person asks for one stage; and `suspend`, `resume`,
//! `release`, which say whether it is looked after.

use super::apply;
use super::exit::Exit;
use super::outcome::Rendered;
use crate::model::{Millis, Pause, PauseKind, StageKey};
use crate::plan::Verdict;
use crate::reconcile::{Converged, Want};
use crate::store::now_ms;

/// How an order ended: as `apply` does, but a stage that is now held where it was asked to be is well.
pub(super) fn ended(key: &StageKey, converged: &Converged) -> Rendered {
    let plan = &converged.view.plan;
    let mut report = apply::report(converged);
    let stands = plan.stages.iter().all(|stage| stage.stands_chosen() || stage.verdict == Verdict::Unchanged);
    if stands && converged.results.is_empty() {
        let version = plan.stages.first().and_then(|stage| stage.to.clone()).unwrap_or_default();
        report.notes.push(format!("{key} runs {version} already; `landfall restart {key}` makes a new instance of it"));
    }
    if stands && report.exit == Exit::Held {
        report.exit = Exit::Ok;
    }
    report
}

/// That a stage is left alone until told, or for so long.
pub(super) fn suspend(key: StageKey, duration: Option<Millis>) -> Want {
    let since_ms = now_ms();
    let until_ms = duration.map(|Millis(ms)| since_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
    Want::Pause { key, pause: Some(Pause { kind: PauseKind::Suspended, since_ms, until_ms }) }
}

/// That a stage is let go of without removing anything (R5).
pub(super) fn release(key: StageKey) -> Want {
    Want::Pause { key, pause: Some(Pause { kind: PauseKind::Released, since_ms: now_ms(), until_ms: None }) }
}

/// A stage is left alone.
pub(super) fn paused(key: &StageKey, pause: Pause) -> Rendered {
    let Pause { kind, since_ms, until_ms } = pause;
    match kind {
        PauseKind::Suspended => {
            let left = until_ms.map(|until| Millis(u64::try_from(until.saturating_sub(since_ms)).unwrap_or(0)));
            let until = left.map_or_else(|| "until".into(), |time| format!("for {time}, or until"));
            Rendered::ok(serde_json::json!({ "stage": key, "paused": kind, "until_ms": until_ms }))
                .line(format!("{key} is suspended: nothing of it is changed {until} `landfall resume {key}`"))
        }
        PauseKind::Released => Rendered::ok(serde_json::json!({ "stage": key, "paused": kind }))
            .line(format!("{key} is released: its containers, routes and volumes stay as they are and are yours"))
            .line(format!("take it out of the configuration now; `landfall resume {key}` takes it back")),
    }
}

/// A stage is looked after again.
pub(super) fn resumed(key: &StageKey, before: Option<Pause>) -> Rendered {
    let text = match before {
        Some(pause) => format!(
            "{key} is not {} any more; `landfall apply {key}`, or the daemon, brings it to what the configuration says",
            pause.kind
        ),
        None => format!("{key} was neither suspended nor released"),
    };
    Rendered::ok(serde_json::json!({ "stage": key, "paused": null })).line(text)
}
