//! Logs: the end of one, and one that goes on.

use std::time::Duration;

use landfall::docker::{DockerError, Limits, LogStream};

use super::{REPOSITORY, ground, run};
use crate::fake_docker::{Behaviour, FakeImage, Op};

#[tokio::test]
async fn the_last_lines_of_both_streams_come_in_order() {
    let last_words = "first\nboom: cannot open the database".to_owned();
    let behaviour = Behaviour::Crash { after: Duration::ZERO, exit_code: 7, last_words };
    let image = FakeImage::new(REPOSITORY, "v1").behaving(behaviour);
    let (fake, docker) = ground(&image).await;
    let id = run(&docker, "web-1", &image).await;
    let begin = std::time::Instant::now();
    while docker.inspect(&id).await.unwrap().unwrap().restart_count == 0 {
        assert!(begin.elapsed() < Duration::from_secs(10), "it crashes at once");
    }
    assert_eq!(docker.logs_tail(&id, 2).await.unwrap(), ["first", "boom: cannot open the database"]);
    assert_eq!(docker.logs_tail(&id, 50).await.unwrap().len(), 3);
    assert_eq!(fake.container("web-1").exit_code, 7);
}

#[tokio::test]
async fn a_followed_log_goes_on_until_the_app_ends() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let id = run(&docker, "web-1", &image).await;
    let mut log = docker.logs_follow(&id, 0).unwrap();
    let spoken = async {
        while fake.count(Op::Logs) == 0 {
            tokio::task::yield_now().await;
        }
        fake.say("web-1", "one");
        fake.say("web-1", "zwei ≠ two");
        fake.stop_by_hand("web-1").await;
    };
    let heard = async {
        let mut lines = Vec::new();
        while let Some(line) = log.next().await {
            lines.push(line.unwrap());
        }
        lines
    };
    let (lines, ()) = tokio::join!(heard, spoken);
    let texts: Vec<_> = lines.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["one", "zwei ≠ two"]);
    assert!(lines.iter().all(|line| line.stream == LogStream::Stdout));
}

#[tokio::test]
async fn r31_a_silent_log_goes_on_only_while_the_daemon_answers() {
    let image = FakeImage::new(REPOSITORY, "v1");
    let (fake, docker) = ground(&image).await;
    let id = run(&docker, "web-1", &image).await;
    let moment = Duration::from_millis(50);
    let docker = docker.with_limits(Limits { log_silence: moment, call: moment, ..Limits::default() });
    let mut log = docker.logs_follow(&id, 0).unwrap();
    let daemon = async {
        while fake.count(Op::Inspect) < 2 {
            tokio::task::yield_now().await;
        }
        fake.hang(Op::Inspect);
    };
    let (end, ()) = tokio::join!(log.next(), daemon);
    assert!(matches!(end, Some(Err(DockerError::Timeout { .. }))), "{end:?}");
    assert!(log.next().await.is_none());
}
