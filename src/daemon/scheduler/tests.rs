//! The scheduler as a table of stories: what happens, and what follows.

mod turns;

use super::*;

/// A scheduler with its clock.
struct Story {
    start: Instant,
    now: Instant,
    scheduler: Scheduler,
}

impl Story {
    fn begin() -> Self {
        let start = Instant::now();
        Self { start, now: start, scheduler: Scheduler::new(start, Dice::new(1)) }
    }

    /// With a configuration in force and everything converged.
    fn converged() -> Self {
        let mut story = Self::begin();
        assert_eq!(story.step(Event::Tick), [Action::Look { whole: true }]);
        let pass = story.pass(Event::Looked(Looked::New(RESYNC)));
        assert_eq!((&pass.scope, pass.reason), (&Scope::All, Reason::Config));
        assert_eq!(story.over(pass.id, &[]), []);
        story
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.scheduler.step(self.now, event)
    }

    /// The one pass that follows.
    #[track_caller]
    fn pass(&mut self, event: Event) -> Pass {
        only_pass(self.step(event))
    }

    fn at(&mut self, ms: u64) -> Vec<Action> {
        self.now = self.start + Duration::from_millis(ms);
        self.step(Event::Tick)
    }

    fn planned(&mut self, pass: u64, stages: &[&str]) -> Vec<Action> {
        self.step(Event::Planned { pass, stages: keys(stages) })
    }

    fn over(&mut self, pass: u64, failed: &[&str]) -> Vec<Action> {
        self.step(Event::Over { pass, outcome: Outcome::Done { failed: keys(failed), later: BTreeMap::new() } })
    }

    /// Goes to the next time that the scheduler asks for.
    fn wait(&mut self) -> Vec<Action> {
        self.now = self.scheduler.wake_at();
        self.step(Event::Tick)
    }
}

#[track_caller]
fn only_pass(actions: Vec<Action>) -> Pass {
    let mut passes = actions.into_iter().filter_map(|action| match action {
        Action::Pass(pass) => Some(pass),
        Action::Look { .. } => None,
    });
    let pass = passes.next().expect("a pass");
    assert_eq!(passes.next(), None);
    pass
}

fn key(stage: &str) -> StageKey {
    format!("{stage}/prod").parse().unwrap()
}

fn keys(stages: &[&str]) -> BTreeSet<StageKey> {
    stages.iter().map(|stage| key(stage)).collect()
}

fn drift(stage: &str) -> Event {
    Event::Drifted(key(stage))
}

fn of(stages: &[&str]) -> Scope {
    Scope::Stages(keys(stages))
}

#[test]
fn a_change_is_looked_at_at_once_and_again_after_it_is_quiet() {
    let mut story = Story::converged();
    story.at(1000);
    assert_eq!(story.step(Event::Changed), [Action::Look { whole: false }]);
    assert_eq!(story.step(Event::Looked(Looked::Changing)), []);
    assert_eq!(story.at(1050), []);
    assert_eq!(story.step(Event::Changed), []);
    assert_eq!(story.at(1149), []);
    assert_eq!(story.at(1150), [Action::Look { whole: false }]);
    let pass = story.pass(Event::Looked(Looked::New(RESYNC)));
    assert_eq!((pass.scope, pass.reason), (Scope::All, Reason::Config));
    story.over(pass.id, &[]);
    assert_eq!(story.at(5000), []);
}

#[test]
fn files_that_never_are_quiet_are_looked_at_all_the_same_and_not_in_a_hot_loop() {
    let mut story = Story::converged();
    let mut looks = 0;
    for n in 0..100 {
        let actions = story.at(1000 + n * 50).len() + story.step(Event::Changed).len();
        looks += actions;
        if actions > 0 {
            story.step(Event::Looked(Looked::Changing));
        }
    }
    assert!((3..=6).contains(&looks), "{looks} looks in 5 s");
}

