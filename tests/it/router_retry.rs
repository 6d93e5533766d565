//! Connections to the app are used again, and a request is sent a second time only where that can do no harm.

use super::router_support::{App, Router, text, with_raw};
use super::router_wire::{Client, OK, Raw};

#[tokio::test]
async fn connections_to_the_app_are_used_again() {
    let router = Router::start().await;
    let app = App::start(|request| async move {
        drop(http_body_util::BodyExt::collect(request.into_body()).await);
        text(200, "ok")
    })
    .await;
    router.route(&["a.test"], app.addr).await;
    let mut client = router.client().await;
    for _ in 0..20 {
        client.get("a.test", "/").await;
        client.ask("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\n\r\nx").await;
    }
    let connections = app.connections.load(std::sync::atomic::Ordering::SeqCst);
    assert!(connections <= 3, "{connections} connections for 40 requests, one after the other");
}

/// Leaves one idle connection in the pool; gives its far end.
async fn pooled(app: &Raw, client: &mut Client) -> Client {
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok");
    upstream
}

#[tokio::test]
async fn a_get_that_meets_a_pooled_connection_as_it_closes_is_sent_again() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    let mut upstream = pooled(&app, &mut client).await;
    client.send("GET /again HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    upstream.request().await;
    drop(upstream);
    let mut upstream = app.accept().await;
    assert!(upstream.request().await[0].starts_with("GET /again "));
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok");
}

#[tokio::test]
async fn a_retry_follows_a_switch_that_came_in_between() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    let mut upstream = pooled(&app, &mut client).await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    upstream.request().await;
    let new = App::named("new").await;
    router.route(&["a.test"], new.addr).await;
    drop(upstream);
    assert_eq!(client.reply().await.unwrap().text(), "new");
    assert!(app.is_left_alone().await);
}

#[tokio::test]
async fn a_get_on_a_fresh_connection_that_breaks_is_not_sent_again() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    drop(upstream);
    assert_eq!(client.reply().await.unwrap().status, 502);
    assert!(app.is_left_alone().await);
}

#[tokio::test]
async fn a_post_or_a_get_with_a_body_that_has_reached_the_app_is_never_sent_again() {
    let (router, app) = with_raw().await;
    for (method, rest) in [
        ("POST", "Content-Length: 0\r\n\r\n"),
        ("POST", "Content-Length: 3\r\n\r\nabc"),
        ("GET", "Content-Length: 3\r\n\r\nabc"),
        ("GET", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
    ] {
        let mut client = router.client().await;
        let mut upstream = pooled(&app, &mut client).await;
        client.send(&format!("{method} /order HTTP/1.1\r\nHost: a.test\r\n{rest}")).await;
        assert!(upstream.request().await[0].starts_with(&format!("{method} /order ")));
        drop(upstream);
        assert_eq!(client.reply().await.unwrap().status, 502, "{method} {rest:?}");
        assert!(app.is_left_alone().await, "{method} {rest:?}");
    }
}

#[tokio::test]
async fn a_post_after_the_app_closed_its_idle_connection_takes_a_new_one() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    let mut upstream = pooled(&app, &mut client).await;
    tokio::io::AsyncWriteExt::shutdown(&mut upstream.0).await.unwrap();
    assert!(upstream.is_closed().await, "the proxy has seen it and closed its side");
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    assert_eq!(upstream.bytes(3).await, b"abc");
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok");
}
