//! What a pass, or its failure, says of the host and of each stage. Pure but for `note` and `record_pass`, which keep it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Places, View};
use crate::execute::{Results, StageResult};
use crate::model::observed::Health;
use crate::model::{
    ConditionKind, ContainerState, DeployStatus, Findings, Observed, ObservedProxy, Recorded, Said, StageKey, Truth,
};
use crate::plan::{Coming, Held, Plan, StagePlan, Verdict};
use crate::store::{DataDir, Store, StoreError};

use ConditionKind::{
    ConfigLoaded, DockerReachable, Drifted, ProxyReachable, PruneBlocked, Ready, Reconciling, RegistriesReachable,
    Stalled, TagFound,
};
use Truth::{False, True, Unknown};

/// Before a plan is carried out: which stages are worked on. None where nothing is to be done, so that a pass without
/// work writes nothing.
pub(super) fn at_work(plan: &Plan, generation: i64) -> Option<Findings> {
    let busy = plan.stages.iter().filter(|stage| !stage.steps.is_empty());
    let stages: BTreeMap<StageKey, Vec<Said>> = busy.map(|stage| (stage.key.clone(), begun(stage))).collect();
    (!stages.is_empty()).then(|| Findings { generation: Some(generation), stages, ..Findings::default() })
}

fn begun(stage: &StagePlan) -> Vec<Said> {
    let causes = causes(stage);
    let mut said = vec![Said::new(Reconciling, True, "AtWork", causes.clone())];
    if stage.verdict == Verdict::Repair {
        said.push(Said::new(Drifted, True, "ChangedByHand", causes));
    }
    said
}

/// After a pass: how everything is. `after` is what is recorded since, where something failed.
pub(super) fn of_pass(view: &View, results: &Results, generation: i64, after: Option<&Recorded>) -> Findings {
    let plan = &view.plan;
    let stages = plan.stages.iter().map(|stage| {
        let seen = Seen { plan, observed: &view.observed, result: results.get(&stage.key), after };
        let policy = view.policies.get(&stage.key).map(|why| of_policy(why.as_ref()));
        (stage.key.clone(), of_stage(stage, seen).into_iter().chain(policy).collect())
    });
    let is_gone = |key: &StageKey| {
        let removed = plan.stages.iter().any(|stage| stage.key == *key && stage.verdict == Verdict::Remove);
        removed && results.get(key).is_some_and(StageResult::is_ok)
    };
    let recorded = view.recorded.stages.keys().filter(|key| !is_gone(key));
    let mut known: BTreeSet<StageKey> = view.desired.stages.keys().chain(recorded).cloned().collect();
    // What is said of a stage with several instances is said of each of them, once it has one.
    let has_plan = |key: &StageKey| plan.stages.iter().any(|stage| stage.key == *key);
    known.retain(|key| !view.desired.several.contains_key(key) || has_plan(key));
    let stages = stages.filter(|(key, _)| known.contains(key)).collect();
    Findings { generation: Some(generation), host: of_host(view), stages, known: Some(known) }
}

fn of_host(view: &View) -> Vec<Said> {
    let proxy = match &view.observed.proxy {
        ObservedProxy::Routes(_) => Said::new(ProxyReachable, True, "Answers", ""),
        ObservedProxy::Unreachable(why) => Said::new(ProxyReachable, False, "NoAnswer", why),
        ObservedProxy::None => Said::new(ProxyReachable, Unknown, "NotConfigured", "no proxy is configured"),
    };
    let is_prune = |held: &&Held| matches!(held, Held::Prune { .. });
    let held =
        view.plan.held.as_ref().or_else(|| view.plan.stages.iter().find_map(|s| s.held.as_ref().filter(is_prune)));
    let prune = match held {
        Some(held) => Said::new(PruneBlocked, True, "RetiresTooMuch", held.to_string()),
        None => Said::new(PruneBlocked, False, "NothingHeld", ""),
    };
    vec![proxy, prune]
}

