//! Instances and their ports.

use std::collections::BTreeSet;

use super::support::{begun, instance, key, scratch, succeeded};
use crate::model::{DeployStatus, InstanceStatus, Phase};
use crate::store::StoreError;

const RANGE: (u16, u16) = (20_000, 20_003);

#[tokio::test]
async fn an_instance_is_recorded_changes_and_goes() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    let port = store.reserve_port(RANGE, id, &BTreeSet::new()).await.unwrap();
    let mut new = instance("shop/prod", id, "c1");
    new.host_port = Some(port);
    store.add_instance(new.clone()).await.unwrap();
    let row = store.instances().await.unwrap().remove(0);
    assert_eq!((&row.name, &row.container_id, row.host_port), (&new.name, &new.container_id, Some(port)));
    assert_eq!((row.status, row.version.as_str()), (InstanceStatus::Running, "v1"));
    let recorded = store.recorded().await.unwrap();
    let known = &recorded.stages[&key("shop/prod")].instances["c1"];
    assert_eq!((known.deploy, known.host_port), (id, Some(port)));
    store.set_instance_status("c1", InstanceStatus::Removing).await.unwrap();
    assert_eq!(store.instances().await.unwrap()[0].status, InstanceStatus::Removing);
    store.remove_instance("c1").await.unwrap();
    store.remove_instance("c1").await.unwrap();
    assert!(store.instances().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_instance_twice_and_one_of_an_unknown_deploy_are_refused() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    store.add_instance(instance("shop/prod", id, "c1")).await.unwrap();
    let twice = store.add_instance(instance("shop/prod", id, "c1")).await.unwrap_err();
    assert!(matches!(twice, StoreError::Exists(_)), "{twice:?}");
    let unknown = store.add_instance(instance("shop/prod", crate::store::new_deploy_id(), "c2")).await.unwrap_err();
    assert!(matches!(unknown, StoreError::NotFound { .. }), "{unknown:?}");
    let unknown = store.set_instance_status("c2", InstanceStatus::Stopped).await.unwrap_err();
    assert!(matches!(unknown, StoreError::NotFound { .. }), "{unknown:?}");
}

#[tokio::test]
async fn r7_the_port_of_a_deploy_without_an_end_stays_its_own_though_its_instance_is_forgotten() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    let port = store.reserve_port(RANGE, id, &BTreeSet::new()).await.unwrap();
    store.add_instance(instance("shop/prod", id, "c1")).await.unwrap();
    store.remove_instance("c1").await.unwrap();
    assert_eq!(store.reserve_port(RANGE, id, &BTreeSet::new()).await.unwrap(), port);
}

#[tokio::test]
async fn r7_ports_go_round_the_range_and_are_never_shared() {
    let scratch = scratch();
    let keys = ["a/a", "a/b", "a/c", "a/d", "a/e"];
    let store = scratch.store_with(&keys).await;
    let none = BTreeSet::new();
    let mut owners = Vec::new();
    for (at, key) in (0..).zip(&keys[..4]) {
        owners.push(begun(&store, key).await);
        assert_eq!(store.reserve_port(RANGE, owners[at], &none).await.unwrap(), RANGE.0 + u16::try_from(at).unwrap());
    }
    assert_eq!(store.reserve_port(RANGE, owners[1], &none).await.unwrap(), 20_001, "the one it has");
    let fifth = begun(&store, "a/e").await;
    let error = store.reserve_port(RANGE, fifth, &none).await.unwrap_err();
    assert!(matches!(error, StoreError::NoPort { range: RANGE }), "{error:?}");
    assert!(error.hint().unwrap().contains("settings.ports"));
    store.release_port(owners[2]).await.unwrap();
    assert_eq!(store.reserve_port(RANGE, fifth, &none).await.unwrap(), 20_002);
}

#[tokio::test]
async fn r7_a_port_found_taken_is_given_up_for_the_next() {
    let scratch = scratch();
    let store = scratch.store_with(&["a/a"]).await;
    let id = begun(&store, "a/a").await;
    let first = store.reserve_port(RANGE, id, &BTreeSet::new()).await.unwrap();
    let second = store.reserve_port(RANGE, id, &[first].into()).await.unwrap();
    assert_eq!((first, second), (20_000, 20_001));
    let all: BTreeSet<u16> = (RANGE.0..=RANGE.1).collect();
    store.reserve_port(RANGE, id, &all).await.unwrap_err();
    // The range was changed meanwhile.
    assert_eq!(store.reserve_port((30_000, 30_000), id, &all).await.unwrap(), 30_000);
}

#[tokio::test]
async fn a_port_just_released_is_the_last_to_be_used_again() {
    let scratch = scratch();
    let store = scratch.store_with(&["a/a"]).await;
    let mut ports = Vec::new();
    for _ in 0..5 {
        let id = begun(&store, "a/a").await;
        ports.push(store.reserve_port(RANGE, id, &BTreeSet::new()).await.unwrap());
        store.release_port(id).await.unwrap();
        store.finish(id, DeployStatus::Failed, None, false).await.unwrap();
    }
    assert_eq!(ports, [20_000, 20_001, 20_002, 20_003, 20_000]);
}

#[tokio::test]
async fn ports_of_deploys_that_left_nothing_behind_become_free() {
    let scratch = scratch();
    let store = scratch.store_with(&["a/a"]).await;
    let range = (20_000, 20_000);
    let dead = begun(&store, "a/a").await;
    store.reserve_port(range, dead, &BTreeSet::new()).await.unwrap();
    store.finish(dead, DeployStatus::Failed, Some("interrupted"), false).await.unwrap();
    let live = begun(&store, "a/a").await;
    store.reserve_port(range, live, &BTreeSet::new()).await.unwrap();
    store.add_instance(instance("a/a", live, "c1")).await.unwrap();
    store.set_phase(live, Phase::Retiring).await.unwrap();
    store.finish(live, DeployStatus::Success, None, false).await.unwrap();
    let next = begun(&store, "a/a").await;
    store.reserve_port(range, next, &BTreeSet::new()).await.expect_err("the live one keeps its port");
    store.remove_instance("c1").await.unwrap();
    store.reserve_port(range, next, &BTreeSet::new()).await.unwrap();
}

#[tokio::test]
async fn a_stage_shows_what_serves_it_however_many_deploys_there_were() {
    let scratch = scratch();
    let store = scratch.store_with(&["a/a"]).await;
    let serving = succeeded(&store, "a/a").await;
    let failed = begun(&store, "a/a").await;
    store.finish(failed, DeployStatus::Failed, Some("exit 1"), true).await.unwrap();
    let recorded = store.recorded().await.unwrap();
    assert_eq!(recorded.stages[&key("a/a")].live.as_ref().unwrap().id, serving);
}
