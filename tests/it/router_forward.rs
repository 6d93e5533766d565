//! What reaches the app and what comes back: heads and bodies.

use std::time::Duration;

use super::router_support::{soon, until, with_raw};
use super::router_wire::OK;

/// Header lines beginning like this.
fn lines<'a>(head: &'a [String], name: &str) -> Vec<&'a str> {
    head.iter().filter(|line| line.starts_with(&format!("{name}:"))).map(String::as_str).collect()
}

#[tokio::test]
async fn headers_for_one_hop_stay_there_both_ways() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client
        .send(
            "GET /p?q=1 HTTP/1.1\r\nHost: a.test\r\nConnection: keep-alive, X-One\r\nX-One: 1\r\nX-Two: 2\r\n\
             Keep-Alive: timeout=5\r\nProxy-Connection: close\r\nProxy-Authorization: x\r\nTE: trailers, gzip\r\n\r\n",
        )
        .await;
    let mut upstream = app.accept().await;
    let head = upstream.request().await;
    assert_eq!(head[0], "GET /p?q=1 HTTP/1.1");
    for gone in ["connection", "x-one", "keep-alive", "proxy-connection", "proxy-authorization", "via"] {
        assert_eq!(lines(&head, gone), Vec::<&str>::new());
    }
    assert_eq!((lines(&head, "x-two"), lines(&head, "te")), (vec!["x-two: 2"], vec!["te: trailers"]));
    upstream
        .send(
            "HTTP/1.1 200 OK\r\nConnection: close, X-Three\r\nX-Three: 3\r\nKeep-Alive: timeout=5\r\nX-Four: 4\r\n\
             Content-Length: 2\r\n\r\nok",
        )
        .await;
    let reply = client.reply().await.unwrap();
    for gone in ["connection", "x-three", "keep-alive", "via", "server"] {
        assert_eq!(reply.header(gone), None, "{gone}");
    }
    assert_eq!((reply.header("x-four"), reply.text()), (Some("4"), "ok"));
    assert!(client.is_open(), "the upstream's `close` is not the client's");
}

#[tokio::test]
async fn the_app_learns_where_a_request_came_from_and_no_client_can_pretend() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client
        .send(
            "GET http://A.test:8080/ HTTP/1.1\r\nHost: b.test\r\nX-Forwarded-For: 1.2.3.4\r\nX_Forwarded_For: 1.2.3.4\r\n\
             X-Forwarded-Proto: https\r\nX-Forwarded-Host: evil.test\r\nX-Forwarded-Port: 1\r\nForwarded: for=1.2.3.4\r\n\
             X-Real-IP: 1.2.3.4\r\nConnection: X-Forwarded-For, Host\r\n\r\n",
        )
        .await;
    let head = app.accept().await.request().await;
    assert_eq!(lines(&head, "host"), ["host: a.test:8080"], "as the client wrote it, with its port");
    assert_eq!(lines(&head, "x-forwarded-for"), ["x-forwarded-for: 127.0.0.1"]);
    assert_eq!(lines(&head, "x-forwarded-proto"), ["x-forwarded-proto: http"]);
    assert_eq!(lines(&head, "x-forwarded-host"), ["x-forwarded-host: a.test:8080"]);
    assert!(!head.iter().any(|line| line.contains("1.2.3.4") || line.contains("evil")), "{head:?}");
}

#[tokio::test]
async fn a_request_with_two_framings_reaches_the_app_with_one() {
    for both in ["Content-Length: 4\r\nTransfer-Encoding: chunked", "Transfer-Encoding: chunked\r\nContent-Length: 4"] {
        let (router, app) = with_raw().await;
        let mut client = router.client().await;
        client.send(&format!("POST / HTTP/1.1\r\nHost: a.test\r\n{both}\r\n\r\n3\r\nabc\r\n0\r\n\r\n")).await;
        // Refused, or passed on with chunks alone; hyper does the latter.
        let mut upstream = app.accept().await;
        let head = upstream.request().await;
        assert_eq!((lines(&head, "content-length").len(), lines(&head, "transfer-encoding").len()), (0, 1), "{head:?}");
        assert_eq!(upstream.chunk(&mut Vec::new()).await, Some(Some(b"abc".to_vec())));
    }
    let (router, app) = with_raw().await;
    for bad in [
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: +1\r\n\r\na",
        "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST / HTTP/1.0\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        assert_eq!(router.client().await.ask(bad).await.status, 400, "{bad:?}");
    }
    let gzip = "POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n";
    assert_eq!(router.client().await.ask(gzip).await.status, 501);
    assert!(app.is_left_alone().await);
}

