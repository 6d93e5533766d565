//! R8: when a new container counts as ready, and how it is told that it never will.

use std::time::Duration;

use super::ground::{Host, ended, image, web};
use crate::fake_docker::{Behaviour, FakeImage, Op};
use crate::router_support::until;

/// A stage whose gate is this.
fn gated(ready: &str) -> String {
    web("v1", &format!("        ready: {{ {ready}, interval: 20ms, timeout: 300ms }}\n"))
}

/// Applies the first version, whose app behaves so, behind a gate: status, and reason or log.
async fn outcome(image: &FakeImage, ready: &str) -> (Host, String, String) {
    let host = Host::with(&[image]).await;
    host.write(&gated(ready));
    let (status, reason) = ended(&host.converge().await);
    (host, status, reason)
}

#[tokio::test]
async fn r8_http_asks_the_path_under_the_first_domain_on_the_container_s_own_address() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&gated("http: { path: \"/healthz?deep=1\" }")).await;
    let heads = host.fake.heads(&host.last().container_name);
    assert!(heads[0].starts_with("GET /healthz?deep=1 HTTP/1.1\r\n"), "{heads:?}");
    assert!(heads[0].to_lowercase().contains("\r\nhost: web.test\r\n"), "{heads:?}");
    let (host, status, _) = outcome(&image("v1"), "http: { path: /, host: other.test }").await;
    let heads = host.fake.heads(&host.last().container_name);
    assert!(status == "success" && heads[0].to_lowercase().contains("\r\nhost: other.test\r\n"), "{heads:?}");
}

#[tokio::test]
async fn r8_the_status_must_be_in_the_range() {
    for (status, expect, passes) in
        [(404, "404", true), (201, "200-299", true), (404, "200-399", false), (500, "200-499", false)]
    {
        let app = image("v1").behaving(Behaviour::Answers(status));
        let ready = format!("http: {{ path: /healthz, expect: {expect} }}, deadline: 200ms");
        let (_host, ended, reason) = outcome(&app, &ready).await;
        assert_eq!(ended == "success", passes, "{status} {expect}: {reason}");
        let said = format!("not ready within 200ms: http /healthz answered {status}, expected {expect}");
        assert!(passes || reason == said, "{reason}");
    }
}

#[tokio::test]
async fn r8_no_redirect_is_followed() {
    let app = image("v1").behaving(Behaviour::Answers(302));
    let (host, status, reason) = outcome(&app, "http: { path: /healthz, expect: 200-299 }, deadline: 200ms").await;
    assert_eq!((status.as_str(), reason.contains("answered 302")), ("failed", true), "{reason}");
    let heads = host.fake.heads(&host.last().container_name);
    assert!(heads.len() > 1 && heads.iter().all(|head| head.starts_with("GET /healthz ")), "{heads:?}");
}

#[tokio::test]
async fn r8_the_published_port_is_not_what_is_asked() {
    // Takes connections on its published port, as Docker's own proxy does for every app, and listens nowhere.
    let app = image("v1").behaving(Behaviour::Silent);
    let (_host, status, reason) = outcome(&app, "tcp: {}, deadline: 200ms").await;
    assert_eq!(status, "failed");
    assert!(reason.starts_with("not ready within 200ms: port 8080: "), "{reason}");
}

#[tokio::test]
async fn r8_a_container_that_ends_fails_at_once_with_its_exit_code_and_last_words() {
    let last_words = "config: DATABASE is missing\ngiving up";
    let crash = Behaviour::Crash { after: Duration::from_millis(100), exit_code: 3, last_words: last_words.to_owned() };
    let app = image("v1").behaving(crash);
    // The deadline is far beyond what a test may take.
    let (host, status, reason) = outcome(&app, "http: { path: /, expect: 500-599 }, deadline: 1h").await;
    assert_eq!((status.as_str(), reason.as_str()), ("failed", "exit 3, and Docker started it again"));
    let log = host.log();
    for line in ["| config: DATABASE is missing", "| giving up", "removed web-prod-", "failed: exit 3"] {
        assert!(log.contains(line), "no {line} in\n{log}");
    }
    assert_eq!(host.containers(), [""; 0]);
}

