//! `landfall validate`: checks the files and nothing else.

use std::path::Path;

use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::config;

/// Loads the directory and tells what it holds, or everything that is wrong with it.
pub(super) fn run(dir: &Path, out: Out) -> Result<Exit, Failure> {
    match config::load(dir) {
        Ok(loaded) => {
            super::diff::warn(&loaded, out);
            let desired = &loaded.desired;
            let projects =
                desired.all_written().map(|stage| &stage.key.project).collect::<std::collections::BTreeSet<_>>().len();
            let (stages, registries) = (desired.all_written().count(), desired.registries.len());
            let counts = [
                counted(projects, "project", "projects"),
                counted(stages, "stage", "stages"),
                counted(registries, "registry", "registries"),
            ];
            out.line(&format!("{}: {}, no errors", dir.display(), counts.join(", ")));
            out.data(serde_json::json!({
                "valid": true, "projects": projects, "stages": stages, "registries": registries,
                "diagnostics": loaded.warnings,
            }));
            Ok(Exit::Ok)
        }
        Err(error) => {
            let Some(diagnostics) = error.diagnostics() else { return Err(error.into()) };
            out.note(&error.render(super::diff::stderr_has_color()));
            out.data(serde_json::json!({ "valid": false, "diagnostics": diagnostics }));
            Ok(Exit::Error)
        }
    }
}

fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
