//! A replace on the wire: what happens in which order, as Docker and the proxy see it.

use super::ground::{Host, image, web};
use crate::fake_docker::Op;

#[tokio::test]
async fn r4_r6_r7_r33_a_blue_green_deploy_comes_in_this_order() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    let first = [
        "network landfall",
        "network landfall-names",
        "pull v1",
        "tag v1 as landfall/web-prod",
        "create web-prod@v1",
        "start web-prod@v1",
        "connect web-prod@v1 to landfall-names",
    ];
    assert_eq!(host.changes(), first);
    host.fake.reset_calls();
    host.apply(&web("v2", "")).await;
    let second = [
        "pull v2",
        "tag v2 as landfall/web-prod",
        "create web-prod@v2",
        "start web-prod@v2",
        "connect web-prod@v2 to landfall-names",
        "disconnect web-prod@v1 from landfall-names",
        "stop web-prod@v1",
        "remove web-prod@v1",
    ];
    assert_eq!(host.changes(), second);
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
    assert_eq!(host.version_at("web.test").await, "v2");
    let log = host.log();
    let order = [
        "pull",
        "create",
        "start",
        "ready after",
        "name ",
        "switch",
        "traffic goes to",
        "unname",
        "is idle",
        "stop",
        "remove",
        "success",
    ];
    let places: Vec<_> =
        order.iter().map(|word| log.find(word).unwrap_or_else(|| panic!("no {word} in\n{log}"))).collect();
    assert!(places.is_sorted(), "{places:?} in\n{log}");
}

#[tokio::test]
async fn r4_r9_the_old_one_keeps_its_traffic_until_the_switch_and_runs_until_after_it() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    host.fake.reset_calls();
    host.write(&web("v2", ""));
    // The last call before the switch, and the first one after it.
    host.fake.hang(Op::Connect);
    host.fake.hang(Op::Disconnect);
    let watch = async {
        host.called(Op::Connect).await;
        assert_eq!(host.version_at("web.test").await, "v1");
        assert_eq!(host.containers(), ["web-prod@v1 running", "web-prod@v2 running"]);
        host.fake.release(Op::Connect);
        host.called(Op::Disconnect).await;
        assert_eq!(host.version_at("web.test").await, "v2");
        assert_eq!(host.containers(), ["web-prod@v1 running", "web-prod@v2 running"]);
        host.fake.release(Op::Disconnect);
    };
    tokio::join!(host.converge(), watch);
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
}

#[tokio::test]
async fn r7_one_call_makes_the_container_with_spec_labels_port_and_network() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "        environment: { LEVEL: info }\n        labels: { team: shop }\n")).await;
    let calls = host.fake.calls();
    let create = calls.iter().find(|call| call.op == Op::Create).unwrap();
    let deploy = host.last();
    let (name, port) = (&deploy.container_name, host.instances()[0].host_port.unwrap());
    assert!(name.starts_with("web-prod-") && name.ends_with(&deploy.id.short()), "{name}");
    let labels = create.body["Labels"].as_object().unwrap();
    let expected = [
        ("landfall.store", host.recorded().store.unwrap().to_string()),
        ("landfall.project", "web".to_owned()),
        ("landfall.stage", "prod".to_owned()),
        ("landfall.deploy", deploy.id.to_string()),
        ("landfall.spec", deploy.spec_hash.clone()),
        ("landfall.digest", image("v1").digest.to_string()),
        ("landfall.config", deploy.config_revision.clone()),
        ("landfall.self", name.clone()),
        ("team", "shop".to_owned()),
    ];
    for (label, value) in expected {
        assert_eq!(labels[label], value, "{label}");
    }
    assert_eq!(create.body["Env"], serde_json::json!(["LEVEL=info"]));
    assert!(create.body["NetworkingConfig"]["EndpointsConfig"]["landfall"].is_object(), "{}", create.body);
    let bindings = &create.body["HostConfig"]["PortBindings"]["8080/tcp"];
    assert_eq!(*bindings, serde_json::json!([{ "HostIp": "127.0.0.1", "HostPort": port.to_string() }]));
}

#[tokio::test]
async fn r33_the_name_of_the_stage_goes_to_the_new_one_after_its_gate_and_then_leaves_the_old() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    host.fake.hang(Op::Disconnect);
    host.write(&web("v2", ""));
    let aliases = |name: &str| {
        let container = host.fake.container(name);
        container.networks.get("landfall-names").map(|endpoint| endpoint.aliases.clone())
    };
    let watch = async {
        host.called(Op::Disconnect).await;
        let both: Vec<_> = host.deploys().iter().map(|deploy| aliases(&deploy.container_name)).collect();
        let alias = Some(vec!["web-prod".to_owned()]);
        assert_eq!(both, [alias.clone(), alias]);
        host.fake.release(Op::Disconnect);
    };
    tokio::join!(host.converge(), watch);
    assert_eq!(aliases(&host.last().container_name), Some(vec!["web-prod".to_owned()]));
}

#[tokio::test]
async fn recreate_stops_the_old_one_after_the_pull_and_before_it_makes_the_new_one() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    let volume = "        volumes: [ \"data:/data\" ]\n";
    host.apply(&web("v1", volume)).await;
    host.fake.reset_calls();
    host.apply(&web("v2", volume)).await;
    let expected = [
        "pull v2",
        "tag v2 as landfall/web-prod",
        "stop web-prod@v1",
        "create web-prod@v2",
        "connect web-prod@v2 to landfall-names",
        "start web-prod@v2",
        "remove web-prod@v1",
    ];
    assert_eq!(host.changes(), expected);
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
    assert_eq!(host.fake.volumes().keys().collect::<Vec<_>>(), ["web-prod-data"]);
}
