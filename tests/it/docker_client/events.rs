//! The stream of events: what is told, in which order, what is kept away, and how it ends.

use std::time::{Duration, SystemTime};

use landfall::docker::{ContainerEvent, Docker, DockerError, Events, Happened, Limits};
use landfall::model::Labels;
use landfall::model::observed::ContainerState;

use super::{REPOSITORY, ground, plain, run};
use crate::fake_docker::{Endpoint, FakeDocker, FakeImage, Fault, Op};
use crate::router_support::until;

/// Enough for any event on its way; a wait that lasts it has failed.
const PATIENCE: Duration = Duration::from_secs(10);

async fn next(events: &mut Events) -> Result<ContainerEvent, DockerError> {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event or an error")
}

/// The next events as (what, name), the names of those that left a network by their ids.
async fn told(events: &mut Events, fake: &FakeDocker, count: usize) -> Vec<(Happened, String)> {
    let mut told = Vec::new();
    for _ in 0..count {
        let event = next(events).await.expect("an event");
        told.push((event.what, if event.name.is_empty() { fake.name_of(&event.id) } else { event.name }));
    }
    told
}

/// A subscription that is in force.
async fn listening(docker: &Docker, fake: &FakeDocker) -> Events {
    let mut events = docker.events(SystemTime::now());
    // It asks with the first wait, which nothing ends.
    tokio::select! {
        event = events.next() => panic!("nothing happens: {event:?}"),
        () = async { while fake.listeners() == 0 { tokio::task::yield_now().await } } => {}
    }
    events
}

#[tokio::test]
async fn what_is_done_to_a_container_is_told_in_order_and_the_rest_is_kept_away() {
    let image = FakeImage::new(REPOSITORY, "v1").with_healthcheck();
    let (fake, docker) = ground(&image).await;
    let mut events = listening(&docker, &fake).await;
    let id = run(&docker, "web-1", &image).await;
    fake.check_health("web-1");
    fake.set_health("web-1", "unhealthy");
    fake.pause_by_hand("web-1");
    docker.unpause(&id).await.unwrap();
    docker.disconnect_network("landfall", &id).await.unwrap();
    docker.connect_network("landfall", &id, &[]).await.unwrap();
    docker.rename(&id, "web-2").await.unwrap();
    docker.kill(&id, "SIGKILL").await.unwrap();
    docker.remove(&id, false).await.unwrap();
    let was = |what, name: &str| (what, name.to_owned());
    assert_eq!(
        told(&mut events, &fake, 8).await,
        [
            was(Happened::Started, "web-1"),
            was(Happened::Health, "web-1"),
            was(Happened::Paused, "web-1"),
            was(Happened::Disconnected, "web-1"),
            was(Happened::Renamed, "web-2"),
            was(Happened::Died, "web-2"),
            was(Happened::Disconnected, "web-1"),
            was(Happened::Destroyed, "web-2"),
        ]
    );
    let asked = fake.calls().into_iter().find(|call| call.op == Op::Events).unwrap();
    assert!(asked.path.starts_with("/v1.41/"), "{}", asked.path);
}

#[tokio::test]
async fn an_event_carries_our_labels_where_the_container_has_all_of_them() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let mut events = listening(&docker, &fake).await;
    let uuid = uuid::Uuid::now_v7();
    let labels = Labels {
        store: landfall::model::StoreId(uuid),
        key: "shop/prod".parse().unwrap(),
        instance: "v1".into(),
        deploy: landfall::model::DeployId(uuid),
        spec: "v1:0".into(),
        image: String::new(),
        digest: "sha256:0".into(),
        secrets: String::new(),
        config: String::new(),
        own_name: "shop-prod-1".into(),
    };
    fake.run_by_hand("shop-prod-1", &labels.to_map());
    fake.run_by_hand("other", &std::collections::BTreeMap::from([("landfall.store".into(), "s".into())]));
    let ours = next(&mut events).await.unwrap();
    assert_eq!((ours.labels, ours.id), (Some(labels), fake.container("shop-prod-1").id));
    assert_eq!(next(&mut events).await.unwrap().labels, None);
}

#[tokio::test]
async fn what_happened_since_a_time_is_told_too_unless_the_daemon_has_forgotten_it() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    run(&docker, "before", &image).await;
    let since = SystemTime::now();
    run(&docker, "web-1", &image).await;
    let mut events = docker.events(since);
    assert_eq!(told(&mut events, &fake, 1).await, [(Happened::Started, "web-1".to_owned())]);
    fake.forget_events();
    next(&mut events).await.unwrap_err();
    let mut events = docker.events(since);
    let told_now = tokio::select! {
        event = events.next() => Some(event),
        () = async { while fake.listeners() == 0 { tokio::task::yield_now().await } } => None,
    };
    assert_eq!(told_now, None);
    run(&docker, "web-2", &image).await;
    assert_eq!(told(&mut events, &fake, 1).await, [(Happened::Started, "web-2".to_owned())]);
}