/// How the registries are that were asked; nothing where none was, since nobody knows more than before.
fn of_registries(wrong: &BTreeMap<String, String>) -> Said {
    let text: Vec<&str> = wrong.values().map(String::as_str).collect();
    if wrong.is_empty() {
        return Said::new(RegistriesReachable, True, "Answer", "");
    }
    Said::new(RegistriesReachable, False, "NoAnswer", text.join("; "))
}

/// Whether the registry has what a stage looks for.
fn of_policy(why: Option<&String>) -> Said {
    match why {
        None => Said::new(TagFound, True, "Fits", ""),
        Some(why) => Said::new(TagFound, False, "NoneFits", why),
    }
}

/// Whether the configuration that is there is the one in force.
fn of_config(complaint: Option<String>) -> Said {
    match complaint {
        None => Said::new(ConfigLoaded, True, "Loaded", ""),
        Some(why) => Said::new(ConfigLoaded, False, "Unusable", why),
    }
}

/// Whether Docker answers, as its events tell.
fn of_docker(unheard: Option<String>) -> Said {
    match unheard {
        None => Said::new(DockerReachable, True, "Answers", ""),
        Some(why) => Said::new(DockerReachable, False, "NoAnswer", why),
    }
}

/// What the conditions of one stage follow from, beside its own plan.
#[derive(Clone, Copy)]
struct Seen<'a> {
    plan: &'a Plan,
    observed: &'a Observed,
    result: Option<&'a StageResult>,
    after: Option<&'a Recorded>,
}

