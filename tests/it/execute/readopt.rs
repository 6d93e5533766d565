//! R16: a store that is lost, or replaced by an older one, costs no app a restart: what runs is recorded again from its
//! labels, once someone says which store it was.

use std::collections::BTreeMap;

use landfall::execute::StageResult;
use landfall::model::{DeployStatus, StoreId, Trigger};
use landfall::plan::Options;
use landfall::reconcile::{self, Error};
use landfall::store::DataDir;

use super::ground::{Host, REPOSITORY, bytes_below, ended, image, web};
use crate::cli::{Said, landfall};
use crate::fake_docker::{FakeImage, Op};
use crate::fake_registry::FakeRegistry;
use crate::router_support::until;

/// Two stages of one project, one of them routed; with more lines for both, indented by eight.
fn two(version: &str, more: &str) -> String {
    let digest = image(version).digest;
    format!("{}      plain:\n        track: {{ digest: \"{digest}\" }}\n{more}", web(version, more))
}

fn lose(host: &Host) -> StoreId {
    let store = host.recorded().store.expect("a store");
    std::fs::remove_dir_all(host.path("data")).expect("a directory");
    host.fake.reset_calls();
    store
}

async fn run(host: &Host, line: &str, code: i32) -> Said {
    let said = landfall(host, &line.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.err);
    said
}

/// Files of the store as they are, to be put back over a later state.
fn store_files(host: &Host) -> BTreeMap<std::path::PathBuf, Vec<u8>> {
    bytes_below(&host.path("data")).into_iter().filter(|(path, _)| !path.ends_with("lock")).collect()
}

fn put_back(host: &Host, files: &BTreeMap<std::path::PathBuf, Vec<u8>>) {
    for (path, bytes) in files {
        std::fs::write(path, bytes).expect("a file");
    }
    host.fake.reset_calls();
}

/// A pass that finds nothing to do, and the next one as well, with every container as it was.
async fn is_at_rest(host: &Host, what: &str) {
    for _ in 0..2 {
        let plan = host.look().await.unwrap_or_else(|error| panic!("{what}: {error}")).plan;
        assert!(plan.is_noop(), "{what}: {plan}");
        let converged = host.converge().await;
        assert!(converged.results.is_empty(), "{what}: {:?}", converged.results);
    }
    assert_eq!(host.changes(), [""; 0], "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_a_lost_store_is_told_with_its_id_what_it_runs_and_the_command_that_takes_it_over() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&two("v1", "")).await;
    let store = lose(&host);
    for (line, code) in [("diff", 1), ("apply", 4), ("status", 1)] {
        let said = run(&host, line, code).await;
        let told = format!("run under store {store} (2 containers)");
        assert!(said.err.contains(&told), "{line}: {}", said.err);
        assert!(said.err.contains(&format!("`landfall apply --adopt-store {store}`")), "{line}: {}", said.err);
        assert!(said.err.contains("landfall restore FILE"), "{line}: {}", said.err);
    }
    assert_eq!(host.fake.mutations(), 0);
    assert!(!DataDir::new(host.path("data")).has_store());
    let said = run(&host, &format!("apply --adopt-store {store}"), 0).await;
    assert!(said.out.ends_with("0 done, 0 failed, 0 held, 2 unchanged\n"), "{}", said.out);
    assert_eq!(host.fake.mutations(), 0);
    assert_eq!(host.recorded().store, Some(store));
}

#[tokio::test(flavor = "multi_thread")]
async fn r16_of_several_lost_stores_each_is_named_and_the_one_that_is_taken_over_is_the_one_given() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&two("v1", "")).await;
    let other = "018f0000-0000-4000-8000-000000000000";
    let plain = host.instances().into_iter().find(|row| row.key.stage.as_str() == "plain").expect("one").name;
    host.fake.change(&plain, |container| drop(container.labels.insert("landfall.store".into(), other.into())));
    // What merely has copied labels is nobody's.
    let copied = host.fake.container(&plain).labels;
    host.fake.run_by_hand("copied", &copied);
    let store = lose(&host);
    let said = run(&host, "apply", 4).await;
    for words in [
        format!("store {store} (1 container)"),
        format!("store {other} (1 container)"),
        format!("`landfall apply --adopt-store {store}`"),
        format!("`landfall apply --adopt-store {other}`"),
        "what the others run stays foreign".to_owned(),
    ] {
        assert!(said.err.contains(&words), "{words}: {}", said.err);
    }
    let wrong = "018f0000-0000-4000-8000-00000000000f";
    let said = run(&host, &format!("apply --adopt-store {wrong}"), 4).await;
    assert!(
        said.err.contains(&format!("no stage of this configuration runs here under store {wrong}")),
        "{}",
        said.err
    );
    assert!(said.err.contains(&format!("--adopt-store {store}`")), "{}", said.err);
    assert!(!DataDir::new(host.path("data")).has_store());
    run(&host, "apply --adopt-store nonsense", 64).await;
    run(&host, &format!("apply web/prod --adopt-store {store}"), 0).await;
    assert_eq!(host.fake.mutations(), 0);
    assert_eq!(host.instances().iter().map(|row| row.key.to_string()).collect::<Vec<_>>(), ["web/prod"]);
    // There is one now: whichever id is given, nothing is made again.
    for (id, words) in [(store.to_string(), "it is the one"), (other.to_owned(), "landfall restore FILE")] {
        let said = run(&host, &format!("apply --adopt-store {id}"), 4).await;
        assert!(said.err.contains("has a store already") && said.err.contains(words), "{}", said.err);
    }
}

