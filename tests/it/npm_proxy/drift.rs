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
