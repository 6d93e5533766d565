//! The control socket: who may change what, what survives a restart, and who may have the socket.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use landfall::model::{ObservedProxy, Retry};
use landfall::proxy::{Change, ProxyError};
use landfall::router::{Limits, RouterError};
use landfall::socket::SocketError;

use super::router_support::{App, Router, control, domains, soon, stage, store};

/// A `PUT /routes` of `shop/<stage>`.
fn routes(of_store: u128, of_stage: &str, names: &[&str], upstream: &str) -> String {
    let owner = serde_json::json!({ "store": store(of_store), "project": "shop", "stage": of_stage });
    serde_json::json!({ "owner": owner, "domains": names, "upstream": upstream }).to_string()
}

#[tokio::test]
async fn r9_the_answer_to_a_change_states_what_is_in_force_and_what_was_before() {
    let router = Router::start().await;
    let socket = router.control();
    control(&socket, "PUT", "/routes", &routes(1, "blue", &["a.test", "b.test"], "127.0.0.1:1")).await;
    let (status, answer) =
        control(&socket, "PUT", "/routes", &routes(1, "green", &["b.test", "c.test"], "127.0.0.1:2")).await;
    assert_eq!((status, &answer["revision"]), (200, &2.into()));
    assert_eq!(answer["in_force"]["b.test"]["upstreams"][0], "127.0.0.1:2");
    assert_eq!(answer["in_force"]["b.test"]["owner"]["stage"], "green");
    assert_eq!(answer["saved"]["routes"]["b.test"]["upstreams"][0], "127.0.0.1:1");
    assert_eq!(answer["saved"]["routes"]["b.test"]["owner"]["stage"], "blue");
    assert!(answer["saved"]["routes"]["c.test"].is_null());

    let (_, table) = control(&socket, "GET", "/table", "").await;
    assert_eq!(table["routes"]["a.test"]["upstreams"][0], "127.0.0.1:1");
    let (_, health) = control(&socket, "GET", "/health", "").await;
    assert_eq!((&health["revision"], &health["in_flight"]), (&2.into(), &0.into()));

    let (status, _) = control(&socket, "PUT", "/routes/restore", &answer["saved"].to_string()).await;
    let (_, table) = control(&socket, "GET", "/table", "").await;
    assert_eq!((status, &table["routes"]["b.test"]["upstreams"][0]), (200, &"127.0.0.1:1".into()));
    assert!(table["routes"]["c.test"].is_null());
}

#[tokio::test]
async fn r1_a_domain_of_another_store_is_a_conflict_that_names_it_and_changes_nothing() {
    let router = Router::start().await;
    let app = App::named("app").await;
    router.route(&["a.test"], app.addr).await;
    let body = routes(2, "prod", &["b.test", "a.test"], "127.0.0.1:9");
    let (status, answer) = control(&router.control(), "PUT", "/routes", &body).await;
    assert_eq!((status, &answer["domain"]), (409, &"a.test".into()));
    assert_eq!(answer["owner"]["store"], store(1).to_string());

    let names = domains(&["b.test", "a.test"]);
    let error =
        router.proxy.switch(&Change::new(store(2), &stage("shop/prod"), &names, "127.0.0.1:9")).await.unwrap_err();
    assert!(matches!(&error, ProxyError::Conflict { domain, .. } if domain.as_str() == "a.test"), "{error}");
    assert_eq!((error.retry(), error.hint().is_some()), (Retry::OnChange, true));
    assert!(error.to_string().contains("shop/prod of store 00000000-0000-0000-0000-000000000001"), "{error}");

    router.proxy.unroute(store(2), &stage("shop/prod"), None).await.unwrap();
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.text(), "app");
    assert_eq!(client.get("b.test", "/").await.status, 404, "all or nothing");
}

#[tokio::test]
async fn a_stage_has_exactly_the_domains_it_was_given_last_and_none_after_its_end() {
    let router = Router::start().await;
    let app = App::named("app").await;
    router.route(&["a.test", "b.test"], app.addr).await;
    router.route(&["b.test", "c.test"], app.addr).await;
    let mut client = router.client().await;
    let mut statuses = Vec::new();
    for name in ["a.test", "b.test", "c.test"] {
        statuses.push(client.get(name, "/").await.status);
    }
    assert_eq!(statuses, [404, 200, 200]);
    for _ in 0..2 {
        router.proxy.unroute(store(1), &stage("shop/prod"), None).await.expect("also when there is nothing left");
    }
    assert_eq!(router.observe().await, ObservedProxy::Routes([].into()));
}

