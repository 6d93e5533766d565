//! What a body may hold, and what becomes of its values.

use serde_json::{Value, json};

use super::Target;

const LIST: &str = "/nginx/proxy-hosts";

/// A host with one field as given; null takes it away.
fn with(target: &Target, field: &str, value: &Value) -> Value {
    let mut host = target.host("web", 80);
    host[field] = value.clone();
    host
}

#[tokio::test]
async fn four_fields_are_required() {
    let target = Target::asked().await;
    for field in ["domain_names", "forward_scheme", "forward_host", "forward_port"] {
        let mut host = target.host("web", 80);
        host.as_object_mut().unwrap().remove(field);
        let (status, answer) = target.ask("POST", LIST, Some(&host)).await;
        let told = format!("data must have required property '{field}'");
        assert_eq!((status, &answer["error"]["message"]), (400, &json!(told)));
    }
}

#[tokio::test]
async fn values_out_of_range_are_refused_by_place() {
    let target = Target::asked().await;
    let long = "h".repeat(256);
    let many: Vec<String> = (0..101).map(|at| format!("n{at}.test")).collect();
    for (field, value, told) in [
        ("forward_port", json!(65_536), "data/forward_port must be <= 65535"),
        ("forward_port", json!(0), "data/forward_port must be >= 1"),
        ("forward_port", json!("http"), "data/forward_port must be integer"),
        ("forward_scheme", json!("tcp"), "data/forward_scheme must be equal to one of the allowed values"),
        ("forward_host", json!(""), "data/forward_host must NOT have fewer than 1 characters"),
        ("forward_host", json!(long), "data/forward_host must NOT have more than 255 characters"),
        ("domain_names", json!([]), "data/domain_names must NOT have fewer than 1 items"),
        ("domain_names", json!(many), "data/domain_names must NOT have more than 100 items"),
        ("ssl_forced", json!("yes"), "data/ssl_forced must be boolean"),
        ("locations", json!(null), "data/locations must be array"),
        ("meta", json!("text"), "data/meta must be object"),
    ] {
        let (status, answer) = target.ask("POST", LIST, Some(&with(&target, field, &value))).await;
        assert_eq!((status, &answer["error"]["message"]), (400, &json!(told)), "{field}");
    }
}

#[tokio::test]
async fn names_with_odd_characters_or_twice_are_refused_and_odd_names_are_not() {
    let target = Target::asked().await;
    for name in ["a b.test", "a/b.test", "a:80", "a;b", "http://a", "a,b", "", "a\\b", "a'b"] {
        let (status, answer) = target.ask("POST", LIST, Some(&with(&target, "domain_names", &json!([name])))).await;
        let told = answer["error"]["message"].as_str().unwrap().to_owned();
        assert_eq!(status, 400, "{name}");
        assert!(told.starts_with("data/domain_names/0 must match pattern"), "{told}");
    }
    let twice = json!([target.name("a"), target.name("a")]);
    let (status, answer) = target.ask("POST", LIST, Some(&with(&target, "domain_names", &twice))).await;
    let told = "data/domain_names must NOT have duplicate items (items ## 1 and 0 are identical)";
    assert_eq!((status, &answer["error"]["message"]), (400, &json!(told)));
    let odd = json!([format!("*.{}", target.name("a")), format!("-{}", target.name("b")), target.name("ü")]);
    assert_eq!(target.ask("POST", LIST, Some(&with(&target, "domain_names", &odd))).await.0, 201);
}

#[tokio::test]
async fn unknown_and_read_only_fields_are_refused_so_that_nothing_read_can_be_written_back() {
    let target = Target::asked().await;
    let id = target.create(&target.host("web", 80)).await;
    let read = target.read(id).await;
    for field in ["id", "created_on", "modified_on", "owner_user_id", "owner"] {
        let (status, answer) = target.put(id, &json!({ field: read[field] })).await;
        let told = "data must NOT have additional properties";
        assert_eq!((status, &answer["error"]["message"]), (400, &json!(told)), "{field}");
    }
    assert_eq!(target.put(id, &read).await.0, 400);
    assert_eq!(target.ask("POST", LIST, Some(&with(&target, "labels", &json!({})))).await.0, 400);
    let location = json!([{ "path": "/", "forward_scheme": "http", "forward_host": "a", "forward_port": 80, "x": 1 }]);
    assert_eq!(target.put(id, &json!({ "locations": location })).await.0, 400);
    let (status, answer) = target.put(id, &json!({})).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("data must NOT have fewer than 1 properties")));
    assert_eq!(target.read(id).await, read, "a refused change changed something");
}

#[tokio::test]
async fn all_violations_are_told_at_once() {
    let target = Target::asked().await;
    let (status, answer) = target.ask("POST", LIST, Some(&json!({ "more": 1 }))).await;
    let told = answer["error"]["message"].as_str().unwrap();
    assert_eq!((status, told.split(", ").count()), (400, 5), "{told}");
}

#[tokio::test]
async fn texts_and_numbers_are_taken_for_what_they_stand_for() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["forward_port"] = json!("8080");
    host["block_exploits"] = json!(1);
    host["caching_enabled"] = json!("true");
    host["access_list_id"] = json!(null);
    host["certificate_id"] = json!(null);
    host["meta"] = json!({ "number": 7 });
    let read = target.read(target.create(&host).await).await;
    assert_eq!(
        (&read["forward_port"], &read["block_exploits"], &read["caching_enabled"]),
        (&json!(8080), &json!(true), &json!(true))
    );
    assert_eq!(
        (&read["access_list_id"], &read["certificate_id"], &read["meta"]["number"]),
        (&json!(0), &json!(0), &json!(7))
    );
}

#[tokio::test]
async fn what_is_left_out_has_these_values() {
    let target = Target::asked().await;
    let read = target.read(target.create(&target.host("web", 80)).await).await;
    for switch in ["ssl_forced", "hsts_enabled", "hsts_subdomains", "http2_support", "trust_forwarded_proto"] {
        assert_eq!(read[switch], false, "{switch}");
    }
    for switch in ["block_exploits", "caching_enabled", "allow_websocket_upgrade"] {
        assert_eq!(read[switch], false, "{switch}");
    }
    let (enabled, locations, advanced) = (&read["enabled"], &read["locations"], &read["advanced_config"]);
    assert_eq!((enabled, locations, advanced), (&json!(true), &json!(null), &json!("")));
    assert_eq!((&read["certificate_id"], &read["access_list_id"]), (&json!(0), &json!(0)));
    assert_eq!(read.get("is_deleted"), None);
}
