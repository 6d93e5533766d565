//! One space of names for all kinds of hosts and all owners.

use serde_json::json;

use super::Target;

const LIST: &str = "/nginx/proxy-hosts";

#[tokio::test]
async fn a_taken_name_is_refused_whatever_its_case() {
    let target = Target::asked().await;
    target.create(&target.host("web", 80)).await;
    let mut host = target.host("web", 81);
    host["domain_names"] = json!([target.name("other"), target.name("WEB")]);
    let (status, answer) = target.ask("POST", LIST, Some(&host)).await;
    let told = format!("{} is already in use", target.name("WEB"));
    assert_eq!((status, &answer["error"]["message"]), (400, &json!(told)));
}

#[tokio::test]
async fn redirections_and_dead_hosts_take_names_too() {
    let target = Target::asked().await;
    let redirection = json!({
        "domain_names": [target.name("old")], "forward_scheme": "auto", "forward_http_code": 301,
        "forward_domain_name": "example.com",
    });
    target.done("POST", "/nginx/redirection-hosts", Some(&redirection)).await;
    target.done("POST", "/nginx/dead-hosts", Some(&json!({ "domain_names": [target.name("dead")] }))).await;
    for label in ["old", "dead"] {
        let (status, answer) = target.ask("POST", LIST, Some(&target.host(label, 80))).await;
        let told = format!("{} is already in use", target.name(label));
        assert_eq!((status, &answer["error"]["message"]), (400, &json!(told)));
    }
    let listed = target.done("GET", "/nginx/dead-hosts", None).await;
    assert!(listed.to_string().contains(&target.name("dead")));
    let listed = target.done("GET", LIST, None).await;
    assert!(!listed.to_string().contains(&target.name("dead")));
}

#[tokio::test]
async fn a_name_moves_in_two_steps() {
    let target = Target::asked().await;
    let mut both = target.host("a", 80);
    both["domain_names"] = json!([target.name("a"), target.name("b")]);
    let from = target.create(&both).await;
    let to = target.create(&target.host("c", 81)).await;
    let moved = json!({ "domain_names": [target.name("b"), target.name("c")] });
    assert_eq!(target.put(to, &moved).await.0, 400);
    // Names of one's own are no conflict.
    assert_eq!(target.put(from, &json!({ "domain_names": [target.name("a")] })).await.0, 200);
    assert_eq!(target.put(to, &moved).await.0, 200);
}

#[tokio::test]
async fn a_disabled_host_keeps_its_names() {
    let target = Target::asked().await;
    let id = target.create(&target.host("web", 80)).await;
    target.done("POST", &format!("{LIST}/{id}/disable"), None).await;
    assert_eq!(target.ask("POST", LIST, Some(&target.host("web", 80))).await.0, 400);
}
