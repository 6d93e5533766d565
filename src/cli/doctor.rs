//! `landfall doctor`: everything around us, part by part, each with its remedy.

use owo_colors::OwoColorize as _;

use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::reconcile::{self, Finding, Places};

/// Prints what was found: 0 when all is well, 1 when something is wrong.
pub(super) async fn run(places: &Places, out: Out) -> Result<Exit, Failure> {
    let found = reconcile::examine(places).await;
    for Finding { what, seen } in &found {
        match seen {
            Ok(text) => out.line(&format!("{}  {what}: {text}", "ok ".green())),
            Err((text, hint)) => {
                out.line(&format!("{}  {what}: {text}", "BAD".red().bold()));
                if let Some(hint) = hint {
                    out.line(&format!("     {} {hint}", "hint:".cyan()));
                }
            }
        }
    }
    let data = found.iter().map(|Finding { what, seen }| match seen {
        Ok(text) => serde_json::json!({ "what": what, "ok": true, "text": text, "hint": null }),
        Err((text, hint)) => serde_json::json!({ "what": what, "ok": false, "text": text, "hint": hint }),
    });
    let ok = found.iter().all(|finding| finding.seen.is_ok());
    out.data(serde_json::json!({ "ok": ok, "findings": data.collect::<Vec<_>>() }));
    Ok(if ok { Exit::Ok } else { Exit::Error })
}
