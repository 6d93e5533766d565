//! What people ask the daemon for, within this process: what follows for its loop.

use std::time::Duration;

use landfall::daemon::Ask;
use landfall::execute::Sink;
use landfall::model::{DeployStatus, Pause, PauseKind, StageKey};
use landfall::plan::Options;
use landfall::reconcile::{Done, Want};
use tokio::sync::oneshot;

use super::ground::{Daemon, Host, image, web};
use crate::fake_docker::{Op, State};
use crate::router_support::{soon, until};

/// The timer comes far too late for any of these tests.
const RESYNC: &str = "  resync: 10m\n";
/// So many requests wait in the loop, and as many before it.
const MAX_WAITING: usize = 16;

fn key() -> StageKey {
    "web/prod".parse().unwrap()
}

async fn pause(daemon: &Daemon, pause: Option<Pause>) -> Option<Pause> {
    match daemon.ask(Want::Pause { key: key(), pause }).await {
        Ok(Done::Paused(before)) => before,
        other => panic!("{other:?}"),
    }
}

fn state(host: &Host) -> State {
    host.fake.containers()[0].state
}

#[tokio::test]
async fn r20_a_stage_that_is_looked_after_again_is_looked_at_though_nothing_tells_of_it() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings(RESYNC);
    host.apply(&web("v1", "")).await;
    let daemon = Daemon::start(&host);
    let suspended = Pause { kind: PauseKind::Suspended, since_ms: 1, until_ms: None };
    assert_eq!(pause(&daemon, Some(suspended)).await, None);
    until("the daemon listens", async || host.fake.listeners() == 1).await;
    host.fake.reset_calls();
    host.fake.pause_by_hand(&host.fake.names()[0]);
    until("it was heard, and looked at", async || host.fake.count(Op::List) > 0).await;
    // Behind it: one request is answered after the passes before it.
    assert_eq!(pause(&daemon, Some(suspended)).await, Some(suspended));
    assert_eq!((state(&host), host.fake.mutations()), (State::Paused, 0), "it is left alone");
    assert_eq!(pause(&daemon, None).await, Some(suspended));
    until("it is put right", async || state(&host) == State::Running).await;
    daemon.stop().await;
}

#[tokio::test]
async fn r31_so_many_requests_wait_and_more_are_turned_away_and_all_that_were_taken_are_answered() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings(RESYNC);
    host.apply(&web("v1", "")).await;
    host.fake.reset_calls();
    host.fake.hang(Op::List);
    let daemon = Daemon::start(&host);
    host.called(Op::List).await;
    let (mut waiting, mut refused) = (Vec::new(), 0);
    while refused < 10 {
        let (answer, answered) = oneshot::channel();
        match daemon.handle.ask(Ask { want: Want::Pause { key: key(), pause: None }, sink: Sink::new(|_| {}), answer })
        {
            Ok(()) => waiting.push(answered),
            Err(_) => refused += 1,
        }
        // The loop takes in what it takes in at all.
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        assert!(waiting.len() <= 2 * MAX_WAITING, "{} wait", waiting.len());
    }
    assert!(waiting.len() >= MAX_WAITING, "{} wait", waiting.len());
    host.fake.release(Op::List);
    for answered in waiting {
        assert!(matches!(soon("an answer", answered).await, Ok(Ok(Done::Paused(None)))));
    }
    assert_eq!(pause(&daemon, None).await, None, "there is room again");
    daemon.stop().await;
}

#[tokio::test]
async fn r12_what_failed_when_a_person_asked_for_it_is_tried_again_by_the_loop() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings(RESYNC);
    host.write(&web("v1", ""));
    host.fake.hang(Op::List);
    // In the loop's own first pass, and in the one that is asked for.
    (0..2).for_each(|_| host.fake.fail_next(Op::Pull, 500, "received unexpected HTTP status: 503 Service Unavailable"));
    let daemon = Daemon::start(&host);
    host.called(Op::List).await;
    let want = Want::Converge { options: Options::default(), adopt_store: None, allow_rewrite: false };
    let asked = daemon.ask(want);
    let (done, ()) = tokio::join!(asked, async { host.fake.release(Op::List) });
    let Ok(Done::Converged(converged)) = done else { panic!("{done:?}") };
    assert!(converged.results.values().all(|result| !result.is_ok()), "{:?}", converged.results);
    until("it is tried again", async || host.version_at("web.test").await == "v1").await;
    daemon.stop().await;
    assert_eq!(host.fake.count(Op::Pull), 3);
}

#[tokio::test]
async fn r31_a_daemon_that_is_to_stop_lets_the_deploy_under_way_end_first() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    host.fake.hang(Op::Start);
    let daemon = Daemon::start(&host);
    host.called(Op::Start).await;
    let ((), ()) = tokio::join!(daemon.stop(), async {
        // The deploy goes on once the daemon was told: a daemon that does not wait is gone by then.
        tokio::task::yield_now().await;
        host.fake.release(Op::Start);
    });
    assert_eq!((host.last().status, host.reader().in_flight().unwrap().len()), (DeployStatus::Success, 0));
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r20_what_is_named_no_more_and_could_not_be_removed_is_removed_when_it_is_tried_again() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings(RESYNC);
    let both = format!("{}      test: {{ track: {{ digest: \"{}\" }} }}\n", web("v1", ""), image("v1").digest);
    host.apply(&both).await;
    let daemon = Daemon::start(&host);
    until("the daemon listens", async || host.fake.listeners() == 1).await;
    host.fake.fail_next(Op::Remove, 500, "device or resource busy");
    host.write(&web("v1", ""));
    until("it is gone", async || host.containers() == ["web-prod@v1 running"]).await;
    daemon.stop().await;
    assert_eq!(host.fake.count(Op::Remove), 2, "the first time it could not be removed");
}
