//! What goes over the wire, and what never does.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall::docker::{CreateContainer, Credentials, Docker, DockerError};
use landfall::model::ContainerSpec;

use super::{REPOSITORY, create, ground, plain, run};
use crate::fake_docker::{FakeDocker, FakeImage, Op};

#[tokio::test]
async fn every_request_but_the_ping_names_the_version_that_both_sides_know() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().api_version("1.45").publish(&image).network("landfall").start();
    let docker = Docker::connect(&fake.url()).await.unwrap();
    docker.list().await.unwrap();
    docker.networks().await.unwrap();
    docker.pull(&image.repository, &image.digest, None, |_| {}).await.unwrap();
    let id = run(&docker, "web-1", &image).await;
    docker.logs_tail(&id, 5).await.unwrap();
    docker.remove(&id, true).await.unwrap();
    let paths: Vec<_> = fake.calls().into_iter().map(|call| call.path).collect();
    assert_eq!(paths[0], "/_ping");
    assert!(paths[1..].iter().all(|path| path.starts_with("/v1.45/")), "{paths:?}");
    assert_eq!(docker.api_version().to_string(), "1.45");
}

#[tokio::test]
async fn a_newer_server_is_spoken_to_in_the_newest_version_we_know() {
    let fake = FakeDocker::builder().api_version("1.99").start();
    let docker = fake.docker().await;
    docker.networks().await.unwrap();
    assert_eq!(fake.calls()[0].path, "/v1.53/networks");
}

#[tokio::test]
async fn a_server_that_is_too_old_is_refused_at_once() {
    let fake = FakeDocker::builder().api_version("1.40").start();
    let error = Docker::connect(&fake.url()).await.unwrap_err();
    assert!(matches!(error, DockerError::TooOld { .. }), "{error}");
    assert!(error.hint().unwrap().contains("20.10"));
}

#[tokio::test]
async fn credentials_travel_in_the_alphabet_that_dockerd_reads() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().publish(&image).start();
    let docker = fake.docker().await;
    let login = Credentials { username: "u".into(), password: "a>>>b???c~~~".into() };
    docker.pull(&image.repository, &image.digest, Some(&login), |_| {}).await.unwrap();
    let header = fake.calls()[0].registry_auth.clone().unwrap();
    let json = URL_SAFE.decode(&header).unwrap();
    assert!(STANDARD.encode(&json).contains(['+', '/']), "this password does not tell the alphabets apart");
    let login: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!((&login["username"], &login["password"]), (&"u".into(), &"a>>>b???c~~~".into()));
    assert_eq!(login["serveraddress"], "127.0.0.1:5000");
}

#[tokio::test]
async fn r30_a_name_that_would_lead_elsewhere_is_refused_before_any_request() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let bad = "../../images/x?y";
    let nothing = std::collections::BTreeMap::new();
    let spec = ContainerSpec::default();
    let results = [
        docker.inspect(bad).await.map(drop),
        docker.start(bad).await,
        docker.stop(bad, Duration::ZERO).await,
        docker.kill(bad, "SIGHUP").await,
        docker.remove(bad, true).await,
        docker.unpause(bad).await,
        docker.rename(bad, "good").await,
        docker.rename("good", bad).await,
        docker.upload(bad, Vec::new()).await,
        docker.logs_tail(bad, 1).await.map(drop),
        docker.logs_follow(bad, 1).map(drop),
        docker.create(&plain(bad, &image.id(), &spec)).await.map(drop),
        docker.create(&plain("good", bad, &spec)).await.map(drop),
        docker.create(&CreateContainer { network: bad, ..plain("good", &image.id(), &spec) }).await.map(drop),
        docker.create_network(bad, &nothing).await,
        docker.connect_network(bad, "good", &[]).await,
        docker.connect_network("good", bad, &[]).await,
        docker.disconnect_network(bad, "good").await,
        docker.disconnect_network("good", bad).await,
        docker.volume(bad).await.map(drop),
        docker.create_volume(bad, &nothing).await,
        docker.image(bad).await.map(drop),
        docker.tag_image(bad, "a", "b").await,
        docker.tag_image("a", bad, "b").await,
        docker.tag_image("a", "b", bad).await,
    ];
    for (n, result) in results.into_iter().enumerate() {
        assert!(matches!(result, Err(DockerError::InvalidName { .. })), "number {n}: {result:?}");
    }
    assert_eq!(fake.calls(), []);
}

/// Everything that is logged on this thread.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn r28_our_own_log_lines_and_errors_hold_no_secret() {
    let log = Captured::default();
    let writer = log.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().image(&image).publish(&image).network("landfall").start();
    let docker = fake.docker().await;
    // A test beside this one, without a subscriber, may have switched a line off at its first use.
    docker.networks().await.unwrap();
    tracing::callsite::rebuild_interest_cache();
    let login = Credentials { username: "u".into(), password: "hunter2".into() };
    docker.pull(&image.repository, &image.digest, Some(&login), |_| {}).await.unwrap();
    fake.fail_next(Op::Pull, 500, "unauthorized: hunter2 is wrong");
    let pull = docker.pull(&image.repository, &image.digest, Some(&login), |_| {}).await.unwrap_err();

    let spec = ContainerSpec::default();
    let id = image.id();
    let with_secret = || CreateContainer {
        secret_environment: vec![("TOKEN".into(), "hunter2".into())],
        ..plain("web-1", &id, &spec)
    };
    fake.fail_next(Op::Create, 400, "invalid environment variable: TOKEN=hunter2");
    let refused = docker.create(&with_secret()).await.unwrap_err();
    docker.create(&with_secret()).await.unwrap();
    docker.inspect("web-1").await.unwrap();
    drop(guard);

    assert_eq!(fake.container("web-1").environment, ["TOKEN=hunter2"]);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(log.contains("create container web-1"), "{log}");
    for text in [log, format!("{pull} {pull:?} {refused} {refused:?} {:?} {login:?}", with_secret())] {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn looking_takes_one_call_each_however_many_containers_there_are() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    for n in 0..30 {
        create(&docker, &format!("web-{n}"), &image).await;
    }
    fake.reset_calls();
    assert_eq!(docker.list().await.unwrap().len(), 30);
    docker.networks().await.unwrap();
    assert_eq!((fake.calls().len(), fake.mutations()), (2, 0));
    assert_eq!(fake.calls()[0].query.matches("landfall.store").count(), 1);
}
