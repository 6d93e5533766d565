//! A stage's whole life behind Caddy.

use landfall::reconcile::RouteTo;
use serde_json::{Value, json};

use super::ground::{Behind, QUICK};
use crate::caddy::{Caddy, newest, versions};
use crate::execute::ground::{image, web};
use crate::router_wire::Client;

#[tokio::test]
async fn r1_what_others_have_in_caddy_is_the_same_byte_by_byte_after_a_projects_life() {
    for version in versions() {
        let behind = Behind::with(&version, &[&image("v1"), &image("v2")]).await;
        let before = behind.caddy.config_text().await;
        assert!(before.contains("by hand"), "{before}");
        behind.host.apply(&web("v1", QUICK)).await;
        behind.is_settled_at("v1").await;
        behind.host.apply(&web("v2", QUICK)).await;
        behind.is_settled_at("v2").await;
        let two = web("v2", QUICK).replace("[ web.test ]", "[ web.test, www.web.test ]");
        behind.host.apply(&two).await;
        assert_eq!(behind.caddy.answer("www.web.test").await, "v2");
        assert_eq!(behind.caddy.answer("hand.test").await, "200 by hand");
        assert_eq!(behind.caddy.answer("inner.wild.test").await, "200 inner");
        assert_eq!(behind.caddy.answer("other.test").await, "404 anything");
        assert_eq!(behind.caddy.routes("sites").await.len(), 4, "{version:?}");
        behind.remove_all().await;
        assert_eq!(behind.caddy.config_text().await, before, "{version:?}");
        assert_eq!(behind.caddy.answer("web.test").await, "404 anything");
    }
}

#[tokio::test]
async fn r1_a_server_is_made_where_there_is_none_and_goes_with_the_last_route() {
    for version in versions() {
        let behind = Behind::of(Caddy::empty(&version), &[&image("v1"), &image("v2")]).await;
        let before = behind.caddy.config_text().await;
        behind.host.apply(&web("v1", QUICK)).await;
        behind.is_settled_at("v1").await;
        let config = behind.caddy.config().await;
        let listen = json!([format!(":{}", behind.caddy.http)]);
        assert_eq!(config["apps"]["http"]["servers"]["landfall"]["listen"], listen);
        behind.host.apply(&web("v2", QUICK)).await;
        behind.is_settled_at("v2").await;
        behind.remove_all().await;
        assert_eq!(behind.caddy.config_text().await, before, "{version:?}");
    }
}

#[tokio::test]
async fn r1_even_a_caddy_without_any_configuration_is_as_it_was_afterwards() {
    for version in versions() {
        let behind = Behind::of(Caddy::empty(&version), &[&image("v1")]).await;
        let listen = format!("127.0.0.1:{}", behind.caddy.http);
        behind.settings(&format!("listen: [ \"{listen}\" ]"));
        for config in [json!({ "admin": { "listen": format!("127.0.0.1:{}", behind.caddy.admin) } })] {
            behind.caddy.by_hand("POST", "/load", Some(config)).await;
            let before = behind.caddy.config_text().await;
            behind.host.apply(&web("v1", QUICK)).await;
            behind.is_settled_at("v1").await;
            behind.remove_all().await;
            assert_eq!(behind.caddy.config_text().await, before, "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_page_stands_in_for_the_app_by_one_write_and_new_versions_come_behind_it() {
    for version in versions() {
        let behind = Behind::at_v1(&version).await;
        let before = behind.caddy.config_text().await;
        behind.host.fake.reset_calls();
        assert_eq!(behind.host.lead("web/prod", RouteTo::Maintenance).await.0, "done");
        let reply = Client::connect(behind.caddy.addr()).await.get("web.test", "/anything").await;
        assert_eq!((reply.status, reply.header("retry-after"), reply.header("x-version")), (503, Some("5"), None));
        assert_eq!(behind.caddy.answer("hand.test").await, "200 by hand");
        assert!(behind.host.look().await.expect("a look").plan.is_noop());
        assert_eq!(behind.host.fake.mutations(), 0);
        assert_eq!(behind.host.lead("web/prod", RouteTo::Instance).await.0, "done");
        assert_eq!(behind.caddy.config_text().await, before, "{version:?}");
        behind.is_settled_at("v1").await;

        behind.host.lead("web/prod", RouteTo::Maintenance).await;
        behind.host.apply(&web("v2", QUICK)).await;
        assert!(behind.caddy.answer("web.test").await.starts_with("503 "));
        assert_eq!(behind.host.lead("web/prod", RouteTo::Instance).await.0, "done");
        behind.is_settled_at("v2").await;
    }
}

#[tokio::test]
async fn an_admin_api_on_a_unix_socket_is_as_good_as_one_on_a_port() {
    for version in versions() {
        let behind = Behind::with(&version, &[&image("v1"), &image("v2")]).await;
        let socket = behind.caddy.serve_admin_on_a_socket().await;
        behind.settings_at(&format!("unix/{}", socket.display()), "");
        for tag in ["v1", "v2"] {
            behind.host.apply(&web(tag, QUICK)).await;
            behind.is_settled_at(tag).await;
        }
        behind.remove_all().await;
        assert_eq!(behind.caddy.answer("web.test").await, "404 anything");
        assert_eq!(behind.caddy.answer("hand.test").await, "200 by hand");
    }
}

#[tokio::test]
async fn r9_a_swap_is_one_write_of_one_route() {
    for version in versions() {
        let behind = Behind::at_v1(&version).await;
        let before = behind.caddy.config().await;
        behind.host.apply(&web("v2", QUICK)).await;
        let after = behind.caddy.config().await;
        let changed = |config: &Value| config["apps"]["http"]["servers"]["sites"]["routes"][0]["handle"].clone();
        assert_ne!(changed(&before), changed(&after));
        let old = changed(&before)[0]["upstreams"][0]["dial"].clone();
        assert_eq!(changed(&after)[1]["upstreams"][0]["dial"], old, "what led there is still counted");
        let mut same = after.clone();
        same["apps"]["http"]["servers"]["sites"]["routes"][0]["handle"] = changed(&before);
        assert_eq!(same, before, "{version:?}");
    }
}

#[tokio::test]
async fn r22_a_pass_without_work_writes_nothing() {
    let behind = Behind::at_v1(&newest()).await;
    let before = behind.caddy.config_text().await;
    let converged = behind.host.converge().await;
    assert!(converged.results.is_empty() && converged.view.plan.is_noop());
    assert_eq!(behind.caddy.config_text().await, before);
}
