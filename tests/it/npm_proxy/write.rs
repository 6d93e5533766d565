//! R9: a change of a host whose answer is lost, wrong, or comes from an nginx that is broken elsewhere. What was in force
//! stays in force or is put back, and what was not proven is remembered until it is.

use serde_json::json;

use super::ground::{Behind, Clients, QUICK};
use crate::execute::ground::web;
use crate::npm::{Fault, Matcher};
use crate::router_support::until;

const ONE: &str = "/nginx/proxy-hosts/";

/// A person turns the host elsewhere, so that the next pass writes it.
async fn turn(behind: &Behind) {
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "forward_port": 9 }));
    until("it is in force", async || behind.answer("web.test").await == "status 502").await;
    behind.npm.reset_calls();
}

#[tokio::test]
async fn r9_a_change_that_is_answered_wrongly_is_looked_at_and_written_once_more() {
    let behind = Behind::at_v1().await;
    for fault in [
        Fault::DoneThen(500),
        Fault::RowThen(500),
        Fault::Status(500),
        Fault::Status(502),
        Fault::CutBefore,
        Fault::CutAfter,
        Fault::HalfBody,
        Fault::Garbage,
    ] {
        turn(&behind).await;
        behind.npm.fail_next(Matcher::new("PUT", ONE), fault.clone());
        assert_eq!(behind.pass().await.0, "done", "{fault:?}");
        assert_eq!((behind.npm.count("PUT", ONE), behind.npm.writes()), (2, 2), "{fault:?}");
        behind.is_settled_at("v1").await;
    }
}

#[tokio::test]
async fn r9_a_change_that_nobody_could_prove_is_written_again_though_the_list_looks_right() {
    let behind = Behind::at_v1().await;
    turn(&behind).await;
    // Twice the row is changed and nginx is not; then nothing can be put back.
    for fault in [Fault::RowThen(500), Fault::RowThen(500), Fault::CutBefore, Fault::CutBefore] {
        behind.npm.fail_next(Matcher::new("PUT", ONE), fault);
    }
    let (status, reason) = behind.pass().await;
    assert_eq!(status, "no deploy", "{reason}");
    assert!(reason.contains("putting the old routes back"), "{reason}");
    assert_ne!(behind.row("web.test")["forward_port"], 9, "the list looks right");
    until("nginx is as it was", async || behind.answer("web.test").await == "status 502").await;
    assert!(behind.is_dirty());
    assert!(behind.plan().await.contains("an earlier change of it was not proven"));
    behind.npm.reset_calls();
    assert_eq!(behind.pass().await.0, "done");
    assert_eq!(behind.npm.writes(), 1);
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r9_r11_while_nginx_is_broken_elsewhere_the_old_one_serves_and_then_the_new_one() {
    let behind = Behind::at_v1().await;
    let clients = Clients::of(&behind, "web.test");
    behind.npm.break_nginx_elsewhere(true);
    behind.host.write(&web("v2", QUICK));
    let (status, reason) = behind.pass().await;
    assert_eq!(status, "rolled_back", "{reason}");
    assert!(behind.is_dirty());
    assert_eq!(behind.answer("web.test").await, "v1");
    behind.npm.break_nginx_elsewhere(false);
    let (status, reason) = behind.pass().await;
    assert!(["success", "done"].contains(&status.as_str()), "{status}: {reason}");
    clients.saw_only(&["v1", "v2"]).await;
    behind.is_settled_at("v2").await;
}

#[tokio::test]
async fn r9_r11_a_switch_that_nginx_refuses_is_put_back_and_the_deploy_rolled_back() {
    let behind = Behind::at_v1().await;
    let before = behind.row("web.test");
    behind
        .npm
        .fail_next(Matcher::new("PUT", ONE), Fault::Offline("nginx: [emerg] host not found in 1.conf:3\n".into()));
    behind.host.write(&web("v2", QUICK));
    let (status, reason) = behind.pass().await;
    assert_eq!(status, "rolled_back", "{reason}");
    assert!(behind.host.log().contains("host not found in 1.conf:3"), "{}", behind.host.log());
    let after = behind.row("web.test");
    for field in ["forward_port", "meta", "domain_names", "enabled"] {
        assert_eq!(after[field], before[field], "{field}");
    }
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!(behind.host.containers(), ["web-prod@v1 running"]);
    assert!(!behind.is_dirty());
}

#[tokio::test]
async fn r9_a_removal_that_is_answered_wrongly_is_looked_for_and_done_at_most_once_more() {
    for (fault, deletes) in [
        (Fault::DoneThen(500), 1),
        (Fault::CutAfter, 1),
        (Fault::Garbage, 1),
        (Fault::Status(500), 2),
        (Fault::CutBefore, 2),
    ] {
        let behind = Behind::at_v1().await;
        behind.by_hand("blog.test");
        behind.npm.reset_calls();
        behind.npm.fail_next(Matcher::new("DELETE", ONE), fault.clone());
        behind.remove_all().await;
        assert_eq!((behind.npm.count("DELETE", ONE), behind.npm.writes()), (deletes, deletes), "{fault:?}");
        assert_eq!(behind.npm.hosts().len(), 1, "{fault:?}");
        assert_eq!(behind.known("web/prod"), None, "{fault:?}");
    }
}
