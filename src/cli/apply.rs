//! `landfall apply`: converges once, with live progress. It never asks: git is the approval, the breaker guards.

use serde::Serialize;

use super::diff::{PlanData, warn};
use super::exit::Exit;
use super::failure::Failure;
use super::live::Live;
use super::render::Out;
use super::rows;
use crate::execute::{Results, StageResult};
use crate::model::{StageKey, StoreId};
use crate::plan::{Options, Verdict};
use crate::reconcile::{self, Converged, Places};
use crate::store::now_ms;

/// One stage's end, for programs.
#[derive(Serialize)]
struct Ended<'a> {
    key: &'a StageKey,
    ok: bool,
    status: Option<&'static str>,
    deploy: Option<&'a str>,
    reason: Option<&'a str>,
    hint: Option<&'a str>,
}

/// Converges: 0 done, 1 a deploy failed, 3 something held, 4 refused before anything was touched.
pub(super) async fn run(
    places: &Places,
    options: &Options,
    adopt_store: Option<StoreId>,
    out: Out,
) -> Result<Exit, Failure> {
    if let Some(id) = adopt_store {
        reconcile::adopt_store(places, id).await.map_err(|error| Failure::from(error).refused())?;
        out.note(&format!("store {id} is made again, without its history"));
    }
    let live = Live::new();
    let converged = match reconcile::converge(places, options, live.sink(), "apply").await {
        Ok(converged) => converged,
        // Nothing was touched: the configuration or the surroundings do not allow it.
        Err(error) => return Err(Failure::from(error).refused()),
    };
    live.finish();
    warn(&converged.view.loaded, out);
    Ok(report(&converged, out))
}

fn exit(converged: &Converged) -> Exit {
    let plan = &converged.view.plan;
    if plan.held.is_some() {
        Exit::Held
    } else if converged.refused {
        Exit::Refused
    } else if plan.count(Verdict::Blocked) > 0 || converged.results.values().any(|r| !r.is_ok()) {
        Exit::Error
    } else if plan.is_held() {
        Exit::Held
    } else {
        Exit::Ok
    }
}

/// Says how it ended, and what is held.
pub(super) fn report(converged: &Converged, out: Out) -> Exit {
    let plan = &converged.view.plan;
    let touched = !converged.results.is_empty();
    if touched {
        for stage in plan.stages.iter().filter(|s| s.held.is_some() || s.blocked.is_some()) {
            out.line(rows::stage_text(stage, &converged.view.loaded, now_ms()).trim_end());
        }
    } else {
        out.line(rows::plan_text(plan, &converged.view.loaded, now_ms()).trim_end());
    }
    let ended: Vec<Ended<'_>> = converged.results.iter().map(|(key, result)| ended(key, result)).collect();
    out.data(serde_json::json!({ "plan": PlanData::new(plan), "results": ended }));
    out.line(&closing(&converged.results, converged));
    exit(converged)
}

fn closing(results: &Results, converged: &Converged) -> String {
    let plan = &converged.view.plan;
    if plan.held.is_some() || converged.refused {
        return "nothing was changed".into();
    }
    let done = results.values().filter(|r| r.is_ok()).count();
    let failed = results.len() - done + plan.count(Verdict::Blocked);
    format!(
        "{done} done, {failed} failed, {} held, {} unchanged",
        plan.count(Verdict::Held),
        plan.count(Verdict::Unchanged)
    )
}

fn ended<'a>(key: &'a StageKey, result: &'a StageResult) -> Ended<'a> {
    let (status, deploy, reason, hint) = match result {
        StageResult::Deployed { status, deploy, reason, hint } => {
            (Some(status.as_str()), Some(deploy.as_str()), reason.as_deref(), hint.as_deref())
        }
        StageResult::Done => (None, None, None, None),
        StageResult::Failed { reason, hint } => (None, None, Some(reason.as_str()), hint.as_deref()),
        StageResult::Skipped { reason } => (None, None, Some(reason.as_str()), None),
    };
    Ended { key, ok: result.is_ok(), status, deploy, reason, hint }
}
