//! A stage's whole life behind Nginx Proxy Manager.

use std::collections::BTreeSet;
use std::time::Duration;

use super::ground::{Behind, QUICK, timeless};
use super::moving::two;
use crate::execute::ground::{image, web};
use crate::npm::{Fault, Matcher};

#[tokio::test]
async fn r9_a_stage_is_routed_replaced_and_removed_and_each_write_is_one() {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    behind.host.apply(&web("v1", QUICK)).await;
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!((behind.npm.logins(), behind.npm.writes()), (1, 1));

    behind.npm.reset_calls();
    behind.host.apply(&web("v2", QUICK)).await;
    assert_eq!(behind.answer("web.test").await, "v2");
    assert_eq!((behind.npm.logins(), behind.npm.writes()), (0, 1), "{:#?}", behind.npm.calls());

    behind.npm.reset_calls();
    behind.host.write("projects: {}\n");
    let options = landfall::plan::Options { allow_prune: true, ..Default::default() };
    let converged = behind.host.converge_with(options).await.unwrap();
    assert!(converged.results.values().all(landfall::execute::StageResult::is_ok), "{:?}", converged.results);
    assert_eq!(behind.npm.hosts(), [] as [serde_json::Value; 0]);
    assert_eq!(behind.npm.writes(), 1);
    assert_eq!(behind.recorded().stages.values().filter(|stage| stage.host.is_some()).count(), 0);
}

#[tokio::test]
async fn r1_hosts_made_by_hand_are_the_same_before_and_after_a_projects_life() {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    behind.by_hand("blog.test");
    behind.npm.by_hand().create_redirection("old.test", "blog.test");
    behind.by_hand("wiki.test");
    let before: Vec<_> = behind.npm.hosts();
    behind.host.apply(&web("v1", QUICK)).await;
    behind.host.apply(&web("v2", QUICK)).await;
    behind.host.write("projects: {}\n");
    let options = landfall::plan::Options { allow_prune: true, ..Default::default() };
    behind.host.converge_with(options).await.unwrap();
    let (before, after) = (before.into_iter().map(timeless), behind.npm.hosts().into_iter().map(timeless));
    assert_eq!(before.collect::<Vec<_>>(), after.collect::<Vec<_>>());
}

#[tokio::test]
async fn r22_a_pass_without_work_asks_the_proxy_once_and_writes_nothing() {
    let behind = Behind::at_v1().await;
    behind.npm.reset_calls();
    let reloads = behind.npm.reloads();
    assert!(behind.host.look().await.unwrap().plan.is_noop());
    let calls: Vec<_> = behind.npm.calls().iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    assert_eq!(calls, ["GET /nginx/proxy-hosts"]);
    let converged = behind.host.converge().await;
    assert!(converged.results.is_empty() && converged.view.plan.is_noop());
    assert_eq!((behind.npm.writes(), behind.npm.logins(), behind.npm.reloads()), (0, 0, reloads));
}

#[tokio::test]
async fn r9_writes_are_made_one_after_the_other_and_every_call_has_a_connection_of_its_own() {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    let late = Duration::from_millis(700);
    behind.npm.fail_next(Matcher::new("POST", "/nginx/proxy-hosts"), Fault::Late(late));
    behind.host.apply(&two("a.test", "b.test")).await;
    let calls = behind.npm.calls();
    let writes: Vec<_> = calls.iter().filter(|call| call.is_write()).collect();
    assert_eq!(writes.len(), 2);
    assert!(writes[1].at - writes[0].at >= late, "the second waits until the first was answered");
    let connections: BTreeSet<u64> = calls.iter().map(|call| call.connection).collect();
    assert_eq!(connections.len(), calls.len(), "a kept connection breaks at the next reload");
}
