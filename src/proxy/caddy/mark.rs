//! Whose a route is: its `@id`, as in `landfall:<store>:<project>:<stage>`, with a part behind it where a stage has several.
//!
//! Caddy keeps an `@id` of any object, finds the object by it, and does nothing else with it. Pure.

use serde_json::Value;

use crate::model::{StageKey, StoreId};

/// The key that Caddy keeps for whoever writes its configuration.
pub(super) const ID: &str = "@id";
/// What every `@id` of ours begins with.
const OURS: &str = "landfall";

/// The route that leads to the instance, over plain HTTP.
pub(super) const MAIN: &str = "";
/// The same over https, where Caddy gets the certificate.
pub(super) const AUTO: &str = "auto";
/// The same over https, where Caddy has one already.
pub(super) const TLS: &str = "tls";
/// The same for plain HTTP, where another server answers that.
pub(super) const PLAIN: &str = "plain";
/// What redirects to https.
pub(super) const HTTPS: &str = "https";
/// What redirects to another domain.
pub(super) const REDIRECT: &str = "redirect";
/// The handler that is never reached.
pub(super) const BEFORE: &str = "before";

/// Whose a route is, and which one of that stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) store: StoreId,
    pub(super) key: StageKey,
    /// Its kind, and what tells it from others of the same.
    part: String,
}

impl Mark {
    /// The mark of a route; none when it is not one of Landfall's.
    pub(super) fn of(route: &Value) -> Option<Self> {
        let mut parts = route.get(ID)?.as_str()?.split(':');
        if parts.next()? != OURS {
            return None;
        }
        let store = StoreId(parts.next()?.parse().ok()?);
        let key = StageKey::new(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { store, key, part: parts.collect::<Vec<_>>().join(":") })
    }

    /// Which of the kinds above it is.
    pub(super) fn kind(&self) -> &str {
        self.part.split(':').next().unwrap_or_default()
    }

    /// True when it is a route of this stage.
    pub(super) fn is_of(&self, store: StoreId, key: &StageKey) -> bool {
        self.store == store && self.key == *key
    }
}

/// The `@id` of a route of a stage, of this kind and for this path. It has no slash, so that `/id/…` finds it.
pub(super) fn id(store: StoreId, key: &StageKey, kind: &str, path: &str) -> String {
    let StageKey { project, stage } = key;
    let part = if kind.is_empty() && path.is_empty() { String::new() } else { format!(":{kind}{path}") };
    format!("{OURS}:{store}:{project}:{stage}{}", part.replace('/', ":"))
}
