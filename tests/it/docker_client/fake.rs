//! The fake itself: its apps are reachable as a gate and a proxy reach them, and behave as told.

use std::time::Duration;

use landfall::docker::{CreateContainer, Docker};
use landfall::model::ContainerSpec;
use landfall::model::observed::{ContainerState, Health};

use super::{REPOSITORY, create, ground, plain, run};
use crate::fake_docker::{Behaviour, FakeDocker, FakeImage, Op};

/// Status and version of an answer; none when nobody listens.
async fn get(address: &str) -> Option<(u16, String)> {
    landfall::client::install_tls_provider();
    let response = reqwest::get(format!("http://{address}/")).await.ok()?;
    let version = response.headers()["x-version"].to_str().unwrap().to_owned();
    Some((response.status().as_u16(), version))
}

/// Asks until somebody listens.
async fn eventually(address: &str) -> (u16, String) {
    let begin = std::time::Instant::now();
    loop {
        if let Some(answer) = get(address).await {
            return answer;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "nobody listens at {address}");
    }
}

async fn address(docker: &Docker, name: &str) -> String {
    let all = docker.list().await.unwrap();
    let container = all.into_iter().find(|container| container.name == name).unwrap();
    format!("{}:8080", container.networks.get("landfall").expect("it joined"))
}

#[tokio::test]
async fn an_app_answers_at_its_own_address_and_at_its_published_port_until_it_stops() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (spec, image_id) = (ContainerSpec::default(), image.id());
    let create = CreateContainer { publish: Some((8080, port)), ..plain("web-1", &image_id, &spec) };
    let id = docker.create(&create).await.unwrap();
    docker.start(&id).await.unwrap();
    let own = address(&docker, "web-1").await;
    let published = format!("127.0.0.1:{port}");
    assert_eq!(eventually(&own).await, (200, "v1".into()));
    assert_eq!(eventually(&published).await, (200, "v1".into()));
    docker.stop(&id, Duration::ZERO).await.unwrap();
    assert_eq!((get(&own).await, get(&published).await), (None, None));
    docker.start(&id).await.unwrap();
    assert_eq!(eventually(&published).await.0, 200);
    assert_eq!(fake.container("web-1").starts, 2);
}

#[tokio::test]
async fn apps_behave_as_they_are_told() {
    let image = FakeImage::new(REPOSITORY, "v1").with_healthcheck();
    let (fake, docker) = ground(&image).await;
    let health = async |name: &str| docker.inspect(name).await.unwrap().unwrap().health;
    fake.app_behaviour(&image, &Behaviour::Unhealthy);
    run(&docker, "bad", &image).await;
    assert_eq!(eventually(&address(&docker, "bad").await).await.0, 503);
    assert_eq!(health("bad").await, Some(Health::Unhealthy));
    fake.app_behaviour(&image, &Behaviour::Silent);
    run(&docker, "silent", &image).await;
    assert_eq!(get(&address(&docker, "silent").await).await, None);
    fake.app_behaviour(&image, &Behaviour::HealthyAfter(Duration::from_millis(50)));
    run(&docker, "slow", &image).await;
    assert_eq!(health("slow").await, Some(Health::Starting));
    assert_eq!(eventually(&address(&docker, "slow").await).await.0, 200);
}

#[tokio::test]
async fn a_call_that_hangs_goes_on_when_it_is_released() {
    let image = FakeImage::new(REPOSITORY, "v1").on_port(9000);
    let (fake, docker) = ground(&image).await;
    fake.hang(Op::Create);
    let hand = async {
        while fake.count(Op::Create) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(fake.find("web-1").is_none());
        fake.release(Op::Create);
    };
    let (_, ()) = tokio::join!(create(&docker, "web-1", &image), hand);
    assert_eq!(fake.names(), ["web-1"]);
    assert_eq!(fake.mutations(), 1);
}

#[tokio::test]
async fn two_fakes_do_not_share_addresses() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (_first, one) = ground(&image).await;
    let second = FakeDocker::builder().network("landfall").start();
    second.add_image(&image);
    let two = second.docker().await;
    run(&one, "web-1", &image).await;
    run(&two, "web-1", &image).await;
    assert_ne!(address(&one, "web-1").await, address(&two, "web-1").await);
    assert_eq!(one.list().await.unwrap()[0].state, ContainerState::Running);
}
