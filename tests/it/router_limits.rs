//! Limits (R31): everything that waits has an end, and everything that grows a bound; and the orderly end of it all.

use std::time::Duration;

use landfall::router::Limits;

use super::router_support::{App, Router, soon, text, until};
use super::router_wire::{OK, Raw};

/// Short enough for a test, long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn r31_a_head_that_comes_too_slowly_is_given_up() {
    let router = Router::start_with(Limits { head_timeout: SHORT, ..Limits::default() }).await;
    let app = App::named("app").await;
    router.route(&["a.test"], app.addr).await;
    let mut slow = router.client().await;
    slow.send("GET / HTTP/1.1\r\nHost: a.te").await;
    let mut idle = router.client().await;
    assert_eq!(idle.get("a.test", "/").await.status, 200);
    let mut second = router.client().await;
    assert_eq!(second.get("a.test", "/").await.status, 200);
    second.send("GET / HT").await;
    let silent = router.client().await;
    assert!(slow.is_closed().await);
    assert!(second.is_closed().await, "also after a first request");
    assert!(idle.is_open() && silent.is_open(), "what has not begun is idle, not slow");
    assert_eq!(idle.get("a.test", "/").await.text(), "app");
    assert_eq!(app.seen(), 3);
}

#[tokio::test]
async fn r31_an_idle_connection_is_closed_in_the_end() {
    let router = Router::start_with(Limits { idle_timeout: SHORT, ..Limits::default() }).await;
    let mut silent = router.client().await;
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.status, 404);
    assert!(client.is_closed().await);
    assert!(silent.is_closed().await);
}

#[tokio::test]
async fn who_has_connected_before_the_proxy_stops_may_still_ask() {
    let mut router = Router::start().await;
    let app = App::named("app").await;
    router.route(&["a.test"], app.addr).await;
    let (mut fresh, mut begun) = (router.client().await, router.client().await);
    begun.send("GET / HTTP/1.1\r\nHo").await;
    let mut last = router.client().await;
    assert_eq!(last.get("a.test", "/").await.text(), "app", "those before it were accepted");
    router.signal();
    assert!(last.is_closed().await, "nothing is asked on it");
    begun.send("st: a.test\r\n\r\n").await;
    fresh.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    for client in [&mut begun, &mut fresh] {
        let reply = client.reply().await.expect("an answer");
        assert_eq!((reply.text(), reply.header("connection")), ("app", Some("close")));
        assert!(client.is_closed().await);
    }
    router.stop().await;
}

#[tokio::test]
async fn a_long_answer_is_neither_idle_nor_slow() {
    let limits = Limits { head_timeout: SHORT, idle_timeout: SHORT, ..Limits::default() };
    let router = Router::start_with(limits).await;
    let (app, gate) = App::gated("app").await;
    router.route(&["a.test"], app.addr).await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gate.reached_by(1).await;
    tokio::time::sleep(3 * SHORT).await;
    gate.open();
    assert_eq!(client.reply().await.unwrap().text(), "app");
}

#[tokio::test]
async fn r31_an_upstream_that_never_answers_gives_a_504_but_an_upload_may_take_its_time() {
    let router = Router::start_with(Limits { first_byte_timeout: SHORT, ..Limits::default() }).await;
    let app = Raw::start().await;
    router.route(&["a.test"], app.addr()).await;
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.status, 504);

    let mut upload = router.client().await;
    upload.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n").await;
    for _ in 0..10 {
        tokio::time::sleep(SHORT / 3).await;
        upload.send("x").await;
    }
    drop(app.accept().await);
    let mut upstream = app.accept().await;
    upstream.request().await;
    assert_eq!(upstream.bytes(10).await, b"xxxxxxxxxx");
    upstream.send(OK).await;
    assert_eq!(upload.reply().await.unwrap().text(), "ok");

    let mut stuck = router.client().await;
    stuck.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nx").await;
    assert_eq!(stuck.reply().await.unwrap().status, 504, "a client that stops sending does not hold the app for ever");
    let addr = app.addr().to_string();
    until("nothing is in flight", async || router.proxy.in_flight(&addr).await.unwrap() == Some(0)).await;
}

#[tokio::test]
async fn r31_a_body_that_is_larger_than_allowed_is_a_413_whether_its_length_is_said_or_not() {
    let router = Router::start_with(Limits { max_body_bytes: Some(10), ..Limits::default() }).await;
    let app = App::start(|request| async move {
        let body = http_body_util::BodyExt::collect(request.into_body()).await.map(http_body_util::Collected::to_bytes);
        text(200, body.map_or("broken".into(), |body| body.len().to_string()))
    })
    .await;
    router.route(&["a.test"], app.addr).await;
    let post = |rest: &str| format!("POST / HTTP/1.1\r\nHost: a.test\r\n{rest}");
    let chunked = |count: usize| {
        let chunks = "5\r\nabcde\r\n".repeat(count);
        post(&format!("Transfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"))
    };
    for fits in [post("Content-Length: 10\r\n\r\n0123456789"), chunked(2)] {
        assert_eq!(router.client().await.ask(&fits).await.text(), "10");
    }
    assert_eq!(router.client().await.ask(&post("Content-Length: 11\r\n\r\n")).await.status, 413);
    assert_eq!(app.seen(), 2, "what is said to be too long is not begun");
    assert_eq!(router.client().await.ask(&chunked(3)).await.status, 413);
    let addr = app.addr.to_string();
    assert_eq!(router.proxy.drain(&addr, Duration::from_secs(15)).await.unwrap().left, Some(0));
}

