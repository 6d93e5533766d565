//! R9: certificates and switches. What the proxy would take without a word is looked up first, flags are sent as it keeps
//! them, and a change of options is one write and no new container. No certificate is ever asked for.

use serde_json::{Value, json};

use super::ground::{Behind, QUICK};
use crate::execute::ground::{image, web};

/// `web/prod` at its first version, with more keys in its route.
fn routed(more: &str) -> String {
    web("v1", QUICK).replace("domains: [ web.test ]", &format!("domains: [ web.test ]{more}"))
}

fn switches(row: &Value) -> (i64, [bool; 4]) {
    let flags = ["ssl_forced", "http2_support", "hsts_enabled", "hsts_subdomains"];
    (row["certificate_id"].as_i64().expect("a number"), flags.map(|name| row[name].as_bool().expect("a switch")))
}

/// A pass that is one write, and touches no container.
async fn is_one_write(behind: &Behind, yaml: &str) {
    behind.npm.reset_calls();
    behind.host.fake.reset_calls();
    behind.host.apply(yaml).await;
    assert_eq!((behind.npm.writes(), behind.host.fake.mutations()), (1, 0), "{yaml}");
    assert_eq!(behind.npm.count("POST", "/nginx/certificates"), 0, "none is asked for");
    let plan = behind.host.look().await.unwrap().plan;
    assert!(plan.is_noop(), "{plan}");
}

/// The version that answers over TLS.
async fn over_tls(behind: &Behind) -> Option<String> {
    let address = behind.npm.https_addr().parse::<std::net::SocketAddr>().expect("an address");
    let client = reqwest::Client::builder().resolve("web.test", address).danger_accept_invalid_certs(true).no_proxy();
    let asked = client.build().expect("a client").get(format!("https://web.test:{}/", address.port())).send().await;
    asked.ok()?.headers().get("x-version")?.to_str().ok().map(ToOwned::to_owned)
}

#[tokio::test]
async fn r9_https_comes_and_goes_by_one_write_each_and_serves() {
    let behind = Behind::at_v1().await;
    let id = behind.npm.by_hand().certificate(&["*.test"], true);
    is_one_write(&behind, &routed(&format!(", certificate: {{ id: {id} }}, hsts: true"))).await;
    assert_eq!(switches(&behind.row("web.test")), (id, [true, true, true, false]));
    assert_eq!(behind.answer("web.test").await, "status 301");
    assert_eq!(over_tls(&behind).await.as_deref(), Some("v1"));
    is_one_write(&behind, &routed(&format!(", certificate: {{ id: {id} }}, https: allow, http2: false"))).await;
    assert_eq!(switches(&behind.row("web.test")), (id, [false; 4]));
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!(over_tls(&behind).await.as_deref(), Some("v1"));
    is_one_write(&behind, &routed("")).await;
    assert_eq!(switches(&behind.row("web.test")), (0, [false; 4]));
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!(over_tls(&behind).await, None);
}

#[tokio::test]
async fn r9_a_deploy_behind_a_redirect_to_https_is_proven_by_the_redirect() {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.npm.by_hand().certificate(&["*.test"], true);
    behind.host.apply(&routed(", certificate: { wildcard: \"*.test\" }")).await;
    assert_eq!(behind.npm.writes(), 1);
    assert_eq!(over_tls(&behind).await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn r9_of_several_certificates_for_a_wildcard_the_one_that_lasts_longest_is_taken() {
    let behind = Behind::at_v1().await;
    let ids: Vec<i64> = (0..3).map(|_| behind.npm.by_hand().certificate(&["*.test"], true)).collect();
    behind.npm.set_certificate_end(ids[1], "2099-01-01T00:00:00.000Z");
    is_one_write(&behind, &routed(", certificate: { wildcard: \"*.test\" }")).await;
    assert_eq!(switches(&behind.row("web.test")).0, ids[1]);
}

#[tokio::test]
async fn r9_a_certificate_that_is_not_there_is_refused_with_those_that_are() {
    let behind = Behind::at_v1().await;
    let id = behind.npm.by_hand().certificate(&["*.other.test"], true);
    let before = behind.npm.hosts();
    for (asked, words) in
        [("{ id: 77 }", "has no certificate 77"), ("{ wildcard: \"*.test\" }", "has no certificate for *.test")]
    {
        behind.host.write(&routed(&format!(", certificate: {asked}")));
        behind.npm.reset_calls();
        let converged = behind.host.converge().await;
        let plan = converged.view.plan.to_string();
        assert!(converged.refused && plan.contains(words), "{plan}");
        let hint = converged.view.plan.stages[0].blocked.as_ref().and_then(|blocked| blocked.hint.clone());
        assert!(hint.is_some_and(|hint| hint.contains(&format!("{id} (*.other.test)"))), "{plan}");
        assert_eq!((behind.npm.hosts(), behind.npm.writes()), (before.clone(), 0));
        assert_eq!(behind.npm.count("POST", "/nginx/certificates"), 0, "none is asked for");
    }
    assert_eq!(behind.answer("web.test").await, "v1");
}

#[tokio::test]
async fn r9_a_certificate_that_was_deleted_in_use_is_told_and_nothing_is_written_that_would_end_https() {
    let behind = Behind::at_v1().await;
    let id = behind.npm.by_hand().certificate(&["*.test"], true);
    let yaml = routed(&format!(", certificate: {{ id: {id} }}"));
    behind.host.apply(&yaml).await;
    behind.npm.by_hand().done("DELETE", &format!("/nginx/certificates/{id}"), None);
    behind.npm.reset_calls();
    let converged = behind.host.converge().await;
    assert!(converged.refused && converged.view.plan.to_string().contains(&format!("has no certificate {id}")));
    assert_eq!(behind.npm.writes(), 0);
    assert_eq!(over_tls(&behind).await.as_deref(), Some("v1"));
}

#[tokio::test]
async fn r9_websockets_and_exploits_are_switched_by_one_write_and_fields_of_others_stay() {
    let behind = Behind::at_v1().await;
    let list = behind.npm.by_hand().access_list("staff", &[]);
    let theirs = json!({ "access_list_id": list, "caching_enabled": true, "advanced_config": "# mine" });
    behind.npm.by_hand().edit(behind.id("web.test"), &theirs);
    is_one_write(&behind, &routed(", websockets: false, block_exploits: true")).await;
    let row = behind.row("web.test");
    assert_eq!((&row["allow_websocket_upgrade"], &row["block_exploits"]), (&json!(false), &json!(true)));
    for (field, value) in theirs.as_object().unwrap() {
        assert_eq!(&row[field], value, "{field}");
    }
}

#[tokio::test]
async fn r9_a_route_that_changed_since_the_deploy_is_kept_while_its_stage_is_blocked() {
    let behind = Behind::at_v1().await;
    let id = behind.npm.by_hand().certificate(&["*.test"], true);
    behind.host.apply(&routed(&format!(", certificate: {{ id: {id} }}"))).await;
    behind.npm.by_hand().done("DELETE", &format!("/nginx/certificates/{id}"), None);
    let daemon = landfall::plan::Options { partial: true, ..landfall::plan::Options::default() };
    for _ in 0..2 {
        behind.host.converge_with(daemon.clone()).await.expect("a pass");
    }
    assert_eq!(over_tls(&behind).await.as_deref(), Some("v1"), "{}", behind.row("web.test"));
}
