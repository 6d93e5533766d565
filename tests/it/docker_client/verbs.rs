//! Each verb: what it does, which wishes already hold, and which refusals have a type of their own.

use std::collections::BTreeMap;
use std::time::Duration;

use landfall::docker::{CreateContainer, DockerError};
use landfall::model::ContainerSpec;
use landfall::model::observed::{ContainerState, Health};
use landfall::model::retry::Retry;
use landfall::model::spec::{HostNamespace, Mount, MountSource, Protocol, PublishedPort};
use serde_json::json;

use super::{REPOSITORY, create, ground, plain, run};
use crate::fake_docker::{FakeDocker, FakeImage, Op};

#[tokio::test]
async fn r1_a_taken_name_is_told_with_its_holder() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (_fake, docker) = ground(&image).await;
    let holder = create(&docker, "web-1", &image).await;
    let other = create(&docker, "web-2", &image).await;
    let taken = DockerError::NameTaken { name: "web-1".into(), holder };
    let spec = ContainerSpec::default();
    assert_eq!(docker.create(&plain("web-1", &image.id(), &spec)).await.unwrap_err(), taken);
    assert_eq!(docker.rename(&other, "web-1").await.unwrap_err(), taken);
    assert_eq!(taken.retry(), Retry::OnChange);
}

#[tokio::test]
async fn wishes_that_already_hold_are_fine() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let id = run(&docker, "web-1", &image).await;
    docker.start(&id).await.unwrap();
    docker.unpause(&id).await.unwrap();
    docker.connect_network("landfall", &id, &[]).await.unwrap();
    docker.disconnect_network("bridge", &id).await.unwrap();
    docker.disconnect_network("no-such", &id).await.unwrap();
    for _ in 0..2 {
        docker.stop(&id, Duration::from_secs(1)).await.unwrap();
        docker.kill(&id, "SIGKILL").await.unwrap();
    }
    for _ in 0..2 {
        docker.remove(&id, false).await.unwrap();
        docker.stop(&id, Duration::from_secs(1)).await.unwrap();
        docker.disconnect_network("landfall", &id).await.unwrap();
    }
    assert_eq!(docker.inspect(&id).await.unwrap(), None);
    assert_eq!(fake.names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_running_container_is_removed_only_by_force() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let id = run(&docker, "web-1", &image).await;
    assert!(matches!(docker.remove(&id, false).await, Err(DockerError::Refused { status: 409, .. })));
    docker.remove(&id, true).await.unwrap();
    assert!(fake.find("web-1").is_none());
}

#[tokio::test]
async fn a_removal_that_somebody_else_began_is_waited_for() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let id = create(&docker, "web-1", &image).await;
    fake.fail_next(Op::Remove, 409, &format!("removal of container {id} is already in progress"));
    let somebody = async {
        while fake.count(Op::Inspect) == 0 {
            tokio::task::yield_now().await;
        }
        fake.remove_by_hand("web-1").await;
    };
    let (removed, ()) = tokio::join!(docker.remove(&id, false), somebody);
    removed.unwrap();
    assert!(fake.find("web-1").is_none());
}

#[tokio::test]
async fn r7_a_port_that_is_taken_is_told_apart_and_the_container_stays_created() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let program = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = program.local_addr().unwrap().port();
    let spec = ContainerSpec::default();
    let publish = |name| CreateContainer { publish: Some((8080, port)), ..plain(name, "sha256:0", &spec) };
    let image_id = image.id();
    let publish = |name| CreateContainer { image: &image_id, ..publish(name) };
    let first = docker.create(&publish("web-1")).await.unwrap();
    let second = docker.create(&publish("web-2")).await.unwrap();
    let error = docker.start(&first).await.unwrap_err();
    assert!(matches!(&error, DockerError::PortTaken { message, .. } if message.contains(&port.to_string())), "{error}");
    assert_eq!(docker.inspect(&first).await.unwrap().unwrap().state, ContainerState::Created);
    drop(program);
    docker.start(&first).await.unwrap();
    assert!(matches!(docker.start(&second).await, Err(DockerError::PortTaken { .. })));
    let seen = docker.list().await.unwrap();
    assert_eq!((seen[0].loopback_port(8080), seen[1].loopback_port(8080)), (Some(port), None));
    assert_eq!(fake.container("web-1").published, [(port, 8080)]);
}

