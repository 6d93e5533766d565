//! The handshake: the certificate of the host that a client asks for, or a refusal; and what may be asked afterwards.

use std::time::Duration;

use landfall::router::Limits;
use rustls::HandshakeKind::{Full, Resumed};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Authority, with_certificates};
use crate::router_support::{App, Router, soon, text, with_raw};
use crate::router_wire::OK;

/// Short enough for a test, long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(150);

/// What the proxy told a client that it did not serve.
fn alert(refused: std::io::Result<super::Secured>) -> String {
    let error = refused.map(|_| ()).expect_err("it was served").to_string();
    error.strip_prefix("received fatal alert: ").unwrap_or(&error).to_owned()
}

#[tokio::test]
async fn a_host_gets_the_certificate_with_its_name_before_one_with_a_wildcard() {
    let (router, authority) =
        with_certificates(&[&["a.test", "b.test"], &["*.c.test"], &["*.a.test", "x.c.test"]]).await;
    let app =
        App::start(|request| async move { text(200, format!("{:?}", request.headers()["x-forwarded-proto"])) }).await;
    router.route(&["a.test", "b.test", "y.c.test", "x.c.test", "x.a.test"], app.addr).await;
    for (host, names) in [
        ("a.test", "a.test"),
        ("b.test", "a.test"),
        ("B.TEST", "a.test"),
        ("y.c.test", "*.c.test"),
        ("x.c.test", "*.a.test"),
        ("x.a.test", "*.a.test"),
    ] {
        let mut client = authority.browse(&router, host).await;
        let shown = client.0.get_ref().get_ref().1.peer_certificates().unwrap()[0].clone();
        let shown = rustls::pki_types::CertificateDer::from(shown.to_vec());
        let first = names.as_bytes();
        assert!(shown.windows(first.len()).any(|part| part == first), "{host} is shown the one of {names}");
        let reply = client.get(host, "/").await;
        assert_eq!((reply.status, reply.text()), (200, "\"https\""), "{host}");
    }
}

#[tokio::test]
async fn a_host_without_a_certificate_and_no_host_at_all_are_refused_with_an_alert() {
    let (router, authority) = with_certificates(&[&["a.test"], &["*.b.test"]]).await;
    for host in ["c.test", "b.test", "x.y.b.test", "x.a.test"] {
        assert_eq!(alert(authority.connect(router.tls, host, &[]).await), "UnrecognisedName", "{host}");
    }
    let without = ServerName::try_from("127.0.0.1").unwrap();
    assert!(matches!(without, ServerName::IpAddress(_)), "a client sends no name for an address");
    assert_eq!(alert(authority.connect(router.tls, "127.0.0.1", &[]).await), "UnrecognisedName");
    assert!(authority.connect(router.tls, "a.test", &[]).await.is_ok(), "the others are served");
}

#[tokio::test]
async fn the_protocol_is_what_the_client_prefers_of_what_is_spoken_here() {
    let (router, authority) = with_certificates(&[&["a.test"]]).await;
    for (offered, agreed) in [
        (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
        (&[b"http/1.1"], Some(b"http/1.1")),
        (&[b"http/1.0", b"http/1.1"], Some(b"http/1.1")),
        (&[], None),
    ] {
        let stream = authority.connect(router.tls, "a.test", offered).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), agreed, "{offered:?}");
    }
    let refused = authority.connect(router.tls, "a.test", &[b"smtp"]).await;
    assert_eq!(alert(refused), "NoApplicationProtocol");
}

#[tokio::test]
async fn a_request_for_a_host_that_the_certificate_is_not_for_is_misdirected() {
    let (router, authority) = with_certificates(&[&["a.test", "b.test"], &["c.test"]]).await;
    let app = App::named("app").await;
    router.route(&["a.test", "b.test", "c.test"], app.addr).await;
    let mut client = authority.browse(&router, "a.test").await;
    assert_eq!(client.get("c.test", "/").await.status, 421);
    assert_eq!(client.get("b.test", "/").await.text(), "app", "the connection goes on, for every name it is for");
    assert_eq!(client.get("127.0.0.1", "/").await.status, 421);
    assert_eq!(app.seen(), 1);
    let mut plain = router.client().await;
    assert_eq!(plain.get("c.test", "/").await.text(), "app", "in plain text nothing was promised");
}

#[tokio::test]
async fn r31_a_handshake_that_takes_too_long_is_given_up_and_counts_as_a_connection() {
    let limits = Limits { head_timeout: 10 * SHORT, max_connections: 1, ..Limits::default() };
    let (authority, dir) = (Authority::new(), std::sync::Arc::new(tempfile::tempdir().unwrap()));
    authority.place(dir.path(), &[&["a.test"]]);
    let router = Router::start_in(dir, limits).await.unwrap();
    let mut silent = TcpStream::connect(router.tls).await.unwrap();
    // The beginning of a record that goes on and on.
    silent.write_all(&[22, 3, 1, 2, 0, 1]).await.unwrap();
    let began = tokio::time::Instant::now();
    let next = authority.connect(router.tls, "a.test", &[]).await.expect("served after the slow one");
    assert!(began.elapsed() >= 5 * SHORT, "it waited for the place of the slow one");
    drop(next);
    let closed = soon("an end", silent.read(&mut [0; 16])).await;
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
}

#[tokio::test]
async fn what_speaks_no_tls_harms_nobody() {
    let (router, authority) = with_certificates(&[&["a.test"]]).await;
    for words in [&b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..], &[22, 3, 1, 0xff, 0xff, 0], &[0; 600], b""] {
        let mut stream = TcpStream::connect(router.tls).await.unwrap();
        stream.write_all(words).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        drop(soon("an end", stream.read_to_end(&mut answer)).await);
        assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    }
    assert!(authority.connect(router.tls, "a.test", &[]).await.is_ok());
}

#[tokio::test]
async fn a_websocket_runs_over_tls() {
    let (router, authority) = with_certificates(&[&["a.test"]]).await;
    let (_, app) = with_raw().await;
    router.route(&["a.test"], app.addr()).await;
    let mut client = authority.browse(&router, "a.test").await;
    client.send("GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut upstream = app.accept().await;
    assert!(upstream.request().await.contains(&"x-forwarded-proto: https".to_owned()));
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(soon("agreed", client.head()).await.unwrap().status, 101);
    client.send("ping").await;
    assert_eq!(upstream.bytes(4).await, b"ping");
    upstream.send("pong").await;
    assert_eq!(client.bytes(4).await, b"pong");
}

#[tokio::test]
async fn a_client_resumes_its_session_with_the_host_it_was_for() {
    let (router, authority) = with_certificates(&[&["a.test"], &["b.test"]]).await;
    let (_, app) = with_raw().await;
    router.route(&["a.test", "b.test"], app.addr()).await;
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(authority.client(&[])));
    let mut kinds = Vec::new();
    for host in ["a.test", "a.test", "b.test"] {
        let stream = TcpStream::connect(router.tls).await.unwrap();
        let stream = soon("a handshake", connector.connect(ServerName::try_from(host).unwrap(), stream)).await.unwrap();
        kinds.push(stream.get_ref().1.handshake_kind().unwrap());
        let mut client = crate::router_wire::Client(tokio::io::BufReader::new(stream));
        client.send(&format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")).await;
        let mut upstream = app.accept().await;
        upstream.request().await;
        upstream.send(OK).await;
        assert_eq!(client.reply().await.unwrap().status, 200);
    }
    assert_eq!(kinds, [Full, Resumed, Full]);
}
