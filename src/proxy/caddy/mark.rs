//! Whose a route is: its `@id`, as in `landfall:<store>:<project>:<stage>`, with a part behind it where a stage has several.
//!
//! Caddy keeps an `@id` of any object, finds the object by it, and does nothing else with it. Pure.

use serde_json::Value;

use crate::model::{StageKey, StoreId};

/// The key that Caddy keeps for whoever writes its configuration.
pub(super) const ID: &str = "@id";
/// What every `@id` of ours begins with.
const OURS: &str = "landfall";

/// Whose a route is, and which one of that stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) store: StoreId,
    pub(super) key: StageKey,
    /// Empty for the route that leads to the instance.
    pub(super) part: String,
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

    /// True when it is a route of this stage.
    pub(super) fn is_of(&self, store: StoreId, key: &StageKey) -> bool {
        self.store == store && self.key == *key
    }
}

/// The `@id` of a part of a stage's routes.
pub(super) fn id(store: StoreId, key: &StageKey, part: &str) -> String {
    let StageKey { project, stage } = key;
    let part = if part.is_empty() { String::new() } else { format!(":{part}") };
    format!("{OURS}:{store}:{project}:{stage}{part}")
}
