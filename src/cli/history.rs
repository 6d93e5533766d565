//! `landfall history` and `landfall show`: the deploys that were, each with its log.

use serde::Serialize;

use super::exit::Exit;
use super::failure::Failure;
use super::render::{Out, ago, time};
use crate::model::{Millis, StageKey};
use crate::plan::Selection;
use crate::reconcile::Places;
use crate::store::{DataDir, DeployRow, Filter, Store, now_ms};

/// A deploy for programs.
#[derive(Serialize)]
struct Deploy<'a> {
    id: String,
    key: &'a StageKey,
    status: &'static str,
    phase: &'static str,
    trigger: &'static str,
    cause: &'a str,
    image: String,
    spec_hash: &'a str,
    container: &'a str,
    reason: Option<&'a str>,
    config: &'a str,
    generation: i64,
    created_at: String,
    finished_at: Option<String>,
}

impl<'a> Deploy<'a> {
    fn new(row: &'a DeployRow) -> Self {
        Self {
            id: row.id.to_string(),
            key: &row.key,
            status: row.status.as_str(),
            phase: row.phase.as_str(),
            trigger: row.trigger.as_str(),
            cause: &row.cause,
            image: row.image.to_string(),
            spec_hash: &row.spec_hash,
            container: &row.container_name,
            reason: row.reason.as_deref(),
            config: &row.config_revision,
            generation: row.generation,
            created_at: time(row.created_at_ms),
            finished_at: row.finished_at_ms.map(time),
        }
    }
}

/// Lists deploys, newest first.
pub(super) fn list(places: &Places, selection: &Selection, limit: u32, out: Out) -> Result<Exit, Failure> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut rows: Vec<DeployRow> = Vec::new();
    if let Some(reader) = Store::open_read(&DataDir::new(&places.data))? {
        for filter in filters(selection)? {
            rows.extend(reader.deploys(&filter, limit)?);
        }
    }
    rows.sort_by_key(|row| std::cmp::Reverse(row.id));
    rows.dedup_by_key(|row| row.id);
    rows.truncate(limit);
    if rows.is_empty() {
        let of = if selection.0.is_empty() { String::new() } else { format!(" of {}", selection.0.join(", ")) };
        out.note(&format!("no deploy{of} is recorded in {}", places.data.display()));
    }
    let now = now_ms();
    let table: Vec<Vec<String>> = rows.iter().map(|row| cells(row, now)).collect();
    out.table(&["DEPLOY", "STAGE", "VERSION", "STATUS", "WHEN", "TOOK", "CAUSE"], &table);
    out.data(serde_json::json!({ "deploys": rows.iter().map(Deploy::new).collect::<Vec<_>>() }));
    Ok(Exit::Ok)
}

fn cells(row: &DeployRow, now: i64) -> Vec<String> {
    let cause = row.reason.as_ref().map_or_else(|| row.cause.clone(), |reason| format!("{}: {reason}", row.cause));
    vec![
        row.id.short(),
        row.key.to_string(),
        row.image.version(),
        row.status.words(),
        ago(row.created_at_ms, now),
        row.finished_at_ms.map(|end| took(row.created_at_ms, end)).unwrap_or_default(),
        cause,
    ]
}

fn took(start_ms: i64, end_ms: i64) -> String {
    // Tenths of a second are enough for people.
    let ms = u64::try_from(end_ms.saturating_sub(start_ms)).unwrap_or(0);
    if ms < 10_000 { format!("{}.{} s", ms / 1000, ms % 1000 / 100) } else { Millis(ms / 1000 * 1000).to_string() }
}

/// The stages and projects that were picked, as the store filters by; one that takes all when none was.
fn filters(selection: &Selection) -> Result<Vec<Filter>, Failure> {
    if selection.0.is_empty() {
        return Ok(vec![Filter::default()]);
    }
    let parse = |text: &String| {
        let (project, stage) = text.split_once('/').map_or((text.as_str(), None), |(p, s)| (p, Some(s)));
        let bad = |error: crate::model::name::InvalidName| Failure::new(error, None);
        Ok(Filter {
            project: Some(project.parse().map_err(bad)?),
            stage: stage.map(str::parse).transpose().map_err(bad)?,
        })
    };
    selection.0.iter().map(parse).collect()
}

/// Shows one deploy with its log.
pub(super) fn show(places: &Places, deploy: &str, out: Out) -> Result<Exit, Failure> {
    let data = DataDir::new(&places.data);
    let Some(reader) = Store::open_read(&data)? else {
        let hint = "the first `landfall apply` makes it; or point --data at another directory";
        return Err(Failure::text(format!("there is no store in {}", places.data.display()), hint.to_owned()));
    };
    let row = reader.deploy(deploy).map_err(|error| {
        let hint = error.hint().unwrap_or_else(|| "`landfall history` lists them".into());
        Failure::new(error, Some(hint))
    })?;
    let log = reader.log(row.id)?;
    for (name, value) in facts(&row) {
        out.line(&format!("{name:<10} {value}"));
    }
    out.line("");
    for line in &log {
        let offset = Millis(u64::try_from(line.at_ms.saturating_sub(row.created_at_ms)).unwrap_or(0));
        out.line(&format!("{:>9}  {}", format!("+{}", seconds(offset)), line.text));
    }
    let lines: Vec<_> = log.iter().map(|l| serde_json::json!({ "at": time(l.at_ms), "text": l.text })).collect();
    out.data(serde_json::json!({ "deploy": Deploy::new(&row), "log": lines }));
    Ok(Exit::Ok)
}

fn seconds(offset: Millis) -> String {
    format!("{}.{:03}", offset.0 / 1000, offset.0 % 1000)
}

fn facts(row: &DeployRow) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        ("deploy", row.id.to_string()),
        ("stage", row.key.to_string()),
        ("image", row.image.to_string()),
        ("status", row.status.words()),
        ("trigger", format!("{}: {}", row.trigger, row.cause)),
        ("container", row.container_name.clone()),
        (
            "config",
            format!(
                "{} (generation {})",
                &row.config_revision.get(..12).unwrap_or(&row.config_revision),
                row.generation
            ),
        ),
        ("begun", time(row.created_at_ms)),
    ];
    if let Some(end) = row.finished_at_ms {
        facts.push(("ended", format!("{} (took {})", time(end), took(row.created_at_ms, end))));
    }
    if let Some(reason) = &row.reason {
        facts.push(("reason", reason.clone()));
    }
    facts
}
