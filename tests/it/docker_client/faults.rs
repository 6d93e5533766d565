//! What happens when the daemon does wrong: every wait ends, every failure has a kind.

use std::time::Duration;

use landfall::docker::{Docker, DockerError, Limits};
use landfall::model::ContainerSpec;
use landfall::model::retry::Retry;

use super::{REPOSITORY, create, ground, plain};
use crate::fake_docker::{FakeDocker, FakeImage, Fault, Op};

/// Limits that a test can wait for.
fn short() -> Limits {
    let moment = Duration::from_millis(100);
    Limits { call: moment, change: moment, stop_margin: moment, pull_silence: moment, ..Limits::default() }
}

#[tokio::test]
async fn r31_an_answer_that_stops_after_its_head_ends_in_a_timeout() {
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await.with_limits(short());
    fake.inject(Op::List, Fault::Stall);
    let error = docker.list().await.unwrap_err();
    assert_eq!(error, DockerError::Timeout { what: "list containers".into(), limit: short().call });
    assert_eq!(error.retry(), Retry::Backoff);
    docker.list().await.unwrap();
}

#[tokio::test]
async fn r31_a_daemon_that_does_not_answer_ends_in_a_timeout_and_a_late_answer_hurts_nobody() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let id = create(&docker, "web-1", &image).await;
    let docker = docker.with_limits(short());
    fake.hang(Op::Start);
    assert!(matches!(docker.start(&id).await, Err(DockerError::Timeout { .. })));
    fake.release(Op::Start);
    docker.start(&id).await.unwrap();
}

#[tokio::test]
async fn a_stop_is_given_the_whole_grace_before_we_give_up() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let id = create(&docker, "web-1", &image).await;
    let docker = docker.with_limits(short());
    fake.hang(Op::Stop);
    let Err(DockerError::Timeout { limit, .. }) = docker.stop(&id, Duration::from_millis(1)).await else {
        panic!("the stop hangs");
    };
    assert_eq!(limit, Duration::from_secs(1) + short().stop_margin, "whole seconds, rounded up");
    assert_eq!(fake.calls().last().unwrap().query, "t=1");
}

#[tokio::test]
async fn a_creation_whose_answer_was_lost_is_found_by_its_name() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    fake.inject(Op::Create, Fault::LoseAnswer);
    let spec = ContainerSpec::default();
    let error = docker.create(&plain("web-1", &image.id(), &spec)).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff);
    let id = fake.container("web-1").id;
    let again = docker.create(&plain("web-1", &image.id(), &spec)).await.unwrap_err();
    assert_eq!(again, DockerError::NameTaken { name: "web-1".into(), holder: id });
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_an_error_and_not_quoted() {
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await;
    for body in ["", "{", "[{\"State\": \"hunter2\"}]", "<html>hunter2</html>"] {
        fake.inject(Op::List, Fault::Body(body.into()));
        let error = docker.list().await.unwrap_err();
        assert!(matches!(error, DockerError::Unreadable { .. }), "{body}: {error:?}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_status_tells_whether_time_may_help() {
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await;
    for (status, retry) in
        [(500, Retry::Backoff), (503, Retry::Backoff), (400, Retry::OnChange), (409, Retry::OnChange)]
    {
        fake.fail_next(Op::Networks, status, "words of dockerd");
        let error = docker.networks().await.unwrap_err();
        assert_eq!(error.retry(), retry, "{status}");
        assert_eq!(error.to_string(), format!("docker did not list networks: words of dockerd (status {status})"));
    }
}

#[tokio::test]
async fn a_daemon_that_is_gone_is_unreachable_and_one_that_was_never_there_too() {
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await;
    let url = fake.url();
    drop(fake);
    let gone = docker.list().await.unwrap_err();
    let never = Docker::connect(&url).await.unwrap_err();
    for error in [gone, never] {
        assert!(matches!(&error, DockerError::Unreachable { address, .. } if *address == url), "{error:?}");
        assert_eq!(error.retry(), Retry::Backoff);
    }
}
