//! R1: what belongs to somebody else is named, and left.

use super::ground::{Behind, QUICK};
use crate::caddy::versions;
use crate::execute::ground::{image, web};
use serde_json::json;

#[tokio::test]
async fn r1_a_domain_of_a_route_made_by_hand_is_a_clash_that_names_its_server() {
    for version in versions() {
        let behind = Behind::with(&version, &[&image("v1")]).await;
        let before = behind.caddy.config_text().await;
        for theirs in ["hand.test", "inner.wild.test"] {
            behind.host.write(&web("v1", QUICK).replace("web.test", theirs));
            let (ended, why) = behind.pass().await;
            assert_eq!(ended, "nothing", "{why}");
            let expected = format!("domain {theirs} belongs to a route of caddy in its server `sites`, made by hand");
            assert!(why.contains(&expected), "{why}");
        }
        assert_eq!(behind.caddy.config_text().await, before);
        // A wildcard is no clash: ours go before it.
        behind.host.apply(&web("v1", QUICK).replace("web.test", "a.wild.test")).await;
        assert_eq!(behind.caddy.answer("a.wild.test").await, "v1");
    }
}

#[tokio::test]
async fn r1_a_domain_of_another_store_is_a_clash_that_names_it() {
    let version = crate::caddy::newest();
    let behind = Behind::at_v1(&version).await;
    let store = behind.host.recorded().store.expect("a store");
    let other =
        super::ground::Behind { caddy: behind.caddy, host: crate::execute::ground::Host::with(&[&image("v2")]).await };
    other.settings("");
    other.host.write(&web("v2", QUICK));
    let (ended, why) = other.pass().await;
    assert_eq!(ended, "nothing", "{why}");
    assert!(why.contains(&format!("domain web.test belongs to web/prod of store {store}")), "{why}");
    assert_eq!(other.caddy.answer("web.test").await, "v1");
    // Its own routes come and go beside those of the other.
    let before = other.caddy.config_text().await;
    other.host.apply(&web("v2", QUICK).replace("web.test", "two.test")).await;
    assert_eq!(
        (other.caddy.answer("two.test").await, other.caddy.answer("web.test").await),
        ("v2".into(), "v1".into())
    );
    other.remove_all().await;
    assert_eq!(other.caddy.config_text().await, before);
}

#[tokio::test]
async fn r1_a_route_made_by_hand_in_another_server_is_a_clash_too() {
    let behind = Behind::with(&crate::caddy::newest(), &[&image("v1")]).await;
    let (port, listener) = crate::own_process::free_port();
    drop(listener);
    let server = json!({
        "listen": [format!("127.0.0.1:{port}")],
        "routes": [{ "match": [{ "host": ["WEB.test"] }], "handle": [] }],
        "automatic_https": { "disable": true },
    });
    behind.caddy.by_hand("PUT", "/config/apps/http/servers/other", Some(server)).await;
    behind.host.write(&web("v1", QUICK));
    let (ended, why) = behind.pass().await;
    assert_eq!(ended, "nothing", "{why}");
    assert!(why.contains("in its server `other`, made by hand"), "{why}");
}
