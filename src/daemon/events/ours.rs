//! Which stage a container belongs to, by its id: what passes saw, and what events taught since.

use std::collections::BTreeMap;

use crate::docker::{ContainerEvent, Happened};
use crate::model::{Observed, Recorded, StageKey, StoreId};
use crate::plan::Owned;

/// Our containers. It holds no more than there are on the host, and those that went unheard until the next pass.
#[derive(Debug, Default)]
pub(super) struct Ours {
    store: Option<StoreId>,
    ids: BTreeMap<String, StageKey>,
    /// Something may have been missed since the last pass.
    is_old: bool,
}

impl Ours {
    /// A new subscription begins: containers may have gone meanwhile.
    pub(super) fn begin(&mut self) {
        self.is_old = true;
    }

    /// What a pass saw. What events taught since it looked stays: it may have looked before.
    pub(super) fn learn(&mut self, recorded: &Recorded, observed: &Observed) {
        self.store = recorded.store;
        if std::mem::take(&mut self.is_old) {
            self.ids.clear();
        }
        let owned = Owned::new(recorded, observed);
        for key in owned.stages() {
            self.ids.extend(owned.of(key).iter().map(|own| (own.container.id.clone(), key.clone())));
        }
    }

    /// The stage to look at for an event; none for what is not ours (R1) or means nothing.
    pub(super) fn heard(&mut self, event: &ContainerEvent) -> Option<StageKey> {
        let ContainerEvent { what, id, name, labels } = event;
        let known = || self.ids.get(id).cloned();
        let is_ours = |labels: &&crate::model::Labels| self.store == Some(labels.store) && labels.own_name == *name;
        let key = known().or_else(|| labels.as_ref().filter(is_ours).map(|labels| labels.key.clone()))?;
        match what {
            Happened::Started => {
                self.ids.insert(id.clone(), key);
                None
            }
            Happened::Destroyed => {
                self.ids.remove(id);
                Some(key)
            }
            Happened::Died | Happened::Paused | Happened::Renamed | Happened::Disconnected | Happened::Health => {
                Some(key)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeployId, Labels};

    fn store(number: u128) -> StoreId {
        StoreId(uuid::Uuid::from_u128(number))
    }

    fn labels(store: StoreId) -> Labels {
        Labels {
            store,
            key: "shop/prod".parse().unwrap(),
            instance: "v1".into(),
            deploy: DeployId(uuid::Uuid::from_u128(9)),
            spec: "v1:0".into(),
            image: String::new(),
            digest: "sha256:0".into(),
            secrets: String::new(),
            config: String::new(),
            own_name: "shop-prod-1".into(),
        }
    }

    fn event(what: Happened, id: &str, name: &str, labels: Option<Labels>) -> ContainerEvent {
        ContainerEvent { what, id: id.into(), name: name.into(), labels }
    }

    fn ours() -> Ours {
        Ours { store: Some(store(1)), ..Ours::default() }
    }

    #[test]
    fn r1_only_what_carries_our_store_and_its_own_name_is_ours() {
        let mut ours = ours();
        let mut heard = |name: &str, labels| ours.heard(&event(Happened::Died, "a", name, labels)).is_some();
        assert!(heard("shop-prod-1", Some(labels(store(1)))));
        assert!(!heard("copy", Some(labels(store(1)))), "copied labels");
        assert!(!heard("shop-prod-1", Some(labels(store(2)))), "another store");
        assert!(!heard("shop-prod-1", None), "a hook, or somebody else's");
    }

    #[test]
    fn r20_a_container_is_known_by_its_id_from_its_start_to_its_end() {
        let mut ours = ours();
        let left = event(Happened::Disconnected, "a", "", None);
        assert_eq!(ours.heard(&left), None);
        let started = event(Happened::Started, "a", "shop-prod-1", Some(labels(store(1))));
        assert_eq!(ours.heard(&started), None, "that it runs is no drift");
        let shop = Some("shop/prod".parse().unwrap());
        assert_eq!(ours.heard(&left), shop);
        assert_eq!(ours.heard(&event(Happened::Renamed, "a", "other", Some(labels(store(1))))), shop);
        assert_eq!(ours.heard(&event(Happened::Destroyed, "a", "other", Some(labels(store(1))))), shop);
        assert_eq!(ours.heard(&left), None);
    }

    #[test]
    fn r31_what_went_while_nobody_listened_is_forgotten_with_the_next_pass() {
        let mut ours = ours();
        let recorded = Recorded { store: Some(store(1)), ..Recorded::default() };
        ours.heard(&event(Happened::Started, "a", "shop-prod-1", Some(labels(store(1)))));
        ours.learn(&recorded, &Observed::default());
        assert_eq!(ours.ids.len(), 1, "the pass may have looked before it started");
        ours.begin();
        ours.learn(&recorded, &Observed::default());
        assert_eq!(ours.ids.len(), 0);
    }
}
