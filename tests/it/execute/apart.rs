//! A stage that fails, hangs or cannot be planned keeps no other from being converged.

use landfall::execute::{Event, StageResult};
use landfall::model::DeployStatus;
use landfall::plan::{Options, Verdict};

use super::ground::{Host, REPOSITORY, image};
use crate::fake_docker::{Behaviour, Fault, Op};
use crate::fake_registry::{FakeRegistry, Made};
use crate::router_support::until;

/// Stages of one project, each with its version; with more for the project.
fn stages(stages: &[(&str, &str)], more: &str) -> String {
    let ready = "{ http: { path: / }, deadline: 300ms }";
    let mut text =
        format!("projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {ready}\n{more}    stages:\n");
    for (name, version) in stages {
        let digest = image(version).digest;
        text.push_str(&format!(
            "      {name}: {{ track: {{ digest: \"{digest}\" }}, route: {{ domains: [ {name}.test ] }} }}\n"
        ));
    }
    text
}

#[tokio::test]
async fn a_stage_that_fails_touches_no_other() {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::Unhealthy)]).await;
    host.write(&stages(&[("a", "v1"), ("b", "v2"), ("c", "v1"), ("d", "v1"), ("e", "v2"), ("f", "v1")], ""));
    let converged = host.converge().await;
    let ok: Vec<_> = converged.results.values().map(StageResult::is_ok).collect();
    assert_eq!(ok, [true, false, true, true, false, true]);
    assert_eq!(host.containers(), ["web-a@v1 running", "web-c@v1 running", "web-d@v1 running", "web-f@v1 running"]);
    assert_eq!(host.routes().await.len(), 4);
}

#[tokio::test]
async fn a_stage_that_hangs_keeps_its_place_only() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&stages(&[("a", "v1"), ("b", "v1"), ("c", "v1"), ("d", "v1"), ("e", "v1"), ("f", "v1")], ""));
    host.fake.inject(Op::Create, Fault::Hang);
    let (places, options) = (host.places(), Options { secrets_needed: true, ..Options::default() });
    let pass = tokio::spawn(async move {
        let sink = landfall::execute::Sink::new(|_| {});
        landfall::reconcile::converge(&places, &options, sink, "apply").await.map(drop)
    });
    until("the store is made", async || host.path("data/landfall.db").exists() && host.fake.count(Op::Create) > 0)
        .await;
    until("the five others are live", async || {
        host.deploys().iter().filter(|deploy| deploy.status == DeployStatus::Success).count() == 5
    })
    .await;
    assert!(!pass.is_finished());
    assert_eq!(host.routes().await.len(), 5);
    pass.abort();
    drop(pass.await);
    // The next pass closes what was left open, and brings the sixth live.
    host.converge().await;
    assert_eq!(host.routes().await.len(), 6);
}

#[tokio::test]
async fn so_many_stages_are_worked_on_at_a_time_as_the_settings_say() {
    let names = ["a", "b", "c", "d", "e", "f"];
    let yaml = stages(&names.map(|name| (name, "v1")), "");
    let host = Host::with(&[&image("v1")]).await;
    host.settings("  max_concurrent_deploys: 6\n");
    host.write(&yaml);
    host.fake.hang(Op::Create);
    let watch = async {
        until("all six are at it", async || host.fake.count(Op::Create) == names.len()).await;
        host.fake.release(Op::Create);
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert!(converged.results.values().all(StageResult::is_ok));

    let host = Host::with(&[&image("v1")]).await;
    host.settings("  max_concurrent_deploys: 1\n");
    host.apply(&yaml).await;
    let mut turns: Vec<_> = host
        .events()
        .into_iter()
        .filter_map(|event| if let Event::Phase { key, .. } = event { Some(key.stage.to_string()) } else { None })
        .collect();
    turns.dedup();
    turns.sort();
    assert_eq!(turns, names, "each had its turn at once, and nobody else beside it");
}

#[tokio::test]
async fn r12_a_registry_that_does_not_know_blocks_its_own_stage_only_and_is_asked_once_per_tag() {
    let registry = FakeRegistry::start();
    let here = crate::fake_docker::FakeImage::new(&registry.repository("demo/other"), "v1");
    let host = Host::with(&[&image("v1"), &here]).await;
    registry.publish(&here);
    registry.answer_next(Made::Answer(503, Vec::new(), Vec::new()));
    let tagged = format!(
        "  other:\n    image: {}\n    port: 8080\n    ready: {{ tcp: {{}} }}\n    stages: {{ prod: {{ track: {{ tag: v1 }} }} }}\n",
        here.repository
    );
    host.write(&(stages(&[("a", "v1")], "") + &tagged));
    let converged = host.converge().await;
    let verdicts: Vec<_> = converged.view.plan.stages.iter().map(|stage| stage.verdict).collect();
    assert_eq!(verdicts, [Verdict::Blocked, Verdict::Create]);
    assert_eq!(host.containers(), ["web-a@v1 running"]);
    registry.forget();
    assert!(host.converge().await.results.values().all(StageResult::is_ok));
    assert_eq!(registry.seen().len(), 1);
    // Pinned: the tag may move, and nobody asks.
    registry.forget();
    registry.tag("demo/other", "v1", image("v2").digest.as_str());
    let converged = host.converge().await;
    assert!(converged.view.plan.is_noop() && registry.seen().is_empty(), "{}", converged.view.plan);
}

#[tokio::test]
async fn a_stage_that_is_refused_refuses_apply_as_a_whole_and_not_the_daemon() {
    let host = Host::with(&[&image("v1")]).await;
    let refused = "      b: { track: { digest: \"sha256:0\" } }\n".replace("sha256:0", image("v1").digest.as_str());
    let refused = refused.replace(" } }", " }, networks: [ nowhere ] }");
    host.write(&(stages(&[("a", "v1")], "") + &refused));
    let converged = host.converge().await;
    assert!(converged.refused && converged.results.is_empty());
    assert_eq!(host.changes(), [""; 0]);
    let daemon = Options { partial: true, ..Options::default() };
    let converged = host.converge_with(daemon).await.unwrap();
    assert!(converged.refused && converged.results.values().all(StageResult::is_ok));
    assert_eq!(host.containers(), ["web-a@v1 running"]);
}

#[tokio::test]
async fn a_domain_moves_between_stages_without_a_gap_and_not_when_the_taker_fails() {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::Unhealthy)]).await;
    let two = |version: &str, a: &str, b: &str| {
        stages(&[("a", "v1"), ("b", version)], "").replace("a.test", a).replace("b.test", b)
    };
    host.apply(&two("v1", "shared.test", "b.test")).await;
    // The taker must change its version too, and fails: the domain stays where it was.
    host.write(&two("v2", "other.test", "shared.test"));
    let converged = host.converge().await;
    assert!(
        converged.results.values().any(|result| matches!(result, StageResult::Skipped { .. })),
        "{:?}",
        converged.results
    );
    assert_eq!(host.routes().await["shared.test"], "web-a@v1");
    host.apply(&two("v1", "other.test", "shared.test")).await;
    let routes = host.routes().await;
    assert_eq!((routes["shared.test"].as_str(), routes["other.test"].as_str()), ("web-b@v1", "web-a@v1"));
    assert_eq!(routes.len(), 2);
}
