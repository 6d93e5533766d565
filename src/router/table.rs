//! The routing table as a value, and the changes it knows. Pure: a change gives a new table and what it replaced.
//!
//! Invariant (R1): no change touches an entry of another store; one that would is refused whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::control::{Owner, RemoveRoutes, Route, Saved, SetRoutes};
use crate::model::{Domain, StoreId};

/// Most routes in one table: far above any one host, and it bounds the file and the memory.
pub const MAX_ROUTES: usize = 10_000;

/// All routes, with a number that grows by one with every change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Counts the changes.
    pub revision: u64,
    /// Every route, by its domain.
    pub routes: BTreeMap<Domain, Route>,
}

/// Why a change is refused; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The domain belongs to another store.
    #[error("{domain} belongs to {owner}")]
    Foreign {
        /// The domain.
        domain: Domain,
        /// Who has it.
        owner: Box<Owner>,
    },
    /// The table is full.
    #[error("the routing table is full ({MAX_ROUTES} routes)")]
    Full,
}

impl Table {
    /// The stage has exactly these domains: others it had go, those of other stages of its store move over.
    pub fn set(&self, change: &SetRoutes) -> Result<(Self, Saved), Conflict> {
        let mut wanted = self.all_gone(&change.owner);
        wanted.extend(change.routes().into_iter().map(|(domain, route)| (domain, Some(route))));
        self.write(change.owner.store, wanted)
    }

    /// The stage has no domains any more.
    pub fn remove(&self, change: &RemoveRoutes) -> Result<(Self, Saved), Conflict> {
        self.write(change.owner.store, self.all_gone(&change.owner))
    }

    /// Puts back what an earlier change replaced.
    pub fn restore(&self, saved: &Saved) -> Result<(Self, Saved), Conflict> {
        self.write(saved.store, saved.routes.clone())
    }

    /// Every domain of a stage, to be dropped.
    fn all_gone(&self, owner: &Owner) -> BTreeMap<Domain, Option<Route>> {
        let of_owner = self.routes.iter().filter(|(_, route)| route.owner == *owner);
        of_owner.map(|(domain, _)| (domain.clone(), None)).collect()
    }

