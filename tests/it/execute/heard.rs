//! R20: what is done to a container while the daemon runs is heard and put right, long before the timer looks; without a
//! pass too many, and without a hot loop.

use std::time::Duration;

use landfall::model::{ConditionKind, Truth};

use super::ground::{Daemon, Host, REPOSITORY, image};
use crate::fake_docker::{Behaviour, FakeContainer, Op};
use crate::router_support::until;

/// The timer comes far too late for any of these tests.
const RESYNC: &str = "  resync: 10m\n";
/// So many containers are asked about at a time.
const SETTLING_MAX: usize = 64;

/// Stages of one project, at one version.
fn stages(names: &[&str], version: &str, more: &str) -> String {
    let digest = image(version).digest;
    let head = format!(
        "projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {{ tcp: {{}} }}\n{more}    stages:\n"
    );
    names.iter().fold(head, |text, name| text + &format!("      {name}: {{ track: {{ digest: \"{digest}\" }} }}\n"))
}

/// These stages under a daemon that has nothing to do and listens.
async fn watched(names: &[&str], more: &str) -> (Host, Daemon) {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.settings(RESYNC);
    host.apply(&stages(names, "v1", more)).await;
    host.fake.reset_calls();
    let daemon = Daemon::start(&host);
    until("the daemon listens, and has looked", async || {
        host.fake.listeners() == 1 && host.fake.count(Op::Networks) >= 1
    })
    .await;
    (host, daemon)
}

fn container(host: &Host, stage: &str) -> Option<FakeContainer> {
    let name = format!("web-{stage}-");
    let label = |c: &FakeContainer| c.labels.get("landfall.self").is_some_and(|own| own.starts_with(&name));
    host.fake.containers().into_iter().find(label)
}

fn name(host: &Host, stage: &str) -> String {
    container(host, stage).expect("an instance").name
}

/// It runs, under its own name and in both networks.
async fn is_right(host: &Host, stage: &str) {
    until(&format!("{stage} is put right"), async || {
        container(host, stage).is_some_and(|c| {
            c.state == crate::fake_docker::State::Running
                && c.name == c.labels["landfall.self"]
                && c.networks.len() == 2
        })
    })
    .await;
}

#[tokio::test]
async fn r20_what_is_done_by_hand_is_heard_and_put_right() {
    let names = ["kill", "stop", "pause", "rename", "disconnect", "remove"];
    let (host, daemon) = watched(&names, "").await;
    // As dockerd does it: the death is told long before lists show it.
    host.fake.endings_take(Duration::from_millis(300));
    host.fake.kill_by_hand(&name(&host, "kill")).await;
    is_right(&host, "kill").await;
    host.fake.stop_by_hand(&name(&host, "stop")).await;
    is_right(&host, "stop").await;
    host.fake.pause_by_hand(&name(&host, "pause"));
    is_right(&host, "pause").await;
    host.fake.rename_by_hand(&name(&host, "rename"), "mine");
    is_right(&host, "rename").await;
    host.fake.disconnect_by_hand(&name(&host, "disconnect"), "landfall");
    is_right(&host, "disconnect").await;
    host.fake.remove_by_hand(&name(&host, "remove")).await;
    is_right(&host, "remove").await;
    assert_eq!(host.fake.made(), names.len() + 1, "only what was removed was made again");
    daemon.stop().await;
}

#[tokio::test]
async fn r20_a_death_that_takes_docker_longer_than_is_waited_for_is_put_right_all_the_same() {
    let (host, daemon) = watched(&["slow"], "").await;
    host.fake.endings_take(Duration::from_millis(2500));
    host.fake.kill_by_hand(&name(&host, "slow")).await;
    is_right(&host, "slow").await;
    daemon.stop().await;
}

#[tokio::test]
async fn r20_many_that_die_together_are_all_put_right() {
    let names: Vec<String> = (0..12).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (host, daemon) = watched(&names, "").await;
    host.fake.endings_take(Duration::from_millis(300));
    let of: Vec<String> = names.iter().map(|stage| name(&host, stage)).collect();
    futures_util::future::join_all(of.iter().map(|name| host.fake.kill_by_hand(name))).await;
    for stage in &names {
        is_right(&host, stage).await;
    }
    daemon.stop().await;
}

