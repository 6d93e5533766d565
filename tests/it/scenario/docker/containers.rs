//! The life of containers, what dockerd refuses, and how a spec arrives there.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

use landfall::docker::{CreateContainer, Docker, DockerError};
use landfall::model::observed::ContainerState;
use landfall::model::spec::{Healthcheck, Mount, MountSource, Restart, Ulimit};
use landfall::model::{Bytes, ContainerSpec, Millis};

use super::{Cleanup, docker, free_port, get, ground, observed, plain, pulled, raw, raw_inspect, unique};
use crate::recorder::{Recorder, Request};

#[tokio::test]
async fn a_container_lives_and_goes_and_every_wish_that_holds_is_fine() {
    let docker = docker().await;
    let mut cleanup = Cleanup::new();
    let (name, network, names) = (unique("life"), unique("net"), unique("names"));
    let image = pulled(&docker, "v1").await;
    for network in [&network, &names] {
        cleanup.network(network);
        docker.create_network(network, &BTreeMap::new()).await.unwrap();
        docker.create_network(network, &BTreeMap::new()).await.unwrap();
    }
    let mine: Vec<_> = docker.networks().await.unwrap().into_iter().filter(|n| *n == network || *n == names).collect();
    assert_eq!(mine.len(), 2);
    let socket = ground("LANDFALL_TEST_DOCKER").trim_start_matches("unix://").into();
    let listed = raw(&socket, "GET", "/networks").matches(&format!("\"Name\":\"{network}\"")).count();
    assert_eq!(listed, 1, "a second network of the same name");

    cleanup.container(&name);
    let spec = ContainerSpec::default();
    let port = free_port();
    let create = CreateContainer { publish: Some((8080, port)), ..plain(&name, &image, &network, &spec) };
    let id = docker.create(&create).await.unwrap();
    assert_eq!(observed(&docker, &name).await.state, ContainerState::Created);
    docker.connect_network(&names, &id, &["shop-production".into()]).await.unwrap();
    docker.start(&id).await.unwrap();
    docker.start(&id).await.unwrap();
    docker.connect_network(&names, &id, &["shop-production".into()]).await.unwrap();

    let seen = observed(&docker, &name).await;
    assert_eq!((seen.state, seen.loopback_port(8080)), (ContainerState::Running, Some(port)));
    assert_eq!(get(&format!("{}:8080", seen.networks.get(&network).unwrap()), "/").await.trim(), "hello from v1");
    assert_eq!(get(&format!("127.0.0.1:{port}"), "/").await.trim(), "hello from v1");
    let info = docker.inspect(&id).await.unwrap().unwrap();
    assert_eq!((info.name.as_str(), info.networks.len(), info.has_healthcheck), (name.as_str(), 2, false));
    assert_eq!(info.ports, seen.ports);
    assert!(info.started_at_ms.is_some() && info.finished_at_ms.is_none());

    docker.disconnect_network(&names, &id).await.unwrap();
    docker.disconnect_network(&names, &id).await.unwrap();
    docker.disconnect_network("no-such-network", &id).await.unwrap();
    docker.unpause(&id).await.unwrap();
    docker.stop(&id, Duration::from_secs(5)).await.unwrap();
    docker.stop(&id, Duration::from_secs(5)).await.unwrap();
    docker.kill(&id, "SIGHUP").await.unwrap();
    assert_eq!(observed(&docker, &name).await.state, ContainerState::Exited);
    let other = unique("renamed");
    docker.rename(&id, &other).await.unwrap();
    docker.remove(&id, false).await.unwrap();
    docker.remove(&id, false).await.unwrap();
    docker.stop(&id, Duration::from_secs(1)).await.unwrap();
    assert_eq!(docker.inspect(&id).await.unwrap(), None);
}

#[tokio::test]
async fn r22_looking_at_the_host_is_three_calls_and_each_but_the_ping_names_a_version() {
    let recorder = Recorder::start(&ground("LANDFALL_TEST_DOCKER"));
    let docker = Docker::connect(&recorder.url()).await.unwrap();
    docker.list().await.unwrap();
    docker.networks().await.unwrap();
    assert!(!recorder.requests().iter().any(Request::is_mutation));
    let seen: Vec<_> = recorder.requests().into_iter().map(|r| (r.method, r.path)).collect();
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(seen[0], ("HEAD".into(), "/_ping".into()));
    let prefix = format!("/v{}/", docker.api_version());
    assert!(seen[1].1.starts_with(&format!("{prefix}containers/json?")), "{seen:?}");
    assert_eq!(seen[2], ("GET".into(), format!("{prefix}networks")));
    recorder.clear();
    docker.list().await.unwrap();
    assert_eq!(recorder.requests().len(), 1, "the version is asked for once");
}