#[tokio::test]
async fn bodies_stream_both_ways_as_they_come() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    assert_eq!(upstream.chunk(&mut Vec::new()).await, Some(Some(b"one".to_vec())), "before the end is known");
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nred\r\n").await;
    let mut head = soon("a head", client.head()).await.unwrap();
    assert_eq!(client.chunk(&mut head.headers).await, Some(Some(b"red".to_vec())), "before the request has ended");
    client.send("3\r\ntwo\r\n0\r\n\r\n").await;
    assert_eq!(upstream.chunk(&mut Vec::new()).await, Some(Some(b"two".to_vec())));
    upstream.send("4\r\nblue\r\n0\r\n\r\n").await;
    assert_eq!(client.chunk(&mut head.headers).await, Some(Some(b"blue".to_vec())));
    assert_eq!(client.chunk(&mut head.headers).await, Some(None));
}

#[tokio::test]
async fn a_get_may_have_a_body() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n0\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    assert_eq!(upstream.chunk(&mut Vec::new()).await, Some(Some(b"one".to_vec())));
}

#[tokio::test]
async fn a_reader_that_stops_stops_the_sender() {
    const CHUNK: usize = 64 * 1024;
    /// Far more than all buffers on the way can hold.
    const MANY: usize = 2000;
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send(&format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", CHUNK * MANY)).await;
    let chunk = "x".repeat(CHUNK);
    let mut sent = 0;
    while tokio::time::timeout(Duration::from_millis(300), upstream.send(&chunk)).await.is_ok() {
        sent += 1;
        assert!(sent < MANY, "nothing held the sender back");
    }
}

#[tokio::test]
async fn trailers_pass_through() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nTE: trailers\r\nConnection: TE\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream
        .send("HTTP/1.1 200 OK\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
        .await;
    let reply = client.reply().await.unwrap();
    assert_eq!((reply.text(), reply.header("x-sum")), ("ok", Some("7")));
}

#[tokio::test]
async fn a_head_keeps_the_length_that_it_tells() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut upstream = app.accept().await;
    assert!(upstream.request().await[0].starts_with("HEAD / "));
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n").await;
    assert_eq!(client.reply_to_head().await.unwrap().header("content-length"), Some("1234"));
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    upstream.request().await;
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok", "and the connection goes on, as does the pooled one");
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it_once_the_app_takes_the_body() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send("HTTP/1.1 100 Continue\r\n\r\n").await;
    assert_eq!(client.reply().await.unwrap().status, 100);
    client.send("abc").await;
    assert_eq!(upstream.bytes(3).await, b"abc");
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_seen_to_break_off() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n").await;
    drop(upstream);
    assert_eq!(client.reply().await, None, "no end that looks like a good one");
}

#[tokio::test]
async fn an_answer_before_the_end_of_the_request_is_passed_on() {
    let (router, app) = with_raw().await;
    let mut client = router.client().await;
    client.send("POST / HTTP/1.1\r\nHost: a.test\r\nContent-Length: 1000000\r\n\r\nabc").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send("HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno").await;
    let reply = client.reply().await.unwrap();
    assert_eq!((reply.status, reply.text()), (413, "no"));
    drop(upstream);
    let addr = app.addr().to_string();
    until("nothing is in flight", async || router.proxy.in_flight(&addr).await.unwrap() == Some(0)).await;
}

#[tokio::test]
async fn a_request_that_comes_back_to_the_proxy_is_a_508_at_once_and_marks_of_others_stay() {
    let (router, app) = with_raw().await;
    router.set("loop/prod", serde_json::json!({ "domains": ["loop.test"], "upstreams": [router.addr] })).await;
    assert_eq!(router.client().await.get("loop.test", "/").await.status, 508);
    let addr = router.addr.to_string();
    until("nothing of it is left", async || router.proxy.in_flight(&addr).await.unwrap() == Some(0)).await;
    let mut client = router.client().await;
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\nCDN-Loop: other.example\r\n\r\n").await;
    let mut upstream = app.accept().await;
    let head = upstream.request().await;
    let marks = lines(&head, "cdn-loop");
    assert!(marks.len() == 2 && marks[0] == "cdn-loop: other.example", "{marks:?}");
    assert!(marks[1].starts_with("cdn-loop: landfall-"), "{marks:?}");
    // An app that asks another one through here, with what it was sent itself.
    let mut app_asks = router.client().await;
    app_asks.send(&format!("GET / HTTP/1.1\r\nHost: a.test\r\n{}\r\n\r\n", marks[1])).await;
    let mut asked = app.accept().await;
    assert_eq!(lines(&asked.request().await, "cdn-loop").len(), 2);
    asked.send(OK).await;
    assert_eq!(app_asks.reply().await.unwrap().text(), "ok");
    upstream.send(OK).await;
    assert_eq!(client.reply().await.unwrap().text(), "ok");
}
