//! A page that stands in for the app: one line before the host's own text, and nothing else of the host; seen from outside
//! before it is said to be in force, and taken off to the byte.

use std::time::Duration;

use landfall::reconcile::RouteTo;
use serde_json::json;

use super::ground::{Behind, QUICK, timeless};
use crate::execute::ground::web;
use crate::fake_docker::Behaviour;
use crate::npm::{Fault, Matcher};
use crate::router_wire::Client;

async fn lead(behind: &Behind, to: RouteTo) -> (String, String) {
    behind.host.lead("web/prod", to).await
}

#[tokio::test]
async fn r9_the_page_comes_by_one_write_and_goes_to_the_byte_and_no_container_is_touched() {
    let behind = Behind::at_v1().await;
    let text = "# by hand,\n\n  client_max_body_size 7m;\t\n# without an end";
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "advanced_config": text }));
    let before = timeless(behind.row("web.test"));
    let file = behind.npm.conf(behind.id("web.test"));
    behind.npm.reset_calls();
    behind.host.fake.reset_calls();
    assert_eq!(lead(&behind, RouteTo::Maintenance).await.0, "done");
    assert_eq!(behind.answer("web.test").await, "status 503");
    let at = behind.npm.probe().parse().expect("an address");
    let reply = Client::connect(at).await.get("web.test", "/anything").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("60")));
    assert!(behind.row("web.test")["advanced_config"].as_str().unwrap().ends_with(text));
    assert!(behind.host.look().await.unwrap().plan.is_noop(), "{}", behind.plan().await);
    assert_eq!((behind.npm.writes(), behind.host.fake.mutations()), (1, 0));
    // A person who takes it off does not end what was asked for.
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "advanced_config": text }));
    assert!(behind.plan().await.contains("maintenance off → on"), "{}", behind.plan().await);
    assert_eq!(behind.pass().await.0, "done");
    assert_eq!(lead(&behind, RouteTo::Instance).await.0, "done");
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!((timeless(behind.row("web.test")), behind.npm.conf(behind.id("web.test"))), (before, file));
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r9_a_page_that_comes_or_goes_late_is_not_taken_for_proven_before() {
    let behind = Behind::at_v1().await;
    behind.npm.delay_reload(Duration::from_millis(1500));
    for (to, answer) in [(RouteTo::Maintenance, "503"), (RouteTo::Instance, "200")] {
        assert_eq!(lead(&behind, to).await.0, "done");
        let at = behind.npm.probe().parse().expect("an address");
        let reply = Client::connect(at).await.get("web.test", "/").await;
        assert_eq!(reply.status.to_string(), answer, "in force when it is said to be");
    }
    assert_eq!(behind.npm.writes(), 3, "one for the host, one for each");
}

#[tokio::test]
async fn r9_an_app_that_answers_503_itself_is_not_taken_for_the_page() {
    let listens = "        drain: 1s\n        ready: { tcp: {}, interval: 20ms, deadline: 5s }\n";
    let v1 = crate::execute::ground::image("v1").behaving(Behaviour::Answers(503));
    let behind = Behind::with(&[&v1]).await;
    behind.host.apply(&web("v1", listens)).await;
    // The row is changed, nginx is not: what answers 503 is the app still.
    for _ in 0..2 {
        behind.npm.fail_next(Matcher::new("PUT", "/nginx/proxy-hosts/"), Fault::RowThen(500));
    }
    let (status, reason) = lead(&behind, RouteTo::Maintenance).await;
    assert_eq!((status.as_str(), behind.npm.faults_left()), ("no deploy", 0), "{reason}");
    assert_eq!(lead(&behind, RouteTo::Maintenance).await.0, "done");
    let at = behind.npm.probe().parse().expect("an address");
    assert_eq!(Client::connect(at).await.get("web.test", "/").await.header("x-landfall"), Some("maintenance"));
}

#[tokio::test]
async fn r9_while_the_page_stands_a_new_version_is_deployed_behind_it() {
    let behind = Behind::at_v1().await;
    lead(&behind, RouteTo::Maintenance).await;
    behind.host.apply(&web("v2", QUICK)).await;
    assert_eq!(behind.answer("web.test").await, "status 503");
    assert_eq!(lead(&behind, RouteTo::Instance).await.0, "done");
    behind.is_settled_at("v2").await;
}
