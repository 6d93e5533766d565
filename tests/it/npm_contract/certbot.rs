//! Certificates from Let's Encrypt: what may be asked, what is there while certbot runs, and what a failure leaves.

use std::time::Duration;

use serde_json::json;

use super::{App, Target, eventually};
use crate::npm::Authority;

const CERTIFICATES: &str = "/nginx/certificates";

#[tokio::test]
async fn a_certificate_takes_no_key_of_anybody_elses_and_since_2_13_no_email() {
    for (version, key, is_taken) in [
        ("2.15.1", "landfall", false),
        ("2.15.1", "letsencrypt_email", false),
        ("2.12.6", "landfall", false),
        ("2.12.6", "letsencrypt_email", true),
    ] {
        let Some(target) = Target::release(version).await else { continue };
        let body = json!({ "provider": "letsencrypt", "domain_names": [target.name("le")],
            "meta": { "dns_challenge": false, key: "a@example.com" } });
        let (status, answer) = target.ask("POST", CERTIFICATES, Some(&body)).await;
        assert_eq!(status, if is_taken { 201 } else { 400 }, "{version} {key}: {answer}");
    }
}

#[tokio::test]
async fn while_certbot_runs_its_row_has_an_end_that_is_past_and_hosts_of_the_name_are_not_served() {
    let target = Target::serving().await;
    let Some(npm) = target.npm() else { return };
    let app = App::start("one").await;
    target.create(&target.host("web", app.port())).await;
    let name = target.name("web");
    target.visit_until(&name, |seen| seen.served_by.is_some()).await;
    npm.set_authority(Authority { takes: Duration::from_secs(2), says: None });
    let body = json!({ "provider": "letsencrypt", "domain_names": [name], "meta": { "dns_challenge": false } });
    let during = async {
        eventually("its row is there", async || !npm.certificates().is_empty()).await;
        let end = npm.certificates()[0]["expires_on"].as_str().expect("a time").to_owned();
        assert!(end <= chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string(), "{end}");
        target.visit_until(&name, |seen| seen.served_by.is_none()).await;
    };
    let ((status, made), ()) = tokio::join!(target.ask("POST", CERTIFICATES, Some(&body)), during);
    assert_eq!((status, &made["domain_names"]), (201, &json!([name])));
    assert!(made["expires_on"].as_str() > npm.certificates()[0]["created_on"].as_str(), "{made}");
    target.visit_until(&name, |seen| seen.served_by.is_some()).await;
}

#[tokio::test]
async fn a_failure_of_certbot_is_a_500_that_says_why_and_leaves_no_row_and_every_host() {
    let target = Target::serving().await;
    let Some(npm) = target.npm() else { return };
    let app = App::start("one").await;
    target.create(&target.host("web", app.port())).await;
    npm.set_authority(Authority { says: Some("Some challenges have failed.".to_owned()), ..Authority::default() });
    let name = target.name("web");
    let body = json!({ "provider": "letsencrypt", "domain_names": [name], "meta": { "dns_challenge": false } });
    let (status, answer) = target.ask("POST", CERTIFICATES, Some(&body)).await;
    assert_eq!((status, &answer["error"]["message"]), (500, &json!("Internal Error")));
    assert!(answer["debug"]["stack"][0].as_str().unwrap().contains("Some challenges have failed."), "{answer}");
    assert_eq!(npm.certificates(), [] as [serde_json::Value; 0]);
    target.visit_until(&name, |seen| seen.served_by.is_some()).await;
}

#[tokio::test]
async fn a_redirection_host_keeps_path_and_query_and_is_refused_what_its_schema_does_not_know() {
    let target = Target::serving().await;
    let mut body = json!({ "domain_names": [target.name("old")], "forward_scheme": "auto", "forward_http_code": 308,
        "forward_domain_name": target.name("new"), "preserve_path": true });
    let made = target.done("POST", "/nginx/redirection-hosts", Some(&body)).await;
    assert_eq!((&made["forward_http_code"], &made["preserve_path"]), (&json!(308), &json!(true)));
    let name = target.name("old");
    target.visit_until(&name, |seen| seen.status == 308).await;
    let seen = target.visit_at(&name, "/a/b?c=d").await;
    assert_eq!(seen.location, Some(format!("http://{}/a/b?c=d", target.name("new"))));
    body["domain_names"] = json!([target.name("other")]);
    for key in ["forward_host", "allow_websocket_upgrade", "access_list_id", "locations"] {
        let mut wrong = body.clone();
        wrong[key] = json!("x");
        let (status, answer) = target.ask("POST", "/nginx/redirection-hosts", Some(&wrong)).await;
        assert_eq!(
            (status, &answer["error"]["message"]),
            (400, &json!("data must NOT have additional properties")),
            "{key}"
        );
    }
}
