//! What went wrong host by host, and when each may be tried again; and the same of the authority itself.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::certificate::Seconds;
use super::schedule::{LONGEST_PAUSE, pause};

/// The longest pause for all hosts together, unless the authority asks for more: what is amiss may be an option of ours, and
/// whoever mends it is not to wait for half a day.
const LONGEST_COMMON: Duration = Duration::from_secs(3600);
/// Longest text of a failure that is kept, in characters: authorities send whole answers of servers.
const MAX_ERROR: usize = 500;
/// What the authority itself is called in the book. No host is called so: the file is what it always was, a map.
pub const AUTHORITY: &str = "";

/// Every host whose last order did not end well, and the authority if it does not do its part.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book(BTreeMap<String, Entry>);

/// One host, or the authority.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Orders that were begun since the last good one.
    failures: u32,
    /// When the last one was begun.
    begun: Seconds,
    /// Not before this.
    next: Seconds,
    /// Why the last one failed; none: nobody knows how it ended.
    error: Option<String>,
}

impl Book {
    /// An order begins: if nothing more is heard of it, it has failed. Gives the failures before it.
    pub fn begin(&mut self, host: &str, now: Seconds, first: Duration) -> u32 {
        let before = self.0.get(host).map_or(0, |entry| entry.failures);
        let failures = before.saturating_add(1);
        let longest = if host == AUTHORITY { LONGEST_COMMON } else { LONGEST_PAUSE };
        let next = now.saturating_add(pause(first, failures).min(longest).as_secs().max(1));
        let error = self.0.remove(host).and_then(|entry| entry.error);
        self.0.insert(host.to_owned(), Entry { failures, begun: now, next, error });
        before
    }

    /// It failed.
    pub fn failed(&mut self, host: &str, why: &str) {
        if let Some(entry) = self.0.get_mut(host) {
            let line: String = why.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_ERROR).collect();
            entry.error = Some(line);
        }
    }

    /// It failed, and not for a reason of the host's own: this order does not count.
    pub fn spare(&mut self, host: &str, why: &str) {
        self.failed(host, why);
        if let Some(entry) = self.0.get_mut(host) {
            entry.failures = entry.failures.saturating_sub(1);
            entry.next = entry.begun;
        }
    }

    /// Whoever failed is not to be asked before a time that the authority named, in reason.
    pub fn put_off(&mut self, host: &str, until: Seconds, now: Seconds) {
        if let Some(entry) = self.0.get_mut(host) {
            entry.next = entry.next.max(until.min(now.saturating_add(LONGEST_PAUSE.as_secs())));
        }
    }

    /// It went well. Gives what was known of it.
    pub fn done(&mut self, host: &str) -> Option<Entry> {
        self.0.remove(host)
    }

    /// It did not go well in the end: what was known of it is true again.
    pub fn undone(&mut self, host: &str, entry: Entry) {
        self.0.insert(host.to_owned(), entry);
    }

    /// When the last order for a host was begun that did not end well.
    pub fn begun(&self, host: &str) -> Seconds {
        self.0.get(host).map_or(0, |entry| entry.begun)
    }

    /// When a host may be tried, at the earliest.
    pub fn next(&self, host: &str) -> Seconds {
        self.0.get(host).map_or(0, |entry| entry.next)
    }

    /// Why its last order failed.
    pub fn error(&self, host: &str) -> Option<String> {
        self.0.get(host).and_then(|entry| entry.error.clone())
    }

    /// After a clock that was far ahead nothing would be tried for years: no pause is longer than the longest. Gives
    /// whether there was one.
    pub fn bound(&mut self, now: Seconds) -> bool {
        let latest = now.saturating_add(LONGEST_PAUSE.as_secs());
        let mut was_longer = false;
        for entry in self.0.values_mut().filter(|entry| entry.next > latest) {
            (entry.begun, entry.next, was_longer) = (entry.begun.min(now), latest, true);
        }
        was_longer
    }

    /// Forgets hosts that nobody wants any more, once their pauses are long over: a route that goes and comes back is where
    /// it was. Gives whether there was one.
    pub fn forget(&mut self, is_wanted: impl Fn(&str) -> bool, now: Seconds) -> bool {
        let before = self.0.len();
        let is_over = |entry: &Entry| entry.next.saturating_add(LONGEST_PAUSE.as_secs()) < now;
        self.0.retain(|host, entry| host == AUTHORITY || is_wanted(host) || !is_over(entry));
        self.0.len() < before
    }
}

