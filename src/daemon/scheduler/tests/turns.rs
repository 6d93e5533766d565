//! Whose turn it is, with which reason, and what is known of a failure when others are at work.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn failed(pass: u64) -> Event {
    Event::Over { pass, outcome: Outcome::Failed }
}

impl Story {
    /// The next pass, however many waits and looks that find nothing new come before it.
    fn next_pass(&mut self) -> Pass {
        let mut actions = Vec::new();
        loop {
            match actions.pop() {
                Some(Action::Pass(pass)) => return pass,
                Some(Action::Look { .. }) => actions.extend(self.step(Event::Looked(Looked::Same))),
                None => actions.extend(self.wait()),
            }
        }
    }
}

#[test]
fn r12_what_could_not_be_planned_counts_from_the_first_again_after_a_new_configuration_or_a_reload() {
    for event in [Event::Looked(Looked::New(MINUTE * 60)), Event::Reload] {
        let mut story = Story::converged();
        let mut pass = story.pass(Event::Looked(Looked::New(MINUTE * 60)));
        for _ in 0..8 {
            assert_eq!(story.step(failed(pass.id)), []);
            pass = story.next_pass();
        }
        story.step(failed(pass.id));
        assert!(!story.scheduler.is_well());
        let mut actions = story.step(event);
        if actions == [Action::Look { whole: true }] {
            actions = story.step(Event::Looked(Looked::Same));
        }
        let all = only_pass(actions);
        assert!(story.scheduler.is_well(), "nobody knows yet how it ends");
        story.step(failed(all.id));
        assert!(story.scheduler.wake_at() <= story.now + Duration::from_secs(1));
    }
}

#[test]
fn what_a_person_asked_for_and_could_not_be_planned_is_not_tried_again() {
    let mut story = Story::converged();
    let before = story.scheduler.wake_at();
    let asked = story.pass(Event::Asked { request: 1, scope: of(&["a"]) });
    assert_eq!(story.step(failed(asked.id)), []);
    assert_eq!((story.scheduler.is_well(), story.scheduler.wake_at()), (true, before));
}

#[test]
fn r12_a_pass_that_left_a_stage_to_another_says_nothing_of_its_failure() {
    let mut story = Story::converged();
    let first = story.pass(drift("a"));
    story.over(first.id, &["a"]);
    let retry = only_pass(story.wait());
    assert_eq!((&retry.scope, retry.reason), (&of(&["a"]), Reason::Retry));
    story.planned(retry.id, &["a"]);
    let all = story.pass(Event::Missed);
    assert_eq!(all.busy, keys(&["a"]));
    story.over(all.id, &[]);
    assert!(!story.scheduler.is_well(), "nobody knows yet how it ends");
    let after = only_pass(story.over(retry.id, &[]));
    assert_eq!((after.scope, story.scheduler.is_well()), (of(&["a"]), true));
}

#[test]
fn r31_so_many_passes_are_on_at_a_time_and_the_next_begins_when_one_of_them_is_over() {
    let mut story = Story::converged();
    let names: Vec<String> = (0..MAX_PASSES + 3).map(|n| format!("n{n}")).collect();
    let mut on = VecDeque::new();
    for name in &names[..MAX_PASSES] {
        let pass = story.pass(drift(name));
        assert_eq!(story.planned(pass.id, &[name]), []);
        on.push_back(pass.id);
    }
    for name in &names[MAX_PASSES..] {
        assert_eq!(story.step(drift(name)), []);
    }
    assert_eq!(story.step(Event::Asked { request: 1, scope: of(&["other"]) }), []);
    let asked = only_pass(story.over(on.pop_front().unwrap(), &[]));
    assert_eq!(asked.request, Some(1));
    story.planned(asked.id, &["other"]);
    let rest = only_pass(story.over(asked.id, &[]));
    assert_eq!(rest.scope, of(&names[MAX_PASSES..].iter().map(String::as_str).collect::<Vec<_>>()));
}

#[test]
fn hosts_that_began_together_do_not_stay_together_and_the_time_of_a_new_configuration_counts_from_its_day() {
    let mut story = Story::converged();
    let mut waits = Vec::new();
    for _ in 0..50 {
        let before = story.now;
        let all = story.next_pass();
        assert_eq!((&all.scope, all.reason), (&Scope::All, Reason::Resync));
        waits.push(story.now - before);
        story.over(all.id, &[]);
    }
    let (least, most) = (*waits.iter().min().unwrap(), *waits.iter().max().unwrap());
    let twentieth = RESYNC / 20;
    assert!(least + twentieth >= RESYNC && most <= RESYNC + twentieth && most > least + twentieth, "{waits:?}");

    story.now += RESYNC / 2;
    let all = story.pass(Event::Looked(Looked::New(MINUTE * 10)));
    story.over(all.id, &[]);
    assert!(story.scheduler.wake_at() > story.now + MINUTE * 9 && story.scheduler.wake_at() < story.now + MINUTE * 11);
}

#[test]
fn what_comes_while_a_new_configuration_waits_for_its_pass_takes_nothing_of_its_haste() {
    for event in [Event::Missed, Event::Looked(Looked::Renamed), Event::Tick] {
        let mut story = Story::converged();
        let slow = story.pass(drift("slow"));
        assert_eq!(story.step(Event::Looked(Looked::New(RESYNC))), [], "no two plans at a time");
        let what = format!("{event:?}");
        if matches!(event, Event::Tick) {
            assert_eq!(story.wait(), [Action::Look { whole: true }]);
            story.step(Event::Looked(Looked::Same));
        } else {
            story.step(event);
        }
        let all = only_pass(story.planned(slow.id, &["slow"]));
        assert_eq!((&all.scope, all.reason), (&Scope::All, Reason::Config), "{what}");
    }
}

#[test]
fn a_pass_over_all_waits_for_the_look_that_is_on_and_one_over_a_stage_does_not() {
    let mut story = Story::converged();
    assert_eq!(story.step(Event::Changed), [Action::Look { whole: false }]);
    assert_eq!(story.step(Event::Missed), []);
    let drifted = story.pass(drift("a"));
    assert_eq!(drifted.scope, of(&["a"]));
    assert_eq!(story.over(drifted.id, &[]), []);
    let all = story.pass(Event::Looked(Looked::New(RESYNC)));
    assert_eq!((all.scope, all.reason), (Scope::All, Reason::Config));
    assert_eq!(story.over(all.id, &[]), [], "one for both");
}
