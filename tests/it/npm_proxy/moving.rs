//! R1, R9: domains that move between two stages of ours. A host that would be left without a domain is taken over whole,
//! so that nothing is unserved; and when the second write fails, both hosts are as before.

use super::ground::{Behind, Clients, timeless};
use crate::execute::ground::{REPOSITORY, image};
use crate::npm::{Fault, Matcher};

/// Two stages, the first at `v1` and the second at `v2`, with these domains.
pub fn two(prod: &str, next: &str) -> String {
    let stage = |name: &str, version: &str, domains: &str| {
        let digest = image(version).digest;
        let route =
            if domains.is_empty() { String::new() } else { format!("        route: {{ domains: [ {domains} ] }}\n") };
        format!("      {name}:\n        track: {{ digest: \"{digest}\" }}\n        drain: 1s\n{route}")
    };
    let ready = "{ http: { path: /healthz }, interval: 20ms, timeout: 1s, deadline: 5s }";
    format!(
        "projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {ready}\n    stages:\n{}{}",
        stage("prod", "v1", prod),
        stage("next", "v2", next)
    )
}

async fn with(prod: &str, next: &str) -> Behind {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    behind.host.apply(&two(prod, next)).await;
    behind.npm.reset_calls();
    behind
}

async fn answers(behind: &Behind, domains: &[&str], version: &str) {
    for domain in domains {
        assert_eq!(behind.answer(domain).await, version, "{domain}");
    }
}

#[tokio::test]
async fn r9_the_only_domain_of_a_host_moves_with_the_host_and_is_never_unserved() {
    let behind = with("web.test", "").await;
    let (id, clients) = (behind.id("web.test"), Clients::of(&behind, "web.test"));
    behind.host.apply(&two("", "web.test")).await;
    clients.saw_only(&["v1", "v2"]).await;
    answers(&behind, &["web.test"], "v2").await;
    assert_eq!((behind.id("web.test"), behind.npm.writes(), behind.npm.hosts().len()), (id, 1, 1));
    assert_eq!(behind.row("web.test")["meta"]["landfall"]["stage"], "next");
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r9_one_of_several_domains_moves_by_a_write_to_each_host() {
    let behind = with("a.test, web.test", "b.test").await;
    behind.host.apply(&two("a.test", "b.test, web.test")).await;
    answers(&behind, &["a.test"], "v1").await;
    answers(&behind, &["b.test", "web.test"], "v2").await;
    assert_eq!((behind.npm.writes(), behind.npm.hosts().len()), (2, 2));
    assert!(behind.host.look().await.unwrap().plan.is_noop());
    // Both are told by number and domains, should a person lose their marks.
    for domain in ["a.test", "b.test"] {
        behind.npm.by_hand().edit(behind.id(domain), &serde_json::json!({ "meta": {} }));
    }
    let plan = behind.plan().await;
    assert_eq!(plan.matches("its mark is gone").count(), 2, "{plan}");
    behind.host.converge().await;
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r9_two_stages_trade_their_domains() {
    let behind = with("a.test", "b.test").await;
    let converged = {
        behind.host.write(&two("b.test", "a.test"));
        behind.host.converge().await
    };
    assert!(converged.results.values().all(landfall::execute::StageResult::is_ok), "{:?}", converged.results);
    for _ in 0..2 {
        behind.host.converge().await;
    }
    answers(&behind, &["b.test"], "v1").await;
    answers(&behind, &["a.test"], "v2").await;
    assert_eq!(behind.npm.hosts().len(), 2);
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r9_a_move_whose_second_write_fails_leaves_both_hosts_as_they_were() {
    let behind = with("a.test, web.test", "b.test").await;
    let rows = |behind: &Behind| behind.npm.hosts().into_iter().map(timeless).collect::<Vec<_>>();
    let before = rows(&behind);
    let id = behind.id("b.test");
    behind
        .npm
        .fail_next(Matcher::new("PUT", &format!("/nginx/proxy-hosts/{id}")), Fault::Offline("nginx: no\n".into()));
    behind.host.write(&two("a.test", "b.test, web.test"));
    let converged = behind.host.converge().await;
    assert!(!converged.results.values().all(landfall::execute::StageResult::is_ok), "{:?}", converged.results);
    assert_eq!(behind.npm.faults_left(), 0);
    assert_eq!(rows(&behind), before);
    answers(&behind, &["a.test", "web.test"], "v1").await;
    answers(&behind, &["b.test"], "v2").await;
    behind.host.apply(&two("a.test", "b.test, web.test")).await;
    answers(&behind, &["b.test", "web.test"], "v2").await;
}