#[tokio::test]
async fn nonsense_on_the_control_socket_is_refused_with_words() {
    let router = Router::start().await;
    let owner = format!(r#"{{"store":"{}","project":"shop","stage":"prod"}}"#, store(1));
    for (method, path, body, status) in [
        ("GET", "/nothing", String::new(), 404),
        ("POST", "/routes", String::new(), 404),
        ("PUT", "/routes", "{".to_owned(), 400),
        ("PUT", "/routes", format!(r#"{{"owner":{owner},"domains":["http://a"],"upstream":"a:1"}}"#), 400),
        ("PUT", "/routes", format!(r#"{{"owner":{owner},"domains":["a.test"],"upstream":"a"}}"#), 400),
        ("PUT", "/routes", format!(r#"{{"owner":{owner},"domains":[],"upstream":"a:1","more":1}}"#), 400),
        ("PUT", "/routes", format!(r#"{{"owner":{owner},"domains":["{}"]}}"#, "a".repeat(2 << 20)), 413),
        ("GET", "/inflight", String::new(), 400),
        ("GET", "/inflight?upstream=a", String::new(), 400),
        ("GET", "/drained?upstream=a:1", String::new(), 400),
    ] {
        let (found, answer) = control(&router.control(), method, path, &body).await;
        assert_eq!(found, status, "{method} {path}");
        assert!(answer["error"].as_str().is_some_and(|text| !text.is_empty()), "{method} {path}: {answer}");
    }
    assert_eq!(router.observe().await, ObservedProxy::Routes([].into()));
}

#[tokio::test]
async fn an_upstream_nobody_knows_is_idle() {
    let router = Router::start().await;
    assert_eq!(router.proxy.in_flight("127.0.0.1:9").await.unwrap(), Some(0));
    let drained = router.proxy.drain("[::1]:9", std::time::Duration::from_secs(10)).await.unwrap();
    assert_eq!(drained.left, Some(0));
}

#[tokio::test]
async fn a_proxy_that_starts_serves_what_the_last_one_did() {
    let router = Router::start().await;
    let app = App::named("app").await;
    router.route(&["a.test", "b.test"], app.addr).await;
    let dir = router.stop().await;
    let router = Router::start_in(dir, Limits::default()).await.unwrap();
    assert_eq!(router.client().await.get("b.test", "/").await.text(), "app");

    let dir = router.stop().await;
    let table = dir.path().join("table");
    let text = fs::read_to_string(&table).unwrap();
    fs::write(&table, &text[..text.len() - 10]).unwrap();
    let router = Router::start_in(Arc::clone(&dir), Limits::default()).await.expect("a damaged table is no reason");
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.text(), "app", "what can be read is served");
    assert_eq!(client.get("b.test", "/").await.status, 404);
    assert!(dir.path().join("table.broken").exists());
}

#[tokio::test]
async fn a_change_that_cannot_be_saved_is_refused_and_not_in_force() {
    let router = Router::start().await;
    let (old, new) = (App::named("old").await, App::named("new").await);
    router.route(&["a.test"], old.addr).await;
    // A directory in the place of the new file, so that even root cannot write it.
    fs::create_dir(router.dir.path().join("table.new")).unwrap();
    let names = domains(&["a.test"]);
    let switched =
        router.proxy.switch(&Change::new(store(1), &stage("shop/prod"), &names, &new.addr.to_string())).await;
    let error = switched.unwrap_err();
    assert!(error.to_string().contains("could not be saved"), "{error}");
    assert_eq!(error.retry(), Retry::Backoff);
    assert_eq!(router.client().await.get("a.test", "/").await.text(), "old");
}

#[tokio::test]
async fn a_second_proxy_on_the_same_control_socket_is_refused_and_the_first_goes_on() {
    let router = Router::start().await;
    let app = App::named("app").await;
    router.route(&["a.test"], app.addr).await;
    let error = Router::start_in(Arc::clone(&router.dir), Limits::default()).await.err().expect("refused");
    assert!(matches!(error, RouterError::Socket(SocketError::InUse { .. })), "{error}");
    assert!(error.to_string().contains("another process is running"), "{error}");
    assert_eq!(router.client().await.get("a.test", "/").await.text(), "app");
    router.route(&["b.test"], app.addr).await;
}

#[tokio::test]
async fn a_socket_left_by_a_crash_is_replaced_but_nothing_else_is() {
    let dir = Arc::new(tempfile::tempdir().unwrap());
    let path = dir.path().join("proxy.sock");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "stale: nobody answers on it");
    let router = Router::start_in(Arc::clone(&dir), Limits::default()).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert_eq!(router.observe().await, ObservedProxy::Routes([].into()));
    router.stop().await;
    assert!(!path.exists(), "it goes with its proxy");

    let somebody = UnixListener::bind(&path).unwrap();
    let error = Router::start_in(Arc::clone(&dir), Limits::default()).await.err().expect("somebody answers");
    assert!(matches!(error, RouterError::Socket(SocketError::InUse { .. })), "{error}");
    drop(somebody);

    fs::remove_file(&path).unwrap();
    fs::write(&path, "mine").unwrap();
    let error = Router::start_in(dir.clone(), Limits::default()).await.err().expect("not a socket");
    assert!(matches!(error, RouterError::Socket(SocketError::NotASocket { .. })), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
}

#[tokio::test]
async fn an_address_in_use_is_said_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = landfall::router::Options {
        listen: vec![addr],
        ..landfall::router::Options::new(dir.path().join("run/proxy.sock"), dir.path().join("data/table"))
    };
    let served = landfall::router::serve(options, std::future::pending(), |_| panic!("not ready"));
    let error = soon("refused", served).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("cannot listen on {addr}: ")), "{error}");
    assert!(error.hint().unwrap().contains("ss -ltnp"));
}
