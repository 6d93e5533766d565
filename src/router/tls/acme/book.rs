//! What went wrong host by host, and when each may be tried again.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::super::certificate::Seconds;
use super::schedule::{LONGEST_PAUSE, pause};

/// Longest text of a failure that is kept, in characters: authorities send whole answers of servers.
const MAX_ERROR: usize = 500;

/// Every host whose last order did not end well.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book(BTreeMap<String, Entry>);

/// One host.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Entry {
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
        let next = now.saturating_add(pause(first, failures).as_secs().max(1));
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

    /// It went well.
    pub fn done(&mut self, host: &str) {
        self.0.remove(host);
    }

    /// When a host may be tried, at the earliest.
    pub fn next(&self, host: &str) -> Seconds {
        self.0.get(host).map_or(0, |entry| entry.next)
    }

    /// Why its last order failed.
    pub fn error(&self, host: &str) -> Option<String> {
        self.0.get(host).and_then(|entry| entry.error.clone())
    }

    /// After a clock that was far ahead nothing would be tried for years: no pause is longer than the longest.
    pub fn bounded(mut self, now: Seconds) -> Self {
        for entry in self.0.values_mut() {
            entry.next = entry.next.min(now.saturating_add(LONGEST_PAUSE.as_secs()));
        }
        self
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
        let read: Book = serde_json::from_str(&serde_json::to_string(&book).unwrap()).unwrap();
        assert_eq!(read, book);
        assert_eq!(read.bounded(0).next("a.test"), 2_120);
        book.done("a.test");
        assert_eq!((book.next("a.test"), book.error("a.test")), (0, None));
    }

    #[test]
    fn a_clock_that_was_far_ahead_costs_half_a_day() {
        let mut book = Book::default();
        book.begin("a.test", 9_000_000_000, FIRST_PAUSE);
        assert_eq!(book.bounded(1_000).next("a.test"), 1_000 + LONGEST_PAUSE.as_secs());
    }
}
