//! R5: a host that a person made is taken over by exactly its domains. It gets our mark and nothing else; what a failed
//! deploy puts back is what the person had.

use landfall::model::{Pause, PauseKind};
use landfall::reconcile;
use serde_json::{Value, json};

use super::ground::{Behind, QUICK, timeless};
use crate::execute::ground::{image, web};
use crate::npm::{Fault, Matcher};

fn yaml(domains: &str) -> String {
    web("v1", QUICK).replace("[ web.test ]", &format!("[ {domains} ]"))
}

async fn adopt(behind: &Behind) -> Result<landfall::proxy::Adopted, reconcile::Error> {
    reconcile::adopt(&behind.host.places(), &"web/prod".parse().expect("a stage")).await
}

/// A row without our mark, and without what changes by itself.
fn unmarked(row: Value) -> Value {
    let mut row = timeless(row);
    row["meta"].as_object_mut().expect("an object").remove("landfall");
    row
}

async fn with_a_host_by_hand() -> Behind {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.by_hand("web.test");
    behind.host.write(&yaml("web.test, www.web.test"));
    behind
}

#[tokio::test]
async fn r5_an_adopted_host_gets_our_mark_by_one_write_and_nothing_else_of_it_changes() {
    let behind = with_a_host_by_hand().await;
    let before = behind.row("web.test");
    let adopted = adopt(&behind).await.unwrap();
    assert!(adopted.is_new && adopted.upstream == "127.0.0.1:9", "{adopted:?}");
    let after = behind.row("web.test");
    assert_eq!(after["meta"]["landfall"]["stage"], "prod");
    assert_eq!(unmarked(after.clone()), unmarked(before));
    assert!(!adopt(&behind).await.unwrap().is_new);
    assert_eq!((behind.npm.writes(), behind.row("web.test")), (1, after));
}

#[tokio::test]
async fn r5_an_adopted_host_is_led_to_the_stage_and_keeps_what_the_person_set() {
    let behind = with_a_host_by_hand().await;
    let id = behind.id("web.test");
    adopt(&behind).await.unwrap();
    behind.host.apply(&yaml("web.test, www.web.test")).await;
    behind.is_settled_at("v1").await;
    let row = behind.row("web.test");
    assert_eq!((&row["id"], &row["caching_enabled"]), (&json!(id), &json!(true)));
    assert_eq!((&row["advanced_config"], &row["meta"]["mine"]), (&json!("# kept by hand"), &json!({ "deep": [1] })));
}

#[tokio::test]
async fn r5_r11_a_deploy_that_fails_after_the_adoption_puts_back_where_the_person_led_it() {
    let behind = with_a_host_by_hand().await;
    adopt(&behind).await.unwrap();
    let before = timeless(behind.row("web.test"));
    behind.npm.fail_next(Matcher::new("PUT", "/nginx/proxy-hosts/"), Fault::Offline("nginx: no\n".into()));
    let (status, reason) = behind.pass().await;
    assert_eq!(status, "rolled_back", "{reason}");
    assert_eq!(timeless(behind.row("web.test")), before);
    assert_eq!(behind.answer("web.test").await, "status 502", "as before: nothing listens there");
}

#[tokio::test]
async fn r5_a_release_takes_our_mark_off_by_one_write_and_a_resume_puts_it_back() {
    let behind = Behind::at_v1().await;
    let key = "web/prod".parse().expect("a stage");
    let before = behind.row("web.test");
    let released = Pause { kind: PauseKind::Released, since_ms: 0, until_ms: None };
    behind.npm.reset_calls();
    behind.host.pause(&key, Some(released)).await.unwrap();
    let after = behind.row("web.test");
    assert_eq!((after["meta"].get("landfall"), behind.npm.writes()), (None, 1), "{after}");
    assert_eq!(unmarked(after), unmarked(before.clone()));
    assert_eq!(behind.host.recorded().stages[&key].host, None);
    behind.host.pause(&key, Some(released)).await.unwrap();
    assert_eq!((behind.npm.writes(), behind.answer("web.test").await), (1, "v1".into()));
    // Another one, or a person, may have it now; it is taken back where nobody does.
    behind.host.pause(&key, None).await.unwrap();
    assert_eq!((timeless(behind.row("web.test")), behind.npm.writes()), (timeless(before), 2));
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r1_a_host_with_other_domains_or_another_owner_is_not_adopted() {
    let behind = with_a_host_by_hand().await;
    let before = behind.row("web.test");
    for domains in ["web.test", "web.test, www.web.test, more.test", "none.test"] {
        behind.host.write(&yaml(domains));
        let error = adopt(&behind).await.unwrap_err().to_string();
        assert!(error.contains("no host of nginx proxy manager has exactly"), "{error}");
        assert_eq!(error.contains("www.web.test) has some of them"), domains != "none.test", "{error}");
    }
    behind.npm.by_hand().create_redirection("none.test", "blog.test");
    let hint = adopt(&behind).await.unwrap_err().hint().unwrap_or_default();
    assert!(hint.contains("if something else there has a domain, `landfall diff` names it"), "{hint}");
    assert_eq!((behind.row("web.test"), behind.npm.writes()), (before, 0));
    let mark = json!({ "store": "00000000-0000-4000-8000-000000000001", "project": "shop", "stage": "prod" });
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "meta": { "landfall": mark } }));
    behind.host.write(&yaml("web.test, www.web.test"));
    let error = adopt(&behind).await.unwrap_err().to_string();
    assert!(error.contains("belongs to shop/prod of store 00000000"), "{error}");
    assert_eq!(behind.npm.writes(), 0);
}