#[tokio::test]
async fn a_stream_that_is_cut_or_cannot_be_understood_is_an_error_and_never_an_end_in_silence() {
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await;
    let unreachable = |error: &DockerError| matches!(error, DockerError::Unreachable { .. });
    let unreadable = |error: &DockerError| matches!(error, DockerError::Unreadable { .. });

    let mut events = listening(&docker, &fake).await;
    fake.cut_events();
    let error = next(&mut events).await.unwrap_err();
    assert!(unreachable(&error), "{error:?}");

    let strange = "{\"Type\":\"spaceship\",\"Action\":\"start\",\"Actor\":{\"ID\":\"hunter2\"}}\n";
    for text in [strange, "hunter2\n", "[1,2]\n", "{\"Type\": 3}\n"] {
        let mut events = listening(&docker, &fake).await;
        fake.send_event(text);
        let error = next(&mut events).await.unwrap_err();
        assert!(unreadable(&error) && !error.to_string().contains("hunter2"), "{text}: {error:?}");
        drop(events);
        while fake.listeners() > 0 {
            tokio::task::yield_now().await;
        }
    }

    let mut events = listening(&docker, &fake).await;
    fake.send_event("{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"ab\",");
    fake.send_event("\"Attributes\":{\"name\":\"web\"}}}\n");
    assert_eq!(next(&mut events).await.unwrap().name, "web", "a line that came in two parts");
}

#[tokio::test]
async fn r31_an_event_that_is_too_long_ends_the_subscription_whether_it_ever_ends_or_not() {
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await;
    let named = |name: &str| {
        format!(
            "{{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{{\"ID\":\"ab\",\"Attributes\":{{\"name\":\"{name}\"}}}}}}\n"
        )
    };
    let mut events = listening(&docker, &fake).await;
    let long = "x".repeat(900_000);
    fake.send_event(&named(&long));
    assert_eq!(next(&mut events).await.unwrap().name, long, "long, and not too long");
    fake.send_event(&long);
    fake.send_event(&long);
    let error = next(&mut events).await.unwrap_err();
    assert_eq!(error, DockerError::Unreadable { what: "tell what happens".into() });
    drop(events);
    until("the connection is closed", async || fake.listeners() == 0).await;
    let mut events = listening(&docker, &fake).await;
    fake.send_event(&named("web"));
    assert_eq!(next(&mut events).await.unwrap().name, "web", "the next one is heard");
}

#[tokio::test]
async fn a_subscription_that_is_refused_is_an_error() {
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await;
    fake.fail_next(Op::Events, 500, "words of dockerd");
    let error = next(&mut docker.events(SystemTime::now())).await.unwrap_err();
    assert_eq!(error.to_string(), "docker did not tell what happens: words of dockerd (status 500)");
}

#[tokio::test]
async fn r31_a_stream_that_says_nothing_for_too_long_is_given_up() {
    let fake = FakeDocker::builder().start();
    let limit = Duration::from_millis(50);
    let docker = fake.docker().await.with_limits(Limits { event_silence: limit, ..Limits::default() });
    fake.inject(Op::Events, Fault::Hang);
    for _ in 0..2 {
        let error = next(&mut docker.events(SystemTime::now())).await.unwrap_err();
        assert_eq!(error, DockerError::Timeout { what: "tell what happens".into(), limit });
    }
}

#[tokio::test]
async fn r20_a_death_is_told_before_lists_show_it_and_whoever_waits_for_it_sees_it() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    run(&docker, "web-1", &image).await;
    fake.endings_take(Duration::from_millis(200));
    let mut events = listening(&docker, &fake).await;
    let state = async || docker.list().await.unwrap().first().map(|container| container.state);
    let hand = fake.kill_by_hand("web-1");
    let eye = async {
        let event = next(&mut events).await.unwrap();
        assert_eq!((event.what, state().await), (Happened::Died, Some(ContainerState::Running)), "as dockerd does it");
        docker.settled(&event.id).await;
        assert_eq!(state().await, Some(ContainerState::Exited));
    };
    tokio::join!(hand, eye);
}

#[tokio::test]
async fn r31_a_container_that_never_settles_is_waited_for_two_seconds_and_one_that_is_gone_not_at_all() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let id = run(&docker, "web-1", &image).await;
    docker.settled("gone").await;
    fake.hang(Op::Inspect);
    docker.settled(&id).await;
    assert_eq!(fake.count(Op::Inspect), 2);
}

#[tokio::test]
async fn who_filters_by_label_never_hears_of_a_container_that_leaves_its_network() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let spec = landfall::model::ContainerSpec::default();
    docker.create(&plain("web-1", &image.id(), &spec)).await.unwrap();
    let api = reqwest::Client::builder().unix_socket(fake.url().trim_start_matches("unix://").to_owned());
    landfall::client::install_tls_provider();
    let filters = serde_json::json!({ "label": ["landfall.store"] }).to_string();
    let url = reqwest::Url::parse_with_params("http://docker/v1.41/events", [("filters", filters.as_str())]).unwrap();
    let mut stream = api.build().unwrap().get(url).send().await.unwrap();
    fake.change("web-1", |c| drop(c.networks.insert("other".into(), Endpoint { aliases: vec![], address: None })));
    fake.disconnect_by_hand("web-1", "landfall");
    fake.rename_by_hand("web-1", "web-2");
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&first).contains("\"rename\""), "{first:?}");
}