#[tokio::test]
async fn r31_more_than_docker_is_asked_about_at_a_time_are_all_put_right_as_well() {
    let names: Vec<String> = (0..SETTLING_MAX + 6).map(|n| format!("n{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let (host, daemon) = watched(&names, "").await;
    host.fake.hang(Op::Inspect);
    for stage in &names {
        host.fake.pause_by_hand(&name(&host, stage));
    }
    // What comes after these is heard, and nothing more is told of it.
    until("Docker is asked", async || host.fake.count(Op::Inspect) >= SETTLING_MAX).await;
    host.fake.release(Op::Inspect);
    for stage in &names {
        is_right(&host, stage).await;
    }
    daemon.stop().await;
}

#[tokio::test]
async fn r20_what_happens_while_the_stream_is_cut_or_docker_does_not_answer_is_found_afterwards() {
    let (host, daemon) = watched(&["cut", "lost"], "").await;
    let unseen = |stage: &str| {
        host.fake.change(&name(&host, stage), |container| container.state = crate::fake_docker::State::Paused);
    };
    unseen("cut");
    host.fake.cut_events();
    is_right(&host, "cut").await;

    (0..3).for_each(|_| host.fake.fail_next(Op::Ping, 503, "not yet"));
    unseen("lost");
    host.fake.forget_events();
    is_right(&host, "lost").await;
    until("it listens again", async || host.fake.listeners() == 1).await;

    // What cannot be understood ends a stream, and what comes next is heard all the same.
    host.fake.send_event("{\"Type\":\"spaceship\",\"Action\":\"start\",\"Actor\":{}}\n");
    host.fake.pause_by_hand(&name(&host, "cut"));
    is_right(&host, "cut").await;
    daemon.stop().await;
}

#[tokio::test]
async fn r20_a_deploy_causes_one_look_more_at_most_and_a_repair_too() {
    let (host, daemon) = watched(&["a", "b"], "").await;
    until("the passes of the start", async || host.fake.count(Op::List) >= 1).await;
    // The first subscription asks for a look at everything, which may come after the first pass.
    host.fake.reset_calls();
    host.write(&stages(&["a", "b"], "v2", ""));
    let deployed = async || host.fake.containers().len() == 2 && host.deploys().len() == 4;
    until("both are replaced", deployed).await;
    until("the deploys end", async || host.reader().in_flight().is_ok_and(|open| open.is_empty())).await;
    // Something that is heard last is looked at last.
    host.fake.pause_by_hand(&name(&host, "a"));
    is_right(&host, "a").await;
    // The deploys of both stages, a look at each of them and at what came with the start, and the pause.
    let lists = host.fake.count(Op::List);
    assert!(lists <= 5, "{lists} lists of containers");
    daemon.stop().await;
}

#[tokio::test]
async fn r20_health_checks_and_other_people_s_containers_are_no_work() {
    let (host, daemon) = watched(&["a"], "").await;
    host.fake.reset_calls();
    for round in 0..50 {
        host.fake.check_health(&name(&host, "a"));
        host.fake.run_by_hand(&format!("other-{round}"), &std::collections::BTreeMap::new());
        host.fake.pause_by_hand(&format!("other-{round}"));
        host.fake.remove_by_hand(&format!("other-{round}")).await;
    }
    host.fake.pause_by_hand(&name(&host, "a"));
    is_right(&host, "a").await;
    let lists = host.fake.count(Op::List);
    assert!(lists <= 2, "{lists} lists for 150 events that mean nothing and one that does");
    daemon.stop().await;
}

#[tokio::test]
async fn r20_a_container_that_dies_again_and_again_is_no_hot_loop_and_keeps_no_other_waiting() {
    let (host, daemon) = watched(&["a", "b", "c", "d", "e", "f", "g", "h"], "    restart: \"no\"\n").await;
    let behaviour = Behaviour::Crash { after: Duration::from_millis(20), exit_code: 3, last_words: "again".to_owned() };
    host.fake.app_behaviour(&image("v1"), &behaviour);
    host.fake.crash(&name(&host, "a"), 3, false).await;
    until("it was started again", async || container(&host, "a").is_some_and(|c| c.starts >= 2)).await;
    for stage in ["b", "c", "d", "e", "f", "g", "h"] {
        host.fake.rename_by_hand(&name(&host, stage), &format!("mine-{stage}"));
        until("another one is put right", async || name(&host, stage).starts_with("web-")).await;
    }
    let starts = container(&host, "a").expect("it").starts;
    assert!(starts <= 4, "{starts} starts while seven others were put right");
    until("it is tried again", async || container(&host, "a").is_some_and(|c| c.starts > starts)).await;
    daemon.stop().await;
}

#[tokio::test]
async fn r20_a_look_at_everything_does_not_cut_short_the_rest_of_what_dies_again_and_again() {
    let (host, daemon) = watched(&["a"], "    restart: \"no\"\n").await;
    let behaviour = Behaviour::Crash { after: Duration::from_millis(20), exit_code: 3, last_words: "again".to_owned() };
    host.fake.app_behaviour(&image("v1"), &behaviour);
    host.fake.crash(&name(&host, "a"), 3, false).await;
    // Its next rest is one of seconds, and it has died by then.
    let is_dead = |c: FakeContainer| c.starts >= 4 && c.state == crate::fake_docker::State::Exited;
    until("it was started three times more", async || container(&host, "a").is_some_and(is_dead)).await;
    let starts = container(&host, "a").expect("it").starts;
    host.fake.reset_calls();
    host.fake.cut_events();
    let stage = |kind, truth| {
        let conditions = host.reader().conditions().expect("conditions");
        conditions.stages.values().all(|own| own.is(kind, truth))
    };
    until("all was looked at", async || stage(ConditionKind::Ready, Truth::False)).await;
    assert_eq!((host.fake.count(Op::Start), container(&host, "a").expect("it").starts), (0, starts));
    assert!(stage(ConditionKind::Drifted, Truth::True) && stage(ConditionKind::Reconciling, Truth::True));
    until("it is tried again", async || container(&host, "a").is_some_and(|c| c.starts > starts)).await;
    daemon.stop().await;
}

#[tokio::test]
async fn docker_that_cannot_be_heard_is_a_condition_of_the_host_until_it_is_heard_again() {
    let (host, daemon) = watched(&["a"], "").await;
    let is = |truth| host.reader().conditions().expect("conditions").host.is(ConditionKind::DockerReachable, truth);
    until("the pass of the start is over", async || is(Truth::True)).await;
    // For as long as it takes to see it, with some to spare.
    (0..1000).for_each(|_| host.fake.fail_next(Op::Ping, 503, "not yet"));
    host.fake.forget_events();
    until("it is said that Docker does not answer", async || is(Truth::False)).await;
    host.fake.heal(Op::Ping);
    until("it is said that it does again", async || host.fake.listeners() == 1 && is(Truth::True)).await;
    // What kept that holds the lock no longer than it needs it.
    host.converge().await;
    daemon.stop().await;
}
