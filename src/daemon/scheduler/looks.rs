//! When to look at the source: at once when it changes, since a commit is whole, and again after a quiet time, since a
//! save in several parts is not; but no later than a limit, so that a file written all the time does not hide the rest.

use std::time::{Duration, Instant};

/// Files must be quiet for so long.
const QUIET: Duration = Duration::from_millis(100);
/// Files that never are quiet are looked at after so long.
const AT_MOST: Duration = Duration::from_secs(2);

/// What was noticed, and whether somebody looks.
#[derive(Debug, Default)]
pub(super) struct Looks {
    is_looking: bool,
    /// A look that waits for nothing; true for a whole one.
    wanted: Option<bool>,
    changes: Option<Changes>,
}

#[derive(Debug, Clone, Copy)]
struct Changes {
    first: Instant,
    last: Instant,
}

impl Looks {
    /// Something of the source changed.
    pub(super) fn changed(&mut self, now: Instant) {
        if self.changes.is_none() && !self.is_looking {
            self.want(false);
        }
        let first = self.changes.map_or(now, |changes| changes.first);
        self.changes = Some(Changes { first, last: now });
    }

    /// A look is to be taken now.
    pub(super) fn want(&mut self, whole: bool) {
        self.wanted = Some(self.wanted.unwrap_or(false) || whole);
    }

    /// Whether a look begins now, and whether it is a whole one.
    pub(super) fn begin(&mut self, now: Instant) -> Option<bool> {
        let is_quiet = self.quiet_at().is_some_and(|at| now >= at);
        if self.is_looking || (self.wanted.is_none() && !is_quiet) {
            return None;
        }
        if is_quiet {
            self.changes = None;
        }
        self.is_looking = true;
        Some(self.wanted.take().unwrap_or(false))
    }

    /// A look ended. One that found the files changing is taken again after the quiet time.
    pub(super) fn ended(&mut self, now: Instant, is_changing: bool) {
        self.is_looking = false;
        if is_changing {
            let first = self.changes.map_or(now, |changes| changes.first);
            let last = self.changes.map_or(now, |changes| changes.last);
            self.changes = Some(Changes { first, last });
        }
    }

    pub(super) const fn is_looking(&self) -> bool {
        self.is_looking
    }

    /// When to look at the latest; never while somebody looks.
    pub(super) fn due_at(&self) -> Option<Instant> {
        self.quiet_at().filter(|_| !self.is_looking)
    }

    fn quiet_at(&self) -> Option<Instant> {
        self.changes.map(|changes| (changes.last + QUIET).min(changes.first + AT_MOST))
    }
}
