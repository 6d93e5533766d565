//! A plan as people read it: the steps that matter, numbered, with what belongs together in one line.

use owo_colors::OwoColorize as _;

use super::render::ago;
use crate::config::Loaded;
use crate::model::{ImageRef, Moment, StageKey};
use crate::plan::{Coming, Effect, Held, Plan, Resumed, StagePlan, Target, Verdict, age};
use crate::reconcile::OpenDeploy;

/// One line of a plan: what, to whom, why.
struct Row {
    verb: &'static str,
    object: String,
    note: String,
}

/// All of a plan but what is unchanged.
pub(super) fn plan_text(plan: &Plan, loaded: &Loaded, now_ms: i64) -> String {
    let mut text = String::new();
    for step in &plan.shared {
        text.push_str(&format!("{}\n", step.effect));
    }
    for stage in plan.stages.iter().filter(|s| s.verdict != Verdict::Unchanged || !s.warnings.is_empty()) {
        text.push_str(&stage_text(stage, loaded, now_ms));
    }
    if let Some(held) = &plan.held {
        text.push_str(&format!("{} {held}; `landfall apply --allow-prune` lets it\n", "held:".yellow().bold()));
    }
    for drop in &plan.images {
        text.push_str(&format!("image {drop}\n"));
    }
    text.push_str(&summary(plan));
    text
}

/// The closing line, as in `Plan 7c1e0b: 1 to replace, 0 to create, 0 to remove, 0 held, 11 unchanged`.
pub(super) fn summary(plan: &Plan) -> String {
    let mut parts: Vec<String> = [Verdict::Replace, Verdict::Create, Verdict::Remove]
        .map(|verdict| format!("{} to {verdict}", plan.count(verdict)))
        .into();
    if plan.count(Verdict::Repair) > 0 {
        parts.push(format!("{} to repair", plan.count(Verdict::Repair)));
    }
    parts.push(format!("{} held", plan.count(Verdict::Held)));
    if plan.count(Verdict::Blocked) > 0 {
        parts.push(format!("{} blocked", plan.count(Verdict::Blocked)));
    }
    parts.push(format!("{} unchanged", plan.count(Verdict::Unchanged)));
    format!("Plan {}: {}", plan.id(), parts.join(", "))
}

pub(super) fn stage_text(stage: &StagePlan, loaded: &Loaded, now_ms: i64) -> String {
    let mut text = format!("{}   {}\n", stage.key.bold(), headline(stage, loaded, now_ms));
    for after in &stage.after {
        text.push_str(&format!("  after {after}\n"));
    }
    for change in stage.changes.iter().filter(|change| !is_version(&change.path)) {
        text.push_str(&format!("  ~ {change}\n"));
    }
    for (number, row) in rows(stage).iter().enumerate() {
        let line = format!("  {} {:<8} {:<40} {}", number + 1, row.verb, row.object, row.note);
        text.push_str(&format!("{}\n", line.trim_end()));
    }
    for warning in &stage.warnings {
        text.push_str(&format!("  {} {warning}\n", "warning:".yellow()));
    }
    text
}

/// What the headline already says: the version.
fn is_version(path: &str) -> bool {
    path.starts_with("track")
}

fn headline(stage: &StagePlan, loaded: &Loaded, now_ms: i64) -> String {
    if let Some(blocked) = &stage.blocked {
        let hint = blocked.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        return format!("{} {blocked}{hint}", "blocked:".red());
    }
    if let Some(held) = &stage.held {
        return format!("{} {}", "held:".yellow(), held_text(held, &stage.key, now_ms));
    }
    let versions = match (&stage.from, &stage.to) {
        (Some(from), Some(to)) if from != to => format!("{from} → {to}"),
        (None, Some(to)) => format!("new → {to}"),
        (Some(from), None) => format!("{from} → (none)"),
        (Some(version), Some(_)) => version.clone(),
        (None, None) => stage.verdict.to_string(),
    };
    match place(stage, loaded).unwrap_or_else(|| causes(stage)) {
        // Nothing happens; there are only warnings.
        why if why.is_empty() => versions,
        why => format!("{versions}   ({why})"),
    }
}

