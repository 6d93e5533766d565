//! `landfall adopt --proxy-host`: a host that a person made becomes a stage's.

use super::exit::Exit;
use super::failure::Failure;
use super::render::Out;
use crate::model::StageKey;
use crate::reconcile::{self, Places};

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
