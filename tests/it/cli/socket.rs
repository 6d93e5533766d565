//! The daemon's control socket itself: who may use it, who asked, and what becomes of requests that are not right.

use std::os::unix::fs::PermissionsExt as _;

use landfall::http::{Call, Denial, FORMAT_VERSION, Given, HttpError, Request};
use landfall::reconcile::{Order, Want};
use rustix::process::{getgid, getuid};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::task::JoinSet;

use super::daemon::{Going, daemon, socket, status};
use super::landfall;
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::Op;
use crate::router_support::{soon, until};

async fn host() -> Host {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    host
}

/// What is answered to these bytes, until the daemon closes the connection.
async fn wire(host: &Host, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket(host)).await.expect("a connection");
    // Whoever is refused early may not be read to the end.
    drop(stream.write_all(bytes).await);
    let mut answer = Vec::new();
    drop(soon("an answer", stream.read_to_end(&mut answer)).await);
    String::from_utf8(answer).expect("text")
}

fn post(path: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!("POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_socket_is_for_owner_and_group_and_whoever_asks_is_in_the_log() {
    let host = host().await;
    let daemon = daemon(&host).await;
    assert_eq!(std::fs::metadata(socket(&host)).unwrap().permissions().mode() & 0o777, 0o660);
    let suspend = Going::start(&host, "suspend web/prod");
    let pid = suspend.pid();
    assert_eq!(suspend.ends().await.code, 0);
    let (uid, gid) = (getuid().as_raw(), getgid().as_raw());
    daemon.says(&format!("uid {uid} (gid {gid}, pid {pid}) asks: suspend web/prod")).await;
    assert!(wire(&host, &post("/v1/reload", "")).await.starts_with("HTTP/1.1 202 "));
    daemon.says("asks: reload").await;
    daemon.says("reloading").await;
    let logged = daemon.err().lines().filter(|line| line.contains(" asks: ")).count();
    assert_eq!(logged, 2, "who only looks is not logged: {}", daemon.err());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_status_has_the_commit_in_force_and_the_conditions_as_the_command_tells_them() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    let commit = host.commit();
    let _daemon = daemon(&host).await;
    let ask = b"GET /v1/status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let status = async || -> serde_json::Value {
        let answer = wire(&host, ask).await;
        serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("JSON")
    };
    let is_ready = |told: &serde_json::Value| {
        let all = told["conditions"].as_array().into_iter().flatten();
        all.into_iter().any(|one| one["type"] == "Ready" && one["status"] == "True")
    };
    until("it is ready", async || is_ready(&status().await)).await;
    let told = status().await;
    assert_eq!((&told["commit"], &told["revision"]), (&commit.clone().into(), &commit.into()));
    let printed = landfall(&host, &["status", "-o", "json"]).await.out;
    let printed: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
    assert_eq!(told["conditions"], printed["conditions"]);
    for field in ["key", "conditions"] {
        assert_eq!(told["stages"][0][field], printed["stages"][0][field], "{field}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_what_is_malformed_too_long_or_too_slow_is_answered_and_disturbs_nobody() {
    let host = host().await;
    let _daemon = daemon(&host).await;
    let slow = tokio::spawn({
        let socket = socket(&host);
        async move {
            let mut stream = UnixStream::connect(socket).await.expect("a connection");
            stream
                .write_all(b"POST /v1/want HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{")
                .await
                .expect("written");
            let mut answer = [0; 64];
            let length = soon("an answer", stream.read(&mut answer)).await.expect("an answer");
            String::from_utf8_lossy(&answer[..length]).into_owned()
        }
    });
    let long = format!("{{\"format_version\":1,\"x\":\"{}\"}}", "a".repeat(2 << 20));
    for (bytes, status) in [
        (b"nonsense\r\n\r\n".to_vec(), "400"),
        (post("/v1/want", "{"), "400"),
        (post("/v1/want", r#"{"format_version":1,"want":{"nothing":{}}}"#), "400"),
        (post("/v1/want", r#"{"format_version":2,"want":{"pause":{"key":"web/prod","pause":null}}}"#), "400"),
        (post("/v1/want", r#"{"format_version":1,"want":{"adopt_host":{"key":"../x"}}}"#), "400"),
        (post("/v1/want", &long), "413"),
        (post("/v2/want", "{}"), "404"),
        (post("/v1/status", ""), "404"),
    ] {
        let answer = wire(&host, &bytes).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{status}: {answer}");
    }
    // A head that never ends is cut, others go on meanwhile.
    assert_eq!(landfall(&host, &["restart", "web/prod"]).await.code, 0);
    assert!(slow.await.unwrap().starts_with("HTTP/1.1 408 "));
    assert_eq!(landfall(&host, &["restart", "web/prod"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_more_requests_than_may_wait_are_turned_away_and_the_others_are_done() {
    let host = host().await;
    let _daemon = daemon(&host).await;
    host.fake.reset_calls();
    host.fake.hang(Op::Start);
    let restart = Going::start(&host, "restart web/prod");
    host.called(Op::Start).await;
    let key = "web/prod".parse().unwrap();
    let want = Want::Pause { key, pause: None };
    let request = Request { format_version: FORMAT_VERSION, places: Given::default(), want };
    let mut asked = JoinSet::new();
    for _ in 0..40 {
        let (socket, request) = (socket(&host), request.clone());
        asked.spawn(async move { Call::open(&socket).await?.ask(&request, |_| {}).await });
    }
    // Those that are turned away are told at once, while the others wait. As many as wait are taken in any case; how many
    // more depends on how fast they come.
    let mut turned_away = 0;
    while turned_away < 8 {
        let told = soon("one is turned away", asked.join_next()).await.expect("one of them").unwrap();
        assert!(is_turned_away(&told), "{told:?}");
        turned_away += 1;
    }
    assert_eq!(status(&host).await.state.under_way.len(), 1, "it still answers");
    host.fake.release(Op::Start);
    assert_eq!(restart.ends().await.code, 0);
    let mut done = 0;
    while let Some(told) = soon("the others are done", asked.join_next()).await {
        match told.unwrap() {
            Ok(rendered) => {
                assert_eq!(rendered["exit"], "ok");
                done += 1;
            }
            refused => assert!(is_turned_away(&refused), "{refused:?}"),
        }
    }
    assert!(done >= 16, "{done} were done");
}

fn is_turned_away(told: &Result<serde_json::Value, HttpError>) -> bool {
    match told {
        Err(HttpError::Denied(Denial { error, hint })) => error.contains("as many requests waiting") && hint.is_some(),
        Ok(_) | Err(HttpError::Unreachable { .. } | HttpError::Left(_) | HttpError::Broken { .. }) => false,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_stops_answers_what_it_has_begun_and_tells_the_rest() {
    let host = host().await;
    let daemon = daemon(&host).await;
    host.fake.reset_calls();
    host.fake.hang(Op::Start);
    let restart = Going::start(&host, "restart web/prod");
    host.called(Op::Start).await;
    let waiting = Going::start(&host, "suspend web/prod");
    waiting.says("waiting for web/prod").await;
    daemon.signal(rustix::process::Signal::TERM);
    daemon.says("stopping after the running pass").await;
    host.fake.release(Op::Start);
    assert_eq!(restart.ends().await.code, 0);
    let said = waiting.ends().await;
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    assert!(said.err.contains("error: the daemon stops"), "{}", said.err);
    assert_eq!(daemon.ends().await.code, 0);
}

#[test]
fn a_request_survives_the_way_whatever_it_asks_for() {
    let key = || "web/prod".parse().unwrap();
    let wants = [
        Want::Converge {
            options: landfall::plan::Options { retry: true, ..Default::default() },
            adopt_store: None,
            allow_rewrite: false,
        },
        Want::ByHand { key: key(), order: Order::Deploy { tag: Some("v1".parse().unwrap()), now: false } },
        Want::ByHand { key: key(), order: Order::Rollback { to: Some("0".into()) } },
        Want::ByHand { key: key(), order: Order::Restart },
        Want::Pause { key: key(), pause: None },
        Want::AdoptHost { key: key() },
        Want::AdoptContainer { key: key(), container: "old".into(), as_is: true },
    ];
    for want in wants {
        let request = Request { format_version: FORMAT_VERSION, places: Given::default(), want };
        let text = serde_json::to_string(&request).unwrap();
        let back: Request = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{back:?}"), format!("{request:?}"), "{text}");
    }
}
