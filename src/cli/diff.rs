//! `landfall diff`: what would happen, and why. Changes nothing.

use std::collections::BTreeSet;
use std::io::IsTerminal as _;
use std::path::Path;

use owo_colors::OwoColorize as _;
use serde::Serialize;
use similar::ChangeTag;
use similar::algorithms::{Capture, myers};

use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use super::rows;
use crate::config::{self, Loaded};
use crate::model::{DesiredStage, StageKey};
use crate::plan::{Options, Plan, Selection, Verdict, changes, leaves};
use crate::reconcile::{self, Places};
use crate::store::now_ms;

/// The plan for programs.
#[derive(Serialize)]
pub(super) struct PlanData<'a> {
    plan: String,
    in_sync: bool,
    #[serde(flatten)]
    content: &'a Plan,
}

impl<'a> PlanData<'a> {
    pub(super) fn new(plan: &'a Plan) -> Self {
        Self { plan: plan.id(), in_sync: plan.is_noop(), content: plan }
    }
}

/// Shows the plan: 0 in sync, 2 changes or held, 1 when a stage is blocked.
pub(super) async fn run(places: &Places, options: &Options, out: Out) -> Result<Exit, Failure> {
    let view = reconcile::look(places, options).await?;
    warn(&view.loaded, out);
    for open in &view.open {
        out.note(&format!("{}  {}", open.deploy.key, rows::open_text(open, &view.plan)));
    }
    for one in &view.found.adopted {
        out.note(&format!(
            "{}  {} runs without a record; the next `landfall apply` takes it over as it is",
            one.key, one.name
        ));
    }
    out.line(rows::plan_text(&view.plan, &view.loaded, now_ms()).trim_end());
    out.data(PlanData::new(&view.plan));
    Ok(if view.plan.count(Verdict::Blocked) > 0 {
        Exit::Error
    } else if view.plan.is_noop() {
        Exit::Ok
    } else {
        Exit::Changes
    })
}

/// Prints what the configuration is warned about, and what is to be known of where it was read.
pub(super) fn warn(loaded: &Loaded, out: Out) {
    if let Some(note) = &loaded.note {
        out.note(note);
    }
    if !loaded.warnings.is_empty() {
        out.note(loaded.warnings.render(stderr_has_color()).trim_end());
    }
}

/// Whether diagnostics may be coloured.
pub(super) fn stderr_has_color() -> bool {
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// One stage that two configurations disagree on.
#[derive(Serialize)]
struct StageDiff {
    key: StageKey,
    change: &'static str,
    lines: Vec<String>,
}

/// Compares the configuration with that of another directory or git revision; needs no Docker and no store.
pub(super) fn against(dir: &Path, other: &str, selection: &Selection, out: Out) -> Result<Exit, Failure> {
    let new = config::load(dir)?;
    let old =
        if Path::new(other).is_dir() { config::load(Path::new(other))? } else { config::load_revision(dir, other)? };
    warn(&new, out);
    let keys: BTreeSet<&StageKey> =
        old.desired.all_written().chain(new.desired.all_written()).map(|stage| &stage.key).collect();
    reconcile::check_selection(selection, keys.iter().copied())?;
    let mut diffs: Vec<StageDiff> = Vec::new();
    for key in keys.into_iter().filter(|key| selection.contains(key)) {
        diffs.extend(stage_diff(key, old.desired.written(key), new.desired.written(key)));
    }
    let settings = settings_diff(&old, &new);
    for line in &settings {
        out.line(&colored(line));
    }
    for diff in &diffs {
        out.line(&format!("{}   {}", diff.key.bold(), diff.change));
        for line in &diff.lines {
            out.line(&format!("  {}", colored(line)));
        }
    }
    let same = diffs.is_empty() && settings.is_empty();
    if same {
        out.line(&format!("no differences from {other}"));
    }
    out.data(serde_json::json!({ "in_sync": same, "settings": settings, "stages": diffs }));
    Ok(if same { Exit::Ok } else { Exit::Changes })
}

fn stage_diff(key: &StageKey, old: Option<&DesiredStage>, new: Option<&DesiredStage>) -> Option<StageDiff> {
    let all = |stage: &DesiredStage, sign: char| {
        leaves(stage).into_iter().map(|(path, value)| format!("{sign} {path}  {value}")).collect()
    };
    let (change, lines): (_, Vec<String>) = match (old, new) {
        (Some(old), Some(new)) => ("changed", changes(old, new).iter().map(|change| format!("~ {change}")).collect()),
        (None, Some(new)) => ("added", all(new, '+')),
        (Some(old), None) => ("removed", all(old, '-')),
        (None, None) => return None,
    };
    (!lines.is_empty()).then(|| StageDiff { key: key.clone(), change, lines })
}

fn settings_diff(old: &Loaded, new: &Loaded) -> Vec<String> {
    let text = |loaded: &Loaded| {
        let pretty = |value: serde_json::Result<String>| value.unwrap_or_default();
        let settings = pretty(serde_json::to_string_pretty(&loaded.desired.settings));
        format!("{settings}\n{}\n", pretty(serde_json::to_string_pretty(&loaded.desired.registries)))
    };
    line_diff(&text(old), &text(new))
}

/// Changed lines only, with `-` and `+` before them.
fn line_diff(old: &str, new: &str) -> Vec<String> {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let mut found = Capture::new();
    let Ok(()) = myers::diff(&mut found, &old[..], 0..old.len(), &new[..], 0..new.len());
    let ops = found.into_ops();
    let changed = ops.iter().flat_map(|op| op.iter_changes(&old[..], &new[..])).filter_map(|change| {
        let sign = match change.tag() {
            ChangeTag::Delete => '-',
            ChangeTag::Insert => '+',
            ChangeTag::Equal => return None,
        };
        Some(format!("{sign} {}", change.value().trim_end()))
    });
    changed.collect()
}

fn colored(line: &str) -> String {
    match line.chars().next() {
        Some('-') => line.red().to_string(),
        Some('+') => line.green().to_string(),
        Some(_) | None => line.yellow().to_string(),
    }
}
