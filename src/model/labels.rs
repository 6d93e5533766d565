//! The labels of our containers: who owns them and what they were made from (R1).
//!
//! A container is ours only when its store id is ours *and* its `self` label is its own name, so that labels copied
//! onto another container do not make it ours.

use std::collections::BTreeMap;

use super::id::{DeployId, StoreId};
use super::name::StageKey;

/// Every label of ours begins with this; a user's label must not.
pub const PREFIX: &str = "landfall.";
/// The store id; the label that observation filters by.
pub const STORE: &str = "landfall.store";

/// Which hook a container runs. It has no spec, so that nobody takes it for an instance.
const HOOK: &str = "landfall.hook";

/// The labels of one container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labels {
    /// Store that made it.
    pub store: StoreId,
    /// Stage it belongs to.
    pub key: StageKey,
    /// Instance within the stage: the version it shows (`tag`, or a short digest).
    pub instance: String,
    /// Deploy that made it.
    pub deploy: DeployId,
    /// Spec hash with its version, `v1:<hex>`.
    pub spec: String,
    /// Image as `repository:tag@sha256:…` (`sha256:…` when local).
    pub image: String,
    /// Digest that decides whether it is current.
    pub digest: String,
    /// Fingerprints of its secrets as `key_id:hex`; empty without secrets.
    pub secrets: String,
    /// Commit or revision of the configuration.
    pub config: String,
    /// Its own container name when it was made.
    pub own_name: String,
}

impl Labels {
    /// As Docker stores them.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let Self { store, key, instance, deploy, spec, image, digest, secrets, config, own_name } = self;
        let pairs: [(&str, String); 11] = [
            (STORE, store.to_string()),
            ("landfall.project", key.project.to_string()),
            ("landfall.stage", key.stage.to_string()),
            ("landfall.instance", instance.clone()),
            ("landfall.deploy", deploy.to_string()),
            ("landfall.spec", spec.clone()),
            ("landfall.image", image.clone()),
            ("landfall.digest", digest.clone()),
            ("landfall.secrets", secrets.clone()),
            ("landfall.config", config.clone()),
            ("landfall.self", own_name.clone()),
        ];
        pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }

    /// Reads them back; none when one that decides ownership is missing or malformed: such a container is foreign.
    pub fn parse(map: &BTreeMap<String, String>) -> Option<Self> {
        let text = |name: &str| map.get(name).cloned();
        let project = text("landfall.project")?.parse().ok()?;
        let stage = text("landfall.stage")?.parse().ok()?;
        Some(Self {
            store: StoreId(text(STORE)?.parse().ok()?),
            key: StageKey::new(project, stage),
            instance: text("landfall.instance").unwrap_or_default(),
            deploy: DeployId(text("landfall.deploy")?.parse().ok()?),
            spec: text("landfall.spec")?,
            image: text("landfall.image").unwrap_or_default(),
            digest: text("landfall.digest")?,
            secrets: text("landfall.secrets").unwrap_or_default(),
            config: text("landfall.config").unwrap_or_default(),
            own_name: text("landfall.self")?,
        })
    }
}

/// The labels of a container that runs a hook once, and is litter as soon as nobody waits for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookLabels {
    /// Store that made it.
    pub store: StoreId,
    /// Stage that it is for.
    pub key: StageKey,
    /// Deploy that made it.
    pub deploy: DeployId,
    /// The hook's key.
    pub hook: String,
    /// Its own container name.
    pub own_name: String,
}

impl HookLabels {
    /// As Docker stores them.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        let Self { store, key, deploy, hook, own_name } = self;
        let pairs: [(&str, String); 6] = [
            (STORE, store.to_string()),
            ("landfall.project", key.project.to_string()),
            ("landfall.stage", key.stage.to_string()),
            ("landfall.deploy", deploy.to_string()),
            (HOOK, hook.clone()),
            ("landfall.self", own_name.clone()),
        ];
        pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
    }

    /// Reads them back; none for a container that runs no hook.
    pub fn parse(map: &BTreeMap<String, String>) -> Option<Self> {
        let text = |name: &str| map.get(name).cloned();
        let hook = text(HOOK)?;
        let key = StageKey::new(text("landfall.project")?.parse().ok()?, text("landfall.stage")?.parse().ok()?);
        Some(Self {
            store: StoreId(text(STORE)?.parse().ok()?),
            key,
            deploy: DeployId(text("landfall.deploy")?.parse().ok()?),
            hook,
            own_name: text("landfall.self")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r1_what_runs_a_hook_is_ours_and_no_instance() {
        let id = uuid::Uuid::from_u128(7);
        let labels = HookLabels {
            store: StoreId(id),
            key: "shop/prod".parse().unwrap(),
            deploy: DeployId(id),
            hook: "pre_deploy".into(),
            own_name: "shop-prod-00000007-pre".into(),
        };
        assert_eq!(HookLabels::parse(&labels.to_map()), Some(labels.clone()));
        assert_eq!(Labels::parse(&labels.to_map()), None);
        let mut instance = labels.to_map();
        instance.remove(HOOK);
        assert_eq!(HookLabels::parse(&instance), None);
    }
}