#[tokio::test]
async fn r16_what_runs_is_recorded_again_with_its_port_and_nothing_is_touched() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&two("v1", "        drain: 1s\n")).await;
    let before = (host.instances(), host.recorded(), host.routes().await);
    let store = lose(&host);
    reconcile::adopt_store(&host.places(), store).await.unwrap();
    // A look tells what the pass will do, and writes nothing.
    let bytes = bytes_below(&host.path("data"));
    let view = host.look().await.unwrap();
    assert!(view.plan.is_noop() && view.found.adopted.len() == 2, "{}", view.plan);
    assert!(bytes == bytes_below(&host.path("data")));
    is_at_rest(&host, "taken over").await;
    for deploy in host.deploys() {
        assert_eq!((deploy.status, deploy.trigger), (DeployStatus::Success, Trigger::Manual));
        assert_eq!((deploy.cause.as_str(), deploy.reason), ("re-adopted from its labels", None));
        let log = host.reader().log(deploy.id).unwrap();
        assert!(log.len() == 1 && log[0].text.contains("ran without a record"), "{log:?}");
    }
    let timeless = |mut rows: Vec<landfall::store::InstanceRow>| {
        for row in &mut rows {
            row.created_at_ms = 0;
        }
        rows
    };
    let now = (host.instances(), host.recorded(), host.routes().await);
    assert_eq!(timeless(now.0), timeless(before.0));
    for (key, stage) in &before.1.stages {
        let (then, now) = (stage.live.as_ref().unwrap(), now.1.stages[key].live.as_ref().unwrap());
        assert_eq!((then.id, &then.image, &then.spec_hash), (now.id, &now.image, &now.spec_hash));
        assert_eq!(then.spec(), now.spec());
    }
    assert_eq!(now.2, before.2);
    // From here on it is as any other: replaced, drained by its own values, its port free again.
    host.apply(&two("v2", "        drain: 1s\n")).await;
    assert_eq!(host.containers(), ["web-plain@v2 running", "web-prod@v2 running"]);
    assert_eq!(host.version_at("web.test").await, "v2");
}

#[tokio::test]
async fn r16_what_serves_is_kept_well_while_its_successor_is_held() {
    let broken = image("v2").behaving(crate::fake_docker::Behaviour::Unhealthy);
    let host = Host::with(&[&image("v1"), &broken]).await;
    host.apply(&web("v1", "")).await;
    let store = lose(&host);
    reconcile::adopt_store(&host.places(), store).await.unwrap();
    host.write(&web("v2", "        ready: { http: { path: / }, deadline: 100ms }\n"));
    assert_eq!(ended(&host.converge().await).0, "failed");
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
    let live = host.recorded().stages.into_values().next().unwrap().live.unwrap();
    assert_eq!(live.image.digest, image("v1").digest);
    host.fake.stop_by_hand(&host.instances()[0].name).await;
    host.converge().await;
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
    assert_eq!(host.version_at("web.test").await, "v1");
}

