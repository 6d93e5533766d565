//! Several upstreams of one route: who gets the next request, what happens when one cannot be reached, and how a client
//! stays at one of them.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use landfall::router::Limits;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::router_support::{App, Router, text, until};
use super::router_wire::{Client, Raw, Reply};

/// Short enough for a test, long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(150);
const GET: &str = "GET / HTTP/1.1\r\nHost: a.test\r\n\r\n";
const POST: &str = "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\n\r\nabc";

/// An address that refuses connections.
async fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

#[tokio::test]
async fn the_next_request_goes_where_the_fewest_are_in_flight_and_each_upstream_counts_its_own() {
    let router = Router::start().await;
    let ((one, gate_one), (two, gate_two)) = (App::gated("one").await, App::gated("two").await);
    router.spread(&[one.addr, two.addr], false).await;
    let mut clients = Vec::new();
    for sent in 1..=6 {
        let mut client = router.client().await;
        client.send(GET).await;
        until("it reaches an app", async || one.seen() + two.seen() == sent).await;
        assert!(one.seen().abs_diff(two.seen()) <= 1, "{} and {}", one.seen(), two.seen());
        clients.push(client);
    }
    for app in [&one, &two] {
        assert_eq!(router.proxy.in_flight(&app.addr.to_string()).await.unwrap(), Some(3));
    }
    gate_one.open();
    let drained = router.proxy.drain(&one.addr.to_string(), Duration::from_secs(15)).await.unwrap();
    assert_eq!((drained.left, two.seen()), (Some(0), 3));
    for _ in 0..3 {
        assert_eq!(router.client().await.get("a.test", "/").await.text(), "one", "the other is busy");
    }
    gate_two.open();
    for mut client in clients {
        assert_eq!(client.reply().await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn upstreams_with_equally_little_to_do_take_turns() {
    let router = Router::start().await;
    let (one, two, three) = (App::named("one").await, App::named("two").await, App::named("three").await);
    router.spread(&[one.addr, two.addr, three.addr], false).await;
    let mut client = router.client().await;
    for _ in 0..9 {
        client.get("a.test", "/").await;
    }
    assert_eq!([one.seen(), two.seen(), three.seen()], [3, 3, 3]);
}

#[tokio::test]
async fn a_request_goes_on_to_the_next_upstream_where_one_refuses_it_and_comes_back_once_that_is_there_again() {
    let router = Router::start().await;
    let (app, gone) = (App::named("app").await, refusing().await);
    router.spread(&[gone, app.addr], false).await;
    let mut client = router.client().await;
    for _ in 0..4 {
        assert_eq!(client.ask(POST).await.text(), "app", "nothing of it had been sent");
    }
    let _back = App::start_at(gone, |_| async { text(200, "back") }).await;
    until("it gets requests again", async || client.get("a.test", "/").await.text() == "back").await;
}

#[tokio::test]
async fn where_every_upstream_refuses_there_is_a_502() {
    let router = Router::start().await;
    let many = [refusing().await, refusing().await, refusing().await, refusing().await, refusing().await];
    router.spread(&many, false).await;
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.status, 502);
    assert_eq!(client.ask(POST).await.status, 502);
}

#[tokio::test]
async fn the_last_of_many_upstreams_is_found_by_one_request() {
    let router = Router::start().await;
    let app = App::named("app").await;
    let mut many = vec![app.addr];
    for _ in 0..7 {
        many.push(refusing().await);
    }
    router.spread(&many, false).await;
    assert_eq!(router.client().await.ask(POST).await.text(), "app");
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.text(), "app");
}

/// An address whose queue is full, so that a connection to it neither comes about nor is refused; and what fills it.
async fn silent() -> (SocketAddr, tokio::net::TcpListener, Vec<TcpStream>) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let addr = listener.local_addr().unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT, TcpStream::connect(addr)).await {
        waiting.push(stream.unwrap());
    }
    (addr, listener, waiting)
}

#[tokio::test]
async fn r31_an_upstream_that_does_not_take_the_connection_in_time_is_followed_by_one_other() {
    let router = Router::start_with(Limits { connect_timeout: SHORT, ..Limits::default() }).await;
    let (app, (one, _one, _waiting)) = (App::named("app").await, silent().await);
    router.spread(&[one, app.addr], false).await;
    let mut client = router.client().await;
    for _ in 0..4 {
        assert_eq!(client.ask(POST).await.text(), "app");
    }
    let (two, _two, _waiting) = silent().await;
    router.spread(&[one, two], false).await;
    assert_eq!(client.ask(POST).await.status, 504);
}

