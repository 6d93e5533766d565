//! R10: the new instance is watched after the switch, and the old one takes over again when it fails.

use std::time::Duration;

use landfall::model::Phase;

use super::ground::{Host, ended, image, web};
use super::interrupted::Clients;
use crate::fake_docker::{Behaviour, Op};

/// Watched for longer than the app is well.
const MONITOR: &str = "        monitor: 30s\n";

fn crash() -> Behaviour {
    Behaviour::Crash { after: Duration::from_millis(300), exit_code: 3, last_words: "out of luck".into() }
}

#[tokio::test]
async fn r10_a_new_one_that_turns_sick_while_it_is_watched_gives_the_traffic_back_and_is_held() {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::WellFor(1))]).await;
    host.apply(&web("v1", "")).await;
    let old = host.fake.containers()[0].id.clone();
    let clients = Clients::start(&host);
    host.write(&web("v2", MONITOR));
    let (status, reason) = ended(&host.converge().await);
    clients.all_answered("while it was watched").await;
    assert_eq!(status, "rolled_back");
    assert!(reason.contains("not well after the switch") && reason.contains("503"), "{reason}");
    assert_eq!(host.version_at("web.test").await, "v1");
    assert_eq!(host.fake.containers().into_iter().map(|c| c.id).collect::<Vec<_>>(), [old], "nobody stopped it");
    assert!(host.log().contains("traffic goes where it went before"), "{}", host.log());
    host.fake.reset_calls();
    assert!(host.converge().await.view.plan.is_held());
    assert_eq!(host.changes(), [""; 0]);
}

#[tokio::test]
async fn r10_one_that_crashes_while_it_is_watched_goes_back_with_its_exit_code_and_last_words() {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(crash())]).await;
    host.apply(&web("v1", "")).await;
    host.write(&web("v2", MONITOR));
    let (status, reason) = ended(&host.converge().await);
    assert_eq!((status.as_str(), reason.contains("exit 3")), ("rolled_back", true), "{reason}");
    assert!(host.log().contains("out of luck"), "{}", host.log());
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r10_with_recreate_the_old_one_is_started_again() {
    let volume = format!("{MONITOR}        volumes: [ \"data:/data\" ]\n");
    let host = Host::with(&[&image("v1"), &image("v2").behaving(crash())]).await;
    host.apply(&web("v1", &volume.replace("30s", "20ms"))).await;
    host.write(&web("v2", &volume));
    assert_eq!(ended(&host.converge().await).0, "rolled_back");
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r10_without_a_route_what_its_name_led_to_counts() {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(crash())]).await;
    host.settings("  proxy: { none: {} }\n");
    let unrouted = |version| web(version, MONITOR).replace("        route: { domains: [ web.test ] }\n", "");
    host.apply(&unrouted("v1").replace("30s", "20ms")).await;
    host.write(&unrouted("v2"));
    assert_eq!(ended(&host.converge().await).0, "rolled_back");
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
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

#[tokio::test]
async fn r10_a_single_bad_answer_of_docker_or_app_is_no_reason_to_go_back() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    host.write(&web("v2", "        monitor: 300ms\n"));
    let watch = async {
        while host.reader().in_flight().unwrap().first().is_none_or(|deploy| deploy.phase != Phase::Monitoring) {
            tokio::task::yield_now().await;
        }
        host.fake.fail_next(Op::Inspect, 500, "busy");
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert_eq!(ended(&converged).0, "success");
}

#[tokio::test]
async fn r18_a_change_of_the_time_alone_recreates_nothing() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    host.write(&web("v1", MONITOR));
    assert!(host.look().await.unwrap().plan.is_noop());
}
