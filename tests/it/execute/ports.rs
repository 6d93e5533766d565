//! R7: host ports are tried, reserved in the store, and changed when somebody else has them.

use std::net::{Ipv4Addr, TcpListener};

use super::ground::{Host, ended, image, web};
use crate::fake_docker::Op;

/// Somebody else's program on these ports of the host.
fn take(ports: impl Iterator<Item = u16>) -> Vec<TcpListener> {
    ports.map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("a port of this test")).collect()
}

#[tokio::test]
async fn r7_a_port_taken_at_the_start_costs_the_own_container_and_the_next_one_is_tried() {
    let host = Host::with(&[&image("v1")]).await;
    let (first, _) = host.ports();
    let _others = take(first..first + 2);
    std::fs::write(host.path("credentials/key"), "k").unwrap();
    host.fake.docker().await.create_network("extra", &[].into()).await.unwrap();
    host.fake.reset_calls();
    host.apply(&web("v1", "        networks: [ extra ]\n        secret_files: { /run/key: { credential: key } }\n"))
        .await;
    let again = ["create web-prod@v1", "upload web-prod@v1", "connect web-prod@v1 to extra", "start web-prod@v1"];
    let mut expected = vec!["network landfall", "network landfall-names", "pull v1", "tag v1 as landfall/web-prod"];
    for _ in 0..2 {
        expected.extend(again);
        expected.push("remove web-prod@v1");
    }
    expected.extend(again);
    expected.push("connect web-prod@v1 to landfall-names");
    assert_eq!(host.changes(), expected);
    let container = host.fake.container(&host.last().container_name);
    assert_eq!(container.published, [(first + 2, 8080)]);
    assert_eq!(container.files["/run/key"], b"k");
    let instances = host.instances();
    assert_eq!(
        instances.iter().map(|i| (&i.container_id, i.host_port)).collect::<Vec<_>>(),
        [(&container.id, Some(first + 2))]
    );
    assert_eq!(host.version_at("web.test").await, "v1");
    assert!(host.log().contains(&format!("port {first} is taken by someone else; trying the next")), "{}", host.log());
}

#[tokio::test]
async fn r7_five_taken_ports_end_the_deploy_and_leave_no_container() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    let (first, last) = host.ports();
    let others = take(first + 1..=last);
    host.fake.reset_calls();
    host.write(&web("v2", ""));
    let converged = host.converge().await;
    let (status, reason) = ended(&converged);
    assert_eq!(status, "failed");
    assert!(
        reason.contains("the host port is taken") && reason.contains(&format!("127.0.0.1:{}", first + 5)),
        "{reason}"
    );
    let counts = [Op::Create, Op::Start, Op::Remove].map(|op| host.fake.count(op));
    assert_eq!(counts, [5, 5, 5]);
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
    assert_eq!(host.instances().len(), 1);
    assert_eq!(host.version_at("web.test").await, "v1");
    // What was reserved for the failed one is free again.
    drop(others);
    let retry = landfall::plan::Options { retry: true, ..Default::default() };
    assert_eq!(ended(&host.converge_with(retry).await.unwrap()).0, "success");
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
}

#[tokio::test]
async fn r7_stages_that_start_together_get_ports_of_their_own() {
    let host = Host::with(&[&image("v1")]).await;
    let digest = image("v1").digest;
    let stage =
        |n: u8| format!("      s{n}: {{ track: {{ digest: \"{digest}\" }}, route: {{ domains: [ s{n}.test ] }} }}\n");
    let stages: String = (0..8).map(stage).collect();
    let yaml = format!(
        "projects:\n  web:\n    image: {}\n    port: 8080\n    ready: {{ tcp: {{}} }}\n    stages:\n{stages}",
        super::ground::REPOSITORY
    );
    host.apply(&yaml).await;
    let ports: std::collections::BTreeSet<_> = host.instances().iter().filter_map(|i| i.host_port).collect();
    assert_eq!(ports.len(), 8);
    for container in host.fake.containers() {
        let reserved = host.instances().iter().find(|i| i.container_id == container.id).and_then(|i| i.host_port);
        assert_eq!(container.published.first().map(|(host, _)| *host), reserved);
    }
}

#[tokio::test]
async fn r7_the_port_of_a_container_that_somebody_removed_is_free_again() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let gone = host.last().container_name;
    host.fake.remove_by_hand(&gone).await;
    host.apply(&web("v1", "")).await;
    let instances = host.instances();
    assert_eq!(instances.len(), 1);
    assert_ne!(instances[0].name, gone);
    assert_eq!(host.version_at("web.test").await, "v1");
}
