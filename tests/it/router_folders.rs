//! What the proxy needs later is looked at when it starts.

use std::sync::Arc;

use landfall::router::Options;

use super::router_support::{Router, control};

#[tokio::test]
async fn a_file_that_no_authority_can_be_trusted_by_is_told_while_the_proxy_serves() {
    let nonsense = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
    let key = "-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
    for (content, reason) in [
        (None, "No such file"),
        (Some(""), "it holds no certificate in PEM"),
        (Some("hunter2"), "it holds no certificate in PEM"),
        (Some(key), "it holds no certificate in PEM"),
        (Some(nonsense), "a certificate in it cannot be used: "),
    ] {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let path = dir.path().join("ca.pem");
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let with_ca = |options: &mut Options| options.acme.ca = Some(path.clone());
        let router = Router::start_as(Arc::clone(&dir), with_ca).await.expect("starts");
        assert_eq!(router.client().await.get("a.test", "/").await.status, 404, "it serves what it has");
        let (_, health) = control(&router.control(), "GET", "/health", "").await;
        let told = health["troubles"].to_string();
        let place = format!("the file {} of --acme-ca", path.display());
        assert!(told.contains(&place) && told.contains(reason) && !told.contains("hunter2"), "{told}");
        assert!(told.contains("in PEM"), "{told}");
    }
}

#[tokio::test]
async fn a_place_that_nothing_can_be_kept_in_is_told_while_the_proxy_serves() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let file = dir.path().join("file");
    std::fs::write(&file, "in the way").unwrap();
    let router =
        Router::start_as(Arc::clone(&dir), |options| options.table = file.join("table")).await.expect("starts");
    assert_eq!(router.client().await.get("a.test", "/").await.status, 404, "it serves what it has");
    let (_, health) = control(&router.control(), "GET", "/health", "").await;
    let told = health["troubles"].as_array().expect("troubles");
    let of = |option: &str| {
        let its = |trouble: &&serde_json::Value| trouble["remedy"].as_str().is_some_and(|text| text.contains(option));
        told.iter().find(its).map(|trouble| trouble["what"].as_str().unwrap().to_owned())
    };
    let place = file.display().to_string();
    assert!(
        of("`--table`").is_some_and(|what| what.contains("no change of routes") && what.contains(&place)),
        "{health}"
    );
    assert!(of("`--certificates`").is_some_and(|what| what.contains("No such file")), "{health}");
    std::fs::create_dir(dir.path().join("certificates")).unwrap();
    std::fs::remove_file(&file).unwrap();
    let (_, health) = control(&router.control(), "GET", "/health", "").await;
    assert!(health["troubles"].is_null(), "it is looked at anew: {health}");
}
