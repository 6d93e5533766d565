//! Requests find their upstream by host, and get a page of ours where there is none.

use landfall::model::ObservedProxy;
use landfall::proxy::Change;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::router_support::{App, Router, control, domains, stage, store};

#[tokio::test]
async fn a_request_goes_to_the_upstream_of_its_host() {
    let router = Router::start().await;
    let (one, two) = (App::named("one").await, App::named("two").await);
    router
        .proxy
        .switch(&Change::new(store(1), &stage("a/prod"), &domains(&["one.test"]), &one.addr.to_string()))
        .await
        .unwrap();
    router
        .proxy
        .switch(&Change::new(store(1), &stage("b/prod"), &domains(&["two.test"]), &two.addr.to_string()))
        .await
        .unwrap();
    let mut client = router.client().await;
    assert_eq!(client.get("one.test", "/").await.text(), "one");
    assert_eq!(client.get("two.test", "/").await.text(), "two");
    for same in ["ONE.test", "one.test.", "one.test:8080", "One.Test.:80"] {
        assert_eq!(client.get(same, "/").await.text(), "one", "{same}");
    }
    let absolute = "GET http://two.test/x HTTP/1.1\r\nHost: one.test\r\n\r\n";
    assert_eq!(client.ask(absolute).await.text(), "two", "an absolute target counts more than the header");

    let ObservedProxy::Routes(observed) = router.observe().await else { panic!("not reachable") };
    let route = &observed[&domains(&["one.test"])[0]];
    assert_eq!(
        (route.upstream.clone(), route.owner.clone()),
        (one.addr.to_string(), Some((store(1), stage("a/prod"))))
    );
}

#[tokio::test]
async fn a_name_without_a_route_gets_a_404_that_tells_nothing_and_is_not_cached() {
    let router = Router::start().await;
    let mut client = router.client().await;
    let reply = client.get("<script>.test", "/").await;
    assert_eq!(reply.status, 400, "not a host at all");
    let reply = client.get("elsewhere.test", "/").await;
    assert_eq!((reply.status, reply.header("cache-control")), (404, Some("no-store")));
    let told = format!("{reply:?}").to_lowercase();
    for leak in ["elsewhere", "landfall", "hyper", "server\"", "0.1"] {
        assert!(!told.contains(leak), "{leak}: {told}");
    }
    assert_eq!(client.get("elsewhere.test", "/").await.status, 404, "and the connection stays");
}

#[tokio::test]
async fn a_head_for_a_page_of_ours_has_no_body() {
    let router = Router::start().await;
    let mut client = router.client().await;
    client.send("HEAD / HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    assert_eq!(client.reply_to_head().await.unwrap().status, 404);
    assert_eq!(client.get("a.test", "/").await.status, 404, "nothing stands between the two answers");
}

#[tokio::test]
async fn an_upstream_that_refuses_or_breaks_off_gives_a_502() {
    let router = Router::start().await;
    let refusing = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = refusing.local_addr().unwrap();
    drop(refusing);
    router.route(&["a.test"], addr).await;
    let mut client = router.client().await;
    let reply = client.get("a.test", "/").await;
    assert_eq!((reply.status, reply.header("cache-control")), (502, Some("no-store")));

    let breaking = TcpListener::bind("127.0.0.1:0").await.unwrap();
    router.route(&["a.test"], breaking.local_addr().unwrap()).await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = breaking.accept().await {
            drop(stream);
        }
    });
    assert_eq!(client.get("a.test", "/").await.status, 502);

    let babbling = TcpListener::bind("127.0.0.1:0").await.unwrap();
    router.route(&["a.test"], babbling.local_addr().unwrap()).await;
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = babbling.accept().await {
            stream.write_all(b"SSH-2.0-OpenSSH\r\n").await.unwrap();
        }
    });
    assert_eq!(client.get("a.test", "/").await.status, 502);
    assert!(client.is_open(), "the client's connection has nothing to do with it");
}

#[tokio::test]
async fn a_route_without_an_upstream_gives_a_503_that_says_when_to_come_back() {
    let router = Router::start().await;
    let body = format!(
        r#"{{"owner":{{"store":"{}","project":"shop","stage":"prod"}},"domains":["a.test"],"upstream":null}}"#,
        store(1)
    );
    let (status, answer) = control(&router.control(), "PUT", "/routes", &body).await;
    assert_eq!(status, 200, "{answer}");
    let reply = router.client().await.get("a.test", "/").await;
    assert_eq!((reply.status, reply.header("retry-after")), (503, Some("5")));
}

#[tokio::test]
async fn a_request_that_names_no_host_or_two_or_nonsense_is_refused() {
    let router = Router::start().await;
    let app = App::named("app").await;
    router.route(&["a.test"], app.addr).await;
    for bad in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test\r\nHost: a.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost:\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: user@a.test\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test/x\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a.test:80:80\r\n\r\n",
        "GET http://a.test/ HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost : a.test\r\n\r\n",
        "GARBAGE\r\n\r\n",
    ] {
        assert_eq!(router.client().await.ask(bad).await.status, 400, "{bad:?}");
    }
    let connect = "CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n";
    assert_eq!(router.client().await.ask(connect).await.status, 405);
    assert_eq!(app.seen(), 0);
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served() {
    let router = Router::start().await;
    let app = App::named("app").await;
    router.route(&["a.test"], app.addr).await;
    let reply = router.client().await.ask("GET / HTTP/1.0\r\nHost: a.test\r\n\r\n").await;
    assert_eq!((reply.status, reply.text()), (200, "app"));
}
