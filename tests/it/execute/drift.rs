//! R20: what somebody did to a container is put right by the next pass, with as little as that takes.

use landfall::proxy::Change;

use super::ground::{Host, image, web};
use crate::fake_docker::FakeDocker;

/// What is done by hand, and the calls that put it right.
async fn drifted(by_hand: impl AsyncFn(&FakeDocker, &str), changes: &[&str]) {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let name = host.last().container_name;
    by_hand(&host.fake, &name).await;
    host.fake.reset_calls();
    let view = host.look().await.unwrap();
    assert!(!view.plan.is_noop());
    drop(view);
    host.converge().await;
    let seen: Vec<_> = host.changes().iter().map(|change| change.replace(&name, "NAME")).collect();
    assert_eq!(seen, changes);
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
    assert_eq!(host.version_at("web.test").await, "v1");
    assert!(host.look().await.unwrap().plan.is_noop());
    assert_eq!(host.instances().len(), 1);
}

#[tokio::test]
async fn r20_stopped_paused_renamed_and_disconnected() {
    drifted(async |fake, name| fake.stop_by_hand(name).await, &["start web-prod@v1"]).await;
    drifted(async |fake, name| fake.pause_by_hand(name), &["unpause web-prod@v1"]).await;
    drifted(async |fake, name| fake.rename_by_hand(name, "mine"), &["rename web-prod@v1 to NAME"]).await;
    for network in ["landfall", "landfall-names"] {
        let connect = format!("connect web-prod@v1 to {network}");
        drifted(async |fake, name| fake.disconnect_by_hand(name, network), &[&connect]).await;
    }
}

#[tokio::test]
async fn r20_removed() {
    let anew = [
        "tag v1 as landfall/web-prod",
        "create web-prod@v1",
        "start web-prod@v1",
        "connect web-prod@v1 to landfall-names",
    ];
    drifted(async |fake, name| fake.remove_by_hand(name).await, &anew).await;
}

#[tokio::test]
async fn r20_a_route_that_somebody_removed_or_turned_is_led_back() {
    for upstream in [None, Some("127.0.0.1:9")] {
        let host = Host::with(&[&image("v1")]).await;
        host.apply(&web("v1", "")).await;
        let (store, key) = (host.recorded().store.unwrap(), "web/prod".parse().unwrap());
        let domains = ["web.test".parse().unwrap()];
        match upstream {
            None => host.router.proxy.unroute(store, &key, None).await.unwrap(),
            Some(upstream) => {
                drop(host.router.proxy.switch(&Change::new(store, &key, &domains, upstream)).await.unwrap());
            }
        }
        host.fake.reset_calls();
        host.converge().await;
        assert_eq!(host.version_at("web.test").await, "v1");
        assert_eq!(host.changes(), [""; 0]);
        assert_eq!(host.deploys().len(), 1);
    }
}