#[cfg(test)]
mod tests {
    use super::super::schedule::FIRST_PAUSE;
    use super::*;

    #[test]
    fn an_order_of_which_nothing_is_heard_has_failed() {
        let mut book = Book::default();
        assert_eq!(book.begin("a.test", 1_000, FIRST_PAUSE), 0);
        assert_eq!(book.next("a.test"), 1_060);
        assert_eq!(book.begin("a.test", 2_000, FIRST_PAUSE), 1);
        assert_eq!((book.next("a.test"), book.next("b.test")), (2_120, 0));
        book.failed("a.test", &format!("bad\n{}", "x".repeat(1_000)));
        let error = book.error("a.test").unwrap();
        assert!(error.starts_with("bad x") && error.len() == MAX_ERROR);
        let mut read: Book = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
        assert_eq!(read, book);
        assert!(!read.bound(0) && read == book);
        book.done("a.test");
        assert_eq!((book.next("a.test"), book.error("a.test")), (0, None));
    }

    #[test]
    fn an_order_that_failed_through_no_fault_of_the_host_does_not_count() {
        let mut book = Book::default();
        for host in [AUTHORITY, "a.test"] {
            book.begin(host, 1_000, FIRST_PAUSE);
        }
        book.failed(AUTHORITY, "down");
        book.spare("a.test", "down");
        assert_eq!((book.next(AUTHORITY), book.next("a.test"), book.begun("a.test")), (1_060, 1_000, 1_000));
        assert_eq!((book.error(AUTHORITY), book.error("a.test")), (Some("down".into()), Some("down".into())));
        assert_eq!(book.begin("a.test", 2_000, FIRST_PAUSE), 0, "it is the first that counts");
    }

    #[test]
    fn an_authority_that_fails_after_a_good_answer_is_left_alone_for_longer_each_time() {
        let mut book = Book::default();
        for (failures, now, next) in [(0, 1_000, 1_060), (1, 2_000, 2_120), (2, 3_000, 3_240)] {
            assert_eq!(book.begin(AUTHORITY, now, FIRST_PAUSE), failures);
            let entry = book.done(AUTHORITY).unwrap();
            assert_eq!(book.next(AUTHORITY), 0);
            book.undone(AUTHORITY, entry);
            assert_eq!(book.next(AUTHORITY), next);
        }
    }

    #[test]
    fn a_time_that_the_authority_names_is_kept_to_for_half_a_day_at_most() {
        let mut book = Book::default();
        book.begin("a.test", 1_000, FIRST_PAUSE);
        book.put_off("a.test", 1_010, 1_000);
        assert_eq!(book.next("a.test"), 1_060, "no pause gets shorter");
        book.put_off("a.test", 5_000, 1_000);
        assert_eq!(book.next("a.test"), 5_000);
        book.put_off("a.test", u64::MAX, 1_000);
        assert_eq!(book.next("a.test"), 1_000 + LONGEST_PAUSE.as_secs());
    }

    #[test]
    fn a_host_that_nobody_wants_is_forgotten_half_a_day_after_its_pause() {
        let mut book = Book::default();
        for host in [AUTHORITY, "a.test", "b.test"] {
            book.begin(host, 1_000, FIRST_PAUSE);
        }
        let end = 1_060 + LONGEST_PAUSE.as_secs();
        assert!(!book.forget(|_| false, end) && !book.forget(|_| true, end + 1));
        assert!(book.forget(|host| host == "a.test", end + 1));
        assert_eq!(book.0.keys().collect::<Vec<_>>(), [AUTHORITY, "a.test"]);
    }

    #[test]
    fn the_file_of_an_older_version_is_understood() {
        let old = r#"{"a.test":{"failures":3,"begun":1000,"next":1240,"error":"no route"}}"#;
        let book: Book = serde_json::from_str(old).unwrap();
        assert_eq!((book.next("a.test"), book.error("a.test")), (1_240, Some("no route".into())));
        assert_eq!((book.next(AUTHORITY), book.error(AUTHORITY)), (0, None));
    }

    #[test]
    fn a_clock_that_was_far_ahead_costs_half_a_day() {
        let mut book = Book::default();
        book.begin("a.test", 9_000_000_000, FIRST_PAUSE);
        assert!(book.bound(1_000) && !book.bound(2_000), "once, and it is waited for no longer than that");
        assert_eq!((book.next("a.test"), book.begun("a.test")), (1_000 + LONGEST_PAUSE.as_secs(), 1_000));
    }
}
