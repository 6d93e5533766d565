//! R21, R22: a look changes nothing and costs the same however much there is; a pass over what is right does nothing.

use std::os::unix::fs::MetadataExt as _;

use landfall::reconcile::{self, Places};

use super::ground::{Host, REPOSITORY, bytes_below, image, web};
use crate::fake_docker::Op;
use crate::recorder::Recorder;

/// So many stages without a proxy.
fn many(count: usize) -> String {
    let digest = image("v1").digest;
    let mut text = format!(
        "projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {{ tcp: {{}} }}\n    stages:\n"
    );
    for n in 0..count {
        text.push_str(&format!("      s{n}: {{ track: {{ digest: \"{digest}\" }} }}\n"));
    }
    text
}

/// What a look asks of Docker, method and path.
async fn asked(host: &Host) -> Vec<String> {
    let recorder = Recorder::start(&host.fake.url());
    let places = Places { docker: recorder.url(), ..host.places() };
    reconcile::look(&places, &landfall::plan::Options::default()).await.unwrap();
    let requests = recorder.requests();
    assert!(requests.iter().all(|request| !request.is_mutation()), "{requests:?}");
    let path = |path: &str| path.split('?').next().unwrap_or_default().to_owned();
    let mut asked: Vec<_> = requests.iter().map(|r| format!("{} {}", r.method, path(&r.path))).collect();
    asked.sort();
    asked
}

#[tokio::test]
async fn r21_a_look_at_a_fresh_host_only_asks_and_makes_no_store() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    let asked = asked(&host).await;
    assert_eq!(asked, ["GET /v1.41/containers/json", "GET /v1.41/networks", "HEAD /_ping"]);
    assert!(!host.path("data").exists());
    // Nor a key, a lock or anything else where there could be one.
    std::fs::create_dir(host.path("data")).unwrap();
    host.look().await.unwrap();
    assert_eq!(bytes_below(&host.path("data")), [].into());
    assert_eq!(host.changes(), [""; 0]);
}

#[tokio::test]
async fn r21_a_look_at_what_must_change_leaves_every_byte_of_the_data_as_it_is() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", "")).await;
    host.write(&web("v2", ""));
    host.fake.reset_calls();
    let times = || {
        let paths = bytes_below(&host.path("data")).into_keys();
        paths.map(|path| std::fs::metadata(path).unwrap()).map(|m| (m.mtime_nsec(), m.ino())).collect::<Vec<_>>()
    };
    let before = (bytes_below(&host.path("data")), times(), host.router.observe().await);
    let view = host.look().await.unwrap();
    assert!(!view.plan.is_noop());
    drop(view);
    assert!(before == (bytes_below(&host.path("data")), times(), host.router.observe().await));
    assert_eq!(host.changes(), [""; 0]);
}

#[tokio::test]
async fn r22_a_look_asks_docker_three_times_however_many_instances_there_are() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings("  proxy: { none: {} }\n");
    let mut answers = Vec::new();
    for count in [1, 10, 100] {
        host.apply(&many(count)).await;
        assert_eq!(host.fake.containers().len(), count);
        answers.push(asked(&host).await);
    }
    assert_eq!(answers[0], ["GET /v1.41/containers/json", "GET /v1.41/networks", "HEAD /_ping"]);
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    // And so does a pass over what is right, which writes nothing either.
    host.fake.reset_calls();
    let before = (host.deploys(), host.instances(), host.recorded());
    host.converge().await;
    assert_eq!(host.fake.calls().len(), 3);
    assert_eq!(host.fake.mutations(), 0);
    assert!(before == (host.deploys(), host.instances(), host.recorded()));
}

#[tokio::test]
async fn r22_a_look_and_a_pass_over_what_is_right_ask_the_proxy_once() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let recorder = Recorder::start(&host.router.control().display().to_string());
    let places = Places { proxy_socket: recorder.path(), ..host.places() };
    reconcile::look(&places, &landfall::plan::Options::default()).await.unwrap();
    host.converge_at(places).await;
    let asked: Vec<_> = recorder.requests().into_iter().map(|request| (request.method, request.path)).collect();
    assert_eq!(asked, [("GET".to_owned(), "/table".to_owned()), ("GET".to_owned(), "/table".to_owned())]);
}

#[tokio::test]
async fn r18_a_pass_over_what_is_right_changes_nothing_and_asks_no_registry() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    host.fake.reset_calls();
    let before = (host.deploys(), host.recorded(), host.router.observe().await);
    for _ in 0..3 {
        let converged = host.converge().await;
        assert!(converged.results.is_empty() && converged.view.plan.is_noop());
    }
    assert!(before == (host.deploys(), host.recorded(), host.router.observe().await));
    assert_eq!((host.changes(), host.fake.count(Op::Inspect)), (vec![], 0));
    // Nor does another form of the same configuration.
    let other =
        web("v1", "        environment: {}\n        labels: []\n").replace("  ready:", "  # The same.\n    ready:");
    host.write(&other);
    assert!(host.look().await.unwrap().plan.is_noop(), "{}", host.look().await.unwrap().plan);
}

#[tokio::test]
async fn a_daemon_that_does_not_answer_is_named() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    host.fake.hang(Op::Ping);
    let error = host.look().await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("docker does not answer at {}", host.fake.url())), "{error}");
    assert!(error.hint().unwrap().contains("systemctl status docker"));
    host.fake.release(Op::Ping);
    host.fake.fail_next(Op::List, 500, "broken");
    let error = host.look().await.unwrap_err();
    assert_eq!(error.to_string(), "docker did not list containers: broken (status 500)");
}