/// How a stage is: in place, on its way, or waiting for somebody.
enum Stand {
    Serves,
    NotHealthy(&'static str, String),
    OnItsWay(&'static str, String),
    Waits(&'static str, String),
}

fn of_stage(stage: &StagePlan, seen: Seen<'_>) -> Vec<Said> {
    let repaired = seen.result.is_some_and(StageResult::is_ok);
    let rests = matches!(stage.held, Some(Held::Rests { .. }));
    let drifted = rests || (stage.verdict == Verdict::Repair && !repaired);
    let drift = if drifted {
        Said::new(Drifted, True, "ChangedByHand", causes(stage))
    } else {
        Said::new(Drifted, False, "AsApplied", "")
    };
    let [ready, reconciling, stalled] = match stand(stage, seen) {
        Stand::Serves => {
            [(True, "Serves"), (False, "Serves"), (False, "Serves")].map(|(is, why)| (is, why, String::new()))
        }
        Stand::NotHealthy(why, text) => [(False, why, text), (False, why, String::new()), (False, why, String::new())],
        Stand::OnItsWay(why, text) => [(False, why, text.clone()), (True, why, text), (False, why, String::new())],
        Stand::Waits(why, text) => [(False, why, text.clone()), (False, why, String::new()), (True, why, text)],
    };
    let said =
        |kind, (status, reason, message): (Truth, &'static str, String)| Said::new(kind, status, reason, message);
    vec![said(Ready, ready), said(Reconciling, reconciling), said(Stalled, stalled), drift]
}

fn stand(stage: &StagePlan, seen: Seen<'_>) -> Stand {
    if let Some(held) = &stage.held {
        return of_held(held);
    }
    if let Some(blocked) = &stage.blocked {
        let hint = blocked.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        let text = format!("{blocked}{hint}");
        return if blocked.refused { Stand::Waits("Refused", text) } else { Stand::OnItsWay("Retrying", text) };
    }
    match (seen.result, stage.verdict) {
        (Some(result), _) => of_result(stage, result, seen.after),
        (None, Verdict::Unchanged) => of_container(stage, seen.observed),
        (None, _) => match &seen.plan.held {
            Some(held) => of_held(held),
            None => Stand::Waits("NotCarriedOut", "another stage asks for what is refused".into()),
        },
    }
}

fn of_held(held: &Held) -> Stand {
    let text = held.to_string();
    match held {
        Held::Failed { .. } => Stand::Waits("DeployFailed", text),
        Held::Clash { .. } => Stand::Waits("Clash", text),
        Held::Waits { .. } => Stand::OnItsWay("WaitsForAnother", text),
        Held::Window { .. } => Stand::OnItsWay("OutsideWindow", text),
        Held::Comes(Coming::Candidate { .. }) => Stand::Waits("NotAskedFor", text),
        Held::Comes(Coming::Soaks { .. } | Coming::Stopped { .. }) => Stand::OnItsWay("NotPromoted", text),
        Held::Chosen { .. } => Stand::Waits("Chosen", text),
        Held::Suspended { .. } => Stand::Waits("Suspended", text),
        Held::Released { .. } => Stand::Waits("Released", text),
        Held::Rests { .. } => Stand::OnItsWay("Rests", text),
        Held::Prune { .. } => Stand::Waits("RetiresTooMuch", text),
    }
}

fn of_result(stage: &StagePlan, result: &StageResult, after: Option<&Recorded>) -> Stand {
    let with = |reason: &str, hint: &Option<String>| match hint {
        Some(hint) => format!("{reason}; {hint}"),
        None => reason.to_owned(),
    };
    match result {
        StageResult::Done | StageResult::Deployed { status: DeployStatus::Success, .. } => Stand::Serves,
        StageResult::Deployed { status: DeployStatus::Superseded, reason, .. } => {
            Stand::OnItsWay("Superseded", reason.clone().unwrap_or_default())
        }
        StageResult::Deployed { deploy, reason, hint, .. } => {
            let text = with(reason.as_deref().unwrap_or("the deploy failed"), hint);
            let recorded = after.and_then(|after| after.stages.get(&stage.key));
            let is_held = recorded.is_some_and(|own| own.quarantine.iter().any(|held| held.deploy.short() == *deploy));
            if is_held { Stand::Waits("DeployFailed", text) } else { Stand::OnItsWay("Retrying", text) }
        }
        StageResult::Failed { reason, hint } => Stand::OnItsWay("Retrying", with(reason, hint)),
        StageResult::Skipped { reason } => Stand::OnItsWay("WaitsForAnother", reason.clone()),
    }
}

/// The right one is there; whether it serves is for Docker to say.
fn of_container(stage: &StagePlan, observed: &Observed) -> Stand {
    let is_kept =
        |own: &&crate::model::ObservedContainer| own.labels.as_ref().map(|labels| labels.deploy) == stage.keeps;
    let Some(container) = observed.containers.iter().find(is_kept).filter(|_| stage.keeps.is_some()) else {
        // Taken over as it is, or nothing is wanted: the plan found nothing to do.
        return Stand::Serves;
    };
    match (container.state, container.health) {
        (ContainerState::Restarting, _) => Stand::NotHealthy("Restarting", container.status_text.clone()),
        (_, Some(Health::Unhealthy)) => Stand::NotHealthy("Unhealthy", container.status_text.clone()),
        (
            ContainerState::Created
            | ContainerState::Running
            | ContainerState::Paused
            | ContainerState::Exited
            | ContainerState::Removing
            | ContainerState::Dead,
            Some(Health::Starting | Health::Healthy) | None,
        ) => Stand::Serves,
    }
}

fn causes(stage: &StagePlan) -> String {
    stage.causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// What it says of the host that a pass ended before its plan; none where no condition is about that.
fn of_error(error: &Error) -> Option<Said> {
    match error {
        Error::Load(error) => Some(Said::new(ConfigLoaded, False, "Unusable", error.to_string())),
        Error::Docker(error) => Some(of_docker(Some(error.to_string()))),
        Error::Proxy(error) => Some(Said::new(ProxyReachable, False, "NoAnswer", error.to_string())),
        Error::Store(_)
        | Error::Key(_)
        | Error::NotRouted(_)
        | Error::Recover(..)
        | Error::StoreLost { .. }
        | Error::HasStore { .. }
        | Error::OtherStore { .. }
        | Error::UnknownSelection { .. }
        | Error::OtherPlan { .. }
        | Error::Paused { .. }
        | Error::NoWayBack { .. }
        | Error::NoImage { .. }
        | Error::SeveralInstances(_)
        | Error::NotAdoptable { .. }
        | Error::NeverApplied(_)
        | Error::InMaintenance(_)
        | Error::Internal(_) => None,
    }
}

/// What the daemon knows beside its passes.
#[derive(Debug, Clone, Copy)]
pub enum Noted<'a> {
    /// Whether the configuration that is there can be used, as it was said last.
    Config,
    /// Whether Docker's events are heard, as it was said last.
    Docker,
    /// A pass ended before its plan.
    Failed(&'a Error),
}

/// Keeps what the daemon knows beside its passes. Who has no store yet has nothing to keep it in. The store stays open for
/// passes, until it is closed as after them.
///
/// # Errors
/// The store cannot be used, or another process holds its lock.
pub async fn note(places: &Places, noted: Noted<'_>) -> Result<(), Error> {
    let data = DataDir::new(&places.data);
    if !data.has_store() || matches!(noted, Noted::Failed(error) if of_error(error).is_none()) {
        return Ok(());
    }
    let lock = places.beside.lock(&data, "daemon").await?;
    let store = places.beside.open(&data, lock).await?;
    // Now, since it may have changed while the lock was waited for.
    let said = match noted {
        Noted::Config => Some(of_config(places.beside.complaint())),
        Noted::Docker => Some(of_docker(places.beside.unheard())),
        Noted::Failed(error) => of_error(error),
    };
    Ok(store.find(Findings { host: said.into_iter().collect(), ..Findings::default() }).await?)
}

/// Keeps how everything is after a pass.
///
/// # Errors
/// The store cannot be used.
pub(super) async fn record_pass(
    places: &Places,
    store: &Store,
    view: &View,
    results: &Results,
    generation: i64,
) -> Result<(), StoreError> {
    let has_failed = results.values().any(|result| !result.is_ok());
    let after = if has_failed { Some(store.recorded().await?) } else { None };
    let mut findings = of_pass(view, results, generation, after.as_ref());
    findings.host.push(of_config(places.beside.complaint()));
    // A pass that asked Docker before it was lost does not say that it answers.
    findings.host.push(of_docker(places.beside.unheard()));
    if !view.registries.is_empty() {
        findings.host.push(of_registries(&places.beside.hear(&view.registries)));
    }
    store.find(findings).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::recorded::Quarantine;
    use crate::model::{ChoiceKind, DeployId, RecordedStage};
    use crate::plan::Blocked;

    fn stage(verdict: Verdict) -> StagePlan {
        StagePlan::new(&"shop/prod".parse().unwrap(), verdict)
    }

    fn held(held: Held) -> StagePlan {
        StagePlan { held: Some(held), ..stage(Verdict::Held) }
    }

    fn blocked(refused: bool) -> StagePlan {
        let blocked = Blocked { refused, reason: "no".into(), hint: Some("do so".into()) };
        StagePlan { blocked: Some(blocked), ..stage(Verdict::Blocked) }
    }

    fn deployed(status: DeployStatus) -> StageResult {
        StageResult::Deployed { status, deploy: id().short(), reason: Some("exit 1".into()), hint: None }
    }

    fn id() -> DeployId {
        "01890000-0000-7000-8000-000000000001".parse().map(DeployId).unwrap()
    }

    /// A store that holds what failed.
    fn quarantined() -> Recorded {
        let failed = Quarantine {
            spec_hash: "v1:00".into(),
            digest: format!("sha256:{}", "a".repeat(64)).parse().unwrap(),
            secrets: String::new(),
            spec_json: "{}".into(),
            deploy: id(),
            failed_at_ms: 1,
            version: "v2".into(),
            reason: "exit 1".into(),
        };
        let stage = RecordedStage { quarantine: vec![failed], ..RecordedStage::default() };
        Recorded { stages: [("shop/prod".parse().unwrap(), stage)].into(), ..Recorded::default() }
    }

    /// `Ready`, `Reconciling`, `Stalled` and `Drifted` by their first letters, and the reason of the first.
    fn said(
        stage: &StagePlan,
        result: Option<&StageResult>,
        after: Option<&Recorded>,
        plan: &Plan,
    ) -> (String, &'static str) {
        let observed = Observed::default();
        let found = of_stage(stage, Seen { plan, observed: &observed, result, after });
        let kinds: Vec<_> = found.iter().map(|said| said.kind).collect();
        assert_eq!(kinds, [Ready, Reconciling, Stalled, Drifted]);
        (found.iter().map(|said| &said.status.as_str()[..1]).collect(), found[0].reason)
    }

    #[test]
    fn how_a_stage_is_follows_from_its_plan_and_its_result() {
        let plan = Plan::default();
        let (since_ms, what) = (1, String::from("all"));
        let choice =
            Held::Chosen { kind: ChoiceKind::Rollback, version: "v1".into(), refused: "v2".into(), chosen_at_ms: 1 };
        let failed = Held::Failed { version: "v2".into(), reason: "x".into(), failed_at_ms: 1, deploy: "1".into() };
        let pull = StageResult::Failed { reason: "503".into(), hint: None };
        let skipped = StageResult::Skipped { reason: "db failed".into() };
        let (store, empty) = (quarantined(), Recorded::default());
        let table = vec![
            (stage(Verdict::Unchanged), None, None, ("TFFF", "Serves")),
            (stage(Verdict::Create), Some(deployed(DeployStatus::Success)), None, ("TFFF", "Serves")),
            (stage(Verdict::Repair), Some(StageResult::Done), None, ("TFFF", "Serves")),
            (stage(Verdict::Repair), Some(pull.clone()), None, ("FTFT", "Retrying")),
            (stage(Verdict::Replace), Some(deployed(DeployStatus::Failed)), Some(&store), ("FFTF", "DeployFailed")),
            (stage(Verdict::Replace), Some(deployed(DeployStatus::RolledBack)), Some(&store), ("FFTF", "DeployFailed")),
            (stage(Verdict::Replace), Some(deployed(DeployStatus::Failed)), Some(&empty), ("FTFF", "Retrying")),
            (stage(Verdict::Replace), Some(deployed(DeployStatus::Superseded)), Some(&empty), ("FTFF", "Superseded")),
            (stage(Verdict::Create), Some(pull), Some(&empty), ("FTFF", "Retrying")),
            (stage(Verdict::Create), Some(skipped), Some(&empty), ("FTFF", "WaitsForAnother")),
            (stage(Verdict::Create), None, None, ("FFTF", "NotCarriedOut")),
            (blocked(true), None, None, ("FFTF", "Refused")),
            (blocked(false), None, None, ("FTFF", "Retrying")),
            (held(failed), Some(StageResult::Done), None, ("FFTF", "DeployFailed")),
            (held(choice), None, None, ("FFTF", "Chosen")),
            (held(Held::Clash { what: what.clone() }), None, None, ("FFTF", "Clash")),
            (held(Held::Waits { what: what.clone() }), None, None, ("FTFF", "WaitsForAnother")),
            (held(Held::Suspended { since_ms, until_ms: None }), None, None, ("FFTF", "Suspended")),
            (held(Held::Released { since_ms }), None, None, ("FFTF", "Released")),
            (held(Held::Prune { what: what.clone() }), None, None, ("FFTF", "RetiresTooMuch")),
            (held(Held::Rests { until_ms: 1 }), None, None, ("FTFT", "Rests")),
        ];
        for (stage, result, after, (letters, reason)) in table {
            let found = said(&stage, result.as_ref(), after, &plan);
            assert_eq!((found.0.as_str(), found.1), (letters, reason), "{stage:?} {result:?}");
        }
        let whole = Plan { held: Some(Held::Prune { what }), ..Plan::default() };
        assert_eq!(said(&stage(Verdict::Remove), None, None, &whole), ("FFTF".into(), "RetiresTooMuch"));
    }

    #[test]
    fn a_pass_without_work_has_nothing_to_say_before_it() {
        let idle = Plan { stages: vec![stage(Verdict::Unchanged), blocked(true)], ..Plan::default() };
        assert_eq!(at_work(&idle, 1), None);
    }
}