#[test]
fn a_source_that_never_rests_keeps_no_stage_waiting_and_all_no_longer_than_one_look() {
    let mut story = Story::converged();
    story.at(1000);
    assert_eq!(story.step(Event::Reload), [Action::Look { whole: true }]);
    let drifted = story.pass(drift("a"));
    assert_eq!(drifted.scope, of(&["a"]));
    assert_eq!(story.over(drifted.id, &[]), []);
    assert_eq!(story.step(Event::Reload), []);
    let actions = story.step(Event::Looked(Looked::Changing));
    assert!(matches!(&actions[..], [Action::Look { whole: true }, Action::Pass(all)] if all.scope == Scope::All));
}

#[test]
fn the_timer_looks_at_all_whatever_was_noticed() {
    let mut story = Story::converged();
    assert_eq!(story.at(56_999), []);
    let actions = story.at(63_001);
    assert_eq!(actions, [Action::Look { whole: true }]);
    let pass = story.pass(Event::Looked(Looked::Same));
    assert_eq!((pass.scope, pass.reason), (Scope::All, Reason::Resync));
}

#[test]
fn many_wakes_of_a_stage_are_one_pass_and_one_that_comes_while_it_runs_is_one_more() {
    let mut story = Story::converged();
    let first = story.pass(drift("a"));
    assert_eq!(first.scope, of(&["a"]));
    for _ in 0..1000 {
        assert_eq!(story.step(drift("a")), []);
    }
    assert_eq!(story.planned(first.id, &["a"]), []);
    let second = only_pass(story.over(first.id, &[]));
    assert_eq!(second.scope, of(&["a"]));
    assert_eq!(story.over(second.id, &[]), []);
}

#[test]
fn a_stage_at_its_gate_keeps_no_other_from_being_put_right() {
    let mut story = Story::converged();
    let slow = story.pass(drift("slow"));
    assert_eq!(story.step(drift("other")), [], "no two plans at a time");
    let beside = only_pass(story.planned(slow.id, &["slow"]));
    assert_eq!((&beside.scope, &beside.busy), (&of(&["other"]), &keys(&["slow"])));
    story.planned(beside.id, &["other"]);
    assert_eq!(story.step(drift("slow")), [], "it is being worked on");
    story.over(beside.id, &[]);
    story.step(Event::Ended { pass: slow.id, stage: key("slow") });
    assert_eq!(story.over(slow.id, &[]), [], "the pass after it is on");
}

#[test]
fn a_new_configuration_goes_to_who_is_free_at_once_and_to_the_others_as_soon_as_they_are() {
    let mut story = Story::converged();
    let slow = story.pass(drift("slow"));
    story.planned(slow.id, &["slow"]);
    let all = story.pass(Event::Looked(Looked::New(RESYNC)));
    assert_eq!((&all.scope, &all.busy), (&Scope::All, &keys(&["slow"])));
    story.over(all.id, &[]);
    let after = only_pass(story.over(slow.id, &[]));
    assert_eq!((after.scope, after.reason), (of(&["slow"]), Reason::Config));
}

#[test]
fn r12_what_failed_is_tried_again_later_each_time_and_alone() {
    let mut story = Story::converged();
    let mut pass = story.pass(drift("a"));
    let mut waits = Vec::new();
    for _ in 0..6 {
        let failed_at = story.now;
        assert_eq!(story.over(pass.id, &["a"]), []);
        let mut actions = story.wait();
        while actions.is_empty() || actions == [Action::Look { whole: true }] {
            actions = story.wait();
        }
        pass = only_pass(actions);
        assert_eq!(pass.scope, of(&["a"]));
        waits.push(story.now - failed_at);
    }
    for (n, wait) in waits.iter().enumerate() {
        assert!(*wait <= Duration::from_secs(1 << n), "{waits:?}");
    }
    assert!(waits[4..].iter().max() > waits[..2].iter().max(), "{waits:?}");
    story.over(pass.id, &[]);
    assert!(story.scheduler.failed.is_empty(), "a success resets it");
}