/// Why a stage waits, and the way out.
pub(super) fn held_text(held: &Held, key: &StageKey, now_ms: i64) -> String {
    match held {
        Held::Failed { version, reason, failed_at_ms, deploy } => format!(
            "{version} failed {} ({reason}); `landfall show {deploy}` tells more, `landfall apply --retry {key}` tries it again",
            ago(*failed_at_ms, now_ms)
        ),
        Held::Clash { what } => {
            format!("{what}; Landfall does not touch what it did not make: give the domain up there, or in the route")
        }
        Held::Chosen { chosen_at_ms, .. } => {
            format!("{held} ({}); `landfall deploy {key}` goes to what it says now", ago(*chosen_at_ms, now_ms))
        }
        Held::Suspended { since_ms, until_ms } => {
            let left = until_ms.map(|until| format!(", for another {}", age(now_ms, until))).unwrap_or_default();
            format!("suspended {}{left}; `landfall resume {key}` looks after it again", ago(*since_ms, now_ms))
        }
        Held::Released { since_ms } => format!(
            "released {}; take it out of the configuration, or `landfall resume {key}` takes it back",
            ago(*since_ms, now_ms)
        ),
        Held::Rests { until_ms } => format!("{held}; the next time is in {}", age(now_ms, *until_ms)),
        Held::Window { opens_ms } => format!(
            "{held}, and opens in {}; `landfall deploy {key} --now` does not wait for it",
            age(now_ms, *opens_ms)
        ),
        Held::Comes(coming) => coming_text(coming, key, now_ms),
        Held::Waits { what } | Held::Prune { what } => what.clone(),
    }
}

/// What may come to a stage, and when or how.
pub(super) fn coming_text(coming: &Coming, key: &StageKey, now_ms: i64) -> String {
    match coming {
        Coming::Candidate { .. } => format!("{coming}: `landfall deploy {key}`"),
        Coming::Soaks { until_ms, .. } => format!("{coming}, in {}", age(now_ms, *until_ms)),
        Coming::Stopped { .. } => coming.to_string(),
    }
}

/// What becomes of a deploy without an end.
pub(super) fn open_text(open: &OpenDeploy, plan: &Plan) -> String {
    let OpenDeploy { deploy, is_under_way } = open;
    let (id, version, phase) = (deploy.id.short(), deploy.image.version(), deploy.phase.words());
    if *is_under_way {
        return format!("deploying {version}: {phase} ({id})");
    }
    let is_it = |resumed: &Resumed| resumed.deploy == deploy.id;
    let deploys = plan.stages.iter().filter_map(|stage| stage.deploy.as_ref());
    let next = match plan.endings.iter().find(|ending| ending.deploy == deploy.id) {
        Some(ending) => format!("the next `landfall apply` closes it as {} first", ending.status.words()),
        None if deploys.filter_map(|planned| planned.resumes.as_ref()).any(is_it) => {
            "the next `landfall apply` goes on with it".to_owned()
        }
        None => "it goes on once its stage is looked after".to_owned(),
    };
    format!("deploy {id} of {version} was interrupted while {phase}; {next}")
}

