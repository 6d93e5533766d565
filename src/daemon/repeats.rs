//! The same complaint again is not told again for a while (S4). Pure: the time is passed in.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// So long a complaint is not told again.
const QUIET: Duration = Duration::from_secs(300);
/// So many are remembered (R31): a few for each stage of a large host. Beyond that the one told longest ago is forgotten,
/// and told once more should it come again.
const MOST: usize = 2000;

/// What was told lately.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// Whom it is about, and what it says → when it was told.
    told: BTreeMap<(String, String), Instant>,
}

impl Repeats {
    /// True when this is to be told now: it was not within the last minutes.
    pub(super) fn is_new(&mut self, now: Instant, about: &str, text: &str) -> bool {
        let key = (about.to_owned(), text.to_owned());
        if self.told.get(&key).is_some_and(|at| now.duration_since(*at) < QUIET) {
            return false;
        }
        if self.told.len() >= MOST {
            self.told.retain(|_, at| now.duration_since(*at) < QUIET);
        }
        if self.told.len() >= MOST
            && let Some(oldest) = self.told.iter().min_by_key(|(_, at)| **at).map(|(key, _)| key.clone())
        {
            self.told.remove(&oldest);
        }
        self.told.insert(key, now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_of_the_same_is_told_once_in_five_minutes_and_anything_else_at_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut repeats = Repeats::default();
        assert!(repeats.is_new(at(0), "a/prod", "held"));
        assert!(!repeats.is_new(at(1), "a/prod", "held"));
        assert!(repeats.is_new(at(1), "b/prod", "held") && repeats.is_new(at(1), "a/prod", "blocked"));
        assert!(!repeats.is_new(at(299), "a/prod", "held"));
        assert!(repeats.is_new(at(300), "a/prod", "held"));
        assert!(!repeats.is_new(at(599), "a/prod", "held") && repeats.is_new(at(600), "a/prod", "held"));
    }

    #[test]
    fn r31_what_is_remembered_has_a_bound_and_the_oldest_goes_first() {
        let start = Instant::now();
        let mut repeats = Repeats::default();
        for n in 0..=MOST {
            let now = start + Duration::from_millis(u64::try_from(n).unwrap());
            assert!(repeats.is_new(now, "a/prod", &n.to_string()));
        }
        assert_eq!(repeats.told.len(), MOST);
        let now = start + Duration::from_secs(10);
        assert!(!repeats.is_new(now, "a/prod", "1") && repeats.is_new(now, "a/prod", "0"));
    }
}
