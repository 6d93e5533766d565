//! Stages that share a host by paths: who is asked for what, and what each app sees.

use http::Request;
use hyper::body::Incoming;
use landfall::model::{ObservedProxy, RouteOptions};
use landfall::proxy::Change;

use super::router_support::{Answer, App, Router, domains, stage, store, text};

/// An app that says what it sees.
async fn mirror(name: &'static str) -> App {
    App::start(move |request: Request<Incoming>| async move { saw(name, &request) }).await
}

fn saw(name: &str, request: &Request<Incoming>) -> Answer {
    let prefix = request.headers().get("x-forwarded-prefix").map_or("-", |prefix| prefix.to_str().unwrap());
    text(200, format!("{name} {} {prefix}", request.uri()))
}

#[tokio::test]
async fn two_stages_share_a_host_and_each_sees_its_own_requests() {
    let router = Router::start().await;
    let (site, api, old) = (mirror("site").await, mirror("api").await, mirror("old").await);
    router.set("shop/site", serde_json::json!({ "domains": ["a.test"], "upstreams": [site.addr] })).await;
    let stripped = serde_json::json!({ "domains": ["a.test/api"], "upstreams": [api.addr], "strip_prefix": true });
    router.set("shop/api", stripped).await;
    router.set("shop/old", serde_json::json!({ "domains": ["a.test/api/v1"], "upstreams": [old.addr] })).await;
    let mut client = router.client().await;
    for (asked, seen) in [
        ("/", "site / -"),
        ("/apix?q", "site /apix?q -"),
        ("/api", "api / /api"),
        ("/api/x%2Fy?q=1", "api /x%2Fy?q=1 /api"),
        ("/api/v1", "old /api/v1 -"),
        ("/api/v1/x", "old /api/v1/x -"),
    ] {
        assert_eq!(client.get("a.test", asked).await.text(), seen, "{asked}");
    }
    let claimed = "GET /api/x HTTP/1.1\r\nHost: a.test\r\nX-Forwarded-Prefix: /admin\r\n\r\n";
    assert_eq!(client.ask(claimed).await.text(), "api /x /api", "a client cannot claim one");
    for unclear in ["/api/../x", "/api/%2e%2e/x", "/api/v1/..;/x", "//api/x", "/%61pi/x"] {
        assert_eq!(client.get("a.test", unclear).await.status, 400, "{unclear}");
    }
}

#[tokio::test]
async fn a_path_without_a_route_is_a_404_and_moves_between_stages_alone() {
    let router = Router::start().await;
    let (api, new) = (mirror("api").await, mirror("new").await);
    let set = |app: &App| serde_json::json!({ "domains": ["a.test/api"], "upstreams": [app.addr] });
    router.set("shop/api", set(&api)).await;
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.status, 404);
    assert_eq!(client.get("a.test", "/api/x").await.text(), "api /api/x -");
    router.set("shop/new", set(&new)).await;
    assert_eq!(client.get("a.test", "/api/x").await.text(), "new /api/x -", "on the same connection");
}

#[tokio::test]
async fn what_was_asked_of_a_route_is_seen_in_it_again_for_each_of_its_domains() {
    let router = Router::start().await;
    let all = domains(&["a.test", "b.test/api", "www.a.test"]);
    let wanted = RouteOptions {
        certificate: landfall::model::route::Certificate::File("shop".to_owned()),
        https: landfall::model::route::Https::Redirect,
        http2: true,
        hsts: true,
        websockets: false,
        redirects: [(all[2].clone(), all[0].clone())].into(),
        upstreams: vec!["127.0.0.1:3".to_owned(), "127.0.0.1:2".to_owned()],
        sticky: true,
        strip_prefix: true,
        ..RouteOptions::default()
    };
    let plain = RouteOptions::default();
    for (route, maintenance) in [(&wanted, false), (&wanted, true), (&plain, false), (&plain, true)] {
        let options = landfall::model::HostOptions { maintenance, ..route.by_name() };
        let key = stage("shop/prod");
        let change = Change { options: &options, ..Change::new(store(1), &key, &all, "127.0.0.1:1") };
        router.proxy.switch(&change).await.unwrap();
        let ObservedProxy::Routes(seen) = router.observe().await else { panic!("not reachable") };
        assert_eq!(seen.keys().collect::<Vec<_>>(), all.iter().collect::<Vec<_>>());
        for (domain, route) in seen {
            let host = route.host.unwrap();
            assert_eq!(host.options.as_ref(), Some(&options), "{domain}");
            let leads = if options.redirects.contains_key(&domain) { "" } else { "127.0.0.1:1" };
            assert_eq!((route.upstream.as_str(), host.trouble), (leads, None), "{domain}");
        }
    }
}

#[tokio::test]
async fn in_maintenance_a_page_stands_in_for_an_app_that_could_answer() {
    let router = Router::start().await;
    let app = mirror("app").await;
    let (key, names, upstream) = (stage("shop/prod"), domains(&["a.test"]), app.addr.to_string());
    let closed = landfall::model::HostOptions { maintenance: true, ..RouteOptions::default().by_name() };
    let change = Change { options: &closed, ..Change::new(store(1), &key, &names, &upstream) };
    let mut client = router.client().await;
    router.proxy.switch(&change).await.unwrap();
    let reply = client.get("a.test", "/").await;
    assert_eq!((reply.status, reply.header("retry-after"), app.seen()), (503, Some("5"), 0));
    router.route(&["a.test"], app.addr).await;
    assert_eq!(client.get("a.test", "/").await.text(), "app / -");
}

#[tokio::test]
async fn an_app_that_cannot_be_reached_is_said_to_be_replaced_where_that_is_asked_for() {
    let router = Router::start().await;
    let gone = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().to_string()
    };
    let (key, names) = (stage("shop/prod"), domains(&["a.test"]));
    let mut client = router.client().await;
    for (maintenance, status, retry) in [(true, 503, Some("5")), (false, 502, None)] {
        let options = RouteOptions { maintenance, ..RouteOptions::default() }.by_name();
        let change = Change { options: &options, ..Change::new(store(1), &key, &names, &gone) };
        router.proxy.switch(&change).await.unwrap();
        let reply = client.get("a.test", "/").await;
        assert_eq!((reply.status, reply.header("retry-after")), (status, retry));
    }
}
