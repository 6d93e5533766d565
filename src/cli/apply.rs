//! What `landfall apply` prints at its end. It never asks: git is the approval, the breaker guards.

use serde::Serialize;

use super::diff::PlanData;
use super::exit::Exit;
use super::outcome::Rendered;
use super::rows;
use crate::execute::{Results, StageResult};
use crate::model::StageKey;
use crate::plan::Verdict;
use crate::reconcile::Converged;
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

/// What is printed of a pass: 0 done, 1 a deploy failed, 3 something held, 4 refused before anything was touched.
pub(super) fn ended(converged: &Converged) -> Rendered {
    let warnings = &converged.view.loaded.warnings;
    // Whoever prints it drops the colour where it must.
    let notes = if warnings.is_empty() { Vec::new() } else { vec![warnings.render(true).trim_end().to_owned()] };
    Rendered { notes, ..report(converged) }
}

fn exit(converged: &Converged) -> Exit {
    let plan = &converged.view.plan;
    if plan.held.is_some() {
        Exit::Held
    } else if converged.refused {
        Exit::Refused
    } else if converged.unrecorded.is_some()
        || plan.count(Verdict::Blocked) > 0
        || converged.results.values().any(|r| !r.is_ok())
    {
        Exit::Error
    } else if plan.is_held() {
        Exit::Held
    } else {
        Exit::Ok
    }
}

/// Says how it ended, and what is held.
pub(super) fn report(converged: &Converged) -> Rendered {
    let plan = &converged.view.plan;
    let loaded = &converged.view.loaded;
    let mut lines: Vec<String> = if converged.results.is_empty() {
        vec![rows::plan_text(plan, loaded, now_ms()).trim_end().to_owned()]
    } else {
        let waiting = plan.stages.iter().filter(|s| s.held.is_some() || s.blocked.is_some());
        waiting.map(|stage| rows::stage_text(stage, loaded, now_ms()).trim_end().to_owned()).collect()
    };
    lines.push(closing(&converged.results, converged));
    let results: Vec<Ended<'_>> = converged.results.iter().map(|(key, result)| result_of(key, result)).collect();
    let data = serde_json::json!({ "plan": PlanData::new(plan), "results": results });
    let notes = converged.unrecorded.iter().map(|error| {
        let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("how it ended is not recorded: {error}{hint}")
    });
    Rendered { exit: exit(converged), lines, notes: notes.collect(), data }
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

fn result_of<'a>(key: &'a StageKey, result: &'a StageResult) -> Ended<'a> {
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