fn causes(stage: &StagePlan) -> String {
    stage.causes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Where in the configuration the change comes from, as in `projects.yaml:31 track.tag`.
fn place(stage: &StagePlan, loaded: &Loaded) -> Option<String> {
    if stage.causes.iter().all(crate::plan::Cause::is_drift) || stage.verdict == Verdict::Remove {
        return None;
    }
    // Nothing of the stage differs: a setting does.
    if let (true, Some(path)) = (stage.changes.is_empty(), stage.causes.iter().find_map(crate::plan::Cause::setting)) {
        let origin = loaded.setting_origin(path)?;
        return Some(format!("{origin} settings.{path}; {}", causes(stage)));
    }
    let path = match stage.changes.iter().find(|c| c.path.starts_with("track")) {
        Some(change) => change.path.as_str(),
        None => stage.changes.first().map_or("", |c| c.path.as_str()),
    };
    // A value that is a default now, or one of a list, stands at the nearest key above it.
    let mut above = path;
    let origin = loop {
        match loaded.origin(&stage.key, above) {
            None if !above.is_empty() => above = above.rsplit_once('.').map_or("", |(parent, _)| parent),
            found => break found?,
        }
    };
    Some(format!("{origin} {path}").trim_end().to_owned() + &format!("; {}", causes(stage)))
}

/// The image as a line can hold it: the digest cut to twelve digits.
fn short_image(image: &ImageRef) -> String {
    format!("{}@sha256:{}…", image.repository, image.digest.short())
}

fn rows(stage: &StagePlan) -> Vec<Row> {
    let new_name = format!("{}-(new)", stage.key.stem());
    let name = |target: &Target| match target {
        Target::New => new_name.clone(),
        Target::Existing { name, .. } => name.clone(),
    };
    let mut made = false;
    let mut rows = Vec::new();
    for step in &stage.steps {
        made |= matches!(step.effect, Effect::Create { .. });
        let (verb, object, note) = match &step.effect {
            Effect::Pull { image } => ("pull", short_image(image), String::new()),
            Effect::CreateVolume { name } => ("volume", name.clone(), "kept when the stage goes".into()),
            Effect::Hook { moment, hook } => {
                let note = match moment {
                    Moment::PreDeploy => format!("pre_deploy, within {}, before anything is touched", hook.timeout),
                    Moment::PostDeploy => format!("post_deploy, within {}", hook.timeout),
                };
                ("run", hook.command.join(" "), note)
            }
            Effect::Create { beside } => {
                let note = beside.as_ref().map(|old| format!("next to {old}")).unwrap_or_default();
                ("create", new_name.clone(), note)
            }
            Effect::Gate { ready, .. } => ("gate", ready.to_string(), String::new()),
            Effect::Certify { names } => ("certify", names.join(", "), "by Let's Encrypt, through the proxy".into()),
            Effect::Switch { domains, options: _, target } => {
                let domains: Vec<&str> = domains.iter().map(crate::model::Domain::as_str).collect();
                ("switch", domains.join(", "), format!("to {}", name(target)))
            }
            Effect::Monitor { duration, .. } => ("monitor", format!("for {duration}"), monitor_note(stage).into()),
            Effect::Unroute { domains } => {
                let domains: Vec<&str> = domains.iter().map(crate::model::Domain::as_str).collect();
                ("unroute", domains.join(", "), String::new())
            }
            Effect::Stop { target, .. } if !made && stage.deploy.is_some() => {
                ("stop", name(target), "before the new one starts".into())
            }
            Effect::Remove { target } => ("retire", name(target), retire_note(stage).into()),
            Effect::Start { target: Target::Existing { name, .. } } => ("start", name.clone(), String::new()),
            Effect::Unpause { target } => ("unpause", name(target), String::new()),
            Effect::Rename { target, to } => ("rename", name(target), format!("to {to}")),
            Effect::Connect { target: Target::Existing { name, .. }, network } => {
                ("connect", name.clone(), format!("to {network}"))
            }
            Effect::JoinNames { target: Target::Existing { name, .. } } => {
                ("connect", name.clone(), format!("as {}", stage.key.dns_name()))
            }
            Effect::CreateNetwork { .. }
            | Effect::WriteSecrets
            | Effect::Connect { .. }
            | Effect::Start { .. }
            | Effect::JoinNames { .. }
            | Effect::LeaveNames { .. }
            | Effect::Drain { .. }
            | Effect::Stop { .. } => continue,
        };
        rows.push(Row { verb, object, note });
    }
    rows
}

/// What a monitor goes back to.
fn monitor_note(stage: &StagePlan) -> &'static str {
    match stage.verdict {
        Verdict::Replace => "the old one can take over",
        Verdict::Create | Verdict::Remove | Verdict::Repair | Verdict::Held => "",
        Verdict::Unchanged | Verdict::Blocked => "",
    }
}

fn retire_note(stage: &StagePlan) -> &'static str {
    match stage.verdict {
        Verdict::Remove => "not in the configuration",
        Verdict::Repair | Verdict::Held => "left over",
        Verdict::Create | Verdict::Replace | Verdict::Unchanged | Verdict::Blocked => "replaced",
    }
}
