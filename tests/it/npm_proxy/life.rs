//! A stage's whole life behind Nginx Proxy Manager.

use std::collections::BTreeSet;
use std::time::Duration;

use landfall::execute::Sink;
use landfall::reconcile::{self, Order, RouteTo};
use serde_json::json;

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
async fn r1_what_nginx_reads_of_hosts_made_by_hand_is_the_same_to_the_byte_through_a_projects_whole_life() {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    behind.settings("  policy: { advanced: [ web/prod ] }\n");
    let list = behind.npm.by_hand().access_list("staff", &[("ann", "a password")]);
    let certificate = behind.npm.by_hand().certificate(&["blog.test"], true);
    behind.npm.by_hand().create_host(&json!({
        "domain_names": ["blog.test"], "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9,
        "certificate_id": certificate, "ssl_forced": true, "http2_support": true, "hsts_enabled": true,
        "hsts_subdomains": true, "caching_enabled": true, "access_list_id": list, "block_exploits": true,
        "advanced_config": "# by hand\n\n  client_max_body_size 7m;\t\n",
        "locations": [{ "path": "/admin", "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 9,
            "advanced_config": "deny all;" }],
    }));
    behind.by_hand("wiki.test");
    behind.npm.by_hand().create_redirection("old.test", "blog.test");
    behind.npm.by_hand().create_dead("gone.test");
    let before = behind.npm.files();
    assert_eq!(before.len(), 4, "{:?}", before.keys());
    let routed = |version: &str, more: &str| {
        web(version, QUICK).replace("domains: [ web.test ]", &format!("domains: [ web.test ]{more}"))
    };
    for (version, more) in [
        ("v1", ""),
        ("v1", ", redirects: { www.test: web.test }, access_list: staff, caching: true"),
        ("v2", ", redirects: { www.test: web.test, w.test: web.test }, certificate: letsencrypt, hsts: true"),
        ("v2", ", advanced: \"# ours\", locations: [ { path: /x, upstream: \"127.0.0.1:9\" } ]"),
    ] {
        behind.host.apply(&routed(version, more)).await;
        let files = behind.npm.files();
        assert!(before.iter().all(|(place, bytes)| files.get(place) == Some(bytes)), "{more}");
        assert!(files.len() > before.len(), "{more}");
    }
    let key = "web/prod".parse().expect("a stage");
    for to in [RouteTo::Maintenance, RouteTo::Instance] {
        let places = behind.host.places();
        reconcile::by_hand(&places, &key, &Order::Route { to }, Sink::new(|_| {})).await.expect("a pass");
    }
    behind.remove_all().await;
    assert_eq!(behind.npm.files(), before);
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
