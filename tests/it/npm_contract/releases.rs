//! What older releases do otherwise.

use serde_json::json;

use super::Target;
use super::target::RELEASE;

const LIST: &str = "/nginx/proxy-hosts";

#[tokio::test]
async fn the_health_answer_tells_the_release_to_anybody() {
    for (version, setup) in [("2.12.6", None), (RELEASE, Some(json!(true)))] {
        let Some(target) = Target::release(version).await else { continue };
        let (status, health) = target.ask_as(None, "GET", "/", None).await;
        assert_eq!((status, &health["status"], health.get("setup")), (200, &json!("OK"), setup.as_ref()), "{version}");
        let parts = ["major", "minor", "revision"].map(|part| health["version"][part].to_string());
        assert_eq!(parts.join("."), version);
    }
}

#[tokio::test]
async fn refusals_were_401_and_403_up_to_2_12() {
    for (version, told) in [("2.9.0", "No relevant user found"), ("2.12.6", "Invalid email or password")] {
        let Some(target) = Target::release(version).await else { continue };
        let login = json!({ "identity": "nobody@example.com", "secret": "x" });
        let (status, answer) = target.ask_as(None, "POST", "/tokens", Some(&login)).await;
        assert_eq!((status, &answer["error"]["message"]), (401, &json!(told)), "{version}");
        for method in ["GET", "POST"] {
            let (status, answer) = target.ask_as(None, method, LIST, Some(&target.host("web", 80))).await;
            let refused = json!({ "error": { "code": 403, "message": "Permission Denied" } });
            assert_eq!((status, answer), (403, refused), "{version} {method}");
        }
        let (status, answer) = target.ask_as(Some("no-token"), "GET", LIST, None).await;
        assert_eq!((status, answer), (500, json!({ "error": { "message": "Internal Error" } })), "{version}");
        let Some(npm) = target.npm() else { continue };
        npm.expire_tokens();
        let (status, answer) = target.ask("GET", LIST, None).await;
        assert_eq!((status, answer["error"].get("message_i18n")), (401, None), "{version}");
    }
}

#[tokio::test]
async fn switches_were_numbers_up_to_2_11() {
    for (version, off, on) in
        [("2.11.3", json!(0), json!(1)), ("2.12.0", json!(false), json!(true)), ("2.12.6", json!(false), json!(true))]
    {
        let Some(target) = Target::release(version).await else { continue };
        let id = target.create(&target.host("web", 80)).await;
        let host = target.read(id).await;
        assert_eq!((&host["ssl_forced"], &host["enabled"]), (&off, &on), "{version}");
        assert_eq!(target.put(id, &json!({ "block_exploits": 1 })).await.1["block_exploits"], on, "{version}");
    }
}

#[tokio::test]
async fn forwarded_proto_is_a_field_since_2_14() {
    for (version, expected) in [("2.12.6", 400), ("2.13.7", 400), ("2.14.0", 201), ("2.15.1", 201)] {
        let Some(target) = Target::release(version).await else { continue };
        let mut host = target.host("web", 80);
        host["trust_forwarded_proto"] = json!(true);
        assert_eq!(target.ask("POST", LIST, Some(&host)).await.0, expected, "{version}");
        let schema = target.done("GET", "/schema", None).await;
        let post = &schema["paths"][LIST]["post"]["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(post["properties"].get("trust_forwarded_proto").is_some(), expected == 201, "{version}");
        let id = target.create(&target.host("other", 80)).await;
        assert_eq!(target.read(id).await.get("trust_forwarded_proto").is_some(), expected == 201, "{version}");
    }
}

#[tokio::test]
async fn a_second_factor_is_known_since_2_13_6() {
    for (version, asks) in [("2.13.5", false), ("2.13.6", true)] {
        let Some(target) = Target::release(version).await else { continue };
        let Some(npm) = target.npm() else { continue };
        npm.require_two_factor(target.admin().0);
        let login = json!({ "identity": target.admin().0, "secret": target.admin().1 });
        let (status, answer) = target.ask_as(None, "POST", "/tokens", Some(&login)).await;
        assert_eq!((status, answer["token"].is_null(), answer["requires_2fa"] == true), (200, asks, asks), "{version}");
    }
}

#[tokio::test]
async fn the_newer_words_for_violations_came_before_those_for_missing_items() {
    let Some(target) = Target::release("2.12.6").await else { return };
    let (status, answer) = target.ask("POST", LIST, Some(&json!({ "more": 1 }))).await;
    let told = answer["error"]["message"].as_str().unwrap();
    assert_eq!((status, told.split(", ").count()), (400, 5), "{told}");
    assert!(told.contains("data must NOT have additional properties"), "{told}");
    let id = target.create(&target.host("web", 80)).await;
    let (status, answer) = target.put(id, &json!({})).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("data must NOT have fewer than 1 properties")));
    for path in ["999999", "/nginx/Proxy-Hosts"] {
        let asked = if path.starts_with('/') { path.to_owned() } else { format!("{LIST}/{path}") };
        let (status, answer) = target.ask("GET", &asked, None).await;
        assert_eq!((status, &answer["error"]["message"]), (404, &json!(format!("Item Not Found - {path}"))));
    }
    let (status, answer) = target.ask("GET", &format!("{LIST}?expand=secrets"), None).await;
    assert_eq!((status, answer), (500, json!({ "error": { "message": "Internal Error" } })));
    let login = json!({ "identity": target.admin().0, "secret": target.admin().1, "expiry": "1y" });
    assert_eq!(target.ask_as(None, "POST", "/tokens", Some(&login)).await.0, 400);
}

#[tokio::test]
async fn older_releases_tell_the_first_violation_in_older_words_and_allow_fewer_names() {
    let Some(target) = Target::release("2.10.4").await else { return };
    let mut host = target.host("web", 80);
    host["forward_port"] = json!(70_000);
    host["more"] = json!(1);
    let (status, answer) = target.ask("POST", LIST, Some(&host)).await;
    assert_eq!((status, &answer["error"]["message"]), (400, &json!("data should NOT have additional properties")));
    let mut host = target.host("web", 80);
    host["domain_names"] = (0..16).map(|at| format!("n{at}.test")).collect();
    let (status, answer) = target.ask("POST", LIST, Some(&host)).await;
    let told = "data.domain_names should NOT have more than 15 items";
    assert_eq!((status, &answer["error"]["message"]), (400, &json!(told)));
    let (status, answer) = target.ask("GET", "/nginx/proxy-hosts/999", None).await;
    assert_eq!((status, &answer["error"]["message"]), (404, &json!("Item Not Found - 999")));
    let login = json!({ "identity": target.admin().0, "secret": target.admin().1, "expiry": "1y" });
    assert_eq!(target.ask_as(None, "POST", "/tokens", Some(&login)).await.0, 200);
}
