//! A newer configuration while a pass is on: what has not moved traffic makes way at once, and what is watched after its
//! switch is watched no longer (R10, R14).

use std::time::Duration;

use landfall::model::{DeployStatus, Phase};

use super::ground::{Daemon, Host, image, web};
use super::interrupted::Clients;
use crate::fake_docker::Behaviour;
use crate::router_support::until;

/// A host that runs the first version, with two more to come.
async fn host(second: Behaviour) -> Host {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(second), &image("v3")]).await;
    host.apply(&web("v1", "")).await;
    host
}

/// The projects, with a gate that is patient.
fn patient(version: &str, more: &str) -> String {
    web(version, more).replace("deadline: 5s", "deadline: 1h")
}

async fn reached(host: &Host, phase: Phase) {
    until(&format!("{phase}"), async || {
        host.reader().in_flight().is_ok_and(|open| open.iter().any(|deploy| deploy.phase == phase))
    })
    .await;
}

async fn settled_at(host: &Host, version: &str) {
    until(&format!("{version} alone"), async || {
        host.containers() == [format!("web-prod@{version} running")]
            && host.reader().in_flight().is_ok_and(|open| open.is_empty())
    })
    .await;
    assert_eq!(host.version_at("web.test").await, version);
}

fn statuses(host: &Host) -> Vec<DeployStatus> {
    host.deploys().iter().map(|deploy| deploy.status).collect()
}

#[tokio::test]
async fn r14_a_newer_version_ends_the_gate_of_an_older_one_which_is_superseded_and_not_held() {
    let host = host(Behaviour::Silent).await;
    let clients = Clients::start(&host);
    host.write(&patient("v2", ""));
    let daemon = Daemon::start(&host);
    reached(&host, Phase::HealthChecking).await;
    host.write(&patient("v3", ""));
    settled_at(&host, "v3").await;
    daemon.stop().await;
    clients.all_answered("a newer version").await;
    assert_eq!(statuses(&host), [DeployStatus::Success, DeployStatus::Superseded, DeployStatus::Success]);
    let superseded = &host.deploys()[1];
    assert_eq!(superseded.reason.as_deref(), Some("the configuration moved on"));
    let log = host.reader().log(superseded.id).unwrap();
    assert!(log.last().unwrap().text == "superseded", "{log:?}");
    assert!(host.recorded().stages.values().all(|stage| stage.quarantine.is_empty()));
}

#[tokio::test]
async fn r10_a_newer_version_ends_the_watch_of_an_older_one_which_succeeded() {
    let host = host(Behaviour::Healthy).await;
    host.write(&patient("v2", "        monitor: 1h\n"));
    let daemon = Daemon::start(&host);
    reached(&host, Phase::Monitoring).await;
    host.write(&patient("v3", ""));
    settled_at(&host, "v3").await;
    daemon.stop().await;
    assert_eq!(statuses(&host), [DeployStatus::Success; 3]);
}

#[tokio::test]
async fn a_change_that_is_not_of_the_stage_disturbs_no_deploy_of_it() {
    let host = host(Behaviour::HealthyAfter(Duration::from_secs(2))).await;
    host.write(&patient("v2", ""));
    let daemon = Daemon::start(&host);
    reached(&host, Phase::HealthChecking).await;
    host.settings("  resync: 7s\n");
    settled_at(&host, "v2").await;
    until("the other change is in force", async || {
        host.reader().in_force().unwrap().is_some_and(|now| now.desired.settings.resync.0 == 7000)
    })
    .await;
    daemon.stop().await;
    assert_eq!(statuses(&host), [DeployStatus::Success; 2]);
}
