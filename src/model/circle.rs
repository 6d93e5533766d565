//! Circles in what waits for what: whoever is on one waits for itself, for ever.

use std::collections::{BTreeMap, BTreeSet};

/// A circle, each one waiting for the next and the last for the first; it begins with the smallest. None when there is an
/// order that serves all. The same input always gives the same circle.
pub fn circle<K: Ord>(waits: &BTreeMap<K, BTreeSet<K>>) -> Option<Vec<&K>> {
    let open = without_order(waits);
    let next = |key: &K| waits.get(key)?.iter().find(|key| open.contains(key));
    let mut path: Vec<&K> = Vec::new();
    let mut seen: BTreeMap<&K, usize> = BTreeMap::new();
    let mut at = *open.first()?;
    while !seen.contains_key(at) {
        seen.insert(at, path.len());
        path.push(at);
        at = next(at)?;
    }
    let mut circle = path.split_off(seen[at]);
    let smallest = circle.iter().enumerate().min_by_key(|(_, key)| **key).map_or(0, |(at, _)| at);
    circle.rotate_left(smallest);
    Some(circle)
}

/// All that no order can serve: those on a circle, and those that wait for one of them.
fn without_order<K: Ord>(waits: &BTreeMap<K, BTreeSet<K>>) -> BTreeSet<&K> {
    let mut waited_for: BTreeMap<&K, Vec<&K>> = BTreeMap::new();
    let mut left: BTreeMap<&K, usize> = BTreeMap::new();
    for (key, targets) in waits {
        // Whoever waits for nothing itself is served at once.
        let targets = targets.iter().filter(|target| waits.contains_key(target));
        left.insert(key, targets.clone().map(|target| waited_for.entry(target).or_default().push(key)).count());
    }
    let mut served: Vec<&K> = left.iter().filter(|(_, count)| **count == 0).map(|(key, _)| *key).collect();
    while let Some(done) = served.pop() {
        left.remove(done);
        for key in waited_for.remove(done).unwrap_or_default() {
            if let Some(count) = left.get_mut(key) {
                *count -= 1;
                if *count == 0 {
                    served.push(key);
                }
            }
        }
    }
    left.into_keys().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(waits: &[(char, &str)]) -> String {
        let waits = waits.iter().map(|(key, targets)| (*key, targets.chars().collect())).collect();
        circle(&waits).unwrap_or_default().into_iter().collect()
    }

    #[test]
    fn a_circle_is_found_from_its_smallest_and_what_only_leads_to_it_is_left_out() {
        assert_eq!(found(&[]), "");
        assert_eq!(found(&[('a', "bc"), ('b', "c"), ('c', "d")]), "");
        assert_eq!(found(&[('a', "a")]), "a");
        assert_eq!(found(&[('a', "d"), ('c', "b"), ('b', "d"), ('d', "xc"), ('x', "")]), "bdc");
        assert_eq!(found(&[('e', "f"), ('f', "e"), ('c', "d"), ('d', "c")]), "cd");
    }
}
