//! HTTP/2 over TLS: many requests on one connection, which reach the app as HTTP/1.1.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::SendRequest;
use hyper_util::rt::{TokioExecutor, TokioIo};
use landfall::router::Limits;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::{Authority, with_certificates};
use crate::router_support::{App, Gate, Router, soon, text, until};
use crate::router_wire::Raw;

/// Short enough for a test, long enough for a busy machine.
const SHORT: Duration = Duration::from_millis(150);

/// A client of HTTP/2.
struct Browser {
    send: SendRequest<Full<Bytes>>,
    /// Ends with the connection.
    open: JoinHandle<hyper::Result<()>>,
}

impl Browser {
    async fn start(router: &Router, authority: &Authority) -> Self {
        Self::over(authority.connect(router.tls, "a.test", &[b"h2"]).await.unwrap(), None).await
    }

    /// One that lets so many bytes of an answer come before it takes any.
    async fn with_window(router: &Router, authority: &Authority, window: u32) -> Self {
        Self::over(authority.connect(router.tls, "a.test", &[b"h2"]).await.unwrap(), Some(window)).await
    }

    /// One that takes nothing from the network while it is told to pause.
    async fn that_may_pause(router: &Router, authority: &Authority, mut paused: watch::Receiver<bool>) -> Self {
        let mut stream = authority.connect(router.tls, "a.test", &[b"h2"]).await.unwrap();
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    biased;
                    () = turns(&mut paused, true) => turns(&mut paused, false).await,
                    _ = tokio::io::copy_bidirectional(&mut far, &mut stream) => return,
                }
            }
        });
        Self::over(near, None).await
    }

    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, window: Option<u32>) -> Self {
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        let client = builder.initial_stream_window_size(window).handshake(TokioIo::new(stream));
        let (send, connection) = soon("HTTP/2", client).await.unwrap();
        Self { send, open: tokio::spawn(connection) }
    }

    async fn ask(&self, request: Request<Full<Bytes>>) -> hyper::Result<(StatusCode, String)> {
        let response = soon("an answer", self.send.clone().send_request(request)).await?;
        let status = response.status();
        let body = soon("its body", response.into_body().collect()).await?.to_bytes();
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }

    async fn get(&self, uri: &str) -> (StatusCode, String) {
        self.ask(get(uri)).await.expect("an answer")
    }
}

/// Returns when it is so; never when nobody can make it so any more.
async fn turns(paused: &mut watch::Receiver<bool>, to: bool) {
    if paused.wait_for(|is_paused| *is_paused == to).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn get(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).unwrap()
}

/// A proxy with a certificate for `a.test`, which leads to an app.
async fn with_limits(limits: Limits, app: &App) -> (Router, Authority) {
    let (authority, dir) = (Authority::new(), Arc::new(tempfile::tempdir().unwrap()));
    authority.place(dir.path(), &[&["a.test"]]);
    let router = Router::start_in(dir, limits).await.unwrap();
    router.route(&["a.test"], app.addr).await;
    (router, authority)
}

#[tokio::test]
async fn a_request_reaches_the_app_as_http_1_with_its_host_and_one_cookie_field() {
    let app = App::start(|request| async move {
        let (parts, body) = request.into_parts();
        let all =
            |name: &str| parts.headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>().join("|");
        let names = ["host", "cookie", "x-forwarded-proto", "x-forwarded-host", "content-length"];
        let said = names.map(all).join(" ");
        let body = body.collect().await.unwrap().to_bytes().len();
        text(200, format!("{:?} {} {} {said} {body}", parts.version, parts.method, parts.uri))
    })
    .await;
    let (router, authority) = with_limits(Limits::default(), &app).await;
    let browser = Browser::start(&router, &authority).await;
    let request = Request::builder().method(Method::POST).uri("https://a.test/path?q=1");
    let request = request.header("cookie", "a=1").header("cookie", "b=2").body(Full::from("hello")).unwrap();
    let (status, said) = browser.ask(request).await.unwrap();
    assert_eq!((status, said.as_str()), (StatusCode::OK, "HTTP/1.1 POST /path?q=1 a.test a=1; b=2 https a.test 5 5",));
    let (_, said) = browser.get("https://a.test:8443/").await;
    assert!(said.contains(" a.test:8443 "), "the host as the client wrote it: {said}");
}