#[tokio::test]
async fn what_dockerd_refuses_is_told_apart() {
    let docker = docker().await;
    let mut cleanup = Cleanup::new();
    let image = pulled(&docker, "v1").await;
    let (first, second) = (unique("first"), unique("second"));
    cleanup.container(&first);
    cleanup.container(&second);
    let spec = ContainerSpec::default();
    let port = free_port();
    let publish = |name| CreateContainer { publish: Some((8080, port)), ..plain(name, &image, "bridge", &spec) };
    let id = docker.create(&publish(&first)).await.unwrap();

    let taken = docker.create(&plain(&first, &image, "bridge", &spec)).await.unwrap_err();
    assert_eq!(taken, DockerError::NameTaken { name: first.clone(), holder: id.clone() });
    let other = docker.create(&publish(&second)).await.unwrap();
    assert!(matches!(docker.rename(&other, &first).await, Err(DockerError::NameTaken { .. })));
    let missing = docker.create(&plain(&unique("x"), "no/such:image", "bridge", &spec)).await.unwrap_err();
    assert!(missing.is_not_found(), "{missing}");

    docker.start(&id).await.unwrap();
    let refused = docker.start(&other).await.unwrap_err();
    assert!(matches!(refused, DockerError::PortTaken { .. }), "{refused}");
    docker.remove(&id, true).await.unwrap();
    let program = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let refused = docker.start(&other).await.unwrap_err();
    assert!(matches!(refused, DockerError::PortTaken { .. }), "{refused}");
    let info = docker.inspect(&other).await.unwrap().unwrap();
    assert_eq!(info.state, ContainerState::Created);
    assert!(!info.error.is_empty());
    drop(program);

    let nowhere = unique("nowhere");
    cleanup.container(&nowhere);
    let id = docker.create(&plain(&nowhere, &image, "no-such-network", &spec)).await.unwrap();
    let missing = docker.start(&id).await.unwrap_err();
    assert!(missing.is_not_found() && missing.to_string().contains("no-such-network"), "{missing}");
}

/// A spec with something in most of its fields.
fn full_spec(volume: &str, host: &Path) -> ContainerSpec {
    let mount = |target: &str, source, read_only| Mount { target: target.into(), source, read_only };
    ContainerSpec {
        environment: [("PLAIN".into(), "a=b c".into())].into(),
        labels: [("team".into(), "shop".into()), ("landfall.store".into(), "forged".into())].into(),
        mounts: vec![
            mount("/conf", MountSource::ConfigTree { path: "conf".into(), hash: "h1".into() }, false),
            mount("/data", MountSource::Volume(volume.to_owned()), false),
            mount("/host", MountSource::HostPath(host.display().to_string()), true),
            mount("/tmp", MountSource::Tmpfs { size: Some(Bytes(1 << 20)), mode: Some(0o1777) }, false),
        ],
        user: Some("1000:1000".into()),
        working_dir: Some("/data".into()),
        cap_drop: vec!["ALL".into()],
        read_only: true,
        init: Some(true),
        shm_size: Some(Bytes(32 << 20)),
        ulimits: BTreeMap::from([("nofile".into(), Ulimit { soft: 1000, hard: 2000 })]),
        extra_hosts: BTreeMap::from([("db".into(), "10.0.0.7".into())]),
        dns: vec!["9.9.9.9".into()],
        restart: Restart::OnFailure(3),
        stop_signal: Some("SIGINT".into()),
        security_opt: vec!["no-new-privileges:true".into()],
        healthcheck: Some(Healthcheck {
            test: vec!["CMD".into(), "/app".into(), "--health".into()],
            interval: Some(Millis(700)),
            timeout: Some(Millis::secs(2)),
            retries: Some(4),
            start_period: None,
        }),
        mem_limit: Some(Bytes(64 << 20)),
        milli_cpus: Some(1500),
        pids_limit: Some(50),
        ..ContainerSpec::default()
    }
}

