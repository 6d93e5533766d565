//! R2, R3: a configuration that cannot be read retires nothing, and one that would retire too much is held.

use landfall::plan::{Held, Options};
use landfall::reconcile::Error;

use super::ground::{Host, REPOSITORY, bytes_below, image, web};

/// Stages of one project, by name.
fn stages(names: &[&str]) -> String {
    let digest = image("v1").digest;
    let mut text = format!(
        "projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {{ tcp: {{}} }}\n    stages:\n"
    );
    for name in names {
        text.push_str(&format!(
            "      {name}: {{ track: {{ digest: \"{digest}\" }}, route: {{ domains: [ {name}.test ] }}, volumes: [ \"d:/d\" ] }}\n"
        ));
    }
    text
}

/// A pass that must fail for the configuration, and touch nothing.
async fn touches_nothing(host: &Host, what: &str) {
    host.fake.reset_calls();
    let before = bytes_below(&host.path("data"));
    let error = host.converge_with(Options::default()).await.expect_err(what);
    assert!(matches!(error, Error::Load(_)), "{what}: {error}");
    assert_eq!(host.fake.calls(), [], "{what}");
    assert!(before == bytes_below(&host.path("data")), "{what}");
    assert_eq!(host.version_at("web.test").await, "v1", "{what}");
}

#[tokio::test]
async fn r2_a_configuration_that_is_missing_empty_or_wrong_touches_nothing() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let good = web("v1", "");
    let half = &good[..good.len() / 2];
    let wrong = [
        ("cut off", half.to_owned()),
        ("a conflict", format!("<<<<<<< HEAD\n{good}=======\n>>>>>>> other\n")),
        ("an unknown key", format!("{good}        drian: 10s\n")),
        ("twice the same", format!("{good}{good}")),
        ("a list", "- a\n- b\n".to_owned()),
        ("a secret of nowhere", format!("{good}        secret_environment: {{ A: {{ nowhere: b }} }}\n")),
    ];
    for (what, yaml) in wrong {
        host.write(&yaml);
        touches_nothing(&host, what).await;
    }
    for file in ["projects.yaml", "settings.yaml"] {
        std::fs::remove_file(host.path("config").join(file)).unwrap();
    }
    touches_nothing(&host, "no file").await;
    std::fs::remove_dir(host.path("config")).unwrap();
    touches_nothing(&host, "no directory").await;
}

#[tokio::test]
async fn r2_r3_a_file_that_says_nothing_does_not_retire_the_last_stage() {
    for nothing in ["", "# nothing here\n", "projects: {}\n"] {
        let host = Host::with(&[&image("v1")]).await;
        host.apply(&web("v1", "")).await;
        host.fake.reset_calls();
        host.write(nothing);
        if let Ok(converged) = host.converge_with(Options::default()).await {
            assert!(matches!(converged.view.plan.held, Some(Held::Prune { .. })), "{nothing:?}");
        }
        assert_eq!(host.changes(), [""; 0], "{nothing:?}");
        assert_eq!(host.version_at("web.test").await, "v1", "{nothing:?}");
        assert_eq!(host.recorded().generation, 1, "{nothing:?}");
    }
}

#[tokio::test]
async fn r3_one_stage_of_five_goes_and_two_of_four_wait_for_a_word() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&stages(&["a", "b", "c", "d", "e"])).await;
    host.fake.reset_calls();
    host.apply(&stages(&["a", "b", "c", "d"])).await;
    let gone = ["disconnect web-e@v1 from landfall-names", "stop web-e@v1", "remove web-e@v1"];
    assert_eq!(host.changes(), gone);
    assert!(!host.routes().await.contains_key("e.test"));
    host.fake.reset_calls();
    // What else the change wants waits too: it is held whole.
    host.write(&stages(&["a", "b", "new"]));
    let converged = host.converge().await;
    assert!(converged.view.plan.held.is_some() && converged.results.is_empty());
    assert_eq!((host.changes(), host.recorded().generation), (vec![], 2));
    assert_eq!(host.version_at("c.test").await, "v1");
    let allow = Options { allow_prune: true, ..Options::default() };
    host.converge_with(allow).await.unwrap();
    assert_eq!(host.containers(), ["web-a@v1 running", "web-b@v1 running", "web-new@v1 running"]);
    // Volumes stay, and so does the history (R17).
    assert_eq!(host.fake.volumes().len(), 6);
    assert_eq!(host.deploys().len(), 6);
    assert_eq!(host.instances().len(), 3);
}

#[tokio::test]
async fn r3_never_and_always_are_obeyed() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings("  prune: never\n");
    host.apply(&stages(&["a", "b"])).await;
    host.write(&stages(&["a"]));
    assert!(host.converge().await.view.plan.is_held());
    assert_eq!(host.containers().len(), 2);
    host.settings("  prune: always\n");
    host.write("projects: {}\n");
    host.converge().await;
    assert_eq!((host.containers(), host.instances()), (vec![], vec![]));
    assert!(host.routes().await.is_empty());
}

#[tokio::test]
async fn r17_a_stage_that_comes_back_keeps_its_volume_and_begins_anew() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&stages(&["a", "b", "c", "d", "e"])).await;
    host.apply(&stages(&["a", "b", "c", "d"])).await;
    host.apply(&stages(&["a", "b", "c", "d", "e"])).await;
    assert_eq!(host.version_at("e.test").await, "v1");
    assert_eq!(host.deploys().iter().filter(|deploy| deploy.key.stage.as_str() == "e").count(), 2);
    assert_eq!(host.last().cause, "first deploy");
}

#[tokio::test]
async fn r17_a_pass_drops_what_the_settings_do_not_keep_and_never_what_runs() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.settings("  history: { per_stage: 2 }\n");
    host.apply(&web("v1", "")).await;
    let live = host.last().id;
    host.write(&web("v2", ""));
    for _ in 0..4 {
        host.fake.fail_next(crate::fake_docker::Op::Pull, 500, "toomanyrequests: wait");
        assert!(!host.converge().await.results.values().all(landfall::execute::StageResult::is_ok));
    }
    let statuses: Vec<_> = host.deploys().into_iter().map(|deploy| deploy.status.to_string()).collect();
    assert_eq!(statuses, ["success", "failed", "failed"]);
    assert_eq!(host.deploys()[0].id, live);
    assert_eq!(host.recorded().stages.values().next().and_then(|stage| stage.live.as_ref()).map(|l| l.id), Some(live));
    host.apply(&web("v2", "")).await;
    // The version before is what a rollback would lead to.
    assert_eq!(host.deploys().len(), 3);
    assert_eq!(host.deploys()[0].id, live);
    assert_eq!(host.version_at("web.test").await, "v2");
}
