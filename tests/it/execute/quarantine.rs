//! R12: what failed is held until something changes or someone says retry; an outside fault is not held against it.

use landfall::plan::{Held, Options};
use landfall::reconcile::Converged;

use super::ground::{Host, ended, image, web};
use crate::fake_docker::{Behaviour, Fault, Op};

const SHORT: &str = "        ready: { http: { path: / }, deadline: 100ms }\n";

fn retry() -> Options {
    Options { retry: true, ..Options::default() }
}

/// Why the only stage waits.
fn held(converged: &Converged) -> Option<String> {
    match &converged.view.plan.stages[0].held {
        Some(Held::Failed { version, reason, deploy, .. }) => Some(format!("{version} {reason} {deploy}")),
        _ => None,
    }
}

/// A host that runs the first version; the second one has just failed its gate.
pub async fn after_a_failure() -> Host {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::Unhealthy), &image("v3")]).await;
    host.apply(&web("v1", SHORT)).await;
    host.write(&web("v2", SHORT));
    assert_eq!(ended(&host.converge().await).0, "failed");
    host.fake.reset_calls();
    host
}

#[tokio::test]
async fn r12_a_failed_gate_holds_the_version_and_the_next_pass_touches_nothing() {
    let host = after_a_failure().await;
    let failed = host.last();
    let converged = host.converge().await;
    let said = held(&converged).expect("held");
    assert_eq!(said, format!("{} {} {}", failed.image.version(), failed.reason.unwrap(), failed.id.short()));
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.deploys().len(), 2);
    assert!(host.look().await.unwrap().plan.is_held());
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r12_retry_tries_again_and_a_success_ends_the_hold() {
    let host = after_a_failure().await;
    assert_eq!(ended(&host.converge_with(retry()).await.unwrap()).0, "failed");
    assert!(host.look().await.unwrap().plan.is_held());
    host.fake.app_behaviour(&image("v2"), &Behaviour::Healthy);
    assert_eq!(ended(&host.converge_with(retry()).await.unwrap()).0, "success");
    assert_eq!(host.recorded().stages.into_values().next().unwrap().quarantine, []);
    assert!(host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r12_a_change_of_spec_or_version_is_tried_and_the_way_back_is_still_held() {
    let host = after_a_failure().await;
    host.apply(&web("v3", SHORT)).await;
    host.write(&web("v2", SHORT));
    assert!(held(&host.converge().await).is_some());
    assert_eq!(host.version_at("web.test").await, "v3");
    // A gate that was mended judges anew.
    host.write(&web("v2", "        ready: { http: { path: / }, deadline: 200ms }\n"));
    assert_eq!(ended(&host.converge().await).0, "failed");
    host.write(&web("v2", &format!("{SHORT}        environment: {{ NEW: yes }}\n")));
    assert_eq!(ended(&host.converge().await).0, "failed");
    assert_eq!(host.deploys().len(), 5);
    host.apply(&web("v2", "        ready: { http: { path: /, expect: 503 } }\n")).await;
}

#[tokio::test]
async fn r12_what_serves_is_put_right_while_its_successor_is_held() {
    let host = after_a_failure().await;
    let serving = host.fake.names()[0].clone();
    host.fake.stop_by_hand(&serving).await;
    assert!(held(&host.converge().await).is_some());
    assert_eq!(host.changes(), ["start web-prod@v1"]);
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r12_faults_of_registry_and_docker_are_not_held_against_the_app() {
    let outside = [
        (Op::Pull, Fault::Status(500, "registry: received unexpected HTTP status: 503".to_owned())),
        (Op::Pull, Fault::LastLine("toomanyrequests: too many requests".to_owned())),
        (Op::Pull, Fault::LastLine("net/http: TLS handshake timeout".to_owned())),
        (Op::Pull, Fault::Cut),
        (Op::Pull, Fault::Status(404, "manifest unknown".to_owned())),
        (Op::Tag, Fault::Status(500, "no space left on device".to_owned())),
        (Op::Create, Fault::Status(500, "no space left on device".to_owned())),
        (Op::Inspect, Fault::Status(503, "busy".to_owned())),
        (Op::Connect, Fault::Status(500, "busy".to_owned())),
    ];
    for (op, fault) in outside {
        let what = format!("{op:?} {fault:?}");
        let host = Host::with(&[&image("v1")]).await;
        host.write(&web("v1", ""));
        host.fake.inject(op, fault);
        assert_eq!(ended(&host.converge().await).0, "failed", "{what}");
        assert_eq!(ended(&host.converge().await).0, "success", "{what}");
        assert_eq!(host.containers(), ["web-prod@v1 running"], "{what}");
    }
}

#[tokio::test]
async fn r12_where_the_old_one_had_to_stop_for_it_even_an_outside_fault_is_tried_once_only() {
    let volume = "        volumes: [ \"data:/data\" ]\n";
    for (op, is_tried_again) in [(Op::Pull, true), (Op::Create, false), (Op::Connect, false)] {
        let host = Host::with(&[&image("v1"), &image("v2")]).await;
        host.apply(&web("v1", volume)).await;
        host.write(&web("v2", volume));
        host.fake.inject(op, Fault::Status(500, "busy".to_owned()));
        assert_eq!(ended(&host.converge().await).0, "failed", "{op:?}");
        // Nothing was stopped yet for the pull: that costs nobody anything.
        assert_eq!(held(&host.converge().await).is_none(), is_tried_again, "{op:?}");
        let serves = if is_tried_again { "v2" } else { "v1" };
        assert_eq!(host.containers(), [format!("web-prod@{serves} running")], "{op:?}");
    }
}

#[tokio::test]
async fn r12_what_docker_refuses_for_its_own_sake_is_held() {
    let own = [
        (Op::Create, Fault::Status(400, "invalid mount config".to_owned())),
        (Op::Start, Fault::Status(500, "exec: \"/app\": no such file or directory".to_owned())),
    ];
    for (op, fault) in own {
        let host = Host::with(&[&image("v1")]).await;
        host.write(&web("v1", ""));
        host.fake.inject(op, fault);
        assert_eq!(ended(&host.converge().await).0, "failed", "{op:?}");
        assert!(held(&host.converge().await).is_some(), "{op:?}");
        assert_eq!(host.containers(), [""; 0], "{op:?}");
    }
}

#[tokio::test]
async fn r12_a_proxy_that_is_not_there_refuses_everything_before_anything_is_touched() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    let nowhere = landfall::reconcile::Places { proxy_socket: host.path("no.sock"), ..host.places() };
    let converged = host.converge_at(nowhere).await;
    assert!(converged.refused && converged.results.is_empty());
    let blocked = converged.view.plan.stages[0].blocked.clone().unwrap();
    assert!(
        blocked.reason.contains("the proxy does not answer") && blocked.reason.contains("landfall proxy --control"),
        "{blocked:?}"
    );
    assert_eq!(host.changes(), [""; 0]);
    host.apply(&web("v1", "")).await;
}

#[tokio::test]
async fn r11_domains_that_changed_since_the_deploy_stay_while_its_successor_is_held() {
    let host = Host::with(&[&image("v1"), &image("bad").behaving(Behaviour::Unhealthy)]).await;
    host.apply(&web("v1", "")).await;
    let moved = |version: &str| web(version, "").replace("[ web.test ]", "[ shop.test ]");
    host.apply(&moved("v1")).await;
    host.write(&moved("bad"));
    for _ in 0..3 {
        host.converge().await;
        let plan = host.look().await.unwrap().plan;
        assert_eq!(host.version_at("shop.test").await, "v1", "{plan}");
        assert!(!host.routes().await.contains_key("web.test"), "what was taken away is not given back: {plan}");
    }
}

#[tokio::test]
async fn r11_what_failed_and_is_gone_does_not_become_the_newest_success_by_a_stale_list() {
    let host = after_a_failure().await;
    let live =
        || host.recorded().stages.into_values().next().and_then(|stage| stage.live).map(|live| live.image.digest);
    // As Docker listed it before the failed container was removed.
    host.fake.inject(Op::List, Fault::Stale);
    host.converge().await;
    assert_eq!(live(), Some(image("v1").digest));
    host.converge().await;
    assert_eq!(
        (host.version_at("web.test").await.as_str(), host.containers()),
        ("v1", vec!["web-prod@v1 running".into()])
    );
}
