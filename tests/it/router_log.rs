//! The access log: a line for every request, whatever became of it.

use super::router_support::{App, Router, text, until};
use super::router_wire::Raw;

/// The lines so far, once there are so many.
async fn lines(router: &Router, count: usize) -> Vec<serde_json::Value> {
    let path = router.dir.path().join("access.log");
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    until("the lines are written", async || read().lines().count() >= count).await;
    read().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn every_answer_is_a_line_with_where_it_came_from_and_how_much_it_was() {
    let router = Router::start().await;
    let app = App::start(|_| async { text(201, "twelve bytes") }).await;
    let set = serde_json::json!({
        "domains": ["a.test"], "upstreams": [app.addr], "redirects": { "www.a.test": "a.test" },
    });
    router.set("shop/prod", set).await;
    let mut client = router.client().await;
    client.get("A.test:80", "/x?token=hunter2").await;
    client.get("www.a.test", "/").await;
    client.get("b.test", "/").await;
    app.kill().await;
    client.ask("POST /y HTTP/1.1\r\nHost: a.test\r\nContent-Length: 0\r\n\r\n").await;
    let lines = lines(&router, 4).await;
    let shown: Vec<String> = lines
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
            format!(
                "{} {} {} {} {}",
                text("host"),
                text("method"),
                text("path"),
                line["status"],
                line["upstream"].is_null()
            )
        })
        .collect();
    assert_eq!(
        shown,
        ["A.test:80 GET /x 201 false", "www.a.test GET / 308 true", "b.test GET / 404 true", "a.test POST /y 502 true"]
    );
    assert_eq!((&lines[0]["bytes"], &lines[0]["client"]), (&12.into(), &"127.0.0.1".into()));
    assert!(lines[0]["ms"].as_f64().is_some_and(|ms| ms > 0.0));
    let whole = std::fs::read_to_string(router.dir.path().join("access.log")).unwrap();
    assert!(!whole.contains("hunter2"), "{whole}");
}

#[tokio::test]
async fn a_tunnel_is_a_line_when_it_opens_and_a_client_that_goes_away_is_one_too() {
    let router = Router::start().await;
    let app = Raw::start().await;
    router.route(&["a.test"], app.addr()).await;
    let mut client = router.client().await;
    client.send("GET /ws HTTP/1.1\r\nHost: a.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    let mut upstream = app.accept().await;
    upstream.request().await;
    upstream.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n").await;
    assert_eq!(client.head().await.unwrap().status, 101);
    let first = &lines(&router, 1).await[0];
    assert_eq!((&first["status"], &first["upstream"]), (&101.into(), &app.addr().to_string().into()));

    let mut gone = router.client().await;
    gone.send("GET /gone HTTP/1.1\r\nHost: a.test\r\n\r\n").await;
    app.accept().await.request().await;
    drop(gone);
    let second = &lines(&router, 2).await[1];
    assert_eq!((&second["path"], &second["status"]), (&"/gone".into(), &499.into()));
}