#[tokio::test]
async fn r16_a_tag_still_stands_for_what_it_stood_for_and_no_registry_is_asked() {
    let host = Host::with(&[]).await;
    let registry = FakeRegistry::start();
    let web = FakeImage::new(&registry.repository("demo/web"), "v1");
    registry.publish(&web);
    host.fake.publish(&web);
    let yaml = format!(
        "projects: {{ web: {{ image: {}, port: 8080, ready: {{ tcp: {{}} }}, stages: {{ prod: {{ track: {{ tag: v1 }} }} }} }} }}\n",
        web.repository
    );
    host.apply(&yaml).await;
    let pin = host.recorded().stages.into_values().next().unwrap().pin;
    assert!(pin.is_some());
    let store = lose(&host);
    // Nobody could say now what the tag stands for.
    drop(registry);
    reconcile::adopt_store(&host.places(), store).await.unwrap();
    is_at_rest(&host, "a tag").await;
    assert_eq!(host.recorded().stages.into_values().next().unwrap().pin, pin);
}

#[tokio::test]
async fn r16_r28_secrets_count_as_unchanged_where_the_key_of_their_fingerprints_is_lost_too() {
    let secret = "        secret_environment: { PASSWORD: { credential: one } }\n";
    for keeps_key in [true, false] {
        let host = Host::with(&[&image("v1")]).await;
        std::fs::write(host.path("credentials/one"), "hunter2").unwrap();
        host.apply(&web("v1", secret)).await;
        let key = std::fs::read(host.path("data/fingerprint.key")).unwrap();
        let store = lose(&host);
        reconcile::adopt_store(&host.places(), store).await.unwrap();
        if keeps_key {
            std::fs::write(host.path("data/fingerprint.key"), key).unwrap();
        }
        is_at_rest(&host, &format!("keeps the key: {keeps_key}")).await;
        std::fs::write(host.path("credentials/one"), "hunter3").unwrap();
        let plan = host.look().await.unwrap().plan.to_string();
        let told = if keeps_key { "replace: secret changed: PASSWORD" } else { "could not be compared" };
        assert!(plan.contains(told), "{plan}");
    }
}

#[tokio::test]
async fn r16_what_does_not_fit_the_configuration_is_replaced_as_ever_beside_what_does() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&two("v1", "")).await;
    let store = lose(&host);
    reconcile::adopt_store(&host.places(), store).await.unwrap();
    host.write(&two("v1", "").replace("      prod:\n", "      prod:\n        environment: { A: b }\n"));
    let converged = host.converge().await;
    assert!(converged.results.values().all(StageResult::is_ok), "{:?}", converged.results);
    assert_eq!(converged.results.len(), 1);
    assert_eq!(host.containers(), ["web-plain@v1 running", "web-prod@v1 running"]);
    let causes: Vec<String> =
        host.deploys().into_iter().map(|deploy| format!("{}: {}", deploy.key, deploy.cause)).collect();
    assert_eq!(causes, ["web/plain: re-adopted from its labels", "web/prod: spec changed"]);
    host.fake.reset_calls();
    is_at_rest(&host, "afterwards").await;
}

#[tokio::test]
async fn r16_ports_that_are_taken_without_a_record_are_not_tried_one_after_the_other() {
    let stages = |count: usize, more: &str| {
        let mut text = format!(
            "projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {{ tcp: {{}} }}\n    stages:\n"
        );
        for n in 0..count {
            let digest = image("v1").digest;
            text.push_str(&format!(
                "      s{n}: {{ track: {{ digest: \"{digest}\" }}, route: {{ domains: [ s{n}.test ] }}{more} }}\n"
            ));
        }
        text
    };
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&stages(8, "")).await;
    let store = lose(&host);
    reconcile::adopt_store(&host.places(), store).await.unwrap();
    host.apply(&stages(8, ", environment: { A: b }")).await;
    let starts = host.fake.count(Op::Start);
    assert_eq!(starts, 8, "each found a free port at once");
}

#[tokio::test]
async fn r16_an_older_store_that_was_restored_learns_what_was_deployed_since() {
    let host = Host::with(&[&image("v1"), &image("v2"), &image("v3")]).await;
    host.apply(&web("v1", "")).await;
    let older = store_files(&host);
    host.apply(&web("v2", "")).await;
    // A stage that the backup knows nothing of.
    host.apply(&two("v2", "")).await;
    let live = host.instances();
    put_back(&host, &older);
    assert_eq!(host.look().await.unwrap().found.adopted.len(), 2);
    is_at_rest(&host, "restored").await;
    let names = |rows: Vec<landfall::store::InstanceRow>| rows.into_iter().map(|row| row.name).collect::<Vec<_>>();
    assert_eq!(names(host.instances()), names(live));
    let told: Vec<String> = host.deploys().iter().map(|d| format!("{} {}", d.key, d.cause)).collect();
    let again = "re-adopted from its labels";
    assert_eq!(told, ["web/prod first deploy", &format!("web/prod {again}"), &format!("web/plain {again}")]);
    assert_eq!(
        host.recorded().stages[&"web/prod".parse().unwrap()].live.as_ref().unwrap().image.digest,
        image("v2").digest
    );
    host.apply(&two("v3", "")).await;
    assert_eq!(host.containers(), ["web-plain@v3 running", "web-prod@v3 running"]);
}

