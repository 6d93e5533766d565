//! When what failed for an outside reason is tried again: 1 s doubling to 5 min, full jitter (R12).

use std::time::{Duration, Instant};

use super::{Dice, doubled};

/// Longest first wait; doubled each time.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait of all.
const LONGEST: Duration = Duration::from_secs(300);
/// Chance may make a wait short, but never a hot loop.
const LEAST: Duration = Duration::from_millis(100);

/// How often it failed, and when it is due.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    /// None once it was rung for.
    pub(super) due_at: Option<Instant>,
}

impl Backoff {
    /// It failed once more.
    pub(super) fn fail(&mut self, now: Instant, dice: &mut Dice) {
        self.due_at = Some(now + dice.between(LEAST, ceiling(self.failures)));
        self.failures = self.failures.saturating_add(1);
    }

    /// True once after the wait.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.due_at.is_some_and(|at| now >= at);
        if is_due {
            self.due_at = None;
        }
        is_due
    }
}

/// The longest wait after so many failures before this one.
fn ceiling(failures: u32) -> Duration {
    doubled(FIRST, failures, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r12_waits_double_up_to_five_minutes_and_never_overflow() {
        let ceilings: Vec<u64> = (0..12).map(|failures| ceiling(failures).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        assert_eq!(ceiling(u32::MAX), LONGEST);
    }

    #[test]
    fn r12_a_wait_has_full_jitter_and_rings_once() {
        let (start, mut dice) = (Instant::now(), Dice::new(1));
        for _ in 0..100 {
            let mut backoff = Backoff { failures: 5, due_at: None };
            backoff.fail(start, &mut dice);
            let due_at = backoff.due_at.unwrap();
            assert!(due_at >= start + LEAST && due_at <= start + Duration::from_secs(32));
            assert!(!backoff.is_due(start));
            assert!(backoff.is_due(due_at) && !backoff.is_due(due_at));
        }
    }
}
