//! What the store keeps of hosts: what follows when it cannot be written, comes from an older version, or names a
//! stage that is no more.

use std::time::Duration;

use landfall::execute::{Event, Sink};
use landfall::plan::Options;
use landfall::reconcile;
use landfall::store::DataDir;
use rusqlite::Connection;
use serde_json::json;

use super::ground::{Behind, QUICK};
use crate::execute::ground::{bytes_below, image, web};
use crate::npm::{Fault, Matcher};
use crate::router_support::until;

fn database(behind: &Behind) -> Connection {
    Connection::open(DataDir::new(behind.host.path("data")).db()).expect("the store's file")
}

#[tokio::test]
async fn r9_a_switch_that_the_store_cannot_remember_is_put_back_and_nothing_routed_is_removed() {
    let behind = Behind::at_v1().await;
    let trigger = "CREATE TRIGGER full BEFORE UPDATE ON proxy_hosts WHEN NEW.is_dirty = 0
                   BEGIN SELECT RAISE(ABORT, 'no space'); END";
    database(&behind).execute_batch(trigger).unwrap();
    behind.host.write(&web("v2", QUICK));
    let converged = behind.host.converge().await;
    assert!(converged.results.values().all(|result| !result.is_ok()), "{:?}", converged.results);
    // For a moment an old worker may still take a connection.
    until("the old instance serves", async || behind.answer("web.test").await == "v1").await;

    database(&behind).execute_batch("DROP TRIGGER full").unwrap();
    behind.host.converge().await;
    assert_eq!(behind.answer("web.test").await, "v2");
    assert!(behind.host.look().await.unwrap().plan.is_noop());
    assert_eq!(behind.host.fake.containers().len(), 1);
}

#[tokio::test]
async fn r9_a_removed_stage_that_was_reached_by_name_is_drained_though_its_port_is_not_known_any_more() {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.host.apply(&web("v1", QUICK)).await;
    let settings = std::fs::read_to_string(behind.host.path("config/settings.yaml")).unwrap();
    let by_name = settings.replace("upstream: host", "upstream: network");
    std::fs::write(behind.host.path("config/settings.yaml"), by_name).unwrap();
    behind.host.write("projects: {}\n");
    let options = Options { allow_prune: true, ..Options::default() };
    let converged = behind.host.converge_with(options).await.unwrap();
    assert!(converged.results.values().all(landfall::execute::StageResult::is_ok), "{:?}", converged.results);
    let told = behind.host.events();
    let drained = |event: &Event| matches!(event, Event::Line { text, .. } if text.contains("had 5s to answer"));
    assert!(told.iter().any(drained), "{told:#?}");
}

#[tokio::test]
async fn r15_a_pass_cut_off_in_a_switch_that_is_still_under_way_keeps_what_it_may_lead_to() {
    let behind = Behind::at_v1().await;
    behind.host.write(&web("v2", QUICK));
    behind.npm.fail_next(Matcher::new("PUT", "/nginx/proxy-hosts/"), Fault::Late(Duration::from_secs(2)));
    let places = behind.host.places();
    let pass = tokio::spawn(async move {
        let options = Options { secrets_needed: true, ..Options::default() };
        reconcile::converge(&places, &options, Sink::new(|_| {}), "apply").await.map(drop)
    });
    until("the switch is under way", async || behind.npm.faults_left() == 0).await;
    pass.abort();
    drop(pass.await);

    let looked = behind.host.look().await.unwrap().plan.to_string();
    let converged = behind.host.converge().await;
    assert_eq!(converged.view.plan.to_string(), looked);
    assert_eq!(behind.answer("web.test").await, "v2");
    assert_eq!(behind.host.deploys().len(), 2, "it is not made once more: {looked}");
    assert_eq!(behind.host.fake.containers().len(), 1);
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r1_a_stage_whose_mark_a_person_dropped_is_removed_with_its_host_and_can_come_back() {
    let behind = Behind::at_v1().await;
    let id = behind.id("web.test");
    behind.npm.by_hand().edit(id, &json!({ "meta": { "theirs": 1 } }));
    behind.host.write("projects: {}\n");
    let options = Options { allow_prune: true, ..Options::default() };
    behind.host.converge_with(options).await.unwrap();
    assert_eq!(behind.npm.hosts().len(), 0);
    behind.host.apply(&web("v2", QUICK)).await;
    assert_eq!(behind.answer("web.test").await, "v2");
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r15_an_older_store_that_was_put_back_finds_its_host_by_the_mark() {
    let behind = Behind::at_v1().await;
    let older = bytes_below(&behind.host.path("data"));
    behind.npm.by_hand().delete(behind.id("web.test"));
    behind.host.converge().await;
    behind.host.apply(&web("v2", QUICK)).await;
    let id = behind.id("web.test");
    for (path, bytes) in &older {
        std::fs::write(path, bytes).unwrap();
    }
    behind.host.apply(&web("v1", QUICK)).await;
    assert_eq!((behind.answer("web.test").await, behind.id("web.test")), ("v1".to_owned(), id));
    assert!(behind.host.look().await.unwrap().plan.is_noop());
    assert_eq!(behind.host.fake.containers().len(), 1);
}

#[tokio::test]
async fn r18_a_stage_moves_from_the_embedded_proxy_and_back() {
    let behind = Behind::at_v1().await;
    let settings = std::fs::read_to_string(behind.host.path("config/settings.yaml")).unwrap();
    behind.host.settings("");
    behind.host.apply(&web("v2", QUICK)).await;
    assert!(behind.host.look().await.unwrap().plan.is_noop());
    assert_eq!(behind.host.routes().await.len(), 1);
    std::fs::write(behind.host.path("config/settings.yaml"), settings).unwrap();
    behind.host.apply(&web("v1", QUICK)).await;
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!(behind.npm.hosts().len(), 1);
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r21_a_look_with_a_token_writes_no_byte_and_status_shows_what_runs_while_the_proxy_is_away() {
    let behind = Behind::at_v1().await;
    let before = bytes_below(&behind.host.path("data"));
    behind.host.look().await.unwrap();
    assert_eq!(bytes_below(&behind.host.path("data")), before);
    behind.settings("");
    let settings = std::fs::read_to_string(behind.host.path("config/settings.yaml")).unwrap();
    let away = settings.replace(&behind.npm.url(), "http://127.0.0.1:9");
    std::fs::write(behind.host.path("config/settings.yaml"), away).unwrap();
    let view = behind.host.look().await.unwrap();
    assert_eq!(view.observed.containers.len(), 1);
    assert!(
        view.plan.to_string().contains("it has a domain, and nginx proxy manager does not answer"),
        "{}",
        view.plan
    );
    assert_eq!(bytes_below(&behind.host.path("data")), before);
}