#[tokio::test]
async fn r31_a_client_that_pauses_for_too_long_in_a_body_gets_a_408_and_the_app_is_not_held() {
    let router = Router::start_with(Limits { body_timeout: SHORT, ..Limits::default() }).await;
    let app = Raw::start().await;
    router.route(&["a.test"], app.addr()).await;
    let mut stuck = router.client().await;
    stuck.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\nx").await;
    assert_eq!(stuck.reply().await.unwrap().status, 408);
    let mut upstream = app.accept().await;
    upstream.request().await;
    assert_eq!(upstream.bytes(1).await, b"x");
    assert!(upstream.is_closed().await);

    let mut steady = router.client().await;
    steady.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10\r\n\r\n").await;
    for _ in 0..10 {
        tokio::time::sleep(SHORT / 3).await;
        steady.send("x").await;
    }
    let mut upstream = app.accept().await;
    upstream.request().await;
    assert_eq!(upstream.bytes(10).await, b"xxxxxxxxxx");
    tokio::time::sleep(2 * SHORT).await;
    upstream.send(OK).await;
    assert_eq!(steady.reply().await.unwrap().text(), "ok", "the answer may take its time");
}

#[tokio::test]
async fn r31_a_client_that_takes_nothing_is_given_up() {
    let router = Router::start_with(Limits { stall_timeout: SHORT, ..Limits::default() }).await;
    let app = App::start(|_| async { text(200, vec![b'x'; 64 << 20]) }).await;
    router.route(&["a.test"], app.addr).await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    until("it reaches the app", async || app.seen() == 1).await;
    let addr = app.addr.to_string();
    assert_eq!(router.proxy.drain(&addr, Duration::from_secs(15)).await.unwrap().left, Some(0));
}

#[tokio::test]
async fn r31_a_head_that_is_too_big_is_a_431() {
    let router = Router::start().await;
    let app = App::named("app").await;
    router.route(&["a.test"], app.addr).await;
    let cookie = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: {}\r\n\r\n", "c".repeat(bytes));
    assert_eq!(router.client().await.ask(&cookie(32 * 1024)).await.status, 200);
    assert_eq!(router.client().await.ask(&cookie(128 * 1024)).await.status, 431);
    let many = format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n", "X-Many: 1\r\n".repeat(200));
    assert_eq!(router.client().await.ask(&many).await.status, 431);
    assert_eq!(app.seen(), 1);
}

#[tokio::test]
async fn r31_more_connections_than_allowed_wait_their_turn() {
    let router = Router::start_with(Limits { max_connections: 2, ..Limits::default() }).await;
    let mut first = router.client().await;
    let mut second = router.client().await;
    assert_eq!((first.get("a.test", "/").await.status, second.get("a.test", "/").await.status), (404, 404));
    let mut third = router.client().await;
    third.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert!(third.is_open());
    drop(first);
    assert_eq!(third.reply().await.unwrap().status, 404);
}

#[tokio::test]
async fn r31_the_signal_to_stop_closes_idle_connections_and_lets_requests_finish() {
    let mut router = Router::start().await;
    let (app, gate) = App::gated("app").await;
    router.route(&["a.test"], app.addr).await;
    let mut idle = router.client().await;
    assert_eq!(idle.get("b.test", "/").await.status, 404);
    let mut untouched = router.client().await;
    let mut busy = router.client().await;
    busy.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gate.reached_by(1).await;
    router.signal();
    assert!(idle.is_closed().await);
    assert!(untouched.is_closed().await);
    let mut late = router.client().await;
    let reply = late.get("b.test", "/").await;
    assert_eq!((reply.status, reply.header("connection")), (404, Some("close")), "nobody waits for the busy one");
    gate.open();
    let reply = busy.reply().await.unwrap();
    assert_eq!((reply.text(), reply.header("connection")), ("app", Some("close")));
    let addr = router.addr;
    router.stop().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err(), "no new ones");
}

#[tokio::test]
async fn r31_what_does_not_finish_is_cut_off_when_the_time_is_up() {
    let router = Router::start_with(Limits { stop_timeout: SHORT, ..Limits::default() }).await;
    let (app, gate) = App::gated("app").await;
    router.route(&["a.test"], app.addr).await;
    let mut stuck = router.client().await;
    stuck.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    gate.reached_by(1).await;
    soon("it stops all the same", router.stop()).await;
    assert_eq!(stuck.reply().await, None);
}
