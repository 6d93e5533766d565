//! When to look at a stage of which Docker told something: at once, but neither in a storm nor in a hot loop (R20). Pure;
//! the time and chance are passed in.
//!
//! A hint is looked at after a moment of quiet, since one act of Docker's tells of itself in several events. A stage that
//! was put right and needs it again soon waits longer each time, until it has run steadily for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::dice::{Dice, doubled};
use crate::model::StageKey;

/// Events of one stage must be quiet for so long. Of a container that leaves two networks at its end Docker tells within a
/// few milliseconds; the rest of this time is added to every repair.
const QUIET: Duration = Duration::from_millis(20);
/// A stage that never is quiet is looked at after so long.
const AT_MOST: Duration = Duration::from_millis(200);
/// Least time from a repair to the next look at the stage; doubled with each repair.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest such time, as long as that of a pass that fails (R12).
const BACKOFF_MAX: Duration = Duration::from_secs(300);
/// A stage that ran for so long since its last repair begins anew. One that needs a repair more seldom than this is no
/// loop and costs nothing; one that needs it more often is slowed down to less than this.
const STEADY: Duration = Duration::from_secs(60);
/// A stage of which nothing was heard for so long after its pause is forgotten; until then a pass may be at work on it.
const KEPT: Duration = Duration::from_secs(600);

/// What was heard of stages, and how often each was put right of late.
#[derive(Debug, Default)]
pub(super) struct Drift {
    stages: BTreeMap<StageKey, Stage>,
}

#[derive(Debug, Default)]
struct Stage {
    heard: Option<Heard>,
    repairs: Option<Repairs>,
}

#[derive(Debug, Clone, Copy)]
struct Heard {
    first: Instant,
    last: Instant,
}

/// Repairs without a steady time between them.
#[derive(Debug, Clone, Copy)]
struct Repairs {
    count: u32,
    last: Instant,
    /// No look before.
    rests_until: Instant,
}

impl Drift {
    /// Docker told something of a stage.
    pub(super) fn heard(&mut self, now: Instant, key: &StageKey) {
        let stage = self.stages.entry(key.clone()).or_default();
        if stage.heard.is_none() && stage.repairs.is_some_and(|repairs| now >= repairs.last + STEADY) {
            stage.repairs = None;
        }
        let first = stage.heard.map_or(now, |heard| heard.first);
        stage.heard = Some(Heard { first, last: now });
    }

    /// The stages to look at now. What is heard of them from now on is news again.
    pub(super) fn due(&mut self, now: Instant) -> BTreeSet<StageKey> {
        let mut due = BTreeSet::new();
        for (key, stage) in &mut self.stages {
            if stage.due_at().is_some_and(|at| now >= at) {
                stage.heard = None;
                due.insert(key.clone());
            }
        }
        let is_fresh = |repairs: Repairs| now < repairs.rests_until + KEPT;
        self.stages.retain(|_, stage| stage.heard.is_some() || stage.repairs.is_some_and(is_fresh));
        due
    }

    /// The stages that are not to be put right now, and until when: for a look at everything, which is not the next one that
    /// each of them is due. That one comes when its rest is over, whatever was heard of it.
    pub(super) fn resting(&mut self, now: Instant) -> BTreeMap<StageKey, Instant> {
        let mut resting = BTreeMap::new();
        for (key, stage) in &mut self.stages {
            let Some(repairs) = stage.repairs.filter(|repairs| now < repairs.rests_until) else { continue };
            stage.heard.get_or_insert(Heard { first: now, last: now });
            resting.insert(key.clone(), repairs.rests_until);
        }
        resting
    }

    /// When to ask again what is due; never while nothing was heard.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.stages.values().filter_map(Stage::due_at).min()
    }

    /// A pass begins to put a stage right. To be told before it does: what it starts may end before the pass does. Chance
    /// spreads stages that die together over the second half of their pause.
    pub(super) fn repaired(&mut self, now: Instant, key: &StageKey, dice: &mut Dice) {
        let stage = self.stages.entry(key.clone()).or_default();
        let count = stage.repairs.map_or(0, |repairs| repairs.count).saturating_add(1);
        let rests_until = now + dice.between(pause(count) / 2, pause(count));
        stage.repairs = Some(Repairs { count, last: now, rests_until });
    }

    /// The stage gets something else to run: how often the old one was put right says nothing any more.
    pub(super) fn replaced(&mut self, key: &StageKey) {
        if let Some(stage) = self.stages.get_mut(key) {
            stage.repairs = None;
        }
    }
}

impl Stage {
    fn due_at(&self) -> Option<Instant> {
        let heard = self.heard?;
        let quiet = (heard.last + QUIET).min(heard.first + AT_MOST);
        Some(self.repairs.map_or(quiet, |repairs| quiet.max(repairs.rests_until)))
    }
}

