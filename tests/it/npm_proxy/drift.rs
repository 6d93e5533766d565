//! R20: what a person changes in Nginx Proxy Manager is put right, by the smallest write, and what is theirs stays.

use serde_json::json;

use super::ground::{Behind, timeless};

#[tokio::test]
async fn r20_a_host_that_a_person_turned_is_led_back_and_their_own_fields_stay() {
    let behind = Behind::at_v1().await;
    let id = behind.id("web.test");
    let meta = behind.row("web.test")["meta"].clone();
    let mut theirs = meta.clone();
    theirs["note"] = json!({ "by": "hand" });
    behind
        .npm
        .by_hand()
        .edit(id, &json!({ "forward_port": 9, "caching_enabled": true, "advanced_config": "# mine", "meta": theirs }));
    let plan = behind.host.look().await.unwrap().plan;
    assert!(plan.to_string().contains("web.test leads to 127.0.0.1:9"), "{plan}");
    behind.npm.reset_calls();
    behind.host.converge().await;
    assert!(behind.said("route: web.test leads to 127.0.0.1:9"), "{:?}", behind.host.events());
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!(behind.npm.writes(), 1);
    let row = behind.row("web.test");
    assert_eq!((&row["caching_enabled"], &row["advanced_config"]), (&json!(true), &json!("# mine")));
    assert_eq!(row["meta"]["note"], json!({ "by": "hand" }));
    assert_eq!(row["meta"]["landfall"], meta["landfall"]);
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r20_a_host_switched_off_by_hand_is_switched_on_by_its_own_endpoint() {
    let behind = Behind::at_v1().await;
    let before = behind.row("web.test");
    behind.npm.by_hand().disable(behind.id("web.test"));
    assert!(behind.host.look().await.unwrap().plan.to_string().contains("is switched off"));
    behind.npm.reset_calls();
    behind.host.converge().await;
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!((behind.npm.count("POST", "/nginx/proxy-hosts/"), behind.npm.writes()), (1, 1), "enabled, once");
    assert_eq!(timeless(behind.row("web.test")), timeless(before));
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r20_a_host_removed_by_hand_is_made_once_more() {
    let behind = Behind::at_v1().await;
    behind.npm.by_hand().delete(behind.id("web.test"));
    behind.npm.reset_calls();
    behind.host.converge().await;
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!((behind.npm.writes(), behind.npm.hosts().len()), (1, 1));
    assert!(behind.host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r20_every_field_of_ours_that_a_person_changes_is_put_right_by_one_write() {
    let behind = Behind::at_v1().await;
    let id = behind.id("web.test");
    let before = timeless(behind.row("web.test"));
    let certificate = behind.npm.by_hand().certificate(&["web.test"], true);
    for (edit, words) in [
        (json!({ "forward_scheme": "https" }), "web.test leads to https://"),
        (json!({ "forward_host": "example.com" }), "web.test leads to example.com:"),
        (json!({ "allow_websocket_upgrade": false }), "websockets off → on"),
        (json!({ "block_exploits": true }), "block_exploits on → off"),
        (json!({ "certificate_id": certificate }), "certificate 1 → none"),
        (
            json!({ "certificate_id": certificate, "ssl_forced": true, "http2_support": true }),
            "https redirect on → off",
        ),
        (json!({ "certificate_id": 0, "ssl_forced": true, "hsts_enabled": true }), "hsts on → off"),
        (json!({ "domain_names": ["web.test", "more.test"] }), "more.test is routed"),
        (json!({ "domain_names": ["more.test"] }), "web.test is not routed"),
    ] {
        behind.npm.by_hand().edit(id, &edit);
        let plan = behind.plan().await;
        assert!(plan.contains(words), "{edit}: {plan}");
        behind.npm.reset_calls();
        assert_eq!(behind.pass().await.0, "done", "{edit}");
        assert_eq!(behind.npm.writes(), 1, "{edit}");
        assert_eq!(timeless(behind.row("web.test")), before, "{edit}");
        behind.is_settled_at("v1").await;
    }
    assert_eq!(behind.host.deploys().len(), 1, "no new container for any of it");
}

#[tokio::test]
async fn r20_a_host_that_was_set_off_without_its_endpoint_is_set_on_again() {
    let behind = Behind::at_v1().await;
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "enabled": false }));
    assert!(behind.plan().await.contains("is switched off"));
    assert_eq!(behind.pass().await.0, "done");
    assert_eq!(behind.row("web.test")["enabled"], true);
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r9_r20_a_host_that_nginx_refuses_is_told_with_nginx_s_words_and_mended_once_it_can_be() {
    let behind = Behind::at_v1().await;
    let id = behind.id("web.test");
    behind.npm.by_hand().edit(id, &json!({ "advanced_config": "nonsense on;" }));
    let plan = behind.plan().await;
    assert!(plan.contains("nginx refused it: ") && plan.contains("unknown directive"), "{plan}");
    let (status, reason) = behind.pass().await;
    assert_eq!(status, "no deploy", "{reason}");
    assert!(reason.contains("unknown directive"), "{reason}");
    assert_eq!(behind.row("web.test")["advanced_config"], "nonsense on;", "what is theirs stays theirs");
    behind.npm.by_hand().edit(id, &json!({ "advanced_config": "" }));
    assert_eq!(behind.answer("web.test").await, "v1");
    behind.host.converge().await;
    behind.is_settled_at("v1").await;
}
