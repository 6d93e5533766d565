//! Redirects: to another domain, and to https.

use super::router_support::{App, Router, text};
use super::router_tls::with_certificates;

#[tokio::test]
async fn an_entry_that_redirects_does_so_with_path_and_query_and_asks_no_app() {
    let router = Router::start().await;
    let app = App::named("app").await;
    let set = serde_json::json!({
        "domains": ["a.test"], "upstreams": [app.addr], "redirects": { "www.a.test": "a.test", "old.test": "a.test" },
    });
    router.set("shop/prod", set).await;
    let mut client = router.client().await;
    let reply = client.get("www.a.test:8080", "/x%20y?q=%2F").await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("http://a.test:8080/x%20y?q=%2F")));
    assert!(reply.header("cache-control").is_some_and(|text| text.starts_with("max-age=")), "not for ever: {reply:?}");
    let post = "POST /order HTTP/1.1\r\nHost: old.test\r\nContent-Length: 3\r\n\r\nabc";
    assert_eq!(client.ask(post).await.status, 308);
    assert_eq!(app.seen(), 0);
    assert_eq!(client.get("a.test", "/").await.text(), "app", "on the same connection");
}

#[tokio::test]
async fn plain_http_is_sent_to_https_where_the_route_says_so_but_not_what_a_certificate_authority_asks_for() {
    let (router, _) = with_certificates(&[&["a.test"]]).await;
    let app = App::named("app").await;
    let tls = |redirect: bool| {
        serde_json::json!({
            "domains": ["a.test"], "upstreams": [app.addr], "redirects": { "www.a.test": "a.test" },
            "tls": { "certificate": "letsencrypt", "redirect": redirect, "hsts": true },
        })
    };
    router.set("shop/prod", tls(true)).await;
    let mut client = router.client().await;
    for (host, there) in [("a.test:8080", "https://a.test/x?q"), ("www.a.test", "https://a.test/x?q")] {
        let reply = client.get(host, "/x?q").await;
        assert_eq!((reply.status, reply.header("location")), (308, Some(there)));
        assert_eq!(reply.header("strict-transport-security"), None, "nobody believes it over plain HTTP");
    }
    assert_eq!(client.get("a.test", "/.well-known/acme-challenge/token").await.text(), "app");

    router.set("shop/prod", tls(false)).await;
    let reply = client.get("a.test", "/").await;
    assert_eq!((reply.text(), reply.header("strict-transport-security")), ("app", None));
}

#[tokio::test]
async fn a_host_that_has_no_certificate_yet_is_served_plainly_whatever_its_route_says() {
    let (router, _) = with_certificates(&[&["elsewhere.test"]]).await;
    let app = App::named("app").await;
    let set = serde_json::json!({
        "domains": ["a.test"], "upstreams": [app.addr], "redirects": { "www.a.test": "a.test" },
        "tls": { "certificate": "letsencrypt", "redirect": true },
    });
    router.set("shop/prod", set).await;
    let mut client = router.client().await;
    assert_eq!(client.get("a.test", "/").await.text(), "app");
    let reply = client.get("www.a.test", "/").await;
    assert_eq!(reply.header("location"), Some("http://a.test/"), "not to https, where nobody could answer");
}

#[tokio::test]
async fn over_https_a_redirect_stays_there_browsers_are_told_to_and_a_mark_is_for_https_alone() {
    let (router, authority) = with_certificates(&[&["a.test", "www.a.test"]]).await;
    let app = App::named("app").await;
    let set = serde_json::json!({
        "domains": ["a.test"], "upstreams": [app.addr], "redirects": { "www.a.test": "a.test" }, "sticky": true,
        "tls": { "certificate": { "file": "shop" }, "redirect": true, "hsts": true },
    });
    router.set("shop/prod", set).await;
    let reply = authority.browse(&router, "www.a.test").await.get("www.a.test", "/x?q").await;
    assert_eq!((reply.status, reply.header("location")), (308, Some("https://a.test/x?q")));
    assert_eq!(reply.header("strict-transport-security"), Some("max-age=31536000"), "it is a host of its own");
    let reply = authority.browse(&router, "a.test").await.get("a.test", "/").await;
    assert_eq!((reply.text(), reply.header("strict-transport-security")), ("app", Some("max-age=31536000")));
    let mark = reply.header("set-cookie").unwrap();
    assert!(mark.ends_with("; HttpOnly; SameSite=Lax; Secure"), "{mark}");
}

#[tokio::test]
async fn what_the_app_says_of_https_is_left_as_it_says_it() {
    let (router, authority) = with_certificates(&[&["a.test"]]).await;
    let app = App::start(|_| async {
        let mut answer = text(200, "app");
        answer.headers_mut().insert("strict-transport-security", http::HeaderValue::from_static("max-age=1"));
        answer
    })
    .await;
    let set = serde_json::json!({
        "domains": ["a.test"], "upstreams": [app.addr], "tls": { "certificate": "letsencrypt", "hsts": true },
    });
    router.set("shop/prod", set).await;
    let reply = authority.browse(&router, "a.test").await.get("a.test", "/").await;
    assert_eq!(reply.header("strict-transport-security"), Some("max-age=1"));
}
