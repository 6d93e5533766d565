//! What `landfall adopt` prints: a container, or a host in the proxy, that a person made becomes a stage's.

use super::outcome::Rendered;
use crate::model::StageKey;
use crate::reconcile::{Adopted, AdoptedContainer};

/// A host was taken over, and what that means.
pub(super) fn host(key: &StageKey, adopted: Adopted) -> Rendered {
    let Adopted { what, upstream, is_new, host } = adopted;
    let rendered = Rendered::ok(serde_json::json!({
        "stage": key, "proxy_host": host.id, "domains": host.domains, "upstream": upstream, "adopted": is_new,
    }));
    if is_new {
        rendered.line(format!("{what} belongs to {key} now")).line(format!(
            "it leads to {upstream} until the next `landfall apply {key}`, and goes when the stage is removed"
        ))
    } else {
        rendered.line(format!("{what} belongs to {key} already"))
    }
}

/// A container was taken over, and what comes of it.
pub(super) fn container(key: &StageKey, adopted: AdoptedContainer, as_is: bool) -> Rendered {
    let AdoptedContainer { id, name, version, warnings } = adopted;
    let next = if as_is {
        "it counts as what the configuration says, and is replaced when that changes".to_owned()
    } else {
        format!("the next `landfall apply {key}` replaces it by an instance of its own, then removes it")
    };
    let notes = warnings.iter().map(|warning| format!("warning: {warning}")).collect();
    let data = serde_json::json!({
        "stage": key, "container": id, "name": name, "version": version, "as_is": as_is, "warnings": warnings,
    });
    let belongs = format!("{name} belongs to {key} now, as {version}; nothing of it was changed");
    Rendered { notes, ..Rendered::ok(data).line(belongs).line(next) }
}
