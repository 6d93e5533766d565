//! Upgrades: after `101 Switching Protocols` the proxy passes bytes, and the tunnel counts as in flight.

use std::time::Duration;

use landfall::router::Limits;

use super::router_support::{App, Router, soon, with_raw};
use super::router_wire::{Client, OK, Raw};

/// Short enough for a test, long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(150);
const ASK: &str = "GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const AGREE: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// An open tunnel: the client's end and the app's.
async fn tunnel(router: &Router, app: &Raw) -> (Client, Client) {
    let mut client = router.client().await;
    client.send(ASK).await;
    let mut upstream = app.accept().await;
    let head = upstream.request().await;
    for line in ["connection: upgrade", "upgrade: websocket", "sec-websocket-key: dghlihnhbxbszsbub25jzq=="] {
        assert!(head.iter().any(|found| found == line), "{line}: {head:?}");
    }
    upstream.send(AGREE).await;
    let agreed = soon("the head of the 101", client.head()).await.unwrap();
    assert_eq!((agreed.status, agreed.header("upgrade")), (101, Some("websocket")));
    assert_eq!(agreed.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    (client, upstream)
}

async fn echo(client: &mut Client, upstream: &mut Client, word: &str) {
    client.send(word).await;
    assert_eq!(upstream.bytes(word.len()).await, word.as_bytes());
    upstream.send(word).await;
    assert_eq!(client.bytes(word.len()).await, word.as_bytes());
}

#[tokio::test]
async fn a_tunnel_passes_bytes_both_ways_across_a_switch_and_counts_until_it_ends() {
    let (router, app) = with_raw().await;
    let (mut client, mut upstream) = tunnel(&router, &app).await;
    echo(&mut client, &mut upstream, "before").await;
    let addr = app.addr().to_string();
    assert_eq!(router.proxy.in_flight(&addr).await.unwrap(), Some(1));

    router.route(&["a.test"], App::named("new").await.addr).await;
    echo(&mut client, &mut upstream, "after").await;
    let drained = router.proxy.drain(&addr, Duration::from_millis(20)).await.unwrap();
    assert_eq!(drained.left, Some(1));
    drop(client);
    assert!(upstream.is_closed().await);
    drop(upstream);
    assert_eq!(router.proxy.drain(&addr, Duration::from_secs(15)).await.unwrap().left, Some(0));
}

#[tokio::test]
async fn while_a_tunnel_holds_up_the_end_of_the_proxy_others_are_answered_on_connections_that_end() {
    let (mut router, app) = with_raw().await;
    let (mut client, mut upstream) = tunnel(&router, &app).await;
    let mut before = router.client().await;
    router.signal();
    assert!(before.is_closed().await, "what is idle is closed at once");
    for _ in 0..3 {
        let mut late = router.client().await;
        late.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
        let mut other = app.accept().await;
        other.request().await;
        other.send(OK).await;
        let reply = late.reply().await.expect("an answer");
        assert_eq!((reply.text(), reply.header("connection")), ("ok", Some("close")));
        assert!(late.is_closed().await);
    }
    echo(&mut client, &mut upstream, "still").await;
    drop((client, upstream));
    router.stop().await;
}

#[tokio::test]
async fn a_route_without_websockets_passes_the_request_on_without_the_upgrade() {
    let (router, app) = with_raw().await;
    let set = serde_json::json!({ "domains": ["a.test"], "upstreams": [app.addr()], "websockets": false });
    router.set("shop/prod", set).await;
    let mut client = router.client().await;
    client.send(ASK).await;
    let mut upstream = app.accept().await;
    let head = upstream.request().await;
    assert!(!head.iter().any(|line| line.starts_with("connection") || line.starts_with("upgrade")), "{head:?}");
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok");
}

#[tokio::test]
async fn an_app_that_does_not_want_the_upgrade_just_answers() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send(ASK).await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok");
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    upstream.request().await;
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok", "and both connections go on");
}

#[tokio::test]
async fn an_app_that_switches_without_being_asked_is_a_bad_gateway() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\n\r\n").await;
    let mut upstream = app.accept().await;
    let head = upstream.request().await;
    assert!(!head.iter().any(|line| line.starts_with("upgrade")), "not asked for without `Connection: upgrade`");
    upstream.send(AGREE).await;
    assert_eq!(client.reply().await.unwrap().status, 502);
}

#[tokio::test]
async fn h2c_is_not_asked_for() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n\r\n")
        .await;
    let head = app.accept().await.request().await;
    assert!(!head.iter().any(|line| line.contains("upgrade") || line.contains("http2")), "{head:?}");
}

#[tokio::test]
async fn a_quiet_tunnel_is_neither_idle_nor_slow() {
    let router = Router::start_with(Limits { head_timeout: SHORT, idle_timeout: SHORT, ..Limits::default() }).await;
    let app = Raw::start().await;
    router.route(&["a.test"], app.addr()).await;
    let (mut client, mut upstream) = tunnel(&router, &app).await;
    echo(&mut client, &mut upstream, "before").await;
    tokio::time::sleep(3 * SHORT).await;
    echo(&mut client, &mut upstream, "after").await;
}

#[tokio::test]
async fn r31_the_end_of_the_proxy_ends_its_tunnels() {
    let router = Router::start_with(Limits { stop_timeout: SHORT, ..Limits::default() }).await;
    let app = Raw::start().await;
    router.route(&["a.test"], app.addr()).await;
    let (mut client, mut upstream) = tunnel(&router, &app).await;
    soon("it stops", router.stop()).await;
    assert!(client.is_closed().await && upstream.is_closed().await);
}
