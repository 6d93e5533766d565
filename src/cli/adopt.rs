//! `landfall adopt`: a container, or a host in the proxy, that a person made becomes a stage's.

use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::model::StageKey;
use crate::reconcile::{self, AdoptedContainer, Places};

/// Takes over the host, and says what that means.
pub(super) async fn run(places: &Places, key: &StageKey, out: Out) -> Result<Exit, Failure> {
    let adopted = reconcile::adopt(places, key).await?;
    let reconcile::Adopted { what, upstream, is_new, host } = adopted;
    if is_new {
        out.line(&format!("{what} belongs to {key} now"));
        out.line(&format!(
            "it leads to {upstream} until the next `landfall apply {key}`, and goes when the stage is removed"
        ));
    } else {
        out.line(&format!("{what} belongs to {key} already"));
    }
    out.data(serde_json::json!({
        "stage": key, "proxy_host": host.id, "domains": host.domains, "upstream": upstream, "adopted": is_new,
    }));
    Ok(Exit::Ok)
}

/// Takes over a container, and says what comes of it.
pub(super) async fn container(
    places: &Places,
    name: &str,
    key: &StageKey,
    as_is: bool,
    out: Out,
) -> Result<Exit, Failure> {
    let AdoptedContainer { id, name, version, warnings } = reconcile::adopt_container(places, key, name, as_is).await?;
    out.line(&format!("{name} belongs to {key} now, as {version}; nothing of it was changed"));
    if as_is {
        out.line("it counts as what the configuration says, and is replaced when that changes");
    } else {
        out.line(&format!("the next `landfall apply {key}` replaces it by an instance of its own, then removes it"));
    }
    for warning in &warnings {
        out.note(&format!("warning: {warning}"));
    }
    out.data(serde_json::json!({
        "stage": key, "container": id, "name": name, "version": version, "as_is": as_is, "warnings": warnings,
    }));
    Ok(Exit::Ok)
}