#[test]
fn a_new_configuration_or_a_reload_resets_every_backoff() {
    for event in [Event::Looked(Looked::New(RESYNC)), Event::Reload] {
        let mut story = Story::converged();
        let pass = story.pass(drift("a"));
        story.over(pass.id, &["a"]);
        assert!(!story.scheduler.is_well());
        let mut actions = story.step(event);
        if actions == [Action::Look { whole: true }] {
            actions = story.step(Event::Looked(Looked::Same));
        }
        assert_eq!(only_pass(actions).scope, Scope::All);
        assert!(story.scheduler.is_well());
    }
}

/// Reloads where nobody looks.
#[track_caller]
fn reloading(story: &mut Story) {
    assert_eq!(story.step(Event::Reload), [Action::Look { whole: true }]);
    assert!(story.scheduler.is_reloading());
}

#[test]
fn a_reload_is_over_when_a_pass_is_planned_from_what_a_look_after_it_found() {
    let mut story = Story::converged();
    reloading(&mut story);
    let pass = story.pass(Event::Looked(Looked::Same));
    assert!(story.scheduler.is_reloading(), "read, and no pass planned");
    story.planned(pass.id, &["a"]);
    assert!(!story.scheduler.is_reloading());
    // One that ends without having told of its plan is as good, one that failed is not.
    story.over(pass.id, &[]);
    reloading(&mut story);
    let failed = story.pass(Event::Looked(Looked::Same));
    story.step(Event::Over { pass: failed.id, outcome: Outcome::Failed });
    assert!(story.scheduler.is_reloading());
    let again = only_pass(story.wait());
    assert_eq!(story.over(again.id, &[]), []);
    assert!(!story.scheduler.is_reloading());
}

#[test]
fn passes_and_looks_that_were_begun_before_a_reload_do_not_end_it() {
    let mut story = Story::converged();
    let slow = story.pass(drift("slow"));
    assert_eq!(story.step(Event::Changed), [Action::Look { whole: false }]);
    assert_eq!(story.step(Event::Reload), []);
    story.planned(slow.id, &["slow"]);
    assert!(story.scheduler.is_reloading(), "planned from what was in force before");
    // The look that was on may have read before the reload, and so may the pass that follows from it.
    let actions = story.step(Event::Looked(Looked::Same));
    let [Action::Look { whole: true }, Action::Pass(early)] = &actions[..] else { panic!("{actions:?}") };
    story.planned(early.id, &[]);
    assert_eq!(story.over(early.id, &[]), []);
    assert!(story.scheduler.is_reloading());
    let pass = story.pass(Event::Looked(Looked::Same));
    assert_eq!((&pass.scope, pass.reason), (&Scope::All, Reason::Manual));
    story.planned(pass.id, &[]);
    assert!(!story.scheduler.is_reloading());
}

#[test]
fn a_request_beside_a_reload_does_not_end_it_and_files_that_change_keep_it_open() {
    let mut story = Story::converged();
    reloading(&mut story);
    let asked = story.pass(Event::Asked { request: 1, scope: of(&["a"]) });
    story.planned(asked.id, &["a"]);
    let early = story.pass(Event::Looked(Looked::Changing));
    story.planned(early.id, &[]);
    assert!(story.scheduler.is_reloading(), "nothing was read");
    story.over(early.id, &[]);
    let left_out = only_pass(story.over(asked.id, &[]));
    assert_eq!(story.over(left_out.id, &[]), []);
    assert!(story.scheduler.is_reloading());
    assert_eq!(story.wait(), [Action::Look { whole: false }]);
    let pass = story.pass(Event::Looked(Looked::New(RESYNC)));
    story.planned(pass.id, &[]);
    assert!(!story.scheduler.is_reloading());
}

#[test]
fn without_a_configuration_a_reload_is_over_when_it_was_looked_for() {
    let mut story = Story::begin();
    assert_eq!(story.step(Event::Tick), [Action::Look { whole: true }]);
    story.step(Event::Looked(Looked::Same));
    reloading(&mut story);
    assert_eq!(story.step(Event::Looked(Looked::Same)), []);
    assert!(!story.scheduler.is_reloading());
}

