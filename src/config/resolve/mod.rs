//! Raw entries → `Desired`: defaults filled in, stages merged over projects, every value checked.
//!
//! Each function reports what is wrong and goes on with a default, so that one mistake hides no other; whether an
//! entry is usable is told by its site's `failed` flag at the end.

mod container;
mod cross;
mod depends;
mod environment;
mod hooks;
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
mod registry;
mod route;
mod secrets;
mod settings;
mod several;
mod sources;
mod stage;
mod track;
mod window;

use std::collections::BTreeMap;

use super::collect::Entries;
use super::files::TreeFiles;
use super::report::Report;
use crate::model::{Desired, Name};

pub(super) use sources::Sources;

/// Resolves everything. The result is only worth something when nothing was reported as an error.
pub(super) fn resolve(entries: &Entries<'_>, files: &TreeFiles, report: &Report<'_>) -> (Desired, Sources) {
    let sources = Sources::new(files.clone());
    let settings = settings::settings(entries, report);
    let registries = registry::registries(&entries.registries, report);
    let claims = cross::Claims::default();
    let mut shared = project::Shared { settings: &settings, sources: &sources, report, claims, values: 0 };
    let mut stages = Vec::with_capacity(entries.projects.len());
    for item in entries.projects.values().take_while(|_| !report.is_full()) {
        stages.extend(project::stages(&mut shared, item));
    }
    let claims = shared.claims;
    cross::check(&claims, report);
    depends::check(&claims, entries, report);
    track::check(&claims, entries, report);
    settings::check_references(&settings, entries, &claims, report);
    let (several, stages): (Vec<_>, Vec<_>) = stages.into_iter().partition(|(_, stage)| stage.max_instances > 1);
    // Made of what is in order already, a map is half as large as one that grows.
    let (several, stages) = (several.into_iter().collect(), stages.into_iter().collect());
    depends::check_single(&claims, &several, report);
    track::check_single(&claims, &several, report);
    let (settings, revision, clashes) = (settings.value, String::new(), BTreeMap::new());
    let desired = Desired { settings, registries, stages, several, clashes, revision };
    (desired, sources)
}

/// A name of a project, stage or registry; reported at its key when it is none.
fn name(item: &super::report::Item<'_>, report: &Report<'_>) -> Option<Name> {
    use super::code;
    use super::diagnostic::Diagnostic;
    item.name()
        .parse()
        .map_err(|error: crate::model::name::InvalidName| {
            let text = error.to_string();
            let (title, help) = text.split_once(": ").unwrap_or((&text, ""));
            report.add(Diagnostic::error(code::BAD_NAME, item.place(report), title).help(help));
        })
        .ok()
}