/// Docker has started it again once when the gate looks for the `n`th time.
async fn started_again_before(n: usize) {
    let host = Host::with(&[&image("v1").behaving(Behaviour::Silent).with_healthcheck()]).await;
    host.write(&gated("docker: {}, deadline: 1h"));
    if n == 1 {
        host.fake.hang(Op::Inspect);
    }
    let watch = async {
        host.called(Op::Inspect).await;
        let name = host.last().container_name;
        host.fake.change(&name, |container| {
            container.restart_count = 1;
            container.health = Some("healthy");
        });
        host.fake.reset_calls();
        host.fake.release(Op::Inspect);
        // Seen to run again; how it ends is waited for.
        until("it is looked at once more", async || host.fake.count(Op::Inspect) > 1).await;
        host.fake.crash(&name, 7, true).await;
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    let (status, reason) = ended(&converged);
    let wanted = ("failed", "exit 7, out of memory, and Docker started it again");
    assert_eq!((status.as_str(), reason.as_str()), wanted, "before look {n}");
}

#[tokio::test]
async fn r8_a_restart_in_between_fails_even_though_it_runs_again_and_says_it_is_well() {
    for n in [1, 2] {
        started_again_before(n).await;
    }
}

#[tokio::test]
async fn r8_a_container_that_somebody_removes_meanwhile_fails_the_gate() {
    let host = Host::with(&[&image("v1").behaving(Behaviour::Unhealthy)]).await;
    host.write(&gated("http: { path: / }, deadline: 1h"));
    let watch = async {
        host.called(Op::Inspect).await;
        host.fake.remove_by_hand(&host.last().container_name).await;
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert_eq!(ended(&converged), ("failed".to_owned(), "its container is gone".to_owned()));
    assert!(!host.look().await.unwrap().plan.is_held(), "no app removes itself (R12)");
    assert_eq!(host.instances().len(), 0);
}

#[tokio::test]
async fn r8_docker_s_own_health_check_decides_where_it_is_asked_to_or_nothing_else_is_given() {
    for ready in ["docker: {}, deadline: 1h", "deadline: 1h"] {
        let host = Host::with(&[&image("v1").behaving(Behaviour::Silent).with_healthcheck()]).await;
        host.write(&gated(ready));
        if !ready.starts_with("docker") {
            // The project's own gate would be merged in.
            host.write(&gated(ready).replace("http: { path: /healthz }, ", ""));
        }
        let watch = async {
            host.called(Op::Inspect).await;
            let name = host.last().container_name;
            host.fake.set_health(&name, "unhealthy");
            host.fake.reset_calls();
            host.called(Op::Inspect).await;
            host.fake.set_health(&name, "healthy");
        };
        let (converged, ()) = tokio::join!(host.converge(), watch);
        assert_eq!(ended(&converged).0, "success", "{ready}: {}", host.log());
    }
}

#[tokio::test]
async fn r8_asking_docker_about_an_image_without_a_check_says_so() {
    let (_host, status, reason) = outcome(&image("v1"), "docker: {}, deadline: 200ms").await;
    assert_eq!(status, "failed");
    assert!(reason.contains("the image has no HEALTHCHECK"), "{reason}");
}

/// The one test here that takes its time, since the ten seconds are the rule.
#[tokio::test]
async fn r8_without_any_check_ten_seconds_without_a_restart_are_enough_and_the_health_is_unknown() {
    let host = Host::with(&[&image("v1")]).await;
    let begun = std::time::Instant::now();
    host.apply(&gated("deadline: 1m").replace("http: { path: /healthz }, ", "")).await;
    assert!(begun.elapsed() >= Duration::from_secs(10));
    assert!(host.log().contains("running, health unknown after 10"), "{}", host.log());
}
