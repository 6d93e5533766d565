//! R1, R5, R9, R20: domains of a stage that only redirect. Each target has a redirection host of ours, made, changed and
//! removed in the same transaction as the proxy host; names move between the two in the order that frees them.

use serde_json::{Value, json};

use super::ground::{Behind, QUICK, timeless};
use crate::execute::ground::{image, web};
use crate::npm::{Fault, Matcher};
use crate::router_wire::Client;

const REDIRECTIONS: &str = "/nginx/redirection-hosts";

/// `web/prod` with these domains and redirects, and more keys in its route.
fn redirecting(version: &str, domains: &str, redirects: &str, more: &str) -> String {
    let route = format!("route: {{ domains: [ {domains} ], redirects: {{ {redirects} }}{more} }}");
    web(version, QUICK).replace("route: { domains: [ web.test ] }", &route)
}

const WWW: &str = "www.test: web.test";

async fn with_www() -> Behind {
    let behind = Behind::with(&[&image("v1"), &image("v2")]).await;
    behind.host.apply(&redirecting("v1", "web.test", WWW, "")).await;
    behind
}

/// Status and `Location` of a domain, in plain HTTP.
async fn leads(behind: &Behind, domain: &str) -> (u16, Option<String>) {
    behind.answer(domain).await;
    let at = behind.npm.probe().parse().expect("an address");
    let reply = Client::connect(at).await.get(domain, "/a?b=c").await;
    (reply.status, reply.header("location").map(str::to_owned))
}

fn redirections(behind: &Behind) -> Vec<Value> {
    let rows = behind.npm.by_hand().done("GET", REDIRECTIONS, None);
    rows.as_array().expect("a list").iter().cloned().map(timeless).collect()
}

async fn is_noop(behind: &Behind) {
    let plan = behind.host.look().await.expect("a look").plan;
    assert!(plan.is_noop(), "{plan}");
}

#[tokio::test]
async fn r9_a_domain_redirects_with_path_and_query_and_goes_with_the_stage() {
    let behind = with_www().await;
    assert_eq!(behind.answer("web.test").await, "v1");
    assert_eq!(leads(&behind, "www.test").await, (308, Some("http://web.test/a?b=c".to_owned())));
    assert_eq!((behind.npm.writes(), behind.npm.hosts().len(), redirections(&behind).len()), (2, 1, 1));
    assert_eq!(behind.row("web.test")["domain_names"], json!(["web.test"]));
    is_noop(&behind).await;
    behind.npm.reset_calls();
    is_noop(&behind).await;
    let asked: Vec<String> = behind.npm.calls().iter().map(|call| format!("{} {}", call.method, call.path)).collect();
    assert_eq!(asked, ["GET /nginx/proxy-hosts", "GET /nginx/redirection-hosts"]);
    // A new version touches the proxy host alone.
    behind.npm.reset_calls();
    behind.host.apply(&redirecting("v2", "web.test", WWW, "")).await;
    assert_eq!((behind.npm.writes(), behind.npm.count("PUT", "/nginx/proxy-hosts/")), (1, 1));
    behind.remove_all().await;
    assert_eq!((behind.npm.hosts().len(), redirections(&behind).len()), (0, 0));
}

#[tokio::test]
async fn r9_a_redirect_has_the_https_of_its_host() {
    let behind = with_www().await;
    let id = behind.npm.by_hand().certificate(&["*.test"], true);
    behind.host.apply(&redirecting("v1", "web.test", WWW, &format!(", certificate: {{ id: {id} }}, hsts: true"))).await;
    let row = redirections(&behind).remove(0);
    assert_eq!((&row["certificate_id"], &row["ssl_forced"]), (&json!(id), &json!(true)));
    assert_eq!((&row["hsts_enabled"], &row["forward_scheme"]), (&json!(true), &json!("https")));
    is_noop(&behind).await;
    let address = behind.npm.https_addr().parse::<std::net::SocketAddr>().expect("an address");
    let client = reqwest::Client::builder().resolve("www.test", address).danger_accept_invalid_certs(true).no_proxy();
    let client = client.redirect(reqwest::redirect::Policy::none()).build().expect("a client");
    let answer = client.get(format!("https://www.test:{}/a", address.port())).send().await.expect("an answer");
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["location"]),
        (308, &"https://web.test/a".parse().unwrap())
    );
    behind.host.apply(&redirecting("v1", "web.test", WWW, "")).await;
    assert_eq!(leads(&behind, "www.test").await, (308, Some("http://web.test/a?b=c".to_owned())));
    is_noop(&behind).await;
}

#[tokio::test]
async fn r9_names_move_between_serving_and_redirecting_and_between_targets() {
    let behind = with_www().await;
    for (domains, redirects, served, redirected) in [
        // The other way round: each name changes what it does.
        ("www.test", "web.test: www.test", &["www.test"][..], &[("web.test", "www.test")][..]),
        ("web.test", WWW, &["web.test"], &[("www.test", "web.test")]),
        ("web.test, www.test", "", &["web.test", "www.test"], &[]),
        (
            "web.test, b.test",
            "www.test: b.test, w.test: b.test",
            &["web.test", "b.test"],
            &[("www.test", "b.test"), ("w.test", "b.test")],
        ),
        (
            "web.test, b.test, w.test",
            "www.test: web.test",
            &["web.test", "b.test", "w.test"],
            &[("www.test", "web.test")],
        ),
    ] {
        behind.host.apply(&redirecting("v1", domains, redirects, "")).await;
        for domain in served {
            assert_eq!(behind.answer(domain).await, "v1", "{domains}: {domain}");
        }
        for (from, to) in redirected {
            assert_eq!(leads(&behind, from).await, (308, Some(format!("http://{to}/a?b=c"))), "{domains}: {from}");
        }
        assert_eq!(behind.npm.hosts().len(), 1, "{domains}");
        is_noop(&behind).await;
    }
}

