//! The daemon's side: what it does and says when the proxy is absent, silent or strange.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use landfall::model::{ObservedProxy, Retry};
use landfall::proxy::{Change, Drained, Embedded, Proxy, ProxyError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixListener;

use super::router_support::{domains, stage, store};

/// What a fake proxy answers to a method and path: a status and a body, or a broken connection.
type Script = fn(&str) -> Option<(u16, String)>;

/// A control socket that answers by a script, and what it was asked.
fn fake(dir: &Path, script: Script) -> (PathBuf, Arc<Mutex<Vec<String>>>) {
    let path = dir.join("proxy.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let (mut first, mut length, mut line) = (String::new(), 0, String::new());
            stream.read_line(&mut first).await.unwrap();
            while line != "\r\n" {
                line.clear();
                stream.read_line(&mut line).await.unwrap();
                if let Some(text) = line.strip_prefix("content-length: ") {
                    length = text.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await.unwrap();
            let what = first.rsplit_once(' ').unwrap().0.to_owned();
            log.lock().unwrap().push(what.clone());
            if let Some((status, body)) = script(&what) {
                let answer = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        }
    });
    (path, asked)
}

const EMPTY: &str = r#"{"revision":0,"routes":{}}"#;

/// A change after which nothing is in force.
fn changed() -> (u16, String) {
    let saved = r#"{"store":"00000000-0000-0000-0000-000000000001","routes":{}}"#;
    (200, format!(r#"{{"revision":1,"in_force":{{}},"saved":{saved}}}"#))
}

async fn switch(socket: &Path) -> ProxyError {
    let proxy = Proxy::embedded(socket);
    let names = domains(&["a.test"]);
    proxy.switch(&Change::new(store(1), &stage("shop/prod"), &names, "127.0.0.1:1")).await.expect_err("not proven")
}

#[tokio::test]
async fn without_a_proxy_process_every_word_says_how_to_start_it() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("proxy.sock");
    let ObservedProxy::Unreachable(text) = Embedded::new(&socket).observe().await else { panic!("reachable") };
    assert!(text.contains("`landfall proxy --control") && text.contains("proxy.sock"), "{text}");
    let error = switch(&socket).await;
    assert!(matches!(error, ProxyError::Unreachable { .. }), "{error}");
    assert_eq!(error.retry(), Retry::Backoff, "an outside fault (R12)");
    assert!(error.hint().unwrap().contains("landfall proxy"));
}

#[tokio::test]
async fn r9_a_switch_whose_answer_is_lost_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, asked) = fake(dir.path(), |what| match what {
        "GET /table" => Some((200, EMPTY.to_owned())),
        "PUT /routes" => None,
        _ => Some(changed()),
    });
    let error = switch(&socket).await;
    assert!(matches!(error, ProxyError::NoAnswer { .. }), "{error}");
    assert_eq!(*asked.lock().unwrap(), ["GET /table", "PUT /routes", "PUT /routes/restore"]);
}

#[tokio::test]
async fn r9_a_switch_that_is_not_proven_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, asked) = fake(dir.path(), |what| match what {
        "GET /table" => Some((200, EMPTY.to_owned())),
        _ => Some(changed()),
    });
    let error = switch(&socket).await;
    assert!(matches!(error, ProxyError::Unproven), "{error}");
    assert_eq!(asked.lock().unwrap().last().unwrap(), "PUT /routes/restore");
}

#[tokio::test]
async fn r9_where_putting_back_does_not_work_either_the_error_says_that_nothing_is_certain() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, _) = fake(dir.path(), |what| (what == "GET /table").then(|| (200, EMPTY.to_owned())));
    let error = switch(&socket).await;
    assert!(matches!(error, ProxyError::Unsettled { .. }), "{error}");
    assert!(error.to_string().contains("putting the old routes back"), "{error}");
}

#[tokio::test]
async fn a_refusal_is_told_in_the_proxys_own_words_and_nothing_is_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, asked) = fake(dir.path(), |what| match what {
        "GET /table" => Some((200, EMPTY.to_owned())),
        _ => Some((500, r#"{"error":"no space left"}"#.to_owned())),
    });
    let error = switch(&socket).await;
    assert_eq!((error.to_string().as_str(), error.retry()), ("the proxy refused: no space left", Retry::Backoff));
    assert_eq!(asked.lock().unwrap().last().unwrap(), "PUT /routes");
}

#[tokio::test]
async fn something_else_on_the_socket_is_no_proxy() {
    let dir = tempfile::tempdir().unwrap();
    let (socket, _) = fake(dir.path(), |_| Some((200, "<html>".to_owned())));
    let ObservedProxy::Unreachable(text) = Embedded::new(&socket).observe().await else { panic!("taken for a proxy") };
    assert!(text.contains("cannot be read"), "{text}");
}

#[tokio::test]
async fn an_upstream_that_is_none_never_reaches_the_proxy() {
    let proxy = Proxy::embedded(Path::new("/nowhere"));
    for bad in ["", "a", "a:0", "a b:1", "a:1&timeout_ms=9"] {
        assert!(matches!(proxy.in_flight(bad).await, Err(ProxyError::Upstream(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn without_a_configured_proxy_there_is_nothing_to_look_at_or_wait_for() {
    let proxy = Proxy::None;
    assert_eq!(proxy.in_flight("a:1").await.unwrap(), Some(0));
    assert_eq!(
        proxy.drain("a:1", Duration::from_secs(9)).await.unwrap(),
        Drained { left: Some(0), took: Duration::ZERO }
    );
    proxy.unroute(store(1), &stage("shop/prod"), None).await.unwrap();
    let refused = proxy.switch(&Change::new(store(1), &stage("shop/prod"), &domains(&["a.test"]), "a:1")).await;
    assert!(matches!(refused, Err(ProxyError::NoProxy)));
}