#[tokio::test]
async fn a_host_of_another_certificate_or_two_hosts_in_one_request_reach_no_app() {
    let app = App::named("app").await;
    let (router, authority) = with_certificates(&[&["a.test"], &["b.test"]]).await;
    router.route(&["a.test", "b.test"], app.addr).await;
    let browser = Browser::start(&router, &authority).await;
    assert_eq!(browser.get("https://b.test/").await.0, StatusCode::MISDIRECTED_REQUEST);
    let mut two = get("https://a.test/");
    two.headers_mut().insert("host", "b.test".parse().unwrap());
    assert_eq!(browser.ask(two).await.unwrap().0, StatusCode::BAD_REQUEST);
    assert_eq!(browser.get("https://a.test/").await.1, "app", "the connection goes on");
    assert_eq!(app.seen(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_client_has_a_bounded_number_of_requests_in_flight_and_all_are_answered() {
    let (now, most) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (in_flight, peak) = (Arc::clone(&now), Arc::clone(&most));
    let app = App::start(move |_| {
        let (in_flight, peak) = (Arc::clone(&in_flight), Arc::clone(&peak));
        async move {
            peak.fetch_max(in_flight.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            in_flight.fetch_sub(1, Ordering::SeqCst);
            text(200, "app")
        }
    })
    .await;
    let (router, authority) = with_limits(Limits::default(), &app).await;
    let browser = Arc::new(Browser::start(&router, &authority).await);
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..400 {
        let browser = Arc::clone(&browser);
        asked.spawn(async move { browser.get("https://a.test/").await.1 });
    }
    while let Some(answer) = asked.join_next().await {
        assert_eq!(answer.unwrap(), "app");
    }
    let most = most.load(Ordering::SeqCst);
    assert!((2..=128).contains(&most), "{most} at once");
}

#[tokio::test]
async fn r31_a_head_that_is_too_large_is_refused_and_one_that_fits_is_not() {
    let app = App::named("app").await;
    let (router, authority) = with_limits(Limits { max_head_bytes: 16 * 1024, ..Limits::default() }, &app).await;
    let browser = Browser::start(&router, &authority).await;
    let with = |size: usize| {
        let mut request = get("https://a.test/");
        request.headers_mut().insert("x-large", "x".repeat(size).parse().unwrap());
        request
    };
    assert_eq!(browser.ask(with(8 * 1024)).await.unwrap().0, StatusCode::OK);
    let refused = browser.ask(with(32 * 1024)).await;
    assert!(
        refused.as_ref().is_ok_and(|(status, _)| *status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE)
            || refused.is_err()
    );
    assert_eq!(app.seen(), 1);
}

#[tokio::test]
async fn r31_an_idle_connection_is_closed_and_a_long_answer_is_not_idle() {
    let (app, gate) = App::gated("app").await;
    let (router, authority) =
        with_limits(Limits { idle_timeout: SHORT, head_timeout: SHORT, ..Limits::default() }, &app).await;
    let silent = Browser::start(&router, &authority).await;
    let busy = Browser::start(&router, &authority).await;
    let answer = tokio::spawn({
        let send = busy.send.clone();
        async move { send.clone().send_request(get("https://a.test/")).await.unwrap().status() }
    });
    gate.reached_by(1).await;
    drop(soon("the silent one is closed", silent.open).await);
    tokio::time::sleep(2 * SHORT).await;
    assert!(!busy.open.is_finished(), "an answer is awaited");
    gate.open();
    assert_eq!(soon("an answer", answer).await.unwrap(), StatusCode::OK);
    drop(soon("it is closed when it is idle", busy.open).await);
}

#[tokio::test]
async fn r31_an_answer_that_its_client_does_not_take_is_given_up_and_the_others_of_its_connection_are_not() {
    let app = App::start(|request| async move {
        let is_large = request.uri().path() == "/large";
        text(200, if is_large { vec![b'x'; 64 << 20] } else { b"small".to_vec() })
    })
    .await;
    let (router, authority) = with_limits(Limits { stall_timeout: SHORT, ..Limits::default() }, &app).await;
    let browser = Browser::start(&router, &authority).await;
    let large = browser.send.clone().send_request(get("https://a.test/large"));
    let mut untaken = soon("its head", large).await.unwrap().into_body();
    let addr = app.addr.to_string();
    until("the app is let go", async || router.proxy.in_flight(&addr).await.unwrap() == Some(0)).await;
    assert_eq!(browser.get("https://a.test/").await.1, "small");
    let cut = async {
        while let Some(frame) = untaken.frame().await {
            frame?;
        }
        Ok::<_, hyper::Error>(())
    };
    assert!(soon("the rest", cut).await.is_err(), "what was cut is no whole answer");
}

#[tokio::test]
async fn r31_the_last_part_of_an_answer_that_its_client_does_not_take_is_given_up_as_any_other() {
    const SIZE: u32 = 6_000;
    let app = App::start(|_| async { text(200, vec![b'x'; SIZE as usize]) }).await;
    let (router, authority) = with_limits(Limits { stall_timeout: SHORT, ..Limits::default() }, &app).await;
    let exact = Browser::with_window(&router, &authority, SIZE).await;
    assert_eq!(exact.get("https://a.test/whole").await.1.len(), SIZE as usize);
    let browser = Browser::with_window(&router, &authority, SIZE / 6).await;
    let asked = browser.send.clone().send_request(get("https://a.test/untaken"));
    let untaken = soon("its head", asked).await.unwrap().into_body();
    let log = router.dir.path().join("access.log");
    let is_over = async || std::fs::read_to_string(&log).is_ok_and(|lines| lines.contains("/untaken"));
    until("it is over", is_over).await;
    let rest = soon("the rest", untaken.collect()).await;
    assert!(rest.is_err(), "it was kept for its client: {} bytes", rest.unwrap().to_bytes().len());
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_is_taken_whole_and_an_app_that_is_silent_in_it_is_awaited() {
    // A part of an answer is taken frame by frame, each after a pause: that takes a while on a busy machine.
    const LIMIT: Duration = SHORT.saturating_mul(8);
    let (pause, app) = (Gate::default(), Raw::start().await);
    let authority = Authority::new();
    let dir = Arc::new(tempfile::tempdir().unwrap());
    authority.place(dir.path(), &[&["a.test"]]);
    let router = Router::start_in(dir, Limits { stall_timeout: LIMIT, ..Limits::default() }).await.unwrap();
    router.route(&["a.test"], app.addr()).await;
    let browser = Browser::start(&router, &authority).await;
    let mut send = browser.send.clone();
    let answer = tokio::spawn(async move { send.send_request(get("https://a.test/")).await.unwrap().into_body() });
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send("HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n").await;
    let mut body = soon("its head", answer).await.unwrap();
    let paused = pause.clone();
    let sending = tokio::spawn(async move {
        upstream.send(&"x".repeat(4 << 20)).await;
        paused.pass().await;
        upstream.send(&"x".repeat(4 << 20)).await;
        upstream
    });
    let mut came = 0;
    let mut take = async |until: usize| {
        while came < until {
            let frame = soon("a part", body.frame()).await.expect("more").expect("unbroken");
            came += frame.into_data().map_or(0, |data| data.len());
            tokio::time::sleep(SHORT / 50).await;
        }
    };
    take(4 << 20).await;
    tokio::time::sleep(2 * LIMIT).await;
    pause.open();
    take(8 << 20).await;
    soon("all is sent", sending).await.unwrap();
}

#[tokio::test]
async fn a_client_that_pauses_for_less_than_it_may_gets_its_answer() {
    let (app, gate) = App::gated("app").await;
    let limits = Limits { stall_timeout: Duration::from_secs(4), ..Limits::default() };
    let (router, authority) = with_limits(limits.clone(), &app).await;
    let (pause, paused) = watch::channel(false);
    let browser = Browser::that_may_pause(&router, &authority, paused).await;
    let asked = tokio::spawn({
        let mut send = browser.send.clone();
        async move { send.send_request(get("https://a.test/")).await }
    });
    gate.reached_by(1).await;
    pause.send_replace(true);
    // It is asked whether it is there several times, and reads nothing of that.
    tokio::time::sleep(limits.stall_timeout / 3).await;
    pause.send_replace(false);
    gate.open();
    let answer = soon("an answer", asked).await.unwrap().expect("the connection lives");
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn r31_requests_have_room_as_connections_have_and_those_that_come_on_top_wait_their_turn() {
    let (app, gate) = App::gated("app").await;
    let (router, authority) = with_limits(Limits { max_connections: 2, ..Limits::default() }, &app).await;
    let browser = Browser::start(&router, &authority).await;
    let mut answers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut send = browser.send.clone();
        answers.spawn(async move { send.send_request(get("https://a.test/")).await.unwrap().status() });
    }
    gate.reached_by(2).await;
    assert_eq!(browser.get("https://b.test/").await.0, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(app.seen(), 2, "an upstream for each that has room");
    gate.open();
    for status in soon("all are answered", answers.join_all()).await {
        assert_eq!(status, StatusCode::OK);
    }
}

#[tokio::test]
async fn r31_a_request_for_which_there_is_no_room_in_time_is_a_503_and_a_head_gets_no_page() {
    let (app, gate) = App::gated("app").await;
    let limits = Limits { max_connections: 1, connect_timeout: SHORT, ..Limits::default() };
    let (router, authority) = with_limits(limits, &app).await;
    let browser = Browser::start(&router, &authority).await;
    let mut send = browser.send.clone();
    let first = tokio::spawn(async move { send.send_request(get("https://a.test/")).await.unwrap().status() });
    gate.reached_by(1).await;
    let (status, page) = browser.get("https://a.test/").await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && page.contains("Too many requests"), "{status} {page}");
    for uri in ["https://a.test/", "https://b.test/"] {
        let head = Request::head(uri).body(Full::default()).unwrap();
        let (status, page) = browser.ask(head).await.expect("an answer");
        assert!(status.as_u16() > 400 && page.is_empty(), "{uri}: {status} {page}");
    }
    gate.open();
    assert_eq!(soon("the first", first).await.unwrap(), StatusCode::OK);
}

#[tokio::test]
async fn a_proxy_that_stops_finishes_what_is_in_flight_and_takes_nothing_new() {
    let gate = Gate::default();
    let held = gate.clone();
    let app = App::start(move |request| {
        let held = held.clone();
        async move {
            if request.uri().path() == "/held" {
                held.pass().await;
            }
            text(200, "app")
        }
    })
    .await;
    let (mut router, authority) = with_limits(Limits::default(), &app).await;
    let browser = Browser::start(&router, &authority).await;
    let answer = tokio::spawn({
        let mut send = browser.send.clone();
        async move { send.send_request(get("https://a.test/held")).await.unwrap().into_body().collect().await.unwrap() }
    });
    gate.reached_by(1).await;
    router.signal();
    until("nothing new is taken", async || browser.ask(get("https://a.test/late")).await.is_err()).await;
    gate.open();
    assert_eq!(soon("the answer", answer).await.unwrap().to_bytes(), "app");
    drop(soon("its connection ends", browser.open).await);
    router.stop().await;
}

#[tokio::test]
async fn r9_a_switch_closes_no_connection_and_the_next_request_on_it_reaches_the_new_app() {
    let (old, new) = (App::named("old").await, App::named("new").await);
    let (router, authority) = with_limits(Limits::default(), &old).await;
    let browser = Browser::start(&router, &authority).await;
    assert_eq!(browser.get("https://a.test/").await.1, "old");
    router.route(&["a.test"], new.addr).await;
    for _ in 0..20 {
        assert_eq!(browser.get("https://a.test/").await.1, "new");
    }
    assert!(!browser.open.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_client_that_opens_and_resets_streams_without_end_is_cut_off() {
    let (app, gate) = App::gated("app").await;
    let (router, authority) = with_limits(Limits::default(), &app).await;
    let stream = authority.connect(router.tls, "a.test", &[b"h2"]).await.unwrap();
    let (mut read, mut write) = tokio::io::split(stream);
    let flood = tokio::spawn(async move {
        use tokio::io::AsyncWriteExt as _;
        // The preface with empty settings, then again and again a stream and its reset. The head: GET, https, / and the
        // authority a.test, as HPACK has it.
        let head = [0x82, 0x87, 0x84, 0x41, 0x06, b'a', b'.', b't', b'e', b's', b't'];
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
        for number in 0..20_000_u32 {
            let id = (2 * number + 1).to_be_bytes();
            bytes.extend([0, 0, 11, 1, 5].iter().chain(&id).chain(&head));
            bytes.extend([0, 0, 4, 3, 0].iter().chain(&id).chain(&[0, 0, 0, 8]));
        }
        drop(write.write_all(&bytes).await);
        write
    });
    let mut said = Vec::new();
    drop(soon("the connection ends", tokio::io::AsyncReadExt::read_to_end(&mut read, &mut said)).await);
    drop(soon("the flood ends", flood).await);
    assert!(app.seen() < 20_000, "{} reached the app", app.seen());
    gate.open();
    let browser = Browser::start(&router, &authority).await;
    assert_eq!(browser.get("https://a.test/").await.1, "app", "others are served");
}
