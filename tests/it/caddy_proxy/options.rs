//! What a route can ask for besides its domains, seen from outside. Names below `localhost` get certificates of Caddy's
//! own authority, as any others would from Let's Encrypt.

use std::process::Command;

use serde_json::json;

use super::ground::{Behind, QUICK};
use crate::caddy::{Caddy, Version, newest, versions};
use crate::execute::ground::{image, web};

/// The stage with a route like this.
fn routed(version: &str, route: &str) -> String {
    web(version, QUICK).replace("route: { domains: [ web.test ] }", &format!("route: {{ {route} }}"))
}

/// What curl shows of an answer: its head and its body.
async fn curl(caddy: &Caddy, url: &str) -> String {
    let (http, https) = (caddy.http, caddy.https);
    let url = url.replace(":https", &format!(":{https}")).replace(":http", &format!(":{http}"));
    let any = format!("*:{http}:127.0.0.1");
    let secured = format!("*:{https}:127.0.0.1");
    let asked = tokio::task::spawn_blocking(move || {
        // Caddy gets a certificate a moment after it was told to.
        Command::new("curl")
            .args([
                "-sik",
                "--http1.1",
                "--max-time",
                "20",
                "--retry",
                "40",
                "--retry-all-errors",
                "--retry-delay",
                "0",
            ])
            .args(["--retry-max-time", "20", "--path-as-is", "--resolve", &any, "--resolve", &secured, &url])
            .output()
    });
    let output = asked.await.expect("a task").expect("curl");
    String::from_utf8_lossy(&output.stdout).replace('\r', "")
}

/// Behind servers that a person made for both ports, as a Caddyfile with a site for each makes them.
async fn behind_both(version: &Version) -> Behind {
    let caddy = Caddy::start(version, |http, https| {
        let other = json!([{ "match": [{ "host": ["hand.localhost"] }], "handle": [{ "handler": "static_response", "body": "hand" }] }]);
        json!({
            "srv0": { "listen": [format!("127.0.0.1:{https}")], "routes": other.clone() },
            "srv1": { "listen": [format!("127.0.0.1:{http}")], "routes": [{ "handle": [{ "handler": "static_response", "body": "plain" }] }] },
        })
    });
    Behind::of(caddy, &[&image("v1"), &image("v2")]).await
}