#[tokio::test]
async fn the_list_tells_state_health_labels_and_addresses() {
    let image = FakeImage::new(REPOSITORY, "v1").with_healthcheck();
    let (fake, docker) = ground(&image).await;
    for name in ["a1", "b2", "c3", "d4"] {
        run(&docker, name, &image).await;
    }
    fake.set_health("a1", "unhealthy");
    fake.pause_by_hand("b2");
    fake.crash("c3", 137, true).await;
    fake.rename_by_hand("d4", "e5");
    fake.disconnect_by_hand("e5", "landfall");
    fake.run_by_hand("foreign", &BTreeMap::new());
    fake.run_by_hand("copied", &BTreeMap::from([("landfall.store".into(), "x".into())]));
    let seen = docker.list().await.unwrap();
    let states: Vec<_> = seen.iter().map(|c| (c.name.as_str(), c.state, c.health)).collect();
    let expected = [
        ("a1", ContainerState::Running, Some(Health::Unhealthy)),
        ("b2", ContainerState::Paused, None),
        ("c3", ContainerState::Exited, None),
        ("copied", ContainerState::Running, None),
        ("e5", ContainerState::Running, Some(Health::Healthy)),
    ];
    assert_eq!(states, expected);
    assert!(seen[0].networks.get("landfall").is_some_and(|address| address.starts_with("127.")));
    assert!(seen[4].networks.is_empty() && seen[0].labels.is_none());
    let crashed = docker.inspect("c3").await.unwrap().unwrap();
    assert_eq!((crashed.exit_code, crashed.oom_killed, crashed.health), (137, true, Some(Health::Healthy)));
    docker.unpause(&seen[1].id).await.unwrap();
    assert_eq!(docker.list().await.unwrap()[1].state, ContainerState::Running);
}

#[tokio::test]
async fn a_network_is_made_once_whatever_the_api_thinks_of_duplicates() {
    for version in ["1.41", "1.44"] {
        let fake = FakeDocker::builder().api_version(version).network("landfall").start();
        let docker = fake.docker().await;
        docker.create_network("landfall", &BTreeMap::new()).await.unwrap();
        docker.create_network("other", &BTreeMap::new()).await.unwrap();
        assert_eq!(fake.networks(), ["bridge", "host", "landfall", "none", "other"], "{version}");
    }
}

#[tokio::test]
async fn r33_a_container_joins_a_second_network_under_the_name_of_its_stage() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    docker.create_network("landfall-names", &BTreeMap::new()).await.unwrap();
    let id = run(&docker, "web-1", &image).await;
    docker.connect_network("landfall-names", &id, &["shop-production".into()]).await.unwrap();
    assert_eq!(fake.container("web-1").networks["landfall-names"].aliases, ["shop-production"]);
    assert_eq!(fake.container("web-1").networks["landfall"].aliases, ["web"]);
    docker.disconnect_network("landfall-names", &id).await.unwrap();
    assert_eq!(fake.container("web-1").networks.len(), 1);
    fake.remove_network_by_hand("landfall");
    docker.stop(&id, Duration::ZERO).await.unwrap();
    assert!(docker.start(&id).await.unwrap_err().to_string().contains("network landfall not found"));
}

#[tokio::test]
async fn r34_a_volume_is_made_with_labels_and_one_that_exists_keeps_its_own() {
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await;
    let ours = BTreeMap::from([("landfall.store".to_owned(), "s".to_owned())]);
    assert_eq!(docker.volume("shop-data").await.unwrap(), None);
    docker.create_volume("shop-data", &ours).await.unwrap();
    docker.create_volume("shop-data", &BTreeMap::new()).await.unwrap();
    assert_eq!(docker.volume("shop-data").await.unwrap().unwrap().labels, ours);
    assert_eq!(fake.volumes()["shop-data"], json!(ours));
}

