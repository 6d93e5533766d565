//! Certificates and the switches that hang on them.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::{App, Target, eventually};

/// The four switches of a host.
fn switches(host: &Value) -> [bool; 4] {
    ["ssl_forced", "http2_support", "hsts_enabled", "hsts_subdomains"].map(|name| host[name].as_bool().unwrap())
}

#[tokio::test]
async fn without_a_certificate_the_switches_of_tls_are_cleaned() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    for switch in ["ssl_forced", "http2_support", "hsts_enabled", "hsts_subdomains"] {
        host[switch] = json!(true);
    }
    let id = target.create(&host).await;
    assert_eq!(switches(&target.read(id).await), [false; 4]);
}

#[tokio::test]
async fn a_certificate_0_that_is_sent_leaves_them_as_sent_until_a_change_without_it() {
    let target = Target::asked().await;
    let mut host = target.host("web", 80);
    host["certificate_id"] = json!(0);
    for switch in ["ssl_forced", "http2_support", "hsts_enabled", "hsts_subdomains"] {
        host[switch] = json!(true);
    }
    let id = target.create(&host).await;
    let read = target.read(id).await;
    assert_eq!((switches(&read), &read["certificate_id"]), ([true; 4], &json!(0)));
    let (_, changed) = target.put(id, &json!({ "caching_enabled": false })).await;
    assert_eq!(switches(&changed), [false; 4]);
}

#[tokio::test]
async fn a_certificate_that_does_not_exist_is_accepted_and_serves_plain_http() {
    let target = Target::serving().await;
    let app = App::start("one").await;
    let mut host = target.host("web", app.port());
    host["certificate_id"] = json!(99_999);
    host["ssl_forced"] = json!(true);
    let id = target.create(&host).await;
    let read = target.read(id).await;
    assert_eq!((&read["certificate_id"], &read["meta"]["nginx_online"]), (&json!(99_999), &json!(true)));
    let seen = target.visit_until(&target.name("web"), |seen| seen.served_by.is_some()).await;
    assert_eq!(seen.status, 200);
    let shown = target.done("GET", &format!("/nginx/proxy-hosts/{id}?expand=certificate"), None).await;
    assert_eq!(shown["certificate"], Value::Null);
}

#[tokio::test]
async fn forced_tls_answers_301_to_https() {
    let target = Target::serving().await;
    let certificate = target.certificate("web").await;
    let mut host = target.host("web", App::start("one").await.port());
    host["certificate_id"] = json!(certificate);
    host["ssl_forced"] = json!(true);
    host["http2_support"] = json!(true);
    let id = target.create(&host).await;
    assert_eq!(target.read(id).await["meta"]["nginx_online"], true);
    let seen = target.visit_until(&target.name("web"), |seen| seen.status == 301).await;
    assert_eq!(seen.location, Some(format!("https://{}/", target.name("web"))));
    assert_eq!(seen.served_by, None);
    // The certificate is the one that was asked for, once the old workers are gone.
    let Some(npm) = target.npm() else { return };
    let name = target.name("web");
    eventually("the certificate is shown", async || {
        certificate_shown(&npm.https_addr(), &name).contains(&format!("CN = {name}"))
    })
    .await;
}

/// What openssl says about the certificate that is shown for a name.
fn certificate_shown(address: &str, name: &str) -> String {
    let shown = Command::new("openssl")
        .args(["s_client", "-connect", address, "-servername", name])
        .stdin(Stdio::null())
        .output()
        .expect("openssl runs");
    String::from_utf8_lossy(&shown.stdout).into_owned()
}

