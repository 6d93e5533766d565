//! `landfall status`: what runs, how it is, and why anything waits. Changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::conditions;
use super::diff::{stderr_has_color, warn};
use super::exit::Exit;
use super::failure::Failure;
use super::render::{Out, ago, time};
use super::rows::{coming_text, held_text, open_text};
use crate::config::LoadError;
use crate::model::desired::Check;
use crate::model::observed::Health;
use crate::model::route::Https;
use crate::model::{
    AllConditions, ConditionRow, Conditions, ContainerState, DeployStatus, DesiredStage, Observed, Recorded, StageKey,
};
use crate::plan::{Options, Own, Owned, Plan, Selection, Verdict, age};
use crate::reconcile::{self, Error, Places, View};
use crate::store::{DataDir, DeployRow, Filter, Store, now_ms};

/// One stage.
#[derive(Debug, Serialize)]
struct StageStatus {
    key: StageKey,
    version: Option<String>,
    instance: Option<String>,
    health: &'static str,
    urls: Vec<String>,
    /// The same as `created_at`, from before all times were RFC 3339.
    created_at_ms: Option<i64>,
    created_at: Option<String>,
    last_try: Option<LastTry>,
    ok: bool,
    notes: Vec<String>,
    /// As the last pass found them.
    conditions: Vec<ConditionRow>,
}

/// The newest deploy of a stage that waits for a deploy, when it did not succeed.
#[derive(Debug, Serialize)]
struct LastTry {
    deploy: String,
    version: String,
    status: &'static str,
    reason: Option<String>,
    ended_at: Option<String>,
}

/// Prints every stage: 0 when all is as it should be, 3 when anything is degraded or held.
pub(super) async fn run(places: &Places, selection: &Selection, out: Out) -> Result<Exit, Failure> {
    let options = Options { selection: selection.clone(), ..Options::default() };
    match reconcile::look(places, &options).await {
        Ok(view) => {
            warn(&view.loaded, out);
            let mut stages = of_view(&view);
            add_last_tries(places, &view.plan, &mut stages)?;
            add_open(&view, &mut stages);
            let conditions = add_conditions(places, &mut stages)?;
            Ok(print(&stages, &conditions, None, out))
        }
        Err(Error::Load(error)) => without_config(places, selection, &error, out).await,
        Err(error) => Err(error.into()),
    }
}

/// The configuration cannot be read: what runs goes on running, and that is shown (R2).
async fn without_config(places: &Places, selection: &Selection, error: &LoadError, out: Out) -> Result<Exit, Failure> {
    out.note(error.render(stderr_has_color()).trim_end());
    let recorded = reconcile::read_store(places).await?;
    let (_, observed) = reconcile::observe_host(places, &recorded).await?;
    let keys: BTreeSet<&StageKey> = Owned::new(&recorded, &observed).stages().collect();
    let none = BTreeMap::new();
    let plan = Plan::default();
    let facts = Facts { recorded: &recorded, observed: &observed, desired: &none, plan: &plan };
    let mut stages: Vec<StageStatus> =
        keys.into_iter().filter(|key| selection.contains(key)).map(|key| one(facts, key)).collect();
    let conditions = add_conditions(places, &mut stages)?;
    Ok(print(&stages, &conditions, Some("the configuration cannot be used; what was in force before goes on"), out))
}

/// What a status is made from.
#[derive(Clone, Copy)]
struct Facts<'a> {
    recorded: &'a Recorded,
    observed: &'a Observed,
    desired: &'a BTreeMap<StageKey, DesiredStage>,
    plan: &'a Plan,
}

fn of_view(view: &View) -> Vec<StageStatus> {
    let facts =
        Facts { recorded: &view.recorded, observed: &view.observed, desired: &view.desired.stages, plan: &view.plan };
    view.plan.stages.iter().map(|stage| one(facts, &stage.key)).collect()
}

