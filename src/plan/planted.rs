//! Four mistakes that a planner could make, so that it is shown that the small worlds find them. They exist with the
//! feature `planted` alone, which nothing that is shipped has, and even there each has to be asked for.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bug {
    /// The old instance goes before the new one has the traffic.
    RetiresFirst,
    /// Labels are believed, whatever the container is called.
    BelievesLabels,
    /// An instance that never became ready is kept when it looks right.
    KeepsFailed,
    /// What is put right is not led to again.
    ForgetsRoute,
}

/// True when a test asked for this mistake.
#[cfg(not(feature = "planted"))]
pub(super) const fn has(_: Bug) -> bool {
    false
}

#[cfg(feature = "planted")]
pub(super) use asked::has;
#[cfg(all(test, feature = "planted"))]
pub(super) use asked::with;

#[cfg(feature = "planted")]
mod asked {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        /// What this thread asks for. The name is in a binary that has the feature, which is how `.ci/run` finds it.
        static LANDFALL_PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// True when a test asked for this mistake on this thread.
    #[inline(never)]
    pub(in crate::plan) fn has(bug: Bug) -> bool {
        LANDFALL_PLANTED.get() == Some(bug)
    }

    /// Plans with a mistake for as long as a function runs.
    #[cfg(test)]
    pub(in crate::plan) fn with<T>(bug: Bug, run: impl FnOnce() -> T) -> T {
        LANDFALL_PLANTED.set(Some(bug));
        let result = run();
        LANDFALL_PLANTED.set(None);
        result
    }
}