#[tokio::test]
async fn a_custom_certificate_shows_its_key_to_whoever_asks_and_a_host_does_not() {
    let target = Target::asked().await;
    let certificate = target.certificate("web").await;
    let shown = target.done("GET", &format!("/nginx/certificates/{certificate}"), None).await;
    assert!(shown["meta"]["certificate_key"].as_str().unwrap().contains("PRIVATE KEY"));
    assert_eq!((&shown["provider"], &shown["domain_names"]), (&json!("other"), &json!([target.name("web")])));
    let listed = target.done("GET", "/nginx/certificates", None).await;
    assert!(listed.as_array().unwrap().contains(&shown));
    let mut host = target.host("web", 80);
    host["certificate_id"] = json!(certificate);
    let made = target.done("POST", "/nginx/proxy-hosts", Some(&host)).await;
    assert_eq!((&made["certificate"]["id"], &made["certificate"]["meta"]), (&json!(certificate), &json!({})));
}

#[tokio::test]
async fn a_certificate_without_files_takes_its_host_down_and_nobody_else() {
    let target = Target::serving().await;
    let made =
        target.done("POST", "/nginx/certificates", Some(&json!({ "provider": "other", "nice_name": "x" }))).await;
    let mut host = target.host("web", 80);
    host["certificate_id"] = made["id"].clone();
    let id = target.create(&host).await;
    let meta = target.read(id).await["meta"].clone();
    assert_eq!(meta["nginx_online"], false);
    assert!(meta["nginx_err"].as_str().unwrap().contains("cannot load certificate"), "{meta}");
    let other = target.create(&target.host("other", 80)).await;
    assert_eq!(target.read(other).await["meta"]["nginx_online"], true);
}

#[tokio::test]
async fn a_custom_certificate_that_is_deleted_turns_its_host_plain_at_the_next_change() {
    let target = Target::serving().await;
    let app = App::start("one").await;
    let certificate = target.certificate("web").await;
    let mut host = target.host("web", app.port());
    host["certificate_id"] = json!(certificate);
    host["ssl_forced"] = json!(true);
    let id = target.create(&host).await;
    target.visit_until(&target.name("web"), |seen| seen.status == 301).await;
    target.done("DELETE", &format!("/nginx/certificates/{certificate}"), None).await;
    assert_eq!(target.visit(&target.name("web")).await.status, 301);
    let (status, changed) = target.put(id, &json!({ "block_exploits": true })).await;
    assert_eq!((status, &changed["certificate_id"], &changed["certificate"]), (200, &json!(certificate), &json!(null)));
    assert_eq!(changed["meta"]["nginx_online"], true);
    target.visit_until(&target.name("web"), |seen| seen.status == 200 && seen.served_by.is_some()).await;
}

#[tokio::test]
async fn a_deleted_certificate_of_a_host_breaks_every_write_until_that_host_is_disabled() {
    let target = Target::serving().await;
    let Some(npm) = target.npm() else { return };
    let certificate = npm.by_hand().certificate(&[&target.name("web")], false);
    let mut host = target.host("web", 80);
    host["certificate_id"] = json!(certificate);
    let id = target.create(&host).await;
    let other = target.create(&target.host("other", 80)).await;
    target.done("DELETE", &format!("/nginx/certificates/{certificate}"), None).await;
    assert_eq!(target.put(other, &json!({ "forward_port": 81 })).await.0, 500);
    assert_eq!(target.put(id, &json!({ "certificate_id": 0 })).await.0, 500);
    target.done("POST", &format!("/nginx/proxy-hosts/{id}/disable"), None).await;
    assert_eq!(target.put(other, &json!({ "forward_port": 82 })).await.0, 200);
}

#[tokio::test]
async fn a_new_certificate_with_the_host_leaves_all_switches_off() {
    let target = Target::asked().await;
    let Some(_) = target.npm() else { return };
    let mut host = target.host("web", 80);
    host["certificate_id"] = json!("new");
    host["ssl_forced"] = json!(true);
    let id = target.create(&host).await;
    let read = target.read(id).await;
    assert!(read["certificate_id"].as_i64().unwrap() > 0);
    assert_eq!(switches(&read), [false; 4]);
}
