//! When registries are asked for new tags: pure. By the wall clock, since schedules go by it.
//!
//! *Guarantees*: what was missed, in sleep or while the clock was set, is made up for once and not many times; several
//! hosts with one schedule do not ask at the same second (R27).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::dice::Dice;
use crate::model::schedule::{Schedule, Zone};
use crate::model::{Desired, DesiredStage, Repository, StageKey, Track};
use crate::registry::find;

/// How often a registry is asked that does not say, in milliseconds: at every fifth minute of the hour.
const USUAL_MS: i64 = 300_000;
/// Longest wait of chance behind the time of a schedule.
const SPREAD: Duration = Duration::from_secs(30);
/// So often it is looked whether a time has come, however the clock was set meanwhile.
const LOOK: Duration = Duration::from_secs(60);

/// All registries of which stages follow tags.
#[derive(Debug, Default)]
pub(super) struct Polls {
    zone: Zone,
    registries: BTreeMap<String, Poll>,
    /// Stages about which registries are to be asked, with the next pass that plans them.
    asking: BTreeSet<StageKey>,
    /// The same, in the hands of a pass: they come back if it cannot ask.
    asked: BTreeMap<u64, BTreeSet<StageKey>>,
}

#[derive(Debug)]
struct Poll {
    schedule: Option<Schedule>,
    stages: BTreeSet<StageKey>,
    /// When this was worked out, and what for; in milliseconds since 1970 UTC.
    set_ms: i64,
    due_ms: Option<i64>,
}

impl Polls {
    /// Takes in a configuration. What follows tags and is new, or follows others than before, is asked for at once.
    pub(super) fn set(&mut self, before: Option<&Desired>, now: &Desired, now_ms: i64, dice: &mut Dice) {
        let follows = || now.all_written().filter(|stage| stage.track.moves());
        let is_new = |key: &StageKey| {
            let old = before.and_then(|before| before.written(key));
            old.map(follows_what) != now.written(key).map(follows_what)
        };
        self.asking.extend(follows().map(|stage| stage.key.clone()).filter(is_new));
        self.asking.retain(|key| now.written(key).is_some());
        let zone = now.settings.timezone.clone();
        let zone_changed = std::mem::replace(&mut self.zone, zone) != now.settings.timezone;
        let mut old = std::mem::take(&mut self.registries);
        for stage in follows() {
            let (name, schedule) = registry_of(now, &stage.repository);
            let kept = old.remove(&name).filter(|poll| !zone_changed && poll.schedule == schedule);
            let poll = self.registries.entry(name).or_insert_with(|| {
                kept.map_or_else(
                    || Poll::new(schedule, &self.zone, now_ms, dice),
                    |kept| Poll { stages: BTreeSet::new(), ..kept },
                )
            });
            poll.stages.insert(stage.key.clone());
        }
    }

    /// Everything that follows tags is to be asked for now.
    pub(super) fn ask_all(&mut self) {
        self.asking.extend(self.registries.values().flat_map(|poll| poll.stages.iter().cloned()));
    }

    /// The stages whose time has come; they are asked for with their next pass.
    pub(super) fn due(&mut self, now_ms: i64, dice: &mut Dice) -> BTreeSet<StageKey> {
        let mut due = BTreeSet::new();
        for poll in self.registries.values_mut() {
            // A clock that was set back would let the old time be waited for.
            if now_ms < poll.set_ms {
                poll.plan(&self.zone, now_ms, dice);
            }
            if poll.due_ms.is_some_and(|at| now_ms >= at) {
                poll.plan(&self.zone, now_ms, dice);
                due.extend(poll.stages.iter().cloned());
            }
        }
        self.asking.extend(due.iter().cloned());
        due
    }

    /// When to look again; none while nobody follows anything.
    pub(super) fn wait(&self, now_ms: i64) -> Option<Duration> {
        let next = self.registries.values().filter_map(|poll| poll.due_ms).min()?;
        Some(Duration::from_millis(u64::try_from(next - now_ms).unwrap_or(0)).min(LOOK))
    }

    /// What a pass over these stages asks for.
    pub(super) fn begin(&mut self, pass: u64, is_in: impl Fn(&StageKey) -> bool) -> BTreeSet<StageKey> {
        let (mine, rest) = std::mem::take(&mut self.asking).into_iter().partition::<BTreeSet<_>, _>(is_in);
        self.asking = rest;
        if !mine.is_empty() {
            self.asked.insert(pass, mine.clone());
        }
        mine
    }

    /// A pass is over; one that could not even plan asked nobody.
    pub(super) fn over(&mut self, pass: u64, has_planned: bool) {
        if let Some(mine) = self.asked.remove(&pass).filter(|_| !has_planned) {
            self.asking.extend(mine);
        }
    }
}

impl Poll {
    fn new(schedule: Option<Schedule>, zone: &Zone, now_ms: i64, dice: &mut Dice) -> Self {
        let mut poll = Self { schedule, stages: BTreeSet::new(), set_ms: now_ms, due_ms: None };
        poll.plan(zone, now_ms, dice);
        poll
    }

    fn plan(&mut self, zone: &Zone, now_ms: i64, dice: &mut Dice) {
        let wait = i64::try_from(dice.between(Duration::ZERO, SPREAD).as_millis()).unwrap_or(0);
        let next = match &self.schedule {
            Some(schedule) => schedule.after(now_ms, zone),
            None => Some(now_ms - now_ms.rem_euclid(USUAL_MS) + USUAL_MS),
        };
        self.due_ms = next.map(|at| at + wait);
        self.set_ms = now_ms;
    }
}

/// What a stage follows.
fn follows_what(stage: &DesiredStage) -> (&Repository, &Track, u16) {
    (&stage.repository, &stage.track, stage.max_instances)
}

/// The name of the registry of a repository, or its host, and when it is asked.
fn registry_of(desired: &Desired, repository: &Repository) -> (String, Option<Schedule>) {
    let entry = find(&desired.registries, repository);
    let schedule = entry.and_then(|registry| registry.poll.clone());
    let name = entry.map_or_else(|| repository.host().to_owned(), |registry| registry.prefix.clone());
    (name, schedule)
}

#[cfg(test)]
mod tests;
