//! What is seen of apps: how they end, what they write, how healthy they are.

use landfall::docker::LogStream;
use landfall::model::ContainerSpec;
use landfall::model::observed::{ContainerState, Health};
use landfall::model::spec::Restart;

use super::{Cleanup, docker, eventually, get, observed, plain, pulled, unique};

#[tokio::test]
async fn an_app_that_ends_leaves_its_exit_code_and_its_last_words() {
    let docker = docker().await;
    let mut cleanup = Cleanup::new();
    let image = pulled(&docker, "crash").await;
    let name = unique("crash");
    cleanup.container(&name);
    let spec = ContainerSpec { restart: Restart::No, ..ContainerSpec::default() };
    let id = docker.create(&plain(&name, &image, "bridge", &spec)).await.unwrap();
    docker.start(&id).await.unwrap();
    let info = eventually("it ends", async || {
        docker.inspect(&id).await.unwrap().filter(|info| info.state == ContainerState::Exited)
    })
    .await;
    assert_eq!((info.exit_code, info.restart_count, info.oom_killed), (7, 0, false));
    let tail = docker.logs_tail(&id, 50).await.unwrap();
    assert!(tail.iter().any(|line| line == "boom: cannot open the database"), "{tail:?}");
    assert_eq!(docker.logs_tail(&id, 0).await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn an_app_that_docker_restarts_shows_it() {
    let docker = docker().await;
    let mut cleanup = Cleanup::new();
    let image = pulled(&docker, "crash").await;
    let name = unique("loop");
    cleanup.container(&name);
    let spec = ContainerSpec::default();
    let id = docker.create(&plain(&name, &image, "bridge", &spec)).await.unwrap();
    docker.start(&id).await.unwrap();
    eventually("it is restarted", async || docker.inspect(&id).await.unwrap().filter(|info| info.restart_count > 0))
        .await;
}

#[tokio::test]
async fn docker_s_own_health_is_seen_in_the_list_and_in_an_inspection() {
    let docker = docker().await;
    let mut cleanup = Cleanup::new();
    let spec = ContainerSpec::default();
    for (tag, wanted) in [("hc", Health::Healthy), ("hc-bad", Health::Unhealthy)] {
        let image = pulled(&docker, tag).await;
        assert!(docker.image(&image).await.unwrap().unwrap().has_healthcheck);
        let name = unique(tag);
        cleanup.container(&name);
        let id = docker.create(&plain(&name, &image, "bridge", &spec)).await.unwrap();
        docker.start(&id).await.unwrap();
        assert!(docker.inspect(&id).await.unwrap().unwrap().has_healthcheck);
        eventually(tag, async || (observed(&docker, &name).await.health == Some(wanted)).then_some(())).await;
        assert_eq!(docker.inspect(&id).await.unwrap().unwrap().health, Some(wanted));
    }
}

#[tokio::test]
async fn a_followed_log_brings_both_streams_and_ends_with_the_app() {
    let docker = docker().await;
    let mut cleanup = Cleanup::new();
    let image = pulled(&docker, "v1").await;
    let name = unique("log");
    cleanup.container(&name);
    let spec = ContainerSpec { restart: Restart::No, ..ContainerSpec::default() };
    let id = docker.create(&plain(&name, &image, "bridge", &spec)).await.unwrap();
    docker.start(&id).await.unwrap();
    let address = format!("{}:8080", observed(&docker, &name).await.networks.get("bridge").unwrap());
    let mut log = docker.logs_follow(&id, 10).unwrap();
    get(&address, "/log?grün%20und%20bunt").await;
    get(&address, "/exit?code=5").await;
    let mut lines = Vec::new();
    while let Some(line) = log.next().await {
        lines.push(line.unwrap());
    }
    assert!(lines.iter().any(|line| line.stream == LogStream::Stdout && line.text.contains("bunt")), "{lines:?}");
    assert_eq!(docker.logs_tail(&id, 100).await.unwrap().len(), lines.len());
}