    /// All or nothing; a change that changes nothing keeps the revision.
    fn write(&self, store: StoreId, wanted: BTreeMap<Domain, Option<Route>>) -> Result<(Self, Saved), Conflict> {
        let mut next = self.clone();
        let mut saved = BTreeMap::new();
        for (domain, route) in wanted {
            let had = self.routes.get(&domain);
            for involved in had.into_iter().chain(&route) {
                if involved.owner.store != store {
                    return Err(Conflict::Foreign { domain, owner: Box::new(involved.owner.clone()) });
                }
            }
            saved.insert(domain.clone(), had.cloned());
            match route {
                Some(route) => next.routes.insert(domain, route),
                None => next.routes.remove(&domain),
            };
        }
        if next.routes.len() > MAX_ROUTES {
            return Err(Conflict::Full);
        }
        if next.routes != self.routes {
            next.revision += 1;
        }
        Ok((next, Saved { store, routes: saved }))
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn owner(store: u128, stage: &str) -> Owner {
        Owner::new(StoreId(Uuid::from_u128(store)), &format!("shop/{stage}").parse().unwrap())
    }

    fn set(owner: &Owner, domains: &[&str], upstream: &str) -> SetRoutes {
        let domains = domains.iter().map(|d| d.parse().unwrap()).collect();
        SetRoutes::new(owner.clone(), domains, vec![upstream.parse().unwrap()])
    }

    /// The table in one line per route, for comparing.
    fn shown(table: &Table) -> Vec<String> {
        let line = |(domain, route): (&Domain, &Route)| {
            format!("{domain} {} {}", route.upstreams.first().map_or("-", |u| u.as_str()), route.owner.stage)
        };
        table.routes.iter().map(line).collect()
    }

    #[test]
    fn a_stage_has_exactly_the_domains_it_was_given_last() {
        let prod = owner(1, "prod");
        let (table, _) = Table::default().set(&set(&prod, &["a.test", "b.test"], "h:1")).unwrap();
        let (table, saved) = table.set(&set(&prod, &["b.test", "c.test"], "h:2")).unwrap();
        assert_eq!(shown(&table), ["b.test h:2 prod", "c.test h:2 prod"]);
        assert_eq!(table.revision, 2);
        let (back, _) = table.restore(&saved).unwrap();
        assert_eq!(shown(&back), ["a.test h:1 prod", "b.test h:1 prod"]);
    }

    #[test]
    fn a_domain_moves_between_stages_of_one_store_and_back() {
        let (table, _) = Table::default().set(&set(&owner(1, "blue"), &["a.test", "b.test"], "h:1")).unwrap();
        let (table, saved) = table.set(&set(&owner(1, "green"), &["b.test"], "h:2")).unwrap();
        assert_eq!(shown(&table), ["a.test h:1 blue", "b.test h:2 green"]);
        assert_eq!(shown(&table.restore(&saved).unwrap().0), ["a.test h:1 blue", "b.test h:1 blue"]);
    }

    #[test]
    fn r1_an_entry_of_another_store_is_neither_taken_nor_removed_nor_restored_over() {
        let (table, _) = Table::default().set(&set(&owner(1, "prod"), &["a.test"], "h:1")).unwrap();
        let foreign = set(&owner(2, "prod"), &["b.test", "a.test"], "h:2");
        let Err(Conflict::Foreign { domain, owner: held_by }) = table.set(&foreign) else { panic!("taken") };
        assert_eq!((domain.as_str(), *held_by), ("a.test", owner(1, "prod")));

        let (same, _) = table.remove(&RemoveRoutes { owner: owner(2, "prod") }).unwrap();
        assert_eq!(same, table);

        let gone = BTreeMap::from([("a.test".parse().unwrap(), None)]);
        let of_other = Saved { store: owner(2, "prod").store, routes: gone };
        assert!(table.restore(&of_other).is_err());
    }

    #[test]
    fn a_change_that_changes_nothing_keeps_the_revision() {
        let prod = owner(1, "prod");
        let (table, _) = Table::default().set(&set(&prod, &["a.test"], "h:1")).unwrap();
        assert_eq!(table.set(&set(&prod, &["a.test"], "h:1")).unwrap().0.revision, table.revision);
    }

    #[test]
    fn r31_a_table_has_a_bound() {
        let domains = (0..=MAX_ROUTES).map(|n| format!("d{n}.test").parse().unwrap()).collect();
        let change = SetRoutes::new(owner(1, "prod"), domains, Vec::new());
        assert_eq!(Table::default().set(&change), Err(Conflict::Full));
    }

    proptest::proptest! {
        #[test]
        fn r1_whatever_one_store_does_the_entries_of_the_other_stay_and_every_change_can_be_taken_back(
            changes in proptest::collection::vec((0..2_u128, 0..3_usize, proptest::collection::vec(0..5_usize, 0..4)), 0..20)
        ) {
            let mut table = Table::default();
            for (number, (store, stage, names)) in changes.into_iter().enumerate() {
                let names: Vec<String> = names.into_iter().map(|n| format!("d{n}.test")).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                let change = set(&owner(store, ["a", "b", "c"][stage]), &names, &format!("h:{}", number + 1));
                let of_other = |table: &Table| {
                    let mut routes = table.routes.clone();
                    routes.retain(|_, route| route.owner.store != change.owner.store);
                    routes
                };
                let Ok((next, saved)) = table.set(&change) else { continue };
                proptest::prop_assert_eq!(of_other(&next), of_other(&table));
                proptest::prop_assert_eq!(&next.restore(&saved).unwrap().0.routes, &table.routes);
                let mine = next.routes.iter().filter(|(_, route)| route.owner == change.owner).map(|(domain, _)| domain);
                proptest::prop_assert!(mine.eq(&change.domains));
                table = next;
            }
        }
    }
}
