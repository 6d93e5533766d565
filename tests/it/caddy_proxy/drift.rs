//! R20: routes that a person changed or took away are put right.

use serde_json::{Value, json};

use super::ground::{Behind, QUICK};
use crate::caddy::{newest, versions};
use crate::execute::ground::web;

#[tokio::test]
async fn r20_routes_that_are_gone_or_changed_come_back() {
    for version in versions() {
        let mut behind = Behind::at_v1(&version).await;
        let whole = behind.caddy.config_text().await;
        let route = behind.caddy.routes("sites").await.remove(0);
        let path = format!("/id/{}", route["@id"].as_str().expect("an id"));
        let stray = json!([{ "handler": "static_response", "body": "stray" }]);
        let first = "/config/apps/http/servers/sites/routes/0";
        let hand: [(&str, &str, Option<Value>); 5] = [
            ("DELETE", &path, None),
            ("PATCH", &format!("{path}/handle"), Some(stray.clone())),
            ("PATCH", &format!("{path}/handle/0/upstreams/0/dial"), Some(json!("127.0.0.1:9"))),
            ("PATCH", &format!("{path}/match"), Some(json!([{ "host": ["web.test", "stray.test"] }]))),
            ("DELETE", &format!("{path}/terminal"), None),
        ];
        for (method, path, body) in hand {
            behind.caddy.by_hand(method, path, body).await;
            let (ended, why) = behind.pass().await;
            assert_eq!(ended, "done", "{method} {path}: {why}");
            behind.is_settled_at("v1").await;
            let now = behind.caddy.routes("sites").await;
            assert_eq!(now.len(), 4, "{now:#?}");
        }
        // One that a person put before it takes what is ours.
        behind.caddy.by_hand("PUT", first, Some(json!({ "handle": stray }))).await;
        assert_eq!(behind.caddy.answer("web.test").await, "200 stray");
        assert_eq!(behind.pass().await.0, "done");
        behind.is_settled_at("v1").await;
        // It was started again, and has its own file.
        behind.caddy.restart();
        assert_eq!(behind.caddy.answer("web.test").await, "404 anything");
        assert_eq!(behind.pass().await.0, "done");
        behind.is_settled_at("v1").await;
        assert_eq!(behind.caddy.config_text().await.len(), whole.len());
    }
}

#[tokio::test]
async fn r20_a_route_that_is_there_twice_is_there_once_again() {
    // The newest refuses that; the older takes it.
    let behind = Behind::at_v1(&versions()[0]).await;
    let route = behind.caddy.routes("sites").await.remove(0);
    behind.caddy.by_hand("PUT", "/config/apps/http/servers/sites/routes/1", Some(route)).await;
    assert_eq!(behind.pass().await.0, "done");
    behind.is_settled_at("v1").await;
    assert_eq!(behind.caddy.routes("sites").await.len(), 4);
}

#[tokio::test]
async fn r9_a_caddy_that_is_away_blocks_and_is_waited_for() {
    let mut behind = Behind::at_v1(&newest()).await;
    behind.caddy.stop();
    behind.host.write(&web("v2", QUICK));
    let (ended, why) = behind.pass().await;
    assert_eq!(ended, "nothing", "{why}");
    assert!(why.contains("caddy does not answer at http://127.0.0.1:"), "{why}");
    behind.caddy.restart();
    behind.pass().await;
    behind.is_settled_at("v2").await;
}