#[tokio::test]
async fn a_certificate_is_caddys_own_business_and_plain_http_is_redirected() {
    for version in versions() {
        for behind in
            [behind_both(&version).await, Behind::of(Caddy::empty(&version), &[&image("v1"), &image("v2")]).await]
        {
            let before = behind.caddy.config_text().await;
            behind.host.apply(&routed("v1", "domains: [ web.localhost ], certificate: letsencrypt, hsts: true")).await;
            let seen = curl(&behind.caddy, "https://web.localhost:https/").await;
            assert!(seen.starts_with("HTTP/1.1 200"), "{seen}");
            assert!(seen.to_lowercase().contains("x-version: v1"), "{seen}");
            assert!(seen.contains("max-age=31536000"), "{seen}");
            let seen = curl(&behind.caddy, "http://web.localhost:http/a?b=c").await;
            let there = "Location: https://web.localhost/a?b=c";
            assert!(seen.starts_with("HTTP/1.1 308") && seen.contains(there), "{seen}");
            let plan = behind.host.look().await.expect("a look").plan;
            assert!(plan.is_noop(), "{plan}");
            // The next version, and https beside plain HTTP.
            behind
                .host
                .apply(&routed("v2", "domains: [ web.localhost ], certificate: letsencrypt, https: allow"))
                .await;
            for url in ["http://web.localhost:http/", "https://web.localhost:https/"] {
                let seen = curl(&behind.caddy, url).await.to_lowercase();
                assert!(seen.contains("x-version: v2"), "{url}: {seen}");
            }
            let plan = behind.host.look().await.expect("a look").plan;
            assert!(plan.is_noop(), "{plan}");
            behind.remove_all().await;
            assert_eq!(behind.caddy.config_text().await, before, "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_redirect_speaks_of_https_over_https_alone_and_one_of_before_is_put_right() {
    for version in versions() {
        for behind in
            [behind_both(&version).await, Behind::of(Caddy::empty(&version), &[&image("v1"), &image("v2")]).await]
        {
            let before = behind.caddy.config_text().await;
            let route = "domains: [ web.localhost ], redirects: { www.web.localhost: web.localhost }, \
                         certificate: letsencrypt, hsts: true";
            behind.host.apply(&routed("v1", route)).await;
            let told = async |scheme: &str| {
                let seen = curl(&behind.caddy, &format!("{scheme}://www.web.localhost:{scheme}/a")).await;
                assert!(seen.starts_with("HTTP/1.1 308"), "{seen}");
                seen.contains("Strict-Transport-Security: max-age=31536000")
            };
            assert_eq!((told("https").await, told("http").await), (true, false), "{version:?}");
            let plan = behind.host.look().await.expect("a look").plan;
            assert!(plan.is_noop(), "{plan}");
            // As it was made when a redirect said nothing of it.
            let config = behind.caddy.config().await;
            let servers = config["apps"]["http"]["servers"].as_object().expect("servers").values();
            let all = servers.flat_map(|server| server["routes"].as_array().into_iter().flatten());
            let says_it = |route: &&serde_json::Value| {
                let said = route.pointer("/handle/0/headers/Strict-Transport-Security");
                said.is_some() && route["handle"][0]["handler"] == "static_response"
            };
            let ids: Vec<_> = all.filter(says_it).map(|route| route["@id"].as_str().expect("an id")).collect();
            assert_eq!(ids.len(), 1, "{config:#}");
            let header = format!("/id/{}/handle/0/headers/Strict-Transport-Security", ids[0]);
            behind.caddy.by_hand("DELETE", &header, None).await;
            assert!(!told("https").await);
            behind.host.apply(&routed("v1", route)).await;
            assert!(told("https").await);
            behind.remove_all().await;
            assert_eq!(behind.caddy.config_text().await, before, "{version:?}");
        }
    }
}

#[tokio::test]
async fn a_wildcard_that_caddy_has_is_used_and_no_other_certificate_is_got() {
    let caddy = Caddy::start(&newest(), |_, https| {
        let wildcard = json!([{ "match": [{ "host": ["*.apps.localhost"] }], "handle": [{ "handler": "static_response", "body": "any" }] }]);
        json!({ "srv0": { "listen": [format!("127.0.0.1:{https}")], "routes": wildcard } })
    });
    let behind = Behind::of(caddy, &[&image("v1")]).await;
    let before = behind.caddy.config_text().await;
    let route = "domains: [ web.apps.localhost ], certificate: { wildcard: \"*.apps.localhost\" }";
    behind.host.apply(&routed("v1", route)).await;
    let seen = curl(&behind.caddy, "https://web.apps.localhost:https/").await;
    assert!(seen.to_lowercase().contains("x-version: v1"), "{seen}");
    let seen = curl(&behind.caddy, "http://web.apps.localhost:http/").await;
    assert!(seen.starts_with("HTTP/1.1 308"), "{seen}");
    assert!(curl(&behind.caddy, "https://other.apps.localhost:https/").await.ends_with("any"));
    let plan = behind.host.look().await.expect("a look").plan;
    assert!(plan.is_noop(), "{plan}");
    behind.remove_all().await;
    assert_eq!(behind.caddy.config_text().await, before);
}

#[tokio::test]
async fn redirects_paths_and_further_upstreams_are_caddys() {
    for version in versions() {
        let behind = Behind::with(&version, &[&image("v1"), &image("v2")]).await;
        let before = behind.caddy.config_text().await;
        let route = "domains: [ web.test, api.test/v1 ], redirects: { www.web.test: web.test }, strip_prefix: true, \
                     sticky: true, upstreams: [ \"127.0.0.1:9\" ]";
        behind.host.apply(&routed("v1", route)).await;
        assert_eq!(behind.caddy.answer("web.test").await, "v1");
        assert_eq!(crate::caddy::answer_at(behind.caddy.addr(), "api.test", "/v1/healthz").await, "v1");
        assert_eq!(crate::caddy::answer_at(behind.caddy.addr(), "api.test", "/v2").await, "404 anything");
        let seen = curl(&behind.caddy, "http://www.web.test:http/a?b=c").await;
        let there = "Location: http://web.test/a?b=c";
        assert!(seen.starts_with("HTTP/1.1 308") && seen.contains(there), "{seen}");
        let seen = curl(&behind.caddy, "http://web.test:http/").await;
        assert!(seen.to_lowercase().contains("set-cookie: "), "{seen}");
        let plan = behind.host.look().await.expect("a look").plan;
        assert!(plan.is_noop(), "{plan}");
        behind.remove_all().await;
        assert_eq!(behind.caddy.config_text().await, before, "{version:?}");
    }
}

#[tokio::test]
async fn stages_share_a_host_by_their_paths_whatever_the_order() {
    let two = |first: &str, second: &str| {
        let stage = |name: &str, version: &str, domains: &str| {
            let digest = image(version).digest;
            format!(
                "      {name}:\n        track: {{ digest: \"{digest}\" }}\n        drain: 0s\n        route: {{ domains: [ {domains} ] }}\n"
            )
        };
        let head = web("v1", "");
        let head = head.split("      prod:").next().expect("a head").to_owned();
        head + &stage("prod", "v1", first) + &stage("next", "v2", second)
    };
    let behind = Behind::with(&newest(), &[&image("v1"), &image("v2")]).await;
    let asked = async |path: &str| crate::caddy::answer_at(behind.caddy.addr(), "web.test", path).await;
    behind.host.apply(&two("web.test", "web.test/api")).await;
    assert_eq!(
        (asked("/").await, asked("/api/x").await, asked("/apix").await),
        ("v1".into(), "v2".into(), "v1".into())
    );
    behind.host.apply(&two("web.test/api", "web.test")).await;
    assert_eq!((asked("/").await, asked("/api/x").await), ("v2".into(), "v1".into()));
    let plan = behind.host.look().await.expect("a look").plan;
    assert!(plan.is_noop(), "{plan}");
}

#[tokio::test]
async fn what_caddy_does_not_do_is_refused() {
    let behind = Behind::with(&newest(), &[&image("v1")]).await;
    for (route, words) in [
        ("certificate: { id: 3 }", "`certificate: { id: … }` needs Nginx Proxy Manager"),
        ("certificate: { file: shop }", "`certificate: { file: … }` needs the embedded proxy"),
        ("websockets: false", "`websockets: false` needs the embedded proxy or Nginx Proxy Manager"),
        ("certificate: letsencrypt, http2: false", "`http2: false` needs"),
        ("caching: true", "`caching` needs Nginx Proxy Manager"),
    ] {
        behind.host.write(&routed("v1", &format!("domains: [ web.test ], {route}")));
        let refused = format!("{:?}", behind.host.look().await.err());
        assert!(refused.contains(words), "{route}: {refused}");
    }
}
