//! `meta`: a place for marks of one's own, with two keys that are nginx's.

use serde_json::json;

use super::Target;

#[tokio::test]
async fn marks_of_ones_own_are_kept_as_they_are_with_nginxs_keys_beside_them() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["meta"] = json!({ "landfall": { "store": "s", "list": [1, null] }, "gitopsHash": "x" });
    let id = target.create(&host).await;
    let mut expected = host["meta"].clone();
    expected["nginx_online"] = json!(true);
    expected["nginx_err"] = json!(null);
    assert_eq!(target.read(id).await["meta"], expected);
    let (_, changed) = target.put(id, &json!({ "forward_port": 81 })).await;
    assert_eq!(changed["meta"], expected, "a change without meta keeps it");
}

#[tokio::test]
async fn a_meta_that_is_sent_replaces_all_of_it() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["meta"] = json!({ "mine": 1, "theirs": 2 });
    let id = target.create(&host).await;
    let (_, changed) = target.put(id, &json!({ "meta": { "mine": 3 } })).await;
    assert_eq!(changed["meta"], json!({ "mine": 3, "nginx_online": true, "nginx_err": null }));
}

#[tokio::test]
async fn nginxs_keys_may_be_sent_and_are_overwritten() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["meta"] = json!({ "nginx_online": false, "nginx_err": "mine" });
    let id = target.create(&host).await;
    assert_eq!(target.read(id).await["meta"], json!({ "nginx_online": true, "nginx_err": null }));
}

#[tokio::test]
async fn a_mark_in_the_advanced_text_is_kept_too() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["advanced_config"] = json!("# managed-by: landfall\n");
    let id = target.create(&host).await;
    let read = target.read(id).await;
    assert_eq!((&read["advanced_config"], &read["meta"]["nginx_online"]), (&host["advanced_config"], &json!(true)));
}