#[test]
fn another_name_for_what_is_in_force_is_recorded_by_a_pass_and_resets_no_backoff() {
    let mut story = Story::converged();
    let pass = story.pass(drift("a"));
    story.over(pass.id, &["a"]);
    story.step(Event::Changed);
    let named = story.pass(Event::Looked(Looked::Renamed));
    assert_eq!((&named.scope, named.reason), (&Scope::All, Reason::Resync));
    assert!(!story.scheduler.is_well());
}

#[test]
fn a_pass_that_could_not_be_planned_is_tried_again_for_all() {
    let mut story = Story::converged();
    let pass = story.pass(drift("a"));
    assert_eq!(story.step(Event::Over { pass: pass.id, outcome: Outcome::Failed }), []);
    let again = only_pass(story.wait());
    assert_eq!((again.scope, again.reason), (Scope::All, Reason::Retry));
    story.over(again.id, &[]);
    assert!(story.scheduler.is_well());
}

#[test]
fn a_request_for_a_stage_waits_for_it_alone_and_one_for_all_waits_for_all() {
    let mut story = Story::converged();
    let slow = story.pass(drift("slow"));
    story.planned(slow.id, &["slow"]);
    assert_eq!(story.step(Event::Asked { request: 1, scope: of(&["slow"]) }), []);
    let second = story.pass(Event::Asked { request: 2, scope: of(&["b"]) });
    assert_eq!((second.request, second.reason), (Some(2), Reason::Manual));
    story.planned(second.id, &["b"]);
    assert_eq!(story.step(Event::Asked { request: 3, scope: Scope::All }), []);
    assert_eq!(story.step(drift("c")), [], "nothing new begins before it");
    story.over(second.id, &[]);
    let first = only_pass(story.over(slow.id, &[]));
    assert_eq!(first.request, Some(1));
    let all = only_pass(story.over(first.id, &[]));
    assert_eq!((all.request, all.scope), (Some(3), Scope::All));
    let drifted = only_pass(story.over(all.id, &[]));
    assert_eq!(drifted.scope, of(&["c"]), "it was not lost");
}

#[test]
fn a_stage_that_waits_for_a_time_is_looked_at_then() {
    let mut story = Story::converged();
    let pass = story.pass(drift("a"));
    let later = [(key("a"), Duration::from_secs(7))].into();
    story.step(Event::Over { pass: pass.id, outcome: Outcome::Done { failed: BTreeSet::new(), later } });
    assert_eq!(story.scheduler.wake_at(), story.now + Duration::from_secs(7));
    assert_eq!(only_pass(story.wait()).scope, of(&["a"]));
}

#[test]
fn r31_nothing_grows_in_a_day_of_ticks_and_events() {
    let mut story = Story::converged();
    let end = story.start + Duration::from_secs(24 * 3600);
    let (mut passes, mut looks, mut turns) = (0_u32, 0_u32, 0_u32);
    while story.now < end {
        turns += 1;
        let mut queue = story.wait();
        let event = match turns % 7 {
            0 => drift(["a", "b", "c"][(turns / 7 % 3) as usize]),
            1 => Event::Changed,
            2 => Event::Missed,
            _ => Event::Tick,
        };
        queue.extend(story.step(event));
        while let Some(action) = queue.pop() {
            match action {
                Action::Look { .. } => {
                    looks += 1;
                    queue.extend(story.step(Event::Looked(Looked::Same)));
                }
                Action::Pass(pass) => {
                    passes += 1;
                    let failed: &[&str] = if passes.is_multiple_of(5) { &["b"] } else { &[] };
                    queue.extend(story.planned(pass.id, &["a", "b"]));
                    queue.extend(story.over(pass.id, failed));
                }
            }
        }
        assert!(story.scheduler.wake_at() > story.now || story.scheduler.looks.due_at().is_some(), "a hot loop");
    }
    let Scheduler { wakes, failed, later, requests, passes: on, .. } = &story.scheduler;
    assert!(wakes.len() <= 3 && failed.len() <= 3 && later.is_empty() && requests.is_empty() && on.is_empty());
    assert!(looks >= 1400, "a resync a minute: {looks}");
    assert!(turns < 40_000 && passes < 20_000, "{turns} turns, {passes} passes, {looks} looks in a day");
}
