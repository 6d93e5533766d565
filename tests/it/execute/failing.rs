//! R11: whatever step of a replace fails, what served before serves as before, and the new container is gone.

use super::ground::{Host, ended, image, web};
use crate::fake_docker::{Fault, Op};
use crate::router_support::Router;

const VOLUME: &str = "        volumes: [ \"data:/data\" ]\n";

/// A host that runs the first version and is to run the second.
async fn to_be_replaced(more: &str) -> Host {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", more)).await;
    host.fake.reset_calls();
    host.write(&web("v2", more));
    host
}

/// The first version serves as before, and nothing else is there.
async fn unharmed(host: &Host, what: &str) {
    assert_eq!(host.containers(), ["web-prod@v1 running"], "{what}");
    assert_eq!(host.version_at("web.test").await, "v1", "{what}");
    assert_eq!(host.instances().len(), 1, "{what}");
    let names = &host.fake.containers()[0].networks["landfall-names"];
    assert_eq!(names.aliases, ["web-prod"], "{what}");
    assert!(!host.changes().iter().any(|change| change.ends_with("@v1") && !change.starts_with("start")), "{what}");
}

/// Faults of Docker: an error with nothing done, and an error for what was done.
fn faults() -> [Fault; 2] {
    [Fault::Status(500, "boom".to_owned()), Fault::LoseAnswer]
}

#[tokio::test]
async fn r11_every_step_before_the_switch_may_fail_and_the_old_one_serves_on() {
    for op in [Op::Image, Op::Pull, Op::Tag, Op::Create, Op::Start, Op::Inspect, Op::Connect] {
        for fault in faults() {
            let what = format!("{op:?} {fault:?}");
            let host = to_be_replaced("").await;
            host.fake.inject(op, fault);
            let (status, reason) = ended(&host.converge().await);
            assert_eq!(status, "failed", "{what}: {reason}");
            unharmed(&host, &what).await;
            assert_eq!(host.last().reason.as_deref(), Some(reason.as_str()), "{what}");
        }
    }
}

#[tokio::test]
async fn r11_a_recreate_that_fails_anywhere_starts_the_old_one_again() {
    for op in [Op::Pull, Op::Stop, Op::Create, Op::Connect, Op::Start, Op::Inspect] {
        for fault in faults() {
            let what = format!("{op:?} {fault:?}");
            let host = to_be_replaced(VOLUME).await;
            host.fake.inject(op, fault);
            let (status, reason) = ended(&host.converge().await);
            assert_eq!(status, "failed", "{what}: {reason}");
            assert_eq!(host.containers(), ["web-prod@v1 running"], "{what}\n{}", host.log());
            assert_eq!(host.version_at("web.test").await, "v1", "{what}");
        }
    }
}

#[tokio::test]
async fn r11_a_proxy_that_is_gone_at_the_switch_leaves_the_old_one_and_its_routes() {
    for more in ["", VOLUME] {
        let mut host = to_be_replaced(more).await;
        // The last call before the switch.
        let last = if more.is_empty() { Op::Connect } else { Op::Inspect };
        host.fake.hang(last);
        let (status, reason) = {
            let Host { router, .. } = &mut host;
            let stopping = std::mem::replace(router, Router::start().await);
            let places = landfall::reconcile::Places { proxy_socket: stopping.control(), ..host.places() };
            let watch = async {
                host.called(last).await;
                let dir = stopping.stop().await;
                host.fake.release(last);
                dir
            };
            let (converged, dir) = tokio::join!(host.converge_at(places), watch);
            host.router = Router::start_in(dir, landfall::router::Limits::default()).await.unwrap();
            ended(&converged)
        };
        assert!(reason.starts_with("switch web.test to web-prod-") && reason.contains("does not answer"), "{reason}");
        // Nothing was written to the proxy, so traffic never moved.
        assert_eq!(status, "failed");
        assert_eq!(host.containers(), ["web-prod@v1 running"]);
        assert_eq!(host.version_at("web.test").await, "v1");
        // An outside fault: the next pass tries again by itself (R12).
        assert_eq!(ended(&host.converge().await).0, "success");
        assert_eq!(host.version_at("web.test").await, "v2");
    }
}

#[tokio::test]
async fn r4_what_cannot_be_removed_after_the_switch_is_retired_by_the_next_pass() {
    for op in [Op::Disconnect, Op::Stop, Op::Remove] {
        let host = to_be_replaced("").await;
        host.fake.fail_next(op, 500, "boom");
        assert_eq!(ended(&host.converge().await).0, "success", "{op:?}");
        assert_eq!(host.version_at("web.test").await, "v2", "{op:?}");
        host.converge().await;
        assert_eq!(host.containers(), ["web-prod@v2 running"], "{op:?}");
        assert_eq!(host.instances().len(), 1, "{op:?}");
        assert!(host.look().await.unwrap().plan.is_noop(), "{op:?}");
    }
}

#[tokio::test]
async fn r11_a_failed_container_that_could_not_be_removed_goes_with_the_next_pass_though_it_is_held() {
    for first in [true, false] {
        let host = Host::with(&[&image("v1"), &image("v2").behaving(crate::fake_docker::Behaviour::Unhealthy)]).await;
        if !first {
            host.apply(&web("v1", "")).await;
        }
        host.write(&web("v2", "        ready: { deadline: 100ms, http: { path: / } }\n"));
        host.fake.fail_next(Op::Remove, 500, "boom");
        assert_eq!(ended(&host.converge().await).0, "failed");
        assert!(host.containers().contains(&"web-prod@v2 running".to_owned()), "{:?}", host.containers());
        assert!(host.log().contains("could not be removed"), "{}", host.log());
        let converged = host.converge().await;
        assert!(converged.view.plan.is_held());
        let left: &[&str] = if first { &[] } else { &["web-prod@v1 running"] };
        assert_eq!(host.containers(), left);
        assert_eq!(host.instances().len(), left.len());
    }
}

#[tokio::test]
async fn r34_a_volume_of_somebody_else_fails_the_deploy_before_anything_is_stopped() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "        strategy: recreate\n")).await;
    let docker = host.fake.docker().await;
    docker.create_volume("web-prod-data", &[].into()).await.unwrap();
    host.fake.reset_calls();
    host.write(&web("v2", VOLUME));
    let (status, reason) = ended(&host.converge().await);
    assert_eq!(status, "failed");
    assert!(reason.contains("was not made for this stage"), "{reason}");
    unharmed(&host, "the volume").await;
    assert_eq!(host.fake.count(Op::Stop) + host.fake.count(Op::Create), 0);
}
