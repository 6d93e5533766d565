//! Routes, bodies and ids that are wrong.

use serde_json::{Value, json};

use super::Target;

const LIST: &str = "/nginx/proxy-hosts";

#[tokio::test]
async fn routes_are_strict_about_case_methods_and_slashes_behind_items() {
    let target = Target::asked().await;
    for (method, path) in [
        ("GET", "/nginx/proxy-hosts/1/"),
        ("GET", "/users/me/"),
        ("GET", "/nginx/Proxy-Hosts"),
        ("PATCH", "/nginx/proxy-hosts/1"),
        ("GET", "/nginx/proxy-hosts/1/enable"),
        ("PUT", "/nginx/proxy-hosts/"),
    ] {
        let (status, answer) = target.ask(method, path, None).await;
        let told = format!("Not Found - {path}");
        assert_eq!((status, &answer["error"]["message"]), (404, &json!(told)), "{method} {path}");
    }
    assert_eq!(target.ask("GET", "/nginx/proxy-hosts/", None).await.0, 200);
    assert_eq!(target.ask("GET", "", None).await.0, 302);
}

#[tokio::test]
async fn beside_the_api_everything_is_a_page_with_status_200() {
    let target = Target::asked().await;
    let Some(_) = target.npm() else { return };
    let (status, page) = target.beside("/nginx/proxy-hosts").await;
    assert_eq!(status, 200);
    assert!(page.to_lowercase().starts_with("<!doctype html>"), "{page}");
}

#[tokio::test]
async fn a_missing_item_is_told_by_its_number() {
    let target = Target::asked().await;
    let one = json!({ "forward_port": 80 });
    for (method, path, body) in [
        ("GET", "/nginx/proxy-hosts/999999", None),
        ("PUT", "/nginx/proxy-hosts/999999", Some(&one)),
        ("DELETE", "/nginx/proxy-hosts/999999", None),
        ("POST", "/nginx/proxy-hosts/999999/enable", None),
        ("GET", "/nginx/certificates/999999", None),
    ] {
        let (status, answer) = target.ask(method, path, body).await;
        assert_eq!((status, &answer["error"]["message"]), (404, &json!("Not Found - 999999")), "{method} {path}");
    }
    let (status, answer) = target.ask("GET", "/nginx/proxy-hosts/one", None).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("Internal Error")));
}

#[tokio::test]
async fn bodies_that_are_too_large_broken_or_missing_are_refused() {
    let target = Target::asked().await;
    let large = json!({ "advanced_config": "#".repeat(101 * 1024) });
    let (status, answer) = target.ask("POST", LIST, Some(&large)).await;
    assert_eq!((status, &answer["error"]), (413, &json!({ "code": 413, "message": "Internal Error" })));
    let (status, answer) = target.ask("POST", LIST, Some(&Value::String("text".into()))).await;
    assert_eq!((status, &answer["error"]), (400, &json!({ "code": 400, "message": "Internal Error" })));
    let (status, answer) = target.ask("POST", LIST, None).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("Payload is undefined")));
}

#[tokio::test]
async fn what_can_be_expanded_is_known_and_other_wishes_are_ignored() {
    let target = Target::asked().await;
    let id = target.create(&target.host("web", 80)).await;
    let plain = target.read(id).await;
    assert_eq!((plain.get("owner"), plain.get("certificate"), plain.get("access_list")), (None, None, None));
    let all = "owner,certificate,access_list.[clients,items]";
    let full = target.done("GET", &format!("{LIST}/{id}?expand={all}"), None).await;
    assert_eq!(full["owner"]["id"], full["owner_user_id"]);
    assert_eq!((&full["certificate"], &full["access_list"]), (&json!(null), &json!(null)));
    for path in [format!("{LIST}/{id}?expand=secrets"), format!("{LIST}?expand=owner,secrets")] {
        let (status, answer) = target.ask("GET", &path, None).await;
        assert_eq!((status, &answer["error"]["message"]), (500, &json!("Internal Error")), "{path}");
    }
    assert_eq!(target.done("GET", &format!("{LIST}/{id}?page=2"), None).await, plain);
}

#[tokio::test]
async fn a_list_is_whole_sorted_by_names_and_found_by_a_part_of_them() {
    let target = Target::asked().await;
    for label in ["b", "c", "a"] {
        target.create(&target.host(label, 80)).await;
    }
    let mark = target.name("").trim_start_matches('-').to_owned();
    let found = target.done("GET", &format!("{LIST}?query={mark}"), None).await;
    let names: Vec<_> = found.as_array().unwrap().iter().map(|host| host["domain_names"][0].clone()).collect();
    assert_eq!(names, ["a", "b", "c"].map(|label| json!(target.name(label))));
    let listed = target.done("GET", LIST, None).await;
    assert!(found.as_array().unwrap().iter().all(|host| listed.as_array().unwrap().contains(host)));
}
