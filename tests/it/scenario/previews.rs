//! Previews and promotion on a real dockerd with a real registry: a push is all that it takes.

use rustix::process::Signal;
use serde_json::Value;

use super::daemon::daemon;
use super::harness::{Host, eventually};

/// A version of the story's own: nobody else has its image.
fn push(host: &Host, tag: &str) {
    host.push(&host.text(tag), &[&format!("VERSION={tag}")]);
}

/// One project, with these stages.
fn project(stages: &str) -> String {
    format!(
        "projects:\n  web-<id>:\n    image: <images>/web\n    port: 8080\n    \
         ready: {{ http: {{ path: /healthz }}, interval: 50ms, deadline: 30s }}\n    drain: 1s\n    \
         stop_grace_period: 1s\n    stages:\n{stages}"
    )
}

/// Which version answers at a domain.
fn at(host: &Host, domain: &str) -> String {
    host.get(domain, "/").version
}

#[test]
fn r4_the_push_of_a_tag_is_a_preview_at_its_own_domain_and_the_fourth_retires_the_first() {
    let host = Host::new();
    push(&host, "p1-<id>");
    host.write(
        "web.yaml",
        &project(
            "      preview:\n        track: { glob: \"p*-<id>\" }\n        max_instances: 3\n        \
             route: { domains: [ \"{tag}.test\" ] }\n",
        ),
    );
    let daemon = daemon(&host);
    for number in 1..=4 {
        let tag = format!("p{number}-<id>");
        if number > 1 {
            push(&host, &tag);
            daemon.signal(Signal::HUP);
        }
        eventually(&format!("{tag} answers"), || (at(&host, &format!("{tag}.test")) == host.text(&tag)).then_some(()));
    }
    let versions = || -> Vec<String> {
        let of = |number: u32| host.instances(&format!("web-<id>/preview@p{number}-<id>"));
        (1..=4).flat_map(of).filter(|one| one.state == "running").map(|one| one.version).collect()
    };
    let newest: Vec<String> = (2..=4).map(|number| host.text(&format!("p{number}-<id>"))).collect();
    eventually("the newest three run", || (versions() == newest).then_some(()));
    assert_eq!(host.get("p1-<id>.test", "/").status, 404);
    host.landfall("diff").exits(0);
}

#[test]
fn r15_the_digest_that_ran_in_staging_is_promoted_across_a_kill_of_the_daemon() {
    let host = Host::new();
    push(&host, "s1-<id>");
    host.write(
        "web.yaml",
        &project(
            "      staging: { track: { glob: \"s*-<id>\" } }\n      \
             prod: { track: { promote: { from: staging, after: 4s } }, route: { domains: [ prod-<id>.test ] } }\n",
        ),
    );
    let first = daemon(&host);
    eventually("staging runs", || (host.statuses("web-<id>/staging") == ["success"]).then_some(()));
    assert!(host.history("web-<id>/prod").is_empty(), "not a moment before");
    first.kill();
    let _second = daemon(&host);
    eventually("prod runs", || (host.statuses("web-<id>/prod") == ["success"]).then_some(()));
    let (staging, prod) = (host.history("web-<id>/staging"), host.history("web-<id>/prod"));
    let image = |deploys: &[Value]| deploys[0]["image"].as_str().expect("an image").to_owned();
    assert_eq!(image(&prod), image(&staging));
    assert!(image(&prod).contains("@sha256:"), "{prod:?}");
    assert_eq!(at(&host, "prod-<id>.test"), host.text("s1-<id>"));
    let at = |deploy: &Value, field: &str| {
        let text = deploy[field].as_str().unwrap_or_else(|| panic!("{field} of {deploy}"));
        chrono::DateTime::parse_from_rfc3339(text).expect("a time")
    };
    // The times are whole seconds.
    let waited = at(&prod[0], "created_at") - at(&staging[0], "finished_at");
    assert!(waited.num_seconds() >= 3, "{staging:?} {prod:?}");
}
