//! Which stage a container belongs to, by its id: what passes saw, and what events taught since.

use std::collections::{BTreeMap, BTreeSet};

use crate::docker::{ContainerEvent, Happened};
use crate::model::{Observed, Recorded, StageKey, StoreId};
use crate::plan::{Own, Owned};

/// Our containers. It holds no more than there are on the host, and those that went unheard until the next pass.
#[derive(Debug, Default)]
pub(super) struct Ours {
    /// None until the first pass is over; what claims to be of any store counts until then.
    store: Option<StoreId>,
    ids: BTreeMap<String, (StoreId, StageKey)>,
    /// Those known before the subscription began: they may have gone unheard.
    old: BTreeSet<String>,
}

impl Ours {
    /// A new subscription begins: containers may have gone meanwhile.
    pub(super) fn begin(&mut self) {
        self.old = self.ids.keys().cloned().collect();
    }

    /// What a pass saw. What events taught since it looked stays: it may have looked before.
    pub(super) fn learn(&mut self, recorded: &Recorded, observed: &Observed) {
        self.store = recorded.store;
        for id in std::mem::take(&mut self.old) {
            self.ids.remove(&id);
        }
        let owned = Owned::new(recorded, observed);
        for key in owned.stages() {
            let whose = |own: &Own<'_>| (own.container.id.clone(), (own.labels.store, key.clone()));
            self.ids.extend(owned.of(key).iter().map(whose));
        }
    }

    /// The stage to look at for an event; none for what is not ours (R1) or means nothing.
    pub(super) fn heard(&mut self, event: &ContainerEvent) -> Option<StageKey> {
        let ContainerEvent { what, id, name, labels } = event;
        let under_its_name = labels.as_ref().filter(|labels| labels.own_name == *name);
        let known = self.ids.get(id).cloned();
        let (store, key) = known.or_else(|| under_its_name.map(|labels| (labels.store, labels.key.clone())))?;
        if self.store.is_some_and(|ours| ours != store) {
            return None;
        }
        match what {
            Happened::Started => {
                self.old.remove(id);
                self.ids.insert(id.clone(), (store, key));
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
    fn r20_what_starts_during_the_first_pass_is_known_after_it() {
        let (mut ours, shop) = (Ours::default(), "shop/prod".parse().unwrap());
        let event = |what, id, number| event(what, id, "shop-prod-1", Some(labels(store(number))));
        ours.begin();
        ours.heard(&event(Happened::Started, "a", 1));
        ours.heard(&event(Happened::Started, "b", 2));
        assert_eq!(ours.heard(&event(Happened::Died, "a", 1)), Some(shop), "it may be");
        let recorded = Recorded { store: Some(store(1)), ..Recorded::default() };
        ours.learn(&recorded, &Observed::default());
        let left = |id: &str| ContainerEvent {
            what: Happened::Disconnected,
            id: id.into(),
            name: String::new(),
            labels: None,
        };
        assert!(ours.heard(&left("a")).is_some() && ours.heard(&left("b")).is_none());
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
