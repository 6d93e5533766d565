//! What a person asks for one stage: an earlier version (R13), a new instance, and to be left alone (R5, R20).

use std::collections::BTreeSet;

use landfall::model::{Pause, PauseKind, StageKey, Trigger};
use landfall::plan::{Held, Options, Verdict};
use landfall::reconcile::{Converged, Error, Order, View};

use super::ground::{Host, ended, image, web};
use super::interrupted::{Clients, cut_off_order};
use super::quarantine::after_a_failure;
use crate::fake_docker::{Behaviour, Op};

const BACK: Order = Order::Rollback { to: None };

fn key() -> StageKey {
    "web/prod".parse().unwrap()
}

/// Two versions were deployed; the second one serves.
async fn after_two() -> Host {
    let host = Host::with(&[&image("v1"), &image("v2"), &image("v3")]).await;
    host.apply(&web("v1", "")).await;
    host.apply(&web("v2", "")).await;
    host.fake.reset_calls();
    host
}

/// What the only stage is held at, and what is refused for it.
fn chosen(view: &View) -> Option<(String, String)> {
    match &view.plan.stages[0].held {
        Some(Held::Chosen { version, refused, .. }) => Some((version.clone(), refused.clone())),
        _ => None,
    }
}

fn short(version: &str) -> String {
    image(version).digest.short().to_owned()
}

async fn order(host: &Host, order: &Order) -> Result<Converged, Error> {
    host.by_hand(&key(), order).await
}

#[tokio::test]
async fn r13_going_back_holds_the_stage_until_its_configuration_changes_and_loses_no_request() {
    let host = after_two().await;
    let clients = Clients::start(&host);
    assert_eq!(ended(&order(&host, &BACK).await.unwrap()).0, "success");
    clients.all_answered("while it went back").await;
    assert_eq!(host.version_at("web.test").await, "v1");
    assert_eq!((host.last().trigger, host.containers()), (Trigger::Rollback, vec!["web-prod@v1 running".to_owned()]));

    host.fake.reset_calls();
    let view = host.converge().await.view;
    assert_eq!((view.plan.stages[0].verdict, chosen(&view)), (Verdict::Held, Some((short("v1"), short("v2")))));
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(chosen(&host.look().await.unwrap()), Some((short("v1"), short("v2"))));

    host.apply(&web("v3", "")).await;
    assert_eq!(host.version_at("web.test").await, "v3");
    assert_eq!(host.recorded().stages[&key()].choice, None);
    host.apply(&web("v2", "")).await;
    assert_eq!(host.version_at("web.test").await, "v2", "the refusal ended when the configuration moved on");
}

#[tokio::test]
async fn r13_a_change_of_its_route_alone_is_followed_while_it_is_held() {
    let host = after_two().await;
    order(&host, &BACK).await.unwrap();
    host.write(&web("v2", "").replace("web.test", "www.test"));
    host.converge().await;
    assert_eq!(host.version_at("www.test").await, "v1");
    assert_eq!(chosen(&host.look().await.unwrap()), Some((short("v1"), short("v2"))));
}