#[tokio::test]
async fn r16_a_container_that_never_served_is_no_success_beside_the_one_that_serves() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    for lost in [true, false] {
        host.apply(&web("v1", "")).await;
        let (older, store) = (store_files(&host), host.recorded().store.unwrap());
        host.write(&web("v2", ""));
        // Killed in its gate: the container runs, and nobody knows how it is.
        host.fake.reset_calls();
        host.fake.hang(Op::Inspect);
        let places = host.places();
        let pass = tokio::spawn(async move {
            let options = Options { secrets_needed: true, ..Options::default() };
            reconcile::converge(&places, &options, landfall::execute::Sink::new(|_| {}), "apply").await.map(drop)
        });
        until("the gate looks", async || host.fake.count(Op::Inspect) > 0).await;
        pass.abort();
        drop(pass.await);
        host.fake.release(Op::Inspect);
        assert_eq!(host.fake.containers().len(), 2);
        if lost {
            lose(&host);
            reconcile::adopt_store(&host.places(), store).await.unwrap();
        } else {
            put_back(&host, &older);
        }
        host.fake.reset_calls();
        let looked = host.look().await.unwrap().plan.to_string();
        let converged = host.converge().await;
        assert_eq!(converged.view.plan.to_string(), looked);
        assert_eq!(ended(&converged).0, "success", "{looked}");
        assert_eq!(host.fake.count(Op::Create), 1, "made anew, and gated: {looked}");
        assert_eq!(
            (host.containers(), host.version_at("web.test").await),
            (vec!["web-prod@v2 running".into()], "v2".into())
        );
        host.fake.reset_calls();
        is_at_rest(&host, "afterwards").await;
    }
}

#[tokio::test]
async fn r16_r34_files_that_a_container_without_a_record_may_mount_stay() {
    let host = Host::with(&[&image("v1")]).await;
    std::fs::write(host.path("config/app.conf"), "one").unwrap();
    let mounts = "        volumes: [ \"./app.conf:/etc/app.conf\" ]\n";
    host.apply(&two("v1", mounts)).await;
    let store = host.recorded().store.unwrap();
    for name in ["landfall.db", "landfall.db-wal", "landfall.db-shm"] {
        std::fs::remove_file(host.path("data").join(name)).unwrap();
    }
    let copies = || std::fs::read_dir(host.path("data/files")).unwrap().count();
    assert_eq!(copies(), 1);
    reconcile::adopt_store(&host.places(), store).await.unwrap();
    // One stage is deployed anew; the other keeps its old container for now, since its image cannot be fetched.
    let other =
        two("v1", mounts).replace("      plain:\n", "      plain:\n        pull_policy: always\n        user: \"7\"\n");
    host.write(&other.replace("      prod:\n", "      prod:\n        environment: { A: b }\n"));
    std::fs::write(host.path("config/app.conf"), "two").unwrap();
    host.fake.fail_next(Op::Pull, 500, "toomanyrequests: wait");
    let results = host.converge().await.results;
    assert_eq!(results.values().filter(|result| result.is_ok()).count(), 1, "{results:?}");
    assert_eq!(copies(), 2, "the old one is mounted still");
    host.converge().await;
    host.apply(&two("v1", "")).await;
    assert_eq!(copies(), 1, "nobody mounts it any more");
}

#[tokio::test]
async fn r16_a_store_that_is_there_is_not_made_again_whatever_it_holds() {
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let (store, other) = (host.recorded().store.unwrap(), StoreId(uuid::Uuid::from_u128(7)));
    for id in [store, other] {
        let error = reconcile::adopt_store(&host.places(), id).await.unwrap_err();
        assert!(matches!(&error, Error::HasStore { has: Some(has), .. } if *has == store), "{error}");
    }
    let data = DataDir::new(host.path("data"));
    std::fs::write(data.db(), "").unwrap();
    let error = reconcile::adopt_store(&host.places(), store).await.unwrap_err();
    assert!(matches!(error, Error::HasStore { has: None, .. }), "{error}");
}
