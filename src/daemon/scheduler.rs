//! When to look: pure, the time is passed in.
//!
//! A change of files is looked at after a quiet time, so that a save in several parts is seen whole, but not later
//! than a limit, so that a file written all the time does not hide the rest. The timer is the truth: it looks whatever
//! was or was not noticed (T1).

use std::time::{Duration, Instant};

/// Files must be quiet for so long.
const QUIET: Duration = Duration::from_millis(300);
/// Files that never are quiet are looked at after so long.
const AT_MOST: Duration = Duration::from_secs(3);
/// Time between two full passes until the configuration says otherwise.
const RESYNC: Duration = Duration::from_secs(60);
/// First wait after a pass that failed for an outside reason; doubled each time (R12).
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest such wait (R12).
const BACKOFF_MAX: Duration = Duration::from_secs(300);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Look at the files; at the host only if they changed.
    Check,
    /// Look at the files and the host.
    Reconcile,
}

/// The state between two looks.
#[derive(Debug)]
pub(super) struct Scheduler {
    resync: Duration,
    next_pass: Instant,
    changes: Option<Changes>,
    failures: u32,
}

#[derive(Debug, Clone, Copy)]
struct Changes {
    first: Instant,
    last: Instant,
}

impl Scheduler {
    /// The first pass is due at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { resync: RESYNC, next_pass: now, changes: None, failures: 0 }
    }

    /// Takes the time between two passes from the configuration.
    pub(super) fn set_resync(&mut self, resync: Duration) {
        self.resync = resync;
    }

    /// Files changed.
    pub(super) fn changed(&mut self, now: Instant) {
        let first = self.changes.map_or(now, |changes| changes.first);
        self.changes = Some(Changes { first, last: now });
    }

    /// Files are changing while they are looked at: they are looked at again after the quiet time, not at once.
    pub(super) fn changing(&mut self, now: Instant) {
        self.changed(now);
        self.next_pass = self.next_pass.max(now + QUIET);
    }

    /// When to call `step` at the latest.
    pub(super) fn wake_at(&self) -> Instant {
        self.look_at().map_or(self.next_pass, |at| at.min(self.next_pass))
    }

    /// What is due, if anything is.
    pub(super) fn step(&mut self, now: Instant) -> Option<Action> {
        let action = if now >= self.next_pass {
            Action::Reconcile
        } else if self.look_at().is_some_and(|at| now >= at) {
            Action::Check
        } else {
            return None;
        };
        self.changes = None;
        Some(action)
    }

    /// When to look at files that changed while a pass runs; never while none have.
    pub(super) fn look_at(&self) -> Option<Instant> {
        self.changes.map(|changes| (changes.last + QUIET).min(changes.first + AT_MOST))
    }

    /// Files that changed are looked at now.
    pub(super) fn looked(&mut self) {
        self.changes = None;
    }

    /// The next pass is due at once: this one was overtaken.
    pub(super) fn at_once(&mut self, now: Instant) {
        self.next_pass = now;
    }

    /// A pass is over; one that failed is tried again soon, and later each time.
    pub(super) fn finished(&mut self, now: Instant, ok: bool) {
        self.failures = if ok { 0 } else { self.failures.saturating_add(1) };
        let wait = if ok { self.resync } else { backoff(self.failures).min(self.resync.max(BACKOFF_FIRST)) };
        self.next_pass = now + wait;
    }
}

fn backoff(failures: u32) -> Duration {
    let doubled = 1_u32.checked_shl(failures.saturating_sub(1)).unwrap_or(u32::MAX);
    BACKOFF_FIRST.saturating_mul(doubled).min(BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    fn idle(start: Instant) -> Scheduler {
        let mut scheduler = Scheduler::new(start);
        assert_eq!(scheduler.step(start), Some(Action::Reconcile));
        scheduler.finished(start, true);
        scheduler
    }

    #[test]
    fn a_save_in_parts_is_looked_at_once_and_only_after_it_is_quiet() {
        let start = Instant::now();
        let mut scheduler = idle(start);
        scheduler.changed(at(start, 1000));
        scheduler.changed(at(start, 1200));
        assert_eq!(scheduler.step(at(start, 1400)), None);
        assert_eq!(scheduler.wake_at(), at(start, 1500));
        assert_eq!(scheduler.step(at(start, 1500)), Some(Action::Check));
        assert_eq!(scheduler.step(at(start, 1501)), None);
    }

    #[test]
    fn files_that_never_are_quiet_are_looked_at_all_the_same() {
        let start = Instant::now();
        let mut scheduler = idle(start);
        let looks = (0..100).filter(|n| {
            let now = at(start, 1000 + n * 100);
            scheduler.changed(now);
            scheduler.step(now).is_some()
        });
        assert_eq!(looks.count(), 3);
    }

    #[test]
    fn files_that_change_while_they_are_read_are_not_read_in_a_hot_loop() {
        let start = Instant::now();
        let mut scheduler = Scheduler::new(start);
        assert_eq!(scheduler.step(start), Some(Action::Reconcile));
        scheduler.changing(start);
        assert_eq!(scheduler.step(at(start, 299)), None);
        assert_eq!(scheduler.step(at(start, 300)), Some(Action::Reconcile));
    }

    #[test]
    fn the_timer_looks_whatever_was_noticed() {
        let start = Instant::now();
        let mut scheduler = idle(start);
        assert_eq!(scheduler.step(at(start, 59_999)), None);
        assert_eq!(scheduler.step(at(start, 60_000)), Some(Action::Reconcile));
    }

    #[test]
    fn r12_a_pass_that_failed_is_tried_again_later_each_time_and_a_good_one_resets_that() {
        let start = Instant::now();
        let mut scheduler = idle(start);
        let mut waits = Vec::new();
        for _ in 0..10 {
            scheduler.finished(start, false);
            waits.push((scheduler.wake_at() - start).as_secs());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]);
        scheduler.finished(start, true);
        assert_eq!((scheduler.wake_at() - start).as_secs(), 60);
        scheduler.finished(start, false);
        assert_eq!((scheduler.wake_at() - start).as_secs(), 1);
    }
}
