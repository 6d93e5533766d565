//! Conditions, from the binary: what passes find, that it is kept, and how `status` tells it.

use std::collections::BTreeMap;

use landfall::model::{AllConditions, ConditionKind, Conditions, Truth};
use serde_json::Value;

use super::landfall;
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::{Behaviour, Op};
use crate::router_support::until;
use crate::systemd::daemon::{Daemon, daemon, stopped};

use ConditionKind::{ConfigLoaded, DockerReachable, Drifted, PruneBlocked, Ready, Reconciling, Stalled};

fn kept(host: &Host) -> AllConditions {
    host.reader().conditions().expect("conditions")
}

/// `web/prod`.
fn stage(host: &Host) -> Conditions {
    kept(host).stages.into_values().next().unwrap_or_default()
}

fn reason(own: &Conditions, kind: ConditionKind) -> String {
    own.get(kind).map(|condition| condition.reason.clone()).unwrap_or_default()
}

async fn text(host: &Host) -> String {
    landfall(host, &["status"]).await.out
}

/// Type → status, of JSON.
fn statuses(conditions: &Value) -> BTreeMap<&str, &str> {
    let all = conditions.as_array().expect("conditions");
    all.iter().map(|one| (one["type"].as_str().unwrap(), one["status"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_records_all_of_them_and_status_tells_programs_all_and_people_what_is_wrong() {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::Unhealthy)]).await;
    host.write(&web("v1", ""));
    assert_eq!(landfall(&host, &["apply"]).await.code, 0);
    let json: Value = serde_json::from_str(&landfall(&host, &["status", "-o", "json"]).await.out).unwrap();
    let of_host = [
        ("ConfigLoaded", "True"),
        ("DockerReachable", "True"),
        ("ProxyReachable", "True"),
        ("PruneBlocked", "False"),
        ("Ready", "True"),
        ("Reconciling", "False"),
    ];
    assert_eq!(statuses(&json["conditions"]), of_host.into());
    let own = &json["stages"][0]["conditions"];
    assert_eq!(
        statuses(own),
        [("Drifted", "False"), ("Ready", "True"), ("Reconciling", "False"), ("Stalled", "False")].into()
    );
    assert_eq!(own[0]["generation"], 1);
    assert!(chrono::DateTime::parse_from_rfc3339(own[0]["since"].as_str().unwrap()).is_ok());
    assert!(!text(&host).await.contains("since"), "all is well");

    let before = kept(&host);
    assert_eq!(landfall(&host, &["apply"]).await.code, 0);
    assert_eq!(kept(&host), before, "a pass that finds the same changes nothing");

    host.write(&web("v2", "        ready: { http: { path: / }, deadline: 100ms }\n"));
    assert_eq!(landfall(&host, &["apply"]).await.code, 1);
    let failed = stage(&host);
    assert!(failed.is(Stalled, Truth::True) && failed.is(Ready, Truth::False) && failed.is(Reconciling, Truth::False));
    assert_eq!((reason(&failed, Stalled).as_str(), reason(&failed, Ready).as_str()), ("DeployFailed", "DeployFailed"));
    assert!(kept(&host).host.is(Ready, Truth::False));
    let said = text(&host).await;
    assert!(said.contains("web/prod  Stalled since ") && said.contains(" ago (DeployFailed)"), "{said}");
    assert!(!said.contains("not Ready"), "which only follows: {said}");
    let since = |own: &Conditions| own.get(Stalled).map(|condition| condition.since_ms);
    assert_eq!(landfall(&host, &["apply"]).await.code, 3);
    assert_eq!(since(&stage(&host)), since(&failed), "held now, and stalled since then");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_is_reconciling_and_drifted_while_it_is_put_right_and_while_a_fault_outside_passes() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    host.fake.pause_by_hand(&host.fake.names()[0]);
    host.fake.hang(Op::Unpause);
    let (put_right, at_work) = tokio::join!(landfall(&host, &["apply"]), async {
        host.called(Op::Unpause).await;
        let seen = kept(&host);
        let said = text(&host).await;
        host.fake.release(Op::Unpause);
        (seen, said)
    });
    assert_eq!(put_right.code, 0, "{}", put_right.err);
    let (seen, said) = at_work;
    let own = seen.stages.values().next().unwrap();
    assert!(own.is(Reconciling, Truth::True) && own.is(Drifted, Truth::True) && seen.host.is(Reconciling, Truth::True));
    assert!(said.contains("web/prod  Drifted since "), "{said}");
    let after = stage(&host);
    assert!(after.is(Reconciling, Truth::False) && after.is(Drifted, Truth::False) && after.is(Ready, Truth::True));

    host.write(&web("v2", ""));
    host.fake.fail_next(Op::Pull, 500, "toomanyrequests: wait");
    assert_eq!(landfall(&host, &["apply"]).await.code, 1);
    let waiting = stage(&host);
    assert!(waiting.is(Reconciling, Truth::True) && waiting.is(Stalled, Truth::False));
    assert_eq!(reason(&waiting, Reconciling), "Retrying");
}

#[tokio::test(flavor = "multi_thread")]
async fn r3_what_would_retire_too_much_is_a_condition_of_the_host_and_what_is_gone_has_none() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    host.write("projects: {}\n");
    assert_eq!(landfall(&host, &["apply"]).await.code, 3);
    assert!(kept(&host).host.is(PruneBlocked, Truth::True) && stage(&host).is(Stalled, Truth::True));
    let said = text(&host).await;
    assert!(said.contains("host  PruneBlocked since "), "{said}");
    assert_eq!(landfall(&host, &["apply", "--allow-prune"]).await.code, 0);
    let after = kept(&host);
    assert!(after.stages.is_empty() && after.host.is(PruneBlocked, Truth::False) && after.host.is(Ready, Truth::True));
}

