//! Pulls: progress, and every way to fail.

use std::time::Duration;

use landfall::docker::{DockerError, Limits, PullFailure};
use landfall::model::retry::Retry;

use super::REPOSITORY;
use crate::fake_docker::{FakeDocker, FakeImage, Fault, Op};

#[tokio::test]
async fn r6_an_image_is_pulled_by_its_digest_and_progress_is_told() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().publish(&image).start();
    let docker = fake.docker().await;
    let mut seen = Vec::new();
    docker.pull(&image.repository, &image.digest, None, |progress| seen.push(progress)).await.unwrap();
    let last = seen.last().unwrap();
    assert_eq!((last.bytes, last.total_bytes, last.layers_done, last.layers), (1000, 1000, 1, 1));
    assert!(seen.iter().any(|progress| progress.bytes == 400));
    let call = &fake.calls()[0];
    assert!(call.query.contains("tag=sha256%3A") && call.registry_auth.is_none(), "{call:?}");
    assert_eq!(docker.image(&image.image_ref().by_digest()).await.unwrap().unwrap().id.to_string(), image.id());
}

#[tokio::test]
async fn an_error_in_the_last_line_of_a_good_answer_is_an_error() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().start();
    fake.publish(&image);
    let docker = fake.docker().await;
    fake.inject(Op::Pull, Fault::LastLine("filesystem layer verification failed for digest sha256:0".into()));
    let error = docker.pull(&image.repository, &image.digest, None, |_| {}).await.unwrap_err();
    assert!(matches!(&error, DockerError::Pull { kind: PullFailure::Corrupt, .. }), "{error:?}");
    assert_eq!(fake.image_names(), Vec::<String>::new());
}

#[tokio::test]
async fn a_pull_that_breaks_off_is_an_error_that_time_may_mend() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().publish(&image).start();
    let docker = fake.docker().await;
    fake.inject(Op::Pull, Fault::Cut);
    let error = docker.pull(&image.repository, &image.digest, None, |_| {}).await.unwrap_err();
    assert_eq!(error.retry(), Retry::Backoff, "{error:?}");
    docker.pull(&image.repository, &image.digest, None, |_| {}).await.unwrap();
}

#[tokio::test]
async fn the_kind_of_a_failure_decides_whether_time_may_help() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().start();
    let docker = fake.docker().await;
    let missing = docker.pull(&image.repository, &image.digest, None, |_| {}).await.unwrap_err();
    assert!(matches!(&missing, DockerError::Pull { kind: PullFailure::NotFound, .. }), "{missing:?}");
    let cases = [
        ("toomanyrequests: slow down", PullFailure::RateLimited, Retry::Backoff),
        ("received unexpected HTTP status: 503 Service Unavailable", PullFailure::Unavailable, Retry::Backoff),
        ("unauthorized: authentication required", PullFailure::Unauthorized, Retry::OnChange),
        ("denied: requested access to the resource is denied", PullFailure::Denied, Retry::OnChange),
    ];
    for (message, wanted, retry) in cases {
        fake.fail_next(Op::Pull, 500, message);
        let error = docker.pull(&image.repository, &image.digest, None, |_| {}).await.unwrap_err();
        assert!(matches!(&error, DockerError::Pull { kind, .. } if *kind == wanted), "{error:?}");
        assert_eq!(error.retry(), retry, "{message}");
        assert!(error.to_string().contains(message));
    }
}

#[tokio::test]
async fn r31_a_silent_pull_ends_and_so_does_one_that_never_ends() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let fake = FakeDocker::builder().publish(&image).start();
    let moment = Duration::from_millis(100);
    let silence = Limits { pull_silence: moment, ..Limits::default() };
    let total = Limits { pull: moment, ..Limits::default() };
    for limits in [silence, total] {
        let docker = fake.docker().await.with_limits(limits);
        for fault in [Fault::Stall, Fault::Hang] {
            fake.inject(Op::Pull, fault);
            let error = docker.pull(&image.repository, &image.digest, None, |_| {}).await.unwrap_err();
            assert!(matches!(error, DockerError::Timeout { limit, .. } if limit == moment), "{error:?}");
        }
    }
}