#[tokio::test]
async fn a_get_whose_connection_breaks_before_an_answer_goes_to_another_upstream_and_a_post_does_not() {
    for (request, status) in [(GET, 200), (POST, 502)] {
        let router = Router::start().await;
        let (breaking, app) = (Raw::start().await, App::named("app").await);
        router.spread(&[breaking.addr(), app.addr], false).await;
        let mut client = router.client().await;
        client.send(request).await;
        let mut upstream = breaking.accept().await;
        upstream.request().await;
        drop(upstream);
        assert_eq!(client.reply().await.unwrap().status, status, "{request}");
        assert!(breaking.is_left_alone().await, "{request}");
    }
}

/// Takes every connection and breaks it, as Docker's own proxy does for an app that does not listen.
async fn breaking() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(stream);
        }
    });
    addr
}

#[tokio::test]
async fn an_upstream_that_takes_connections_and_breaks_them_is_passed_over_for_a_while() {
    let router = Router::start().await;
    let good = App::named("good").await;
    router.spread(&[breaking().await, good.addr], false).await;
    let mut client = router.client().await;
    let mut statuses = Vec::new();
    for _ in 0..8 {
        statuses.push(client.ask(POST).await.status);
    }
    let refused = statuses.iter().filter(|status| **status == 502).count();
    assert!(refused <= 2 && u64::try_from(statuses.len() - refused).unwrap() == good.seen(), "{statuses:?}");
}

#[tokio::test]
async fn a_get_that_every_upstream_breaks_off_reaches_each_once() {
    let router = Router::start().await;
    let (one, two) = (Raw::start().await, Raw::start().await);
    router.spread(&[one.addr(), two.addr()], false).await;
    let mut client = router.client().await;
    client.send(GET).await;
    for app in [&one, &two] {
        let mut upstream = app.accept().await;
        upstream.request().await;
    }
    assert_eq!(client.reply().await.unwrap().status, 502);
    assert!(one.is_left_alone().await && two.is_left_alone().await);
}

/// The mark in an answer, as the client sends it back.
fn mark(reply: &Reply) -> Option<String> {
    let cookie = reply.header("set-cookie")?;
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax"), "{cookie}");
    Some(cookie.split(';').next().unwrap().to_owned())
}

async fn get_with(client: &mut Client, cookie: &str) -> Reply {
    client.ask(&format!("GET / HTTP/1.1\r\nHost: a.test\r\nCookie: a=b; {cookie}\r\n\r\n")).await
}

#[tokio::test]
async fn a_cookie_keeps_a_client_where_it_was_while_that_upstream_is_there() {
    let router = Router::start().await;
    let (one, two) = (App::named("one").await, App::named("two").await);
    router.spread(&[one.addr, two.addr], true).await;
    let mut client = router.client().await;
    let (first, second) = (client.get("a.test", "/").await, client.get("a.test", "/").await);
    let marks: BTreeSet<String> = [&first, &second].into_iter().filter_map(mark).collect();
    assert_eq!(marks.len(), 2, "each upstream has its own");
    let kept = mark(&first).unwrap();
    for _ in 0..4 {
        let reply = get_with(&mut client, &kept).await;
        assert_eq!((reply.text(), mark(&reply)), (first.text(), None));
    }
    let (stays, leaves) = if first.text() == "one" { (two, one) } else { (one, two) };
    router.spread(&[stays.addr], true).await;
    let moved = get_with(&mut client, &kept).await;
    assert_eq!(moved.text(), second.text());
    assert_eq!(mark(&moved), mark(&second), "it is told where it is now");

    router.spread(&[stays.addr, leaves.addr], true).await;
    assert_eq!(get_with(&mut client, &kept).await.text(), first.text(), "the same upstream has the same mark");
    leaves.kill().await;
    let moved = get_with(&mut client, &kept).await;
    assert_eq!((moved.text(), mark(&moved)), (second.text(), mark(&second)), "it cannot be reached");
    assert!(mark(&get_with(&mut client, "landfall-route=0123456789abcdef").await).is_some(), "not one of ours");
}

#[tokio::test]
async fn a_tunnel_at_one_of_several_upstreams_outlives_its_leaving_and_counts_there() {
    let router = Router::start().await;
    let (app, other) = (Raw::start().await, App::named("other").await);
    router.spread(&[app.addr()], false).await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status, 101);
    router.spread(&[app.addr(), other.addr], false).await;
    router.spread(&[other.addr], false).await;
    client.send("still").await;
    assert_eq!(upstream.bytes(5).await, b"still");
    let addr = app.addr().to_string();
    assert_eq!(router.proxy.drain(&addr, Duration::from_millis(20)).await.unwrap().left, Some(1));
    assert_eq!(router.client().await.get("a.test", "/").await.text(), "other");
    drop((client, upstream));
    assert_eq!(router.proxy.drain(&addr, Duration::from_secs(15)).await.unwrap().left, Some(0));
}
