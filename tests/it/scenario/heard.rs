//! What happens to containers while the daemon runs is heard from dockerd and put right at once: the timer would come ten
//! minutes later (R20).

use super::daemon::daemon;
use super::harness::{Host, Instance, eventually};

/// The timer has no part in any of these stories.
const RESYNC: &str = "resync: 10m";

/// A project of these stages, without a domain.
fn project(stages: &[&str], more: &str) -> String {
    let head = format!(
        "projects:\n  web-<id>:\n    image: <images>/web\n    port: 8080\n    ready: {{ tcp: {{}}, interval: 100ms }}\n    \
         stop_grace_period: 1s\n{more}    stages:\n"
    );
    stages.iter().fold(head, |text, stage| text + &format!("      {stage}: {{ track: {{ tag: v1 }} }}\n"))
}

/// The one instance of a stage.
fn instance(host: &Host, stage: &str) -> Option<Instance> {
    match &host.instances(&format!("web-<id>/{stage}"))[..] {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// Returns when every stage has one container that runs under its own name, and nothing is left to do.
#[track_caller]
fn all_are_right(host: &Host, stages: &[&str], what: &str) {
    let is_right = |stage: &&str| instance(host, stage).is_some_and(|own| own.state == "running");
    eventually(what, || (stages.iter().all(is_right) && host.landfall("diff").is(0)).then_some(()));
    // What serves already may be about to be recorded.
    let has_ended = |stage: &&str| host.statuses(&format!("web-<id>/{stage}")).iter().all(|status| status == "success");
    eventually(&format!("every deploy has ended, {what}"), || stages.iter().all(has_ended).then_some(()));
}

#[test]
fn r20_what_is_done_by_hand_under_the_daemon_is_put_right_at_once() {
    const STAGES: [&str; 7] = ["kill", "stop", "pause", "rename", "disconnect", "names", "remove"];
    let host = Host::new();
    host.settings(RESYNC);
    host.write("web.yaml", &project(&STAGES, ""));
    let daemon = daemon(&host);
    all_are_right(&host, &STAGES, "at the start");
    let before: Vec<Instance> = STAGES.iter().filter_map(|stage| instance(&host, stage)).collect();
    for (stage, own) in STAGES.iter().zip(&before) {
        match *stage {
            "kill" | "pause" => host.engine.act(stage, &own.id),
            "stop" => host.engine.act("stop?t=1", &own.id),
            "rename" => host.engine.act(&host.text("rename?name=by-hand-<id>"), &own.id),
            "disconnect" => host.engine.disconnect(&host.text("lf-<id>"), &own.id),
            "names" => host.engine.disconnect(&host.text("lf-<id>-names"), &own.id),
            _ => host.engine.remove(&own.id),
        }
    }
    all_are_right(&host, &STAGES, "after all that was done by hand");
    for (stage, before) in STAGES.iter().zip(&before) {
        let now = instance(&host, stage).expect("one instance");
        assert_eq!(now == *before, *stage != "remove", "{stage}: only what was removed is another one");
        let deploys = if *stage == "remove" { 2 } else { 1 };
        assert_eq!(host.history(&format!("web-<id>/{stage}")).len(), deploys, "{stage}");
    }
    // The end of what is retired is heard as well, and is nobody's drift.
    host.write("web.yaml", &project(&STAGES[..6], ""));
    eventually("it is retired", || host.instances("web-<id>/remove").is_empty().then_some(()));
    host.engine.act("pause", &before[1].id);
    all_are_right(&host, &STAGES[..6], "after one was retired");
    assert!(!daemon.log().contains("ERROR"), "{}", daemon.log());
}

/// When dockerd started a container, in nanoseconds, as it tells it itself.
fn starts(host: &Host, container: &str) -> Vec<i64> {
    let filters = format!("{{\"container\":[\"{container}\"],\"event\":[\"start\"]}}");
    let encoded: String = filters.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let until = std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs();
    let (status, told) = host.engine.raw("GET", &format!("/events?since=0&until={until}&filters={encoded}"), None);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&told));
    let told = String::from_utf8(told).expect("JSON");
    let events = told.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    events.filter_map(|event| event["timeNano"].as_i64()).collect()
}

#[test]
fn r20_a_container_that_crashes_again_and_again_is_started_less_and_less_often() {
    let host = Host::new();
    host.settings(RESYNC);
    host.write("web.yaml", &project(&["loop"], "    restart: \"no\"\n    environment: { CRASH_AFTER_MS: 700 }\n"));
    let daemon = daemon(&host);
    let own = eventually("it was deployed", || instance(&host, "loop").filter(|own| !own.id.is_empty()));
    eventually("it was started six times", || (starts(&host, &own.id).len() >= 6).then_some(()));
    let times = starts(&host, &own.id);
    // From its deploy to the first repair is its life alone; then a second, two, four, eight. Docker itself may take a second
    // or two to tell of a death and to start it again.
    let waits: Vec<i64> = times.windows(2).skip(1).map(|pair| pair[1] - pair[0]).collect();
    assert!(waits[3] > waits[0], "it waits longer each time: {waits:?}");
    assert_eq!(host.history("web-<id>/loop").len(), 1, "a repair is no deploy");
    drop(daemon);
}

#[test]
fn r20_a_dockerd_that_is_killed_and_started_again_has_everything_back_and_no_deploy_more() {
    const STAGES: [&str; 3] = ["a", "b", "c"];
    let host = Host::with_own_dockerd();
    host.settings(RESYNC);
    host.write("web.yaml", &project(&STAGES, ""));
    let mut daemon = daemon(&host);
    all_are_right(&host, &STAGES, "at the start");
    let rows = |stage: &&str| host.history(&format!("web-<id>/{stage}"));
    let history: Vec<_> = STAGES.iter().map(rows).collect();
    let before: Vec<Instance> = STAGES.iter().filter_map(|stage| instance(&host, stage)).collect();
    for round in 1..=2 {
        host.dockerd().signal("KILL");
        daemon.says_times("docker does not answer", round);
        host.dockerd().again();
        daemon.says_times("docker answers again", round);
        all_are_right(&host, &STAGES, "after a SIGKILL of dockerd");
    }
    // What happens afterwards is heard as before.
    host.engine.act("pause", &before[0].id);
    all_are_right(&host, &STAGES, "paused after that");
    let now: Vec<Instance> = STAGES.iter().filter_map(|stage| instance(&host, stage)).collect();
    assert_eq!(now, before, "the same containers");
    assert_eq!(STAGES.iter().map(rows).collect::<Vec<_>>(), history, "no deploy, and none changed");
}