fn one(facts: Facts<'_>, key: &StageKey) -> StageStatus {
    let owned = Owned::new(facts.recorded, facts.observed);
    let desired = facts.desired.get(key);
    let live = facts.recorded.stages.get(key).and_then(|s| s.live.as_ref());
    let shown = owned.of(key).iter().max_by_key(|own| {
        (own.container.state == ContainerState::Running, live.is_some_and(|l| l.id == own.labels.deploy))
    });
    let (health, healthy) = health(shown, desired);
    let mut status = StageStatus {
        key: key.clone(),
        version: shown.map(|own| own.labels.instance.clone()),
        instance: shown.map(|own| own.container.name.clone()),
        health,
        urls: desired.map(urls).unwrap_or_default(),
        created_at_ms: shown.map(|own| own.container.created_ms),
        created_at: shown.map(|own| time(own.container.created_ms)),
        last_try: None,
        ok: healthy,
        notes: Vec::new(),
        conditions: Vec::new(),
    };
    add_plan(facts.plan, key, &mut status);
    status
}

fn urls(stage: &DesiredStage) -> Vec<String> {
    let scheme = if stage.route.https == Https::Off { "http" } else { "https" };
    stage.domains.iter().map(|domain| format!("{scheme}://{domain}")).collect()
}

fn add_plan(plan: &Plan, key: &StageKey, status: &mut StageStatus) {
    let Some(stage) = plan.stages.iter().find(|s| s.key == *key) else { return };
    if let Some(held) = &stage.held {
        status.notes.push(format!("held: {}", held_text(held, key, now_ms())));
    }
    if let Some(blocked) = &stage.blocked {
        let hint = blocked.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        status.notes.push(format!("blocked: {blocked}{hint}"));
    }
    let causes: Vec<String> = stage.causes.iter().map(ToString::to_string).collect();
    match stage.verdict {
        Verdict::Create | Verdict::Replace => status.notes.push(format!("pending: {}", causes.join("; "))),
        Verdict::Repair => status.notes.push(format!("drifted: {}", causes.join("; "))),
        Verdict::Remove => status.notes.push("to be removed".into()),
        Verdict::Unchanged | Verdict::Held | Verdict::Blocked => {}
    }
    if plan.held.is_some() && stage.verdict != Verdict::Unchanged {
        status.notes.push("held: the change would retire too much; `landfall diff` shows it".into());
    }
    status.notes.extend(stage.coming.iter().map(|coming| coming_text(coming, key, now_ms())));
    status.notes.extend(stage.warnings.iter().cloned());
    status.ok &= stage.verdict == Verdict::Unchanged;
}

/// How the instance is, in a word, and whether that is good.
fn health(own: Option<&Own<'_>>, desired: Option<&DesiredStage>) -> (&'static str, bool) {
    let Some(own) = own else { return ("missing", false) };
    match (own.container.state, own.container.health) {
        (ContainerState::Running, Some(Health::Healthy)) => ("healthy", true),
        (ContainerState::Running, Some(Health::Starting)) => ("starting", true),
        (ContainerState::Running, Some(Health::Unhealthy)) => ("unhealthy", false),
        (ContainerState::Running, None) => match desired.map(|stage| &stage.ready.check) {
            Some(Check::Http { .. } | Check::Tcp | Check::Docker) => ("running", true),
            Some(Check::Running) | None => ("unknown", true),
        },
        (ContainerState::Paused, _) => ("paused", false),
        (ContainerState::Restarting, _) => ("restarting", false),
        (ContainerState::Created | ContainerState::Exited | ContainerState::Removing | ContainerState::Dead, _) => {
            ("stopped", false)
        }
    }
}

