//! The exit codes of product.md's table, each with a case that leads to it, and data apart from messages.

use super::{Said, landfall};
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::{Behaviour, Op};
use crate::router_support::soon;

const SHORT: &str = "        ready: { http: { path: / }, deadline: 100ms }\n";

/// A host with three versions of which the second never gets ready.
async fn host() -> Host {
    Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::Unhealthy), &image("v3")]).await
}

/// A command that ends so, and says nothing on the other stream than it should.
async fn ends(host: &Host, line: &str, code: i32) -> Said {
    let said = landfall(host, &line.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.err);
    assert!(!said.out.contains("error:") && !said.out.contains("hint:"), "{line}: {}", said.out);
    assert!(!said.err.contains("panicked"), "{line}: {}", said.err);
    said
}

/// An error, with nothing on the stream of data, and with the way out.
async fn refuses(host: &Host, line: &str, code: i32, error: &str) {
    let said = ends(host, line, code).await;
    assert_eq!(said.out, "", "{line}");
    assert!(said.err.contains("error: ") && said.err.contains(error), "{line}: {}", said.err);
    assert!(said.err.contains("hint: "), "{line}: {}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codes_of_a_life_that_goes_well() {
    let host = host().await;
    host.write(&web("v1", SHORT));
    ends(&host, "validate", 0).await;
    ends(&host, "diff", 2).await;
    ends(&host, "status", 3).await;
    let applied = ends(&host, "apply", 0).await;
    assert_eq!(applied.out, "1 done, 0 failed, 0 held, 0 unchanged\n");
    assert!(applied.err.contains("web/prod  ready after "), "{}", applied.err);
    for line in
        ["diff", "status", "apply", "history", "logs web", "logs web/prod -n 1", "schema", "diff web", "apply web/prod"]
    {
        let said = ends(&host, line, 0).await;
        assert_eq!(said.err, "", "{line}");
        assert_ne!(said.out, "", "{line}");
    }
    let deploy = host.last().id;
    for id in [deploy.short(), deploy.to_string(), deploy.to_string()[..18].to_owned()] {
        assert!(ends(&host, &format!("show {id}"), 0).await.out.contains("status     success"), "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codes_of_a_failure_its_hold_and_the_retry() {
    let host = host().await;
    host.apply(&web("v1", SHORT)).await;
    host.write(&web("v2", SHORT));
    let failed = ends(&host, "apply", 1).await;
    assert_eq!(failed.out, "0 done, 1 failed, 0 held, 0 unchanged\n");
    let id = host.last().id.short();
    assert!(failed.err.contains(&format!("`landfall show {id}` has the log")), "{}", failed.err);
    for (line, code) in [("apply", 3), ("diff", 2), ("status", 3)] {
        let said = ends(&host, line, code).await;
        assert!(said.out.contains("`landfall apply --retry web/prod` tries it again"), "{}", said.out);
    }
    ends(&host, "apply --retry", 1).await;
    host.fake.app_behaviour(&image("v2"), &Behaviour::Healthy);
    ends(&host, "apply --retry", 0).await;
    ends(&host, "status", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_codes_of_what_is_held_by_the_breaker() {
    let host = host().await;
    host.apply(&web("v1", SHORT)).await;
    host.write("projects: {}\n");
    let said = ends(&host, "apply", 3).await;
    assert!(
        said.out.contains("`landfall apply --allow-prune` lets it") && said.out.ends_with("nothing was changed\n"),
        "{}",
        said.out
    );
    ends(&host, "diff", 2).await;
    ends(&host, "status", 3).await;
    ends(&host, "apply --allow-prune", 0).await;
    ends(&host, "diff", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_why_and_touches_nothing() {
    let host = host().await;
    host.apply(&web("v1", SHORT)).await;
    host.fake.reset_calls();
    let nowhere = "unix:///nowhere/docker.sock";
    for (line, code, error) in [
        ("apply nope", 4, "`nope` is neither a project nor a stage here"),
        ("diff nope/prod", 1, "is neither a project nor a stage"),
        ("status ../web", 1, "is neither a project nor a stage"),
        ("logs nope", 1, "no instance of nope"),
        ("logs ../../x", 1, "no instance of"),
        ("show 01234567", 1, "there is no deploy 01234567"),
        ("show ../x", 1, "there is no deploy ../x"),
    ] {
        refuses(&host, line, code, error).await;
    }
    for (line, code) in [("diff", 1), ("apply", 4), ("status", 1), ("logs web", 1)] {
        refuses(&host, &format!("{line} --docker {nowhere}"), code, "docker does not answer at").await;
    }
    for (line, code) in [("diff", 1), ("apply", 4)] {
        refuses(&host, &format!("{line} --config /nowhere/config"), code, "does not exist").await;
    }
    host.write(&web("v1", "        drian: 1s\n"));
    for (line, code) in [("diff", 1), ("apply", 4)] {
        refuses(&host, line, code, "the configuration has an error").await;
    }
    assert_eq!(host.changes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_cannot_be_done_is_blocked_with_the_remedy() {
    let host = host().await;
    host.write(&web("v1", "        secret_environment: { A: { credential: nowhere } }\n"));
    let said = ends(&host, "apply", 4).await;
    assert!(said.out.contains("blocked: ") && said.out.contains("nowhere"), "{}", said.out);
    assert!(said.out.ends_with("nothing was changed\n"), "{}", said.out);
    // A look needs no secret.
    let said = ends(&host, "diff", 2).await;
    assert!(said.out.contains("`apply` will need it"), "{}", said.out);
    host.write(&web("v1", ""));
    let blocked = ends(&host, "diff --proxy-socket /nowhere.sock", 1).await;
    assert!(
        blocked.out.contains("the proxy does not answer") && blocked.out.contains("landfall proxy"),
        "{}",
        blocked.out
    );
    ends(&host, "apply --proxy-socket /nowhere.sock", 4).await;
    host.write(&web("v1", "        networks: [ nowhere ]\n"));
    let said = ends(&host, "status", 3).await;
    assert!(said.out.contains("make it with `docker network create nowhere`"), "{}", said.out);
    assert_eq!(host.fake.count(Op::Create), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_tells_what_runs_also_without_a_configuration_that_can_be_read() {
    let host = host().await;
    host.apply(&web("v1", SHORT)).await;
    host.write("projects: [\n");
    let said = ends(&host, "status", 3).await;
    assert!(said.out.contains(&host.last().container_name), "{}", said.out);
    assert!(said.out.contains("what was in force before goes on"), "{}", said.out);
    assert!(said.err.contains("projects.yaml:"), "{}", said.err);
    host.write(&web("v1", SHORT));
    host.fake.stop_by_hand(&host.last().container_name).await;
    let said = ends(&host, "status", 3).await;
    assert!(said.out.contains("stopped") && said.out.contains("drifted: its container is not running"), "{}", said.out);
    host.fake.hang(Op::Start);
    let (_, ()) = tokio::join!(ends(&host, "apply", 0), async {
        host.called(Op::Start).await;
        assert_eq!(ends(&host, "status", 3).await.err, "");
        host.fake.release(Op::Start);
    });
    ends(&host, "status", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r34_a_relative_data_directory_is_a_place_on_the_host_all_the_same() {
    let host = host().await;
    std::fs::write(host.path("config/app.conf"), "x").unwrap();
    host.write(&web("v1", "        volumes: [ \"./app.conf:/etc/app.conf\" ]\n"));
    let places = host.places();
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfall"));
    command.env_clear().current_dir(host.path("")).args(["apply", "--data", "data", "--config", "config"]);
    command.args(["--docker", &places.docker]).arg("--proxy-socket").arg(places.proxy_socket);
    let said: Said = soon("a command", command.output()).await.expect("landfall runs").into();
    assert_eq!(said.code, 0, "{}", said.err);
    let calls = host.fake.calls();
    let create = calls.iter().find(|call| call.op == Op::Create).unwrap();
    let source = create.body["HostConfig"]["Mounts"][0]["Source"].as_str().unwrap();
    assert!(std::path::Path::new(source).starts_with(host.path("data")), "{source}");
}
