//! R5: a container that a person made becomes a stage's, by a word of theirs and by the store's record alone. Nothing of
//! it changes with that; then it is replaced as an older version is, or kept as it is.

use std::collections::BTreeMap;

use landfall::docker::CreateContainer;
use landfall::model::{ContainerSpec, DeployStatus, Trigger};
use landfall::plan::Verdict;

use super::ground::{Host, image, web};
use crate::cli::{Said, landfall};
use crate::fake_docker::FakeImage;
use crate::router_support::stage;

const COMPOSE: (&str, &str) = ("com.docker.compose.project", "old");

/// `docker run -p 127.0.0.1:…:8080`, by a person.
async fn run_by_hand(
    host: &Host,
    name: &str,
    image: &FakeImage,
    labels: &[(&str, &str)],
    is_published: bool,
) -> String {
    let docker = host.fake.docker().await;
    docker.pull(&image.repository, &image.digest, None, |_| {}).await.expect("an image");
    let labels = labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let request = CreateContainer {
        name,
        image: &format!("{}@{}", image.repository, image.digest),
        spec: &ContainerSpec { port: Some(8080), ..ContainerSpec::default() },
        labels,
        network: "bridge",
        aliases: Vec::new(),
        publish: is_published.then(|| (8080, host.ports().1)),
        secret_environment: Vec::new(),
        config_files: &BTreeMap::new(),
        stop_timeout_secs: 10,
    };
    let id = docker.create(&request).await.expect("a container");
    docker.start(&id).await.expect("a running container");
    host.fake.reset_calls();
    id
}