/// What waits and is not held was perhaps tried, and failed for an outside fault: the plan knows nothing of that.
fn add_last_tries(places: &Places, plan: &Plan, stages: &mut [StageStatus]) -> Result<(), Failure> {
    let waits = |key: &StageKey| {
        let stage = plan.stages.iter().find(|stage| stage.key == *key);
        stage.is_some_and(|stage| matches!(stage.verdict, Verdict::Create | Verdict::Replace))
    };
    let mut waiting = stages.iter_mut().filter(|status| waits(&status.key)).peekable();
    if waiting.peek().is_none() {
        return Ok(());
    }
    let Some(reader) = Store::open_read(&DataDir::new(&places.data))? else { return Ok(()) };
    for status in waiting {
        let newest = reader.deploys(&Filter::from(&status.key), 1)?.pop();
        let Some(row) = newest.filter(|row| has_failed(row.status)) else { continue };
        status.notes.push(last_try_text(&row));
        status.last_try = Some(LastTry {
            deploy: row.id.to_string(),
            version: row.image.version(),
            status: row.status.as_str(),
            reason: row.reason,
            ended_at: row.finished_at_ms.map(time),
        });
    }
    Ok(())
}

const fn has_failed(status: DeployStatus) -> bool {
    matches!(status, DeployStatus::Failed | DeployStatus::RolledBack)
}

fn last_try_text(row: &DeployRow) -> String {
    let reason = row.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let when = ago(row.finished_at_ms.unwrap_or(row.updated_at_ms), now_ms());
    let (version, status, id) = (row.image.version(), row.status.words(), row.id.short());
    format!(
        "last try: {version} {status} {when}{reason}; `landfall show {id}` tells more, `landfall apply` tries again"
    )
}

/// A deploy that runs right now, which explains whatever else there is to see; or one that a crash left open.
fn add_open(view: &View, stages: &mut [StageStatus]) {
    for open in &view.open {
        let Some(stage) = stages.iter_mut().find(|s| s.key == open.deploy.key) else { continue };
        stage.ok = open.is_under_way;
        if open.is_under_way {
            stage.notes.clear();
        }
        stage.notes.push(open_text(open, &view.plan));
    }
}

/// Adds to each stage how the last passes found it, which what was just looked at does not show: since when, and what a
/// daemon met. Answers the conditions of the host.
fn add_conditions(places: &Places, stages: &mut [StageStatus]) -> Result<Conditions, Failure> {
    let Some(reader) = Store::open_read(&DataDir::new(&places.data))? else { return Ok(Conditions::default()) };
    let AllConditions { host, stages: known } = reader.conditions()?;
    for stage in stages {
        if let Some(own) = known.get(&stage.key) {
            stage.conditions = own.rows();
            stage.notes.extend(conditions::of_stage(own, &stage.notes, now_ms()));
        }
    }
    Ok(host)
}

fn print(stages: &[StageStatus], host: &Conditions, condition: Option<&str>, out: Out) -> Exit {
    let now = now_ms();
    let rows: Vec<Vec<String>> = stages
        .iter()
        .map(|s| {
            vec![
                s.key.to_string(),
                s.version.clone().unwrap_or_else(|| "-".into()),
                s.health.to_owned(),
                s.instance.clone().unwrap_or_else(|| "-".into()),
                s.created_at_ms.map_or_else(|| "-".into(), |then| age(then, now)),
                s.urls.join(" "),
            ]
        })
        .collect();
    out.table(&["STAGE", "VERSION", "HEALTH", "INSTANCE", "AGE", "URL"], &rows);
    for stage in stages {
        for note in &stage.notes {
            out.line(&format!("{}  {note}", stage.key));
        }
    }
    for line in conditions::of_host(host, now_ms()) {
        out.line(&line);
    }
    if let Some(condition) = condition {
        out.line(condition);
    }
    let ok = condition.is_none() && stages.iter().all(|s| s.ok);
    out.data(serde_json::json!({ "ok": ok, "condition": condition, "conditions": host.rows(), "stages": stages }));
    if ok { Exit::Ok } else { Exit::Held }
}
