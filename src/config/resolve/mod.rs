//! Raw entries → `Desired`: defaults filled in, stages merged over projects, every value checked.
//!
//! Each function reports what is wrong and goes on with a default, so that one mistake hides no other; whether an
//! entry is usable is told by its site's `failed` flag at the end.

mod ability;
mod caddy;
mod certificates;
mod container;
mod cross;
mod depends;
mod domains;
mod elsewhere;
mod environment;
mod hooks;
mod idle;
mod limits;
mod merge;
mod mounts;
mod npm;
mod options;
mod policy;
mod ports;
mod process;
mod project;
mod ready;
mod redirects;
mod registry;
mod route;
mod secrets;
mod settings;
mod several;
mod sources;
mod stage;
mod track;
mod upstreams;
mod window;

use std::collections::BTreeMap;

use super::collect::Entries;
use super::diagnostic::Diagnostic;
use super::files::TreeFiles;
use super::parallel;
use super::report::{Item, Report};
use crate::model::{Desired, DesiredStage, Name, StageKey};

pub use policy::is_loopback;
pub(super) use sources::Sources;

/// From so many projects on a second thread saves more than it costs: one takes some twenty microseconds.
const WORTH_A_THREAD: usize = 500;
/// So many of them are one part then.
const AT_ONCE: usize = 250;

/// Resolves everything. The result is only worth something when nothing was reported as an error.
pub(super) fn resolve(entries: &Entries<'_>, files: &TreeFiles, report: &Report<'_>) -> (Desired, Sources) {
    let sources = Sources::new(files.clone());
    let settings = settings::settings(entries, report);
    let registries = registry::registries(&entries.registries, report);
    let mut claims = cross::Claims::default();
    let mut stages = Vec::with_capacity(entries.projects.len());
    for part in parts(entries, &settings, &sources, report) {
        report.take_in(part.found);
        claims.take_in(part.claims);
        stages.extend(part.stages);
    }
    cross::check(&claims, report);
    certificates::check(&claims, report);
    upstreams::check(&claims, report);
    depends::check(&claims, entries, report);
    track::check(&claims, entries, report);
    settings::check_references(&settings, entries, &claims, report);
    let (several, stages): (Vec<_>, Vec<_>) = stages.into_iter().partition(|(_, stage)| stage.max_instances > 1);
    // Made of what is in order already, a map is half as large as one that grows.
    let (several, stages) = (several.into_iter().collect(), stages.into_iter().collect());
    depends::check_single(&claims, &several, report);
    track::check_single(&claims, &several, report);
    let (settings, revision) = (settings.value, String::new());
    let (older, clashes) = (BTreeMap::new(), BTreeMap::new());
    let desired = Desired { settings, registries, stages, several, older, clashes, revision };
    (desired, sources)
}

/// What came of some of the projects.
struct Part {
    stages: Vec<(StageKey, DesiredStage)>,
    claims: cross::Claims,
    found: Vec<Diagnostic>,
}

/// Resolves the projects, some at once, each part without a look at the others; in their order. A part stops where it
/// finds so much wrong that no more is kept.
fn parts(entries: &Entries<'_>, settings: &settings::Known, sources: &Sources, report: &Report<'_>) -> Vec<Part> {
    let docs = report.docs();
    let fitting = project::fitting(entries.projects.values());
    let items: Vec<(&Item<'_>, bool)> =
        entries.projects.values().enumerate().map(|(at, item)| (item, at < fitting)).collect();
    let work = |items: &[(&Item<'_>, bool)]| {
        let report = Report::new(docs, Vec::new());
        let mut shared = project::Shared { settings, sources, report: &report, claims: cross::Claims::default() };
        let mut stages = Vec::with_capacity(items.len());
        for (item, fits) in items.iter().take_while(|_| !report.is_full()) {
            stages.extend(project::stages(&mut shared, item, *fits));
        }
        let claims = shared.claims;
        Part { stages, claims, found: report.into_list() }
    };
    let is_much = items.len() >= WORTH_A_THREAD;
    let size = if is_much { AT_ONCE } else { items.len().max(1) };
    parallel::each(items.chunks(size).collect(), is_much && !report.is_full(), work)
}

/// A name of a project, stage or registry; reported at its key when it is none.
fn name(item: &Item<'_>, report: &Report<'_>) -> Option<Name> {
    use super::code;
    item.name()
        .parse()
        .map_err(|error: crate::model::name::InvalidName| {
            let text = error.to_string();
            let (title, help) = text.split_once(": ").unwrap_or((&text, ""));
            report.add(Diagnostic::error(code::BAD_NAME, item.place(report), title).help(help));
        })
        .ok()
}
