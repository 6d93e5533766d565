//! `landfall explain`: why a stage is as it is, and what comes next. Changes nothing.

use serde::Serialize;

use super::diff::warn;
use super::exit::Exit;
use super::failure::Failure;
use super::render::{Out, ago};
use super::rows::{coming_text, open_text, stage_text};
use crate::model::StageKey;
use crate::plan::{Options, Owned, Selection, StagePlan, Verdict};
use crate::reconcile::{self, Places, View};
use crate::store::{DataDir, DeployRow, Filter, Store, now_ms};

/// Deploys that are told of each stage.
const TOLD: usize = 3;

/// What is told of one stage: a word for what it is about, and the text.
#[derive(Debug, Serialize)]
struct Explained<'a> {
    key: &'a StageKey,
    lines: Vec<(&'static str, String)>,
    next: String,
}

/// Tells of every stage what is wanted, where that is written, what runs, what was tried, and what comes next.
pub(super) async fn run(places: &Places, selection: &Selection, out: Out) -> Result<Exit, Failure> {
    let options = Options { selection: selection.clone(), ..Options::default() };
    let view = reconcile::look(places, &options).await?;
    warn(&view.loaded, out);
    let reader = Store::open_read(&DataDir::new(&places.data))?;
    let mut explained = Vec::new();
    for stage in &view.plan.stages {
        let tried = match &reader {
            Some(reader) => reader.deploys(&Filter::from(&stage.key), TOLD)?,
            None => Vec::new(),
        };
        explained.push(explain(&view, stage, &tried));
    }
    for Explained { key, lines, next } in &explained {
        out.line(&key.to_string());
        for (word, text) in lines {
            out.line(&format!("  {word:<9}{text}"));
        }
        out.line(&format!("  {:<9}{}", "next", next.trim_end().replace('\n', "\n           ")));
    }
    out.data(serde_json::json!({ "stages": explained }));
    Ok(Exit::Ok)
}

fn explain<'a>(view: &View, stage: &'a StagePlan, tried: &[DeployRow]) -> Explained<'a> {
    let now = now_ms();
    let mut lines = vec![("wants", wants(view, &stage.key))];
    lines.extend(runs(view, &stage.key, now).into_iter().map(|text| ("runs", text)));
    if let Some(desired) = view.desired.stages.get(&stage.key).filter(|desired| !desired.domains.is_empty()) {
        let domains: Vec<&str> = desired.domains.iter().map(crate::model::Domain::as_str).collect();
        lines.push(("routed", domains.join(", ")));
    }
    lines.extend(tried.iter().map(|deploy| ("tried", told(deploy, now))));
    let open = view.open.iter().filter(|open| open.deploy.key == stage.key);
    lines.extend(open.map(|open| ("open", open_text(open, &view.plan))));
    Explained { key: &stage.key, lines, next: next(view, stage, now) }
}

/// The version, where it is written, and the digest that it stands for.
fn wants(view: &View, key: &StageKey) -> String {
    let Some(desired) = view.desired.stages.get(key) else {
        let is_surplus = view.desired.is_surplus(key);
        return if is_surplus {
            "nothing: newer ones take its place"
        } else {
            "nothing: the configuration does not name it"
        }
        .into();
    };
    let place = view.loaded.origin(key, "track").map(|origin| format!("   ({origin} track)")).unwrap_or_default();
    let digest = match view.images.get(key) {
        Some(Ok(image)) => format!(", which is sha256:{}…", image.digest.short()),
        Some(Err(_)) | None => String::new(),
    };
    format!("{} of {}{digest}{place}", desired.track.version(), desired.repository)
}

fn runs(view: &View, key: &StageKey, now: i64) -> Vec<String> {
    let owned = Owned::new(&view.recorded, &view.observed);
    let each = owned.of(key).iter().map(|own| {
        let container = own.container;
        format!(
            "{} at {}, {}, made {}",
            container.name,
            own.labels.instance,
            container.status_text,
            ago(container.created_ms, now)
        )
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() { vec!["nothing".into()] } else { each }
}

fn told(deploy: &DeployRow, now: i64) -> String {
    let reason = deploy.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let (version, status, id) = (deploy.image.version(), deploy.status.words(), deploy.id.short());
    format!("{version}, {status} {}{reason}   ({}; `landfall show {id}`)", ago(deploy.created_at_ms, now), deploy.cause)
}

/// What the next pass does, in the words of `diff`.
fn next(view: &View, stage: &StagePlan, now: i64) -> String {
    let whole = view.plan.held.as_ref().filter(|_| stage.verdict != Verdict::Unchanged);
    match (stage.verdict, whole) {
        (Verdict::Unchanged, _) if stage.coming.is_some() => {
            stage.coming.iter().map(|coming| coming_text(coming, &stage.key, now)).collect()
        }
        (Verdict::Unchanged, _) if stage.warnings.is_empty() => "nothing: it is as the configuration says".into(),
        (_, Some(held)) => format!("nothing, since all is held: {held}; `landfall apply --allow-prune` lets it"),
        _ => stage_text(stage, &view.loaded, now),
    }
}