#[tokio::test]
async fn r20_what_was_gone_back_to_is_put_right_like_any_other() {
    let host = after_two().await;
    order(&host, &BACK).await.unwrap();
    let name = host.fake.containers()[0].name.clone();
    host.fake.stop_by_hand(&name).await;
    assert_eq!(ended(&host.converge().await).0, "done");
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r13_a_deploy_can_be_named_and_going_back_twice_goes_back_further() {
    let host = after_two().await;
    host.apply(&web("v3", "")).await;
    order(&host, &BACK).await.unwrap();
    assert_eq!(host.version_at("web.test").await, "v2");
    order(&host, &BACK).await.unwrap();
    assert_eq!(host.version_at("web.test").await, "v1");
    let second = host.deploys()[1].id.short();
    order(&host, &Order::Rollback { to: Some(second) }).await.unwrap();
    assert_eq!(host.version_at("web.test").await, "v2");
    order(&host, &Order::Deploy { tag: None, now: false }).await.unwrap();
    assert_eq!(host.version_at("web.test").await, "v3");
    assert!(host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r13_what_cannot_be_gone_back_to_is_refused_with_the_reason_and_nothing_changes() {
    let host = after_a_failure().await;
    let failed = host.last().id.short();
    for (to, reason) in
        [(None, "no earlier version"), (Some(failed), "ended failed"), (Some("ffffffffff".to_owned()), "no deploy")]
    {
        let error = order(&host, &Order::Rollback { to }).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert_eq!(host.version_at("web.test").await, "v1");
    assert_eq!(host.recorded().stages[&key()].choice, None);
}

#[tokio::test]
async fn r13_a_version_whose_image_is_gone_everywhere_is_refused_before_anything_changes() {
    let host = after_two().await;
    let v1 = image("v1");
    host.fake.remove_image_by_hand(&v1.names[0]);
    host.fake.fail_next(Op::Pull, 404, "manifest unknown");
    let error = order(&host, &BACK).await.unwrap_err();
    assert!(error.to_string().contains("cannot be had"), "{error}");
    assert!(host.look().await.unwrap().plan.is_noop());
    assert_eq!(host.changes(), ["pull v1"], "asked for, and nothing else");
    assert_eq!(host.version_at("web.test").await, "v2");
}

#[tokio::test]
async fn r15_going_back_that_is_cut_off_is_finished_by_the_next_pass() {
    for op in [Op::Create, Op::Start, Op::Connect, Op::Disconnect, Op::Stop] {
        let host = after_two().await;
        cut_off_order(&host, &key(), BACK, op).await;
        host.converge().await;
        assert_eq!(host.version_at("web.test").await, "v1", "{op:?}");
        assert_eq!(host.containers(), ["web-prod@v1 running"], "{op:?}");
        assert_eq!(chosen(&host.look().await.unwrap()), Some((short("v1"), short("v2"))), "{op:?}");
        assert_eq!(host.reader().in_flight().unwrap(), [], "{op:?}");
    }
}

#[tokio::test]
async fn r4_a_restart_replaces_the_instance_by_a_new_one_without_losing_a_request() {
    let host = after_two().await;
    let before = host.fake.containers()[0].id.clone();
    let clients = Clients::start(&host);
    assert_eq!(ended(&order(&host, &Order::Restart).await.unwrap()).0, "success");
    clients.all_answered("while it was restarted").await;
    let after: Vec<String> = host.fake.containers().into_iter().map(|container| container.id).collect();
    assert!(after.len() == 1 && after[0] != before, "{after:?}");
    assert_eq!((host.version_at("web.test").await, host.last().trigger), ("v2".to_owned(), Trigger::Manual));
    assert!(host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r12_a_deploy_by_hand_tries_again_what_failed() {
    let host = after_a_failure().await;
    assert!(host.look().await.unwrap().plan.is_held());
    host.fake.app_behaviour(&image("v2"), &Behaviour::Healthy);
    assert_eq!(ended(&order(&host, &Order::Deploy { tag: None, now: false }).await.unwrap()).0, "success");
    assert_eq!(host.version_at("web.test").await, "v2");
}

const fn pause(kind: PauseKind, until_ms: Option<i64>) -> Pause {
    Pause { kind, since_ms: 1, until_ms }
}

#[tokio::test]
async fn r20_a_suspended_stage_is_left_alone_by_config_drift_and_removal_until_it_is_resumed() {
    let host = after_two().await;
    host.pause(&key(), Some(pause(PauseKind::Suspended, None))).await.unwrap();
    let name = host.fake.containers()[0].name.clone();
    host.fake.stop_by_hand(&name).await;
    host.fake.reset_calls();
    for yaml in [web("v2", ""), web("v3", ""), "projects: {}\n".to_owned()] {
        host.write(&yaml);
        let options = Options { allow_prune: true, ..Options::default() };
        let plan = host.converge_with(options).await.unwrap().view.plan;
        assert!(matches!(plan.stages[0].held, Some(Held::Suspended { .. })), "{plan}");
    }
    assert_eq!(host.changes(), [""; 0]);
    host.write(&web("v3", ""));
    let error = order(&host, &Order::Restart).await.unwrap_err();
    assert!(error.to_string().contains("suspended") && error.hint().unwrap().contains("landfall resume"), "{error}");

    let was = host.pause(&key(), None).await.unwrap().expect("it was suspended");
    assert_eq!(was.kind, PauseKind::Suspended);
    host.apply(&web("v3", "")).await;
    assert_eq!(host.version_at("web.test").await, "v3");
}

#[tokio::test]
async fn r20_a_suspension_ends_by_itself() {
    let host = after_two().await;
    host.pause(&key(), Some(pause(PauseKind::Suspended, Some(2)))).await.unwrap();
    host.apply(&web("v3", "")).await;
    assert_eq!(host.version_at("web.test").await, "v3");
}

#[tokio::test]
async fn r5_what_is_released_stays_as_it_is_when_the_configuration_forgets_it_and_can_be_taken_back() {
    let host = after_two().await;
    host.pause(&key(), Some(pause(PauseKind::Released, None))).await.unwrap();
    host.write("projects: {}\n");
    let converged = host.converge().await;
    assert!(converged.view.plan.is_noop(), "{}", converged.view.plan);
    assert_eq!(host.changes(), [""; 0]);
    assert_eq!(host.version_at("web.test").await, "v2");

    // Its domain is its own as long as it runs.
    host.write(&web("v1", "").replace("  web:", "  other:"));
    let plan = host.converge().await.view.plan;
    assert!(plan.to_string().contains("web.test belongs to web/prod, which is released"), "{plan}");

    host.pause(&key(), None).await.unwrap();
    host.write(&web("v2", ""));
    let before: BTreeSet<String> = host.fake.names().into_iter().collect();
    host.converge().await;
    assert_eq!(host.fake.names().into_iter().collect::<BTreeSet<_>>(), before);
    assert!(host.look().await.unwrap().plan.is_noop());
}