#[tokio::test]
async fn the_whole_spec_reaches_dockerd() {
    let docker = docker().await;
    let mut cleanup = Cleanup::new();
    let image = pulled(&docker, "v1").await;
    let (name, volume) = (unique("spec"), unique("vol"));
    let host = tempfile::tempdir().unwrap();
    std::fs::write(host.path().join("nginx.conf"), "from the tree").unwrap();
    cleanup.container(&name);
    cleanup.volume(&volume);
    let labels = BTreeMap::from([("landfall.store".to_owned(), "mine".to_owned())]);
    assert_eq!(docker.volume(&volume).await.unwrap(), None);
    docker.create_volume(&volume, &labels).await.unwrap();
    docker.create_volume(&volume, &BTreeMap::new()).await.unwrap();
    assert_eq!(docker.volume(&volume).await.unwrap().unwrap().labels, labels);

    let spec = full_spec(&volume, host.path());
    let files = BTreeMap::from([("h1".to_owned(), host.path().to_owned())]);
    let create = CreateContainer {
        labels,
        aliases: Vec::new(),
        secret_environment: vec![("TOKEN".into(), "s3cret".into())],
        config_files: &files,
        stop_timeout_secs: 7,
        ..plain(&name, &image, "bridge", &spec)
    };
    let id = docker.create(&create).await.unwrap();
    let held = raw_inspect(&name);
    let (config, host_config) = (&held["Config"], &held["HostConfig"]);
    assert_eq!(config["Env"][0], "PLAIN=a=b c");
    assert_eq!(config["Env"][1], "TOKEN=s3cret");
    assert_eq!((&config["Labels"]["team"], &config["Labels"]["landfall.store"]), (&"shop".into(), &"mine".into()));
    assert_eq!((&config["User"], &config["WorkingDir"]), (&"1000:1000".into(), &"/data".into()));
    assert_eq!((&config["StopSignal"], &config["StopTimeout"]), (&"SIGINT".into(), &7.into()));
    assert_eq!(config["Healthcheck"]["Interval"], 700_000_000);
    assert_eq!((&host_config["Memory"], &host_config["NanoCpus"]), (&(64 << 20).into(), &1_500_000_000.into()));
    assert_eq!((&host_config["PidsLimit"], &host_config["ShmSize"]), (&50.into(), &(32 << 20).into()));
    assert_eq!((&host_config["ReadonlyRootfs"], &host_config["Init"]), (&true.into(), &true.into()));
    assert_eq!(host_config["RestartPolicy"], serde_json::json!({ "Name": "on-failure", "MaximumRetryCount": 3 }));
    assert_eq!(host_config["LogConfig"]["Config"]["max-size"], "10m");
    assert_eq!(host_config["ExtraHosts"][0], "db:10.0.0.7");
    assert_eq!(host_config["Ulimits"][0], serde_json::json!({ "Name": "nofile", "Soft": 1000, "Hard": 2000 }));
    let mounts = held["Mounts"].as_array().unwrap();
    let writable: HashMap<_, _> =
        mounts.iter().map(|m| (m["Destination"].as_str().unwrap(), m["RW"] == true)).collect();
    assert_eq!(writable, HashMap::from([("/conf", false), ("/data", true), ("/host", false), ("/tmp", true)]));
    docker.start(&id).await.unwrap();
    let address = format!("{}:8080", observed(&docker, &name).await.networks.get("bridge").unwrap());
    assert_eq!(get(&address, "/file?/conf/nginx.conf").await, "from the tree");
    assert_eq!(get(&address, "/env?TOKEN").await.trim(), "s3cret");
    docker.remove(&id, true).await.unwrap();
    assert!(docker.volume(&volume).await.unwrap().is_some(), "a volume outlives its container");
}

#[tokio::test]
async fn files_are_copied_in_before_the_start_and_read_by_their_owner_only() {
    let docker = docker().await;
    let mut cleanup = Cleanup::new();
    let image = pulled(&docker, "v1").await;
    let name = unique("files");
    cleanup.container(&name);
    let spec = ContainerSpec { user: Some("1234".into()), ..ContainerSpec::default() };
    let id = docker.create(&plain(&name, &image, "bridge", &spec)).await.unwrap();
    let mut tar = tar::Builder::new(Vec::new());
    for (path, uid) in [("run/secrets/mine", 1234), ("run/secrets/theirs", 0)] {
        let mut header = tar::Header::new_gnu();
        header.set_size(5);
        header.set_mode(0o400);
        header.set_uid(uid);
        header.set_gid(uid);
        header.set_cksum();
        tar.append_data(&mut header, path, &b"value"[..]).unwrap();
    }
    let tar = tar.into_inner().unwrap();
    docker.upload(&id, tar.clone()).await.unwrap();
    docker.start(&id).await.unwrap();
    let address = format!("{}:8080", observed(&docker, &name).await.networks.get("bridge").unwrap());
    assert_eq!(get(&address, "/file?/run/secrets/mine").await, "value");
    assert_ne!(get(&address, "/file?/run/secrets/theirs").await, "value");

    let name = unique("sealed");
    cleanup.container(&name);
    let spec = ContainerSpec { read_only: true, ..ContainerSpec::default() };
    let id = docker.create(&plain(&name, &image, "bridge", &spec)).await.unwrap();
    let refused = docker.upload(&id, tar).await.unwrap_err();
    assert!(refused.to_string().contains("read-only"), "{refused}");
}
