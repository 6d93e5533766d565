//! Passes beside each other: a stage that waits at its gate keeps no other from being looked after, and nobody takes what
//! another one has just made for something that was left behind.

use std::time::Duration;

use landfall::model::{DeployStatus, Phase};

use super::ground::{Daemon, Host, REPOSITORY, image};
use crate::fake_docker::{Behaviour, Op};
use crate::router_support::until;

/// Two projects, the second of a version that takes its time.
fn projects(slow: &str) -> String {
    let one = |name: &str, version: &str| {
        let digest = image(version).digest;
        format!(
            "  {name}:
    image: {REPOSITORY}
    port: 8080
    ready: {{ http: {{ path: / }}, interval: 20ms, deadline: 1h }}
    stages: {{ prod: {{ track: {{ digest: \"{digest}\" }}, route: {{ domains: [ {name}.test ] }} }} }}
"
        )
    };
    format!("projects:\n{}{}", one("quick", "v1"), one("slow", slow))
}

/// Both run their first version, and the second one is to run its second.
async fn host(second: Behaviour) -> Host {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(second), &image("v3")]).await;
    host.settings("  resync: 1s\n");
    host.apply(&projects("v1")).await;
    host.write(&projects("v2"));
    host
}

async fn gate(host: &Host) {
    until("the gate", async || {
        host.reader().in_flight().is_ok_and(|open| open.iter().any(|deploy| deploy.phase == Phase::HealthChecking))
    })
    .await;
}

fn instances(host: &Host, project: &str) -> Vec<String> {
    let name = format!("{project}-prod-");
    host.fake.names().into_iter().filter(|container| container.starts_with(&name)).collect()
}

async fn is_well(host: &Host, project: &str) {
    let name = format!("{project}-prod@");
    until(&format!("{project} runs"), async || {
        let all = host.containers();
        let all: Vec<&String> = all.iter().filter(|container| container.starts_with(&name)).collect();
        matches!(&all[..], [only] if only.ends_with(" running"))
    })
    .await;
}

#[tokio::test]
async fn r20_a_stage_at_its_gate_keeps_no_other_from_being_put_right() {
    let host = host(Behaviour::Silent).await;
    let daemon = Daemon::start(&host);
    gate(&host).await;
    host.fake.stop_by_hand(&instances(&host, "quick")[0]).await;
    is_well(&host, "quick").await;
    host.fake.remove_by_hand(&instances(&host, "quick")[0]).await;
    is_well(&host, "quick").await;
    let open = host.reader().in_flight().unwrap();
    // The other one may be at the gate of what came in place of the removed.
    let slow = open.iter().find(|deploy| deploy.key.project.as_str() == "slow");
    assert!(slow.is_some_and(|slow| slow.phase == Phase::HealthChecking), "it goes on: {open:?}");
    daemon.kill();
}

#[tokio::test]
async fn r15_passes_beside_a_deploy_take_nothing_of_it_for_left_behind() {
    let host = host(Behaviour::Healthy).await;
    // The gate's first look.
    host.fake.hang(Op::Inspect);
    let daemon = Daemon::start(&host);
    host.called(Op::Inspect).await;
    gate(&host).await;
    assert_eq!(instances(&host, "slow").len(), 2, "the old one serves beside the new one");
    // Passes beside it, each with one list of containers and whatever it thinks is to be done.
    host.fake.reset_calls();
    until("some passes", async || host.fake.count(Op::List) >= 3).await;
    assert_eq!(host.fake.mutations(), 0, "{:?}", host.fake.calls());
    host.fake.release(Op::Inspect);
    until("the end of the deploy", async || host.reader().in_flight().is_ok_and(|open| open.is_empty())).await;
    let statuses: Vec<DeployStatus> = host.deploys().iter().map(|deploy| deploy.status).collect();
    assert_eq!(statuses, [DeployStatus::Success; 3]);
    assert_eq!(host.version_at("slow.test").await, "v2");
    daemon.stop().await;
}

#[tokio::test]
async fn what_makes_way_has_its_turn_again_with_the_newest_configuration() {
    let host = host(Behaviour::Silent).await;
    let daemon = Daemon::start(&host);
    gate(&host).await;
    host.write(&projects("v3"));
    until("the newest version", async || {
        host.deploys().len() == 4 && host.reader().in_flight().is_ok_and(|open| open.is_empty())
    })
    .await;
    is_well(&host, "slow").await;
    tokio::time::timeout(Duration::from_secs(20), daemon.stop()).await.expect("a daemon that stops");
    let statuses: Vec<DeployStatus> = host.deploys().iter().skip(2).map(|deploy| deploy.status).collect();
    assert_eq!(statuses, [DeployStatus::Superseded, DeployStatus::Success]);
    assert_eq!(host.version_at("slow.test").await, "v3");
}