fn pause(count: u32) -> Duration {
    doubled(BACKOFF_FIRST, count.saturating_sub(1), BACKOFF_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key, and times in milliseconds from a beginning.
    fn ground() -> (StageKey, impl Fn(u64) -> Instant) {
        let begin = Instant::now();
        (key("shop/prod"), move |ms| begin + Duration::from_millis(ms))
    }

    fn key(text: &str) -> StageKey {
        text.parse().unwrap()
    }

    #[test]
    fn r20_what_was_heard_is_looked_at_once_after_a_moment_of_quiet() {
        let (shop, at) = ground();
        let mut drift = Drift::default();
        assert_eq!(drift.next_at(), None);
        drift.heard(at(0), &shop);
        drift.heard(at(10), &shop);
        drift.heard(at(15), &key("shop/test"));
        assert_eq!(drift.next_at(), Some(at(30)));
        assert_eq!(drift.due(at(29)), BTreeSet::new());
        assert_eq!(drift.due(at(30)), BTreeSet::from([shop.clone()]));
        assert_eq!(drift.due(at(35)), BTreeSet::from([key("shop/test")]));
        assert_eq!((drift.due(at(1000)), drift.next_at()), (BTreeSet::new(), None));
    }

    #[test]
    fn r20_a_storm_of_events_is_looked_at_five_times_a_second_at_most_and_does_not_hide_the_stage() {
        let (shop, at) = ground();
        let mut drift = Drift::default();
        let looks = (0..10_000).filter(|ms| {
            drift.heard(at(*ms), &shop);
            !drift.due(at(*ms)).is_empty()
        });
        assert!((45..=50).contains(&looks.count()));
    }

    /// Runs a stage that dies so long after each repair, for so long; times of the repairs.
    fn crashing(lives: u64, seconds: u64) -> Vec<u64> {
        let (shop, at) = ground();
        let (mut drift, mut dice) = (Drift::default(), Dice::new(1));
        let (mut repairs, mut dies) = (Vec::new(), Some(0));
        for ms in (0..seconds * 1000).step_by(20) {
            if dies.is_some_and(|dies| ms >= dies) {
                drift.heard(at(ms), &shop);
                dies = None;
            }
            if drift.due(at(ms)).contains(&shop) {
                drift.repaired(at(ms), &shop, &mut dice);
                repairs.push(ms);
                dies = Some(ms + lives);
            }
        }
        repairs
    }

    #[test]
    fn r20_a_stage_that_dies_again_and_again_is_put_right_later_each_time() {
        let repairs = crashing(100, 3600);
        let pauses: Vec<u64> = repairs.windows(2).map(|pair| pair[1] - pair[0]).collect();
        for (pause, most) in pauses.iter().zip([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]) {
            // Times go by in steps of 20 ms here.
            assert!((most * 500..=most * 1000 + 20).contains(pause), "{pauses:?}");
        }
        assert!(repairs[0] <= 20 && repairs.len() <= 32, "{repairs:?}");
    }

    #[test]
    fn r20_what_dies_while_the_pass_that_started_it_is_on_waits_as_well() {
        let (shop, at) = ground();
        let (mut drift, mut dice) = (Drift::default(), Dice::new(1));
        drift.repaired(at(0), &shop, &mut dice);
        drift.heard(at(30), &shop);
        assert_eq!(drift.due(at(499)), BTreeSet::new());
        assert_eq!(drift.due(at(1000)), BTreeSet::from([shop]));
    }

    #[test]
    fn r20_stages_that_die_together_are_not_put_right_together_for_ever() {
        let (_, at) = ground();
        let (mut drift, mut dice) = (Drift::default(), Dice::new(1));
        for number in 0..100 {
            drift.repaired(at(0), &key(&format!("shop/n{number}")), &mut dice);
            drift.heard(at(1), &key(&format!("shop/n{number}")));
        }
        let at_once = drift.due(at(600)).len();
        assert!((10..30).contains(&at_once), "{at_once} in the first fifth");
    }

    #[test]
    fn r20_a_stage_that_ran_steadily_is_put_right_at_once_again() {
        let (quick, steady) = (crashing(59_000, 7200), crashing(60_000, 7200));
        assert!(quick.len() < 60, "nearly a minute is a loop: {}", quick.len());
        assert!(steady.len() > 115, "more than that is none: {}", steady.len());
    }

    #[test]
    fn what_is_to_run_something_else_begins_anew_and_what_was_heard_of_it_stays() {
        let (shop, at) = ground();
        let (mut drift, mut dice) = (Drift::default(), Dice::new(1));
        (0..5).for_each(|_| drift.repaired(at(0), &shop, &mut dice));
        drift.heard(at(1000), &shop);
        assert!(drift.next_at() > Some(at(8000)));
        drift.replaced(&shop);
        assert_eq!(drift.next_at(), Some(at(1020)));
    }

    #[test]
    fn r20_what_rests_is_told_until_it_is_over_and_is_looked_at_then() {
        let (shop, at) = ground();
        let (mut drift, mut dice) = (Drift::default(), Dice::new(1));
        assert_eq!(drift.resting(at(0)), BTreeMap::new());
        drift.heard(at(0), &key("shop/test"));
        drift.repaired(at(0), &shop, &mut dice);
        let rests = drift.resting(at(10));
        let until = rests[&shop];
        assert!(rests.len() == 1 && until >= at(500) && until <= at(1000), "{rests:?}");
        // Nothing was heard of it: whoever left it out has it looked at.
        assert_eq!(drift.due(at(400)), BTreeSet::from([key("shop/test")]));
        assert_eq!(drift.due(until), BTreeSet::from([shop]));
        assert_eq!(drift.resting(until), BTreeMap::new());
    }

    #[test]
    fn r31_stages_that_are_steady_are_not_kept_for_ever() {
        let (shop, at) = ground();
        let (mut drift, mut dice) = (Drift::default(), Dice::new(1));
        drift.repaired(at(0), &shop, &mut dice);
        drift.due(at(600_000));
        assert_eq!(drift.stages.len(), 1);
        drift.due(at(601_000));
        assert_eq!(drift.stages.len(), 0);
    }
}