#[tokio::test]
async fn r34_a_mount_without_a_copy_of_its_file_is_refused_before_any_request() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let source = MountSource::ConfigTree { path: "nginx.conf".into(), hash: "h".into() };
    let mounts = vec![Mount { target: "/etc/nginx.conf".into(), source, read_only: true }];
    let spec = ContainerSpec { mounts, ..ContainerSpec::default() };
    let error = docker.create(&plain("web-1", &image.id(), &spec)).await.unwrap_err();
    assert_eq!(error, DockerError::MissingFile { target: "/etc/nginx.conf".into() });
    assert_eq!(fake.calls(), []);
}

#[tokio::test]
async fn a_container_in_the_host_s_network_joins_no_other_and_publishes_nothing() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let host_namespaces = vec![HostNamespace::Network, HostNamespace::Pid, HostNamespace::Ipc];
    let spec = ContainerSpec { host_namespaces, ..ContainerSpec::default() };
    let create = CreateContainer { publish: Some((8080, 20_001)), ..plain("web-1", "x", &spec) };
    docker.create(&CreateContainer { image: &image.id(), ..create }).await.unwrap();
    let body = fake.container("web-1").body;
    let host = &body["HostConfig"];
    assert_eq!(
        (&host["NetworkMode"], &host["PidMode"], &host["IpcMode"]),
        (&json!("host"), &json!("host"), &json!("host"))
    );
    assert_eq!((&host["PortBindings"], &body["NetworkingConfig"]), (&json!({}), &json!(null)));
}

#[tokio::test]
async fn ports_of_the_user_stand_beside_the_port_of_the_proxy() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let port = |host_ip: Option<&str>, host_port, protocol| PublishedPort {
        host_ip: host_ip.map(Into::into),
        host_port,
        container_port: 53,
        protocol,
    };
    let ports = vec![port(None, 53, Protocol::Udp), port(Some("127.0.0.1"), 5353, Protocol::Tcp)];
    let spec = ContainerSpec { ports, ..ContainerSpec::default() };
    let create = CreateContainer { publish: Some((53, 20_001)), ..plain("web-1", "x", &spec) };
    docker.create(&CreateContainer { image: &image.id(), ..create }).await.unwrap();
    let bindings = &fake.container("web-1").body["HostConfig"]["PortBindings"];
    let both = json!([{ "HostIp": "127.0.0.1", "HostPort": "20001" }, { "HostIp": "127.0.0.1", "HostPort": "5353" }]);
    assert_eq!((&bindings["53/tcp"], &bindings["53/udp"]), (&both, &json!([{ "HostIp": "", "HostPort": "53" }])));
}

#[tokio::test]
async fn r6_an_image_gets_one_more_name() {
    let image = FakeImage::new(REPOSITORY, "v1").with_healthcheck();
    let (fake, docker) = ground(&image).await;
    let reference = image.image_ref().by_digest();
    docker.tag_image(&reference, "landfall/shop-production", "0123456789ab").await.unwrap();
    assert!(fake.image_names().contains(&"landfall/shop-production:0123456789ab".to_owned()));
    let info = docker.image("landfall/shop-production:0123456789ab").await.unwrap().unwrap();
    assert_eq!((info.id.to_string(), info.has_healthcheck), (image.id(), true));
    fake.remove_image_by_hand(&reference);
    assert_eq!(docker.image(&reference).await.unwrap(), None);
    assert!(docker.tag_image(&reference, "a", "b").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn files_are_copied_into_a_container_unless_its_root_is_read_only() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    tar.append_data(&mut header, "run/secrets/token", &b"value"[..]).unwrap();
    let tar = tar.into_inner().unwrap();
    let id = create(&docker, "web-1", &image).await;
    docker.upload(&id, tar.clone()).await.unwrap();
    assert_eq!(fake.container("web-1").files["/run/secrets/token"], b"value");
    let spec = ContainerSpec { read_only: true, ..ContainerSpec::default() };
    let id = docker.create(&plain("web-2", &image.id(), &spec)).await.unwrap();
    assert!(docker.upload(&id, tar).await.unwrap_err().to_string().contains("read-only"));
}
