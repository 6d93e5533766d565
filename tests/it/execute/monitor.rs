//! R10: a new instance is watched while the old one can still take over, and does when the new one does not stay well.

use landfall::model::{DeployStatus, Phase, StageKey};
use landfall::plan::Held;

use super::ground::{Host, ended, image, web};
use super::interrupted::Clients;
use crate::fake_docker::{FakeImage, Op};
use crate::router_support::until;

/// Longer than any test: what ends it is what was seen.
const LONG: &str = "        monitor: 1h\n";
const VOLUME: &str = "        volumes: [ \"data:/data\" ]\n";

fn key() -> StageKey {
    "web/prod".parse().unwrap()
}

/// The second version, with a health check of its own.
fn second() -> FakeImage {
    image("v2").with_healthcheck()
}

/// A host that runs the first version and is to run the second, watched for a long time.
async fn to_be_replaced(more: &str) -> Host {
    let host = Host::with(&[&image("v1"), &second()]).await;
    host.apply(&web("v1", more)).await;
    host.fake.reset_calls();
    host.write(&web("v2", &format!("{LONG}{more}")));
    host
}

/// Waits until the new one is watched: the name of its container.
async fn watched(host: &Host) -> String {
    until("it is watched", async || {
        host.reader().in_flight().is_ok_and(|open| open.iter().any(|deploy| deploy.phase == Phase::Monitoring))
    })
    .await;
    host.last().container_name
}

/// Something goes wrong with a container while it is watched.
type Trouble = (&'static str, fn(&Host, &str));

/// Nothing of it keeps the app from answering.
const TROUBLES: [Trouble; 4] = [
    ("http /healthz answered 503, expected 200-399, 3 times in a row", |host, name| {
        host.fake.answer(name, "/healthz", 503, usize::MAX);
    }),
    ("Docker's health check says unhealthy", |host, name| host.fake.set_health(name, "unhealthy")),
    ("it ended, and Docker started it again", |host, name| host.fake.change(name, |c| c.restart_count = 1)),
    ("a process of it ran out of memory", |host, name| host.fake.change(name, |c| c.oom_killed = true)),
];

#[tokio::test]
async fn r10_one_that_turns_unhealthy_gives_the_traffic_back_and_no_request_is_lost() {
    for (seen, trouble) in TROUBLES {
        let host = to_be_replaced("").await;
        let old = host.last().id;
        let clients = Clients::start(&host);
        let watch = async {
            let name = watched(&host).await;
            assert_eq!(host.version_at("web.test").await, "v2", "{seen}");
            assert_eq!(host.containers(), ["web-prod@v1 running", "web-prod@v2 running"], "{seen}");
            trouble(&host, &name);
        };
        let (converged, ()) = tokio::join!(host.converge(), watch);
        clients.all_answered(seen).await;
        let (status, reason) = ended(&converged);
        assert_eq!(status, "rolled_back", "{seen}: {reason}");
        assert!(reason.starts_with("not well ") && reason.contains(seen), "{seen}: {reason}");
        assert_eq!(host.version_at("web.test").await, "v1", "{seen}");
        assert_eq!(host.containers(), ["web-prod@v1 running"], "{seen}");
        assert_eq!(host.recorded().stages[&key()].live.as_ref().unwrap().id, old, "{seen}");
        assert!(!host.changes().iter().any(|change| change.contains("@v1")), "{seen}: {:?}", host.changes());
        for line in ["traffic goes where it went before", "its last line:", "removed web-prod-", "rolled back"] {
            assert!(host.log().contains(line), "{seen}: no {line} in\n{}", host.log());
        }
    }
}

#[tokio::test]
async fn r12_what_did_not_stay_well_is_held_until_its_rules_change() {
    let host = to_be_replaced("").await;
    let watch = async { host.fake.set_health(&watched(&host).await, "unhealthy") };
    tokio::join!(host.converge(), watch);
    host.fake.reset_calls();
    let converged = host.converge().await;
    assert!(matches!(converged.view.plan.stages[0].held, Some(Held::Failed { .. })), "{}", converged.view.plan);
    assert_eq!(host.changes(), [""; 0]);
    host.apply(&web("v2", "")).await;
    assert_eq!(host.version_at("web.test").await, "v2");
}

#[tokio::test]
async fn r10_an_app_that_ends_while_it_is_watched_is_told_with_its_exit_code() {
    let host = to_be_replaced("").await;
    let watch = async { host.fake.crash(&watched(&host).await, 3, false).await };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    let (status, reason) = ended(&converged);
    assert!(status == "rolled_back" && reason.ends_with("began to serve: exit 3"), "{status} {reason}");
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r10_recreate_starts_the_old_one_again() {
    let host = to_be_replaced(VOLUME).await;
    let watch = async {
        let name = watched(&host).await;
        assert_eq!(host.containers(), ["web-prod@v1 exited", "web-prod@v2 running"]);
        host.fake.set_health(&name, "unhealthy");
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert_eq!(ended(&converged).0, "rolled_back", "{}", host.log());
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r10_r33_a_stage_without_domains_is_watched_too_and_its_name_leads_to_the_old_one_alone() {
    let host = Host::with(&[&image("v1"), &second()]).await;
    let unrouted = |version: &str| web(version, LONG).replace("        route: { domains: [ web.test ] }\n", "");
    host.apply(&unrouted("v1").replace(LONG, "")).await;
    host.fake.reset_calls();
    host.write(&unrouted("v2"));
    let watch = async { host.fake.set_health(&watched(&host).await, "unhealthy") };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert_eq!(ended(&converged).0, "rolled_back", "{}", host.log());
    let changes = host.changes();
    assert_eq!(changes[changes.len() - 2..], ["disconnect web-prod@v2 from landfall-names", "remove web-prod@v2"]);
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
}

#[tokio::test]
async fn r10_a_slow_answer_or_two_and_a_docker_that_is_silent_for_a_moment_change_nothing() {
    let host = Host::with(&[&image("v1"), &second()]).await;
    host.apply(&web("v1", "")).await;
    host.write(&web("v2", "        monitor: 2s\n"));
    let watch = async {
        let name = watched(&host).await;
        host.fake.answer(&name, "/healthz", 503, 2);
        for _ in 0..4 {
            host.fake.fail_next(Op::Inspect, 500, "boom");
        }
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert_eq!(ended(&converged).0, "success", "{}", host.log());
    assert_eq!(host.fake.whims_left(&host.last().container_name), 0, "it was looked at often enough");
    assert!(host.log().contains("well for 2s"), "{}", host.log());
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
}

#[tokio::test]
async fn r18_a_change_of_the_monitor_alone_recreates_nothing() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    host.fake.reset_calls();
    host.apply(&web("v1", LONG)).await;
    assert_eq!(host.changes(), [""; 0]);
    assert!(host.look().await.unwrap().plan.is_noop());
    assert!(host.deploys().iter().all(|deploy| deploy.status == DeployStatus::Success));
}

#[tokio::test]
async fn r10_one_that_stays_well_is_kept_and_the_old_one_goes_only_after_that() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "        monitor: 50ms\n")).await;
    host.write(&web("v2", "        monitor: 50ms\n"));
    host.fake.hang(Op::Disconnect);
    let watch = async {
        host.called(Op::Disconnect).await;
        assert!(host.log().contains("well for 50ms"), "{}", host.log());
        host.fake.release(Op::Disconnect);
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert_eq!(ended(&converged).0, "success");
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
}
