//! What is stored, what a change changes, and what the answers show.

use serde_json::{Map, Value, json};

use super::{Target, eventually};

const LIST: &str = "/nginx/proxy-hosts";

#[tokio::test]
async fn names_are_sorted_and_keep_their_case() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["domain_names"] = json!([target.name("b"), target.name("a"), target.name("Z")]);
    let id = target.create(&host).await;
    let sorted = json!([target.name("Z"), target.name("a"), target.name("b")]);
    assert_eq!(target.read(id).await["domain_names"], sorted);
    let (_, changed) = target.put(id, &json!({ "domain_names": [target.name("d"), target.name("c")] })).await;
    assert_eq!(changed["domain_names"], json!([target.name("c"), target.name("d")]));
}

#[tokio::test]
async fn the_answer_to_a_create_does_not_know_what_nginx_said() {
    let target = Target::asked().await;
    let made = target.done("POST", LIST, Some(&target.host("web", 80))).await;
    assert_eq!(made["meta"], json!({}));
    for beside in ["owner", "certificate", "access_list"] {
        assert!(made.get(beside).is_some(), "{beside}");
    }
    let read = target.read(made["id"].as_i64().unwrap()).await;
    assert_eq!(read["meta"], json!({ "nginx_online": true, "nginx_err": null }));
}

#[tokio::test]
async fn a_change_keeps_what_was_not_sent_and_answers_with_what_came_out() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["advanced_config"] = json!("# mine");
    host["block_exploits"] = json!(true);
    let id = target.create(&host).await;
    let before = target.read(id).await;
    let (status, changed) = target.put(id, &json!({ "forward_port": 81 })).await;
    assert_eq!((status, &changed["meta"]["nginx_online"]), (200, &json!(true)));
    let mut expected = before.as_object().unwrap().clone();
    expected.insert("forward_port".into(), json!(81));
    let read = target.read(id).await;
    assert_eq!(without_time(&read), without_time(&Value::Object(expected)));
    let shown: Map<_, _> = without_time(&changed).into_iter().filter(|(k, _)| read.get(k).is_some()).collect();
    assert_eq!(shown, without_time(&read));
}

fn without_time(host: &Value) -> Map<String, Value> {
    let mut fields = host.as_object().unwrap().clone();
    fields.remove("modified_on");
    fields
}

#[tokio::test]
async fn locations_are_replaced_as_a_whole() {
    let target = Target::asked().await;
    let location =
        |path: &str| json!({ "path": path, "forward_scheme": "http", "forward_host": "127.0.0.1", "forward_port": 80 });
    let mut host = target.host("web", 80);
    host["locations"] = json!([location("/a"), location("/b")]);
    let id = target.create(&host).await;
    assert_eq!(target.read(id).await["locations"], host["locations"]);
    let (_, changed) = target.put(id, &json!({ "locations": [location("/c")] })).await;
    assert_eq!(changed["locations"], json!([location("/c")]));
    let (_, changed) = target.put(id, &json!({ "locations": [] })).await;
    assert_eq!(changed["locations"], json!([]));
}

#[tokio::test]
async fn every_change_tells_the_time_also_one_that_changes_nothing() {
    let target = Target::asked().await;
    let id = target.create(&target.host("web", 80)).await;
    let made = target.read(id).await;
    assert_eq!(made["created_on"], made["modified_on"]);
    // Times are told to the second.
    eventually("a later time", async || {
        target.put(id, &json!({ "forward_port": 80 })).await;
        target.read(id).await["modified_on"].as_str() > made["modified_on"].as_str()
    })
    .await;
    assert_eq!(target.read(id).await["created_on"], made["created_on"]);
}

#[tokio::test]
async fn a_change_of_nothing_reloads_nginx_all_the_same() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    let id = target.create(&target.host("web", 80)).await;
    let before = npm.reloads();
    target.put(id, &json!({ "forward_port": 80 })).await;
    assert_eq!(npm.reloads(), before + 1);
    target.done("POST", &format!("{LIST}/{id}/disable"), None).await;
    target.put(id, &json!({ "forward_port": 81 })).await;
    assert_eq!(npm.reloads(), before + 2, "a disabled host is only a row");
}

#[tokio::test]
async fn numbers_are_not_used_again_and_a_deleted_host_is_gone() {
    let target = Target::asked().await;
    let first = target.create(&target.host("a", 80)).await;
    assert_eq!(target.done("DELETE", &format!("{LIST}/{first}"), None).await, json!(true));
    let second = target.create(&target.host("a", 80)).await;
    assert!(second > first, "{second} after {first}");
    assert_eq!(target.ask("GET", &format!("{LIST}/{first}"), None).await.0, 404);
    assert_eq!(target.ask("DELETE", &format!("{LIST}/{first}"), None).await.0, 404);
}

#[tokio::test]
async fn answers_to_writes_hold_the_passwords_of_the_access_list() {
    let target = Target::asked().await;
    let Some(npm) = target.npm() else { return };
    let list = npm.by_hand().access_list("staff", &[("ann", "a secret of ann")]);
    let mut host = target.host("web", 80);
    host["access_list_id"] = json!(list);
    let made = target.done("POST", LIST, Some(&host)).await;
    assert_eq!(made["access_list"]["items"][0]["password"], "a secret of ann");
    let listed = target.done("GET", LIST, None).await;
    assert!(!listed.to_string().contains("a secret of ann"));
    assert!(!npm.by_hand().done("GET", "/nginx/access-lists", None).to_string().contains("a secret of ann"));
}

#[tokio::test]
async fn an_access_list_that_does_not_exist_is_accepted() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["access_list_id"] = json!(99_999);
    let id = target.create(&host).await;
    let read = target.read(id).await;
    assert_eq!((&read["access_list_id"], &read["meta"]["nginx_online"]), (&json!(99_999), &json!(true)));
}
