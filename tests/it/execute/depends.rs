//! Stages that depend on others (R23), on the wire: who is begun when, and who is not.

use landfall::execute::StageResult;
use landfall::plan::{Options, Selection, Verdict};
use landfall::reconcile::Converged;

use super::ground::{Host, REPOSITORY, image};
use crate::fake_docker::{Behaviour, Call, Fault, Op};
use crate::router_support::{stage, until};

/// Projects with one stage each: name, version, and what it depends on.
fn projects(all: &[(&str, &str, &str)]) -> String {
    let ready = "{ http: { path: / }, interval: 20ms, deadline: 300ms }";
    let one = |(name, version, on): &(&str, &str, &str)| {
        let digest = image(version).digest;
        format!(
            "  {name}:
    image: {REPOSITORY}
    port: 8080
    ready: {ready}
    depends_on: [ {on} ]
    stages: {{ prod: {{ track: {{ digest: \"{digest}\" }}, route: {{ domains: [ {name}.test ] }} }} }}
"
        )
    };
    format!("projects:\n{}", all.iter().map(one).collect::<String>())
}

/// How each stage ended: `ok`, or why not.
fn ends(converged: &Converged) -> Vec<String> {
    let words = |result: &StageResult| match result {
        StageResult::Skipped { reason } => format!("skipped: {reason}"),
        result if result.is_ok() => "ok".to_owned(),
        _ => "failed".to_owned(),
    };
    converged.results.iter().map(|(key, result)| format!("{key} {}", words(result))).collect()
}

/// Creations and removals, in order.
fn order(host: &Host) -> Vec<String> {
    let counts = |text: &String| text.starts_with("create ") || text.starts_with("remove ");
    host.changes().into_iter().filter(counts).collect()
}

#[tokio::test]
async fn r23_a_stage_is_not_begun_before_what_it_depends_on_has_passed_its_gate() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.write(&projects(&[("app", "v1", "db"), ("db", "v2", "")]));
    // The gate's first look, and the first call after its last one.
    host.fake.hang(Op::Inspect);
    host.fake.hang(Op::Connect);
    let watch = async {
        for gate in [Op::Inspect, Op::Connect] {
            host.called(gate).await;
            assert_eq!((order(&host), host.deploys().len()), (vec!["create db-prod@v2".to_owned()], 1), "{gate:?}");
            host.fake.release(gate);
        }
    };
    let (converged, ()) = tokio::join!(host.converge(), watch);
    assert_eq!(ends(&converged), ["app/prod ok", "db/prod ok"]);
    assert_eq!(order(&host), ["create db-prod@v2", "create app-prod@v1"]);
    assert!(host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r23_those_that_depend_on_a_failed_one_are_skipped_and_say_so_and_others_go_on() {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::Unhealthy)]).await;
    host.write(&projects(&[("app", "v1", "db"), ("db", "v2", ""), ("edge", "v1", "app, free"), ("free", "v1", "")]));
    let converged = host.converge().await;
    let skipped = |name: &str, on: &str| format!("{name} skipped: {on}, which it depends on, did not succeed");
    let ended = [&skipped("app/prod", "db/prod"), "db/prod failed", &skipped("edge/prod", "app/prod"), "free/prod ok"];
    assert_eq!(ends(&converged), ended);
    assert_eq!(host.containers(), ["free-prod@v1 running"]);
    // From then on the plan itself says it.
    let converged = host.converge().await;
    let blocked = |name: &str| {
        let plan = converged.view.plan.stages.iter().find(|plan| plan.key == stage(name)).unwrap();
        plan.blocked.as_ref().map(|blocked| blocked.reason.clone()).unwrap_or_default()
    };
    assert!(blocked("app/prod").starts_with("it depends on db/prod, which does not run and is held: "));
    assert!(blocked("edge/prod").starts_with("it depends on app/prod, which does not run and is blocked: "));
    assert!(!converged.refused && converged.view.plan.count(Verdict::Unchanged) == 1);
    // Once it is well, all of them come up.
    host.fake.app_behaviour(&image("v2"), &Behaviour::Healthy);
    let retry = Options { retry: true, ..Options::default() };
    let converged = host.converge_with(retry).await.unwrap();
    assert_eq!(ends(&converged), ["app/prod ok", "db/prod ok", "edge/prod ok"]);
}

#[tokio::test]
async fn r23_a_stage_begins_once_all_it_waits_for_is_done_whatever_else_still_runs() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&projects(&[("app", "v1", "db"), ("db", "v1", ""), ("slow", "v1", "")]));
    let is_slow = |call: &Call| call.op == Op::Create && call.query.contains("name=slow-prod");
    host.fake.judge(move |call| is_slow(call).then_some(Fault::Hang));
    let others = until("both others serve", async || {
        host.routes().await.keys().map(String::as_str).collect::<Vec<_>>() == ["app.test", "db.test"]
    });
    tokio::select! {
        converged = host.converge() => panic!("{:?}", ends(&converged)),
        () = others => {}
    }
    assert!(host.deploys().iter().any(|deploy| deploy.key == stage("slow/prod") && !deploy.status.is_terminal()));
}

#[tokio::test]
async fn r23_one_at_a_time_the_order_still_holds_and_removal_goes_the_other_way() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.settings("  max_concurrent_deploys: 1\n");
    let chain = |version| projects(&[("a", version, "b"), ("b", version, "c"), ("c", version, "")]);
    host.apply(&chain("v1")).await;
    assert_eq!(order(&host), ["create c-prod@v1", "create b-prod@v1", "create a-prod@v1"]);
    host.fake.reset_calls();
    host.write("projects: {}\n");
    let prune = Options { allow_prune: true, ..Options::default() };
    let converged = host.converge_with(prune).await.unwrap();
    assert_eq!(ends(&converged), ["a/prod ok", "b/prod ok", "c/prod ok"]);
    assert_eq!(order(&host), ["remove a-prod@v1", "remove b-prod@v1", "remove c-prod@v1"]);
}

#[tokio::test]
async fn r23_a_changed_dependency_alone_touches_nothing_and_one_that_is_not_picked_must_serve() {
    let host = Host::with(&[&image("v1")]).await;
    let app = || Options { selection: Selection(vec!["app".into()]), ..Options::default() };
    host.write(&projects(&[("app", "v1", "db"), ("db", "v1", "")]));
    let converged = host.converge_with(app()).await.unwrap();
    let blocked = converged.view.plan.stages[0].blocked.clone().unwrap();
    assert_eq!(blocked.hint.as_deref(), Some("`landfall apply db/prod app/prod` brings up both"));
    assert_eq!(host.changes(), [""; 0]);
    host.apply(&projects(&[("app", "v1", "db"), ("db", "v1", "")])).await;
    host.fake.reset_calls();
    host.apply(&projects(&[("app", "v1", ""), ("db", "v1", "app")])).await;
    assert_eq!(host.changes(), [""; 0]);
}