async fn run(host: &Host, line: &str, code: i32) -> Said {
    let said = landfall(host, &line.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(said.code, code, "{line}\n{}{}", said.out, said.err);
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn r4_r5_an_adopted_container_is_replaced_as_an_older_version_is_and_goes_last() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.write(&web("v2", ""));
    run_by_hand(&host, "by-hand", &image("v1"), &[], true).await;
    let said = run(&host, "adopt by-hand web/prod", 0).await;
    assert!(said.out.contains("by-hand belongs to web/prod now, as ") && said.err.is_empty(), "{said:?}");
    assert_eq!(host.fake.mutations(), 0);
    // It is shown as what it is, and what comes of it.
    let diff = run(&host, "diff", 2).await.out;
    assert!(diff.contains("next to by-hand") && diff.contains("retire   by-hand"), "{diff}");
    assert!(diff.contains("adopted, to be replaced"), "{diff}");
    assert!(run(&host, "status", 3).await.out.contains("by-hand"));
    assert!(run(&host, "history", 0).await.out.contains("adopted by-hand to be replaced"));
    assert!(run(&host, "explain web/prod", 0).await.out.contains("adopted by-hand to be replaced"));
    assert!(host.log().contains("by-hand was made by hand and is taken over to be replaced"), "{}", host.log());
    let adopted = host.last();
    assert_eq!((adopted.status, adopted.trigger), (DeployStatus::Success, Trigger::Manual));
    assert_eq!(host.fake.mutations(), 0);
    host.apply(&web("v2", "")).await;
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
    assert_eq!(host.version_at("web.test").await, "v2");
    let changes = host.changes();
    let at = |words: &str| changes.iter().position(|change| change.starts_with(words));
    assert!(at("start web-prod@v2") < at("stop web-prod@v1"), "{changes:?}");
    assert_eq!(changes.last().map(String::as_str), Some("remove web-prod@v1"), "{changes:?}");
    host.fake.reset_calls();
    assert!(host.converge().await.view.plan.is_noop());
    assert_eq!(host.changes(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_a_container_that_is_kept_as_it_is_is_routed_to_and_replaced_when_the_configuration_changes() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.write(&web("v1", ""));
    let id = run_by_hand(&host, "by-hand", &image("v1"), &[], true).await;
    run(&host, "adopt by-hand web/prod --as-is", 0).await;
    assert_eq!(host.fake.mutations(), 0);
    let plan = host.look().await.unwrap().plan;
    assert_eq!(plan.stages[0].verdict, Verdict::Repair, "{plan}");
    host.apply(&web("v1", "")).await;
    assert_eq!((host.fake.container("by-hand").id, host.version_at("web.test").await), (id, "v1".into()));
    let changes = [
        "network landfall",
        "network landfall-names",
        "connect web-prod@v1 to landfall",
        "connect web-prod@v1 to landfall-names",
    ];
    assert_eq!(host.changes(), changes);
    for line in ["diff", "status", "apply"] {
        run(&host, line, 0).await;
    }
    // Drift of it is put right as of any other.
    host.fake.stop_by_hand("by-hand").await;
    host.apply(&web("v1", "")).await;
    assert_eq!(host.version_at("web.test").await, "v1");
    host.apply(&web("v2", "")).await;
    assert_eq!(
        (host.containers(), host.version_at("web.test").await),
        (vec!["web-prod@v2 running".into()], "v2".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r5_what_is_in_force_after_an_adoption_is_the_commit_that_was_read() {
    for more in ["", " --as-is"] {
        let host = Host::with(&[&image("v1")]).await;
        host.write(&web("v1", ""));
        let commit = host.commit();
        run_by_hand(&host, "by-hand", &image("v1"), &[], true).await;
        run(&host, &format!("adopt by-hand web/prod{more}"), 0).await;
        let in_force = host.reader().in_force().unwrap().unwrap();
        assert_eq!((in_force.commit.as_ref(), &in_force.desired.revision), (Some(&commit), &commit));
        // A pass over the same commit finds it in force.
        host.converge().await;
        assert_eq!(host.reader().in_force().unwrap().unwrap().generation, in_force.generation);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_r5_what_cannot_be_adopted_is_refused_with_the_reason_and_nothing_is_recorded() {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.write(&web("v1", ""));
    run_by_hand(&host, "of-v2", &image("v2"), &[], true).await;
    run_by_hand(&host, "hidden", &image("v1"), &[], false).await;
    let other = "018f0000-0000-4000-8000-00000000000f";
    run_by_hand(&host, "labelled", &image("v1"), &[("landfall.store", other)], false).await;
    run_by_hand(&host, "stopped", &image("v1"), &[], false).await;
    host.fake.stop_by_hand("stopped").await;
    for (line, words) in [
        ("adopt none web/prod", "none cannot be adopted: there is no such container"),
        ("adopt of-v2 web/nope", "`web/nope` is neither a project nor a stage here"),
        ("adopt labelled web/prod", "it belongs to store 018f0000"),
        ("adopt stopped web/prod", "it does not run"),
        ("adopt of-v2 web/prod --as-is", "it runs "),
        ("adopt hidden web/prod --as-is", "port 8080 of hidden is not published on 127.0.0.1"),
    ] {
        let said = run(&host, line, 1).await;
        assert!(said.err.contains(words) && said.err.contains("hint: "), "{line}: {}", said.err);
    }
    assert_eq!((host.fake.mutations(), host.instances().len()), (0, 0));
    for line in ["adopt web/prod", "adopt a web/prod --proxy-host", "adopt --proxy-host web/prod --as-is", "adopt"] {
        run(&host, line, 64).await;
    }
    run(&host, "adopt hidden web/prod", 0).await;
    let said = run(&host, "adopt hidden web/prod", 1).await;
    assert!(
        said.err.contains("it belongs to web/prod already") && said.err.contains("landfall release"),
        "{}",
        said.err
    );
    let said = run(&host, "adopt of-v2 web/prod", 1).await;
    assert!(said.err.contains("web/prod has hidden already"), "{}", said.err);
    host.apply(&web("v1", "")).await;
    let own = host.instances()[0].name.clone();
    let said = run(&host, &format!("adopt {own} web/prod"), 1).await;
    assert!(said.err.contains("this Landfall made it"), "{}", said.err);
    // What was not adopted runs on.
    assert!(["of-v2", "labelled", "stopped"].into_iter().all(|name| host.fake.find(name).is_some()));
}

#[tokio::test(flavor = "multi_thread")]
async fn r1_r5_a_release_forgets_what_was_adopted_and_nothing_is_ever_done_to_it_again() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    run_by_hand(&host, "by-hand", &image("v1"), &[COMPOSE], true).await;
    let said = run(&host, "adopt by-hand web/prod --as-is", 0).await;
    assert!(said.err.contains("Compose project `old`"), "{}", said.err);
    run(&host, "release web/prod", 0).await;
    assert_eq!((host.fake.mutations(), host.instances().len()), (0, 0));
    assert!(run(&host, "adopt by-hand web/prod", 1).await.err.contains("web/prod is released"));
    host.write("projects: {}\n");
    run(&host, "apply --allow-prune", 0).await;
    assert!(host.fake.find("by-hand").is_some_and(|container| container.is_running()));
    assert_eq!(host.fake.mutations(), 0);
    // It can be given again, and then goes with its stage.
    host.write(&web("v1", ""));
    run(&host, "adopt by-hand web/prod", 0).await;
    host.write("projects: {}\n");
    run(&host, "apply --allow-prune", 0).await;
    assert_eq!(host.fake.find("by-hand").map(|container| container.name), None);
    assert!(!host.recorded().stages.contains_key(&stage("web/prod")));
}

#[tokio::test(flavor = "multi_thread")]
async fn r11_a_deploy_that_fails_leaves_what_was_adopted_as_it_was() {
    let broken = image("v2").behaving(crate::fake_docker::Behaviour::Unhealthy);
    let host = Host::with(&[&image("v1"), &broken]).await;
    host.write(&web("v2", "        ready: { http: { path: / }, deadline: 100ms }\n"));
    let id = run_by_hand(&host, "by-hand", &image("v1"), &[], true).await;
    run(&host, "adopt by-hand web/prod", 0).await;
    run(&host, "apply", 1).await;
    let left: Vec<_> = host.fake.containers().into_iter().map(|c| (c.id.clone(), c.is_running())).collect();
    assert_eq!(left, [(id, true)]);
    assert_eq!(host.instances().len(), 1);
}