#[tokio::test(flavor = "multi_thread")]
async fn r2_the_daemon_says_that_docker_or_the_configuration_is_in_trouble_and_since_outlives_it() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings("  resync: 1s\n");
    host.write(&web("v1", ""));
    let running = Daemon::start(daemon(&host), &host);
    running.told("STATUS=converged").await;
    let of_host = |kind, truth| kept(&host).host.is(kind, truth);
    until("all is well", async || of_host(Ready, Truth::True)).await;
    host.fake.fail_next(Op::List, 500, "the daemon is on fire");
    until("Docker's trouble is seen", async || of_host(DockerReachable, Truth::False)).await;
    until("and that it is over", async || of_host(DockerReachable, Truth::True)).await;

    host.write("projects: [");
    until("the configuration's is seen", async || of_host(ConfigLoaded, Truth::False)).await;
    let passes = host.fake.count(Op::List);
    until("passes go on", async || host.fake.count(Op::List) > passes + 4).await;
    assert!(of_host(ConfigLoaded, Truth::False), "with what was good last");
    assert!(of_host(Ready, Truth::False) && stage(&host).is(Ready, Truth::True));
    assert_eq!(stopped(running).await, 0);

    let since = kept(&host).host.get(ConfigLoaded).map(|condition| condition.since_ms);
    std::fs::remove_file(host.path("notify.sock")).unwrap();
    let again = Daemon::start(daemon(&host), &host);
    again.told("STATUS=configuration cannot be used").await;
    assert_eq!(kept(&host).host.get(ConfigLoaded).map(|condition| condition.since_ms), since);
    let said = text(&host).await;
    assert!(said.contains("host  not ConfigLoaded since "), "{said}");
    host.write(&web("v1", ""));
    until("it is good again", async || of_host(ConfigLoaded, Truth::True) && of_host(Ready, Truth::True)).await;
    assert_eq!(stopped(again).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_complains_once_of_what_stays_as_it_is() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    host.settings("  resync: 1s\n");
    host.write("projects: {}\n");
    let running = Daemon::start(daemon(&host), &host);
    until("it is held", async || kept(&host).host.is(PruneBlocked, Truth::True)).await;
    let passes = host.fake.count(Op::List);
    until("passes go on", async || host.fake.count(Op::List) > passes + 6).await;
    let log = std::fs::read_to_string(running.log()).unwrap();
    assert_eq!(log.matches("held: ").count(), 1, "{log}");
    assert_eq!(stopped(running).await, 0);
}
