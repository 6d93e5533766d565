//! `landfall deploy`, `rollback`, `restart`: what a person asks for one stage; and `suspend`, `resume`, `release`, which
//! say whether it is looked after.

use super::apply;
use super::exit::Exit;
use super::failure::Failure;
use super::live::Live;
use super::render::Out;
use crate::model::{Millis, Pause, PauseKind, StageKey};
use crate::plan::Verdict;
use crate::reconcile::{self, Order, Places};
use crate::store::now_ms;

/// Carries out an order; exits as `apply` does, but a stage that is now held where it was asked to be is well.
pub(super) async fn run(places: &Places, key: &StageKey, order: &Order, out: Out) -> Result<Exit, Failure> {
    let live = Live::new();
    let ended = reconcile::by_hand(places, key, order, live.sink()).await;
    live.finish();
    let converged = ended.map_err(|error| Failure::from(error).refused())?;
    let plan = &converged.view.plan;
    let stands = plan.stages.iter().all(|stage| stage.stands_chosen() || stage.verdict == Verdict::Unchanged);
    if stands && converged.results.is_empty() {
        let version = plan.stages.first().and_then(|stage| stage.to.clone()).unwrap_or_default();
        out.note(&format!("{key} runs {version} already; `landfall restart {key}` makes a new instance of it"));
    }
    let exit = apply::report(&converged, out);
    Ok(if stands && exit == Exit::Held { Exit::Ok } else { exit })
}

/// Leaves a stage alone until told, or for so long.
pub(super) async fn suspend(
    places: &Places,
    key: &StageKey,
    duration: Option<Millis>,
    out: Out,
) -> Result<Exit, Failure> {
    let since_ms = now_ms();
    let until_ms = duration.map(|Millis(ms)| since_ms.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)));
    reconcile::pause(places, key, Some(Pause { kind: PauseKind::Suspended, since_ms, until_ms })).await?;
    let until = duration.map_or_else(|| "until".into(), |time| format!("for {time}, or until"));
    out.line(&format!("{key} is suspended: nothing of it is changed {until} `landfall resume {key}`"));
    out.data(serde_json::json!({ "stage": key, "paused": PauseKind::Suspended, "until_ms": until_ms }));
    Ok(Exit::Ok)
}

/// Looks after a stage again.
pub(super) async fn resume(places: &Places, key: &StageKey, out: Out) -> Result<Exit, Failure> {
    match reconcile::pause(places, key, None).await? {
        Some(pause) => out.line(&format!(
            "{key} is not {} any more; `landfall apply {key}`, or the daemon, brings it to what the configuration says",
            pause.kind
        )),
        None => out.line(&format!("{key} was neither suspended nor released")),
    }
    out.data(serde_json::json!({ "stage": key, "paused": null }));
    Ok(Exit::Ok)
}

/// Lets go of a stage without removing anything (R5).
pub(super) async fn release(places: &Places, key: &StageKey, out: Out) -> Result<Exit, Failure> {
    let pause = Pause { kind: PauseKind::Released, since_ms: now_ms(), until_ms: None };
    reconcile::pause(places, key, Some(pause)).await?;
    out.line(&format!("{key} is released: its containers, routes and volumes stay as they are and are yours"));
    out.line(&format!("take it out of the configuration now; `landfall resume {key}` takes it back"));
    out.data(serde_json::json!({ "stage": key, "paused": PauseKind::Released }));
    Ok(Exit::Ok)
}