#[tokio::test]
async fn r20_a_redirect_that_a_person_changed_is_put_right_by_one_write() {
    let behind = with_www().await;
    let before = redirections(&behind).remove(0);
    let id = before["id"].as_i64().unwrap();
    let path = format!("{REDIRECTIONS}/{id}");
    for (edit, words) in [
        (json!({ "forward_http_code": 302 }), "it answers 302 auto://web.test/…, and not 308"),
        (json!({ "preserve_path": false }), "it answers 308 auto://web.test, and not"),
        (json!({ "forward_scheme": "http" }), "it answers 308 http://"),
        (json!({ "block_exploits": true }), "its https is not that of proxy host"),
        (json!({ "domain_names": ["www.test", "more.test"] }), "redirects differ"),
    ] {
        behind.npm.by_hand().done("PUT", &path, Some(&edit));
        let plan = behind.plan().await;
        assert!(plan.contains(words), "{edit}: {plan}");
        behind.npm.reset_calls();
        assert_eq!(behind.pass().await.0, "done", "{edit}");
        assert_eq!((behind.npm.writes(), redirections(&behind)), (1, vec![before.clone()]), "{edit}");
        is_noop(&behind).await;
    }
    behind.npm.by_hand().done("POST", &format!("{path}/disable"), None);
    assert!(behind.plan().await.contains("it is switched off"));
    assert_eq!((behind.pass().await.0.as_str(), redirections(&behind)), ("done", vec![before.clone()]));
    behind.npm.by_hand().done("DELETE", &path, None);
    assert!(behind.plan().await.contains("redirects differ"));
    assert_eq!(behind.pass().await.0, "done");
    assert_eq!(leads(&behind, "www.test").await.0, 308);
    is_noop(&behind).await;
}

#[tokio::test]
async fn r9_a_redirect_that_nginx_refuses_puts_the_whole_switch_back() {
    let behind = with_www().await;
    let state = |behind: &Behind| (timeless(behind.row("web.test")), redirections(behind));
    let before = state(&behind);
    for (yaml, method) in [
        (redirecting("v1", "www.test", "web.test: www.test", ""), "POST"),
        (redirecting("v1", "web.test, b.test", "www.test: web.test, c.test: web.test", ""), "PUT"),
    ] {
        behind.host.write(&yaml);
        behind.npm.fail_next(Matcher::new(method, REDIRECTIONS), Fault::Offline("nginx: no\n".into()));
        let (status, reason) = behind.pass().await;
        assert_eq!((status.as_str(), behind.npm.faults_left()), ("no deploy", 0), "{reason}");
        let (host, mut all) = state(&behind);
        // One that was taken away is made anew, under another number.
        all[0]["id"] = before.1[0]["id"].clone();
        all[0]["created_on"] = before.1[0]["created_on"].clone();
        assert_eq!((host, all), before, "{method}");
        assert_eq!(behind.answer("web.test").await, "v1");
        assert_eq!(leads(&behind, "www.test").await.0, 308);
    }
}

#[tokio::test]
async fn r1_a_redirect_made_by_hand_for_a_domain_of_ours_is_a_clash_and_stays() {
    let behind = Behind::with(&[&image("v1")]).await;
    let id = behind.npm.by_hand().create_redirection("www.test", "elsewhere.test");
    let before = redirections(&behind);
    behind.host.write(&redirecting("v1", "web.test", WWW, ""));
    let plan = behind.plan().await;
    assert!(plan.contains(&format!("domain www.test belongs to redirection host {id}, made by hand")), "{plan}");
    behind.host.converge().await;
    assert_eq!((behind.npm.writes(), redirections(&behind)), (0, before));
}

#[tokio::test]
async fn r5_a_release_and_a_resume_let_go_of_the_redirects_and_take_them_back() {
    use landfall::model::{Pause, PauseKind};
    let behind = with_www().await;
    let key = "web/prod".parse().expect("a stage");
    let before = redirections(&behind);
    behind.host.pause(&key, Some(Pause { kind: PauseKind::Released, since_ms: 0, until_ms: None })).await.unwrap();
    assert_eq!(redirections(&behind)[0]["meta"].get("landfall"), None);
    assert_eq!(leads(&behind, "www.test").await.0, 308, "it does what it did");
    behind.host.pause(&key, None).await.unwrap();
    assert_eq!(redirections(&behind), before);
    is_noop(&behind).await;
}

#[tokio::test]
async fn r15_two_redirects_for_the_same_are_reduced_to_one() {
    let behind = with_www().await;
    let mark = redirections(&behind)[0]["meta"].clone();
    behind.npm.by_hand().done(
        "POST",
        REDIRECTIONS,
        Some(&json!({ "domain_names": ["w.test"], "forward_scheme": "auto", "forward_http_code": 308,
            "forward_domain_name": "web.test", "preserve_path": true, "meta": mark })),
    );
    assert!(!behind.host.look().await.unwrap().plan.is_noop());
    assert_eq!(behind.pass().await.0, "done");
    assert_eq!(redirections(&behind).len(), 1);
    assert_eq!(leads(&behind, "www.test").await.0, 308);
    is_noop(&behind).await;
}
