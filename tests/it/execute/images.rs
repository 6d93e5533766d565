//! R24: images that nobody needs go at the end of a pass: ours alone, never what is used, never while one is pulled.

use std::collections::{BTreeMap, BTreeSet};

use landfall::execute::Event;
use landfall::model::{Pause, PauseKind, StageKey};
use landfall::plan::Options;
use landfall::reconcile::{Order, View};

use super::ground::{Daemon, Host, REPOSITORY, ended, image, web};
use super::words::{image_in_words, version};
use crate::fake_docker::{Behaviour, Op};
use crate::router_support::until;

fn key() -> StageKey {
    "web/prod".parse().unwrap()
}

/// `web/prod` at a version; so many images are kept.
fn keeping(kept: u8, version: &str) -> String {
    web(version, &format!("        keep_images: {kept}\n"))
}

/// A host that has seen these versions, one after the other.
async fn after(kept: u8, versions: &[&str]) -> Host {
    let host = Host::with(&["v1", "v2", "v3", "v4"].map(image).each_ref()).await;
    for version in versions {
        host.apply(&keeping(kept, version)).await;
    }
    host
}

/// The names of images on the host: as they were pulled (`v1`), ours (`landfall/web-prod:v1`), and others.
fn on_host(host: &Host) -> BTreeSet<String> {
    host.fake.image_names().iter().map(|name| image_in_words(name)).collect()
}

/// What a plan says of images.
fn planned(view: &View) -> Vec<String> {
    view.plan.images.iter().map(|drop| drop.to_string().replace(drop.image.digest.short(), "…")).collect()
}

fn told(host: &Host) -> Vec<String> {
    let lines = host.events().into_iter().filter_map(|event| match event {
        Event::Line { key: None, text } if text.starts_with("image ") => Some(text),
        _ => None,
    });
    lines.collect()
}

/// Both names of these versions, and others.
fn both(versions: &[&str], others: &[&str]) -> BTreeSet<String> {
    let names = versions.iter().flat_map(|version| [format!("landfall/web-prod:{version}"), (*version).to_owned()]);
    names.chain(others.iter().map(|name| (*name).to_owned())).collect()
}

#[tokio::test]
async fn r24_a_deploy_lets_the_image_go_that_is_not_kept_any_more_and_diff_said_so() {
    let host = after(2, &["v1", "v2"]).await;
    assert_eq!(on_host(&host), both(&["v1", "v2"], &[]));
    host.write(&keeping(2, "v3"));
    let view = host.look().await.unwrap();
    assert_eq!(planned(&view), [format!("{REPOSITORY}@sha256:…… goes: not among the last 2 of web/prod")]);
    assert_eq!((version(view.plan.images[0].image.digest.as_str()).as_str(), view.plan.is_noop()), ("v1", false));
    host.fake.reset_calls();
    host.converge().await;
    assert_eq!(on_host(&host), both(&["v2", "v3"], &[]));
    assert_eq!(host.changes()[host.changes().len() - 2..], ["untag landfall/web-prod:v1", "untag v1"]);
    assert!(told(&host)[0].contains("not among the last 2"), "{:?}", told(&host));
    let view = host.look().await.unwrap();
    assert_eq!((planned(&view), view.plan.is_noop()), (vec![], true), "nothing is left to be done");
}

#[tokio::test]
async fn r22_r24_a_pass_with_nothing_to_let_go_asks_docker_no_more_than_before() {
    let host = after(2, &["v1", "v2", "v3"]).await;
    host.fake.reset_calls();
    host.converge().await;
    assert_eq!([Op::Ping, Op::List, Op::Networks].map(|op| host.fake.count(op)), [1, 1, 1]);
    assert_eq!(host.fake.calls().len(), 3, "{:?}", host.fake.calls());
}

#[tokio::test]
async fn r24_a_smaller_number_lets_images_go_though_nothing_else_is_to_be_done() {
    let host = after(3, &["v1", "v2", "v3"]).await;
    let name = host.look().await.unwrap().plan.id();
    host.write(&keeping(1, "v3"));
    let view = host.look().await.unwrap();
    assert_eq!((view.plan.images.len(), view.plan.is_noop(), view.plan.id()), (2, true, name), "housekeeping alone");
    host.fake.reset_calls();
    host.converge().await;
    assert_eq!(on_host(&host), both(&["v3"], &[]));
    let untagged = ["untag landfall/web-prod:v1", "untag v1", "untag landfall/web-prod:v2", "untag v2"];
    assert_eq!(host.changes().into_iter().collect::<BTreeSet<_>>(), untagged.map(ToOwned::to_owned).into());
    assert_eq!(host.version_at("web.test").await, "v3");
}

#[tokio::test]
async fn r13_r24_going_back_among_the_kept_ones_pulls_nothing_and_further_pulls_again() {
    let host = after(2, &["v1", "v2", "v3"]).await;
    host.fake.reset_calls();
    assert_eq!(ended(&host.by_hand(&key(), &Order::Rollback { to: None }).await.unwrap()).0, "success");
    assert_eq!((host.fake.count(Op::Pull), host.version_at("web.test").await.as_str()), (0, "v2"));
    assert_eq!(on_host(&host), both(&["v2", "v3"], &[]));
    host.by_hand(&key(), &Order::Rollback { to: None }).await.unwrap();
    assert_eq!((host.fake.count(Op::Pull), host.version_at("web.test").await.as_str()), (1, "v1"));
    // What the configuration leads to stays, whoever chose another version.
    assert_eq!(on_host(&host), both(&["v1", "v2", "v3"], &[]));
    host.by_hand(&key(), &Order::Deploy { tag: None, now: false }).await.unwrap();
    assert_eq!(on_host(&host), both(&["v1", "v3"], &[]), "the last two that succeeded");
    host.apply(&keeping(2, "v4")).await;
    assert_eq!(on_host(&host), both(&["v3", "v4"], &[]), "what was pulled to go back to is ours, too");
}

#[tokio::test]
async fn r24_what_was_to_go_stays_where_its_successor_fails() {
    let host = Host::with(&[&image("v1"), &image("v2"), &image("v3").behaving(Behaviour::Unhealthy)]).await;
    for version in ["v1", "v2"] {
        host.apply(&keeping(2, version)).await;
    }
    host.write(&keeping(2, "v3").replace("deadline: 5s", "deadline: 60ms"));
    assert_eq!(host.look().await.unwrap().plan.images.len(), 1, "the first one");
    assert_eq!(ended(&host.converge().await).0, "failed");
    assert_eq!(on_host(&host), both(&["v1", "v2", "v3"], &[]));
}

#[tokio::test]
async fn r24_what_never_succeeded_goes_and_what_serves_stays() {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::Unhealthy)]).await;
    host.apply(&keeping(1, "v1")).await;
    host.write(&keeping(1, "v2").replace("deadline: 5s", "deadline: 60ms"));
    assert_eq!(ended(&host.converge().await).0, "failed");
    assert_eq!(on_host(&host), both(&["v1", "v2"], &[]), "the configuration still leads to it");
    host.apply(&keeping(1, "v1")).await;
    assert_eq!(on_host(&host), both(&["v1"], &[]));
    assert!(told(&host)[0].contains("it never succeeded in web/prod"), "{:?}", told(&host));
}

#[tokio::test]
async fn r24_what_a_person_named_or_brought_stays() {
    let host = Host::with(&["v1", "v2", "v3"].map(image).each_ref()).await;
    // One that was there before, by its digest alone.
    let before = image("v1");
    host.fake.add_image(&crate::fake_docker::FakeImage { names: vec![before.names[0].clone()], ..before });
    host.apply(&keeping(1, "v1")).await;
    host.apply(&keeping(1, "v2")).await;
    assert_eq!(on_host(&host), both(&["v2"], &["v1"]));
    // Two that were given names: of their own, and of their repository.
    host.fake.name_image_by_hand(&image("v2"), "mine:keep");
    host.apply(&keeping(1, "v3")).await;
    assert_eq!(on_host(&host), both(&["v3"], &["mine:keep", "v1"]));
    host.fake.name_image_by_hand(&image("v3"), &format!("{REPOSITORY}:stable"));
    host.apply(&keeping(1, "v1")).await;
    let stable = format!("{REPOSITORY}:stable");
    assert_eq!(on_host(&host), both(&["v1"], &["mine:keep", &stable, "v3"]));
}

#[tokio::test]
async fn r1_r24_what_the_store_of_another_landfall_uses_keeps_its_name() {
    let host = after(1, &["v1"]).await;
    host.fake.name_image_by_hand(&image("v1"), "landfall/theirs-prod:0123456789ab");
    host.apply(&keeping(1, "v2")).await;
    assert_eq!(on_host(&host), both(&["v2"], &["v1", "landfall/theirs-prod:0123456789ab"]));
}

#[tokio::test]
async fn r24_an_image_that_somebody_else_uses_is_left_alone_for_a_while_and_fails_nothing() {
    let host = after(1, &["v1"]).await;
    host.fake.run_by_hand("theirs", &BTreeMap::new());
    host.fake.change("theirs", |container| container.image_id = image("v1").id());
    host.apply(&keeping(1, "v2")).await;
    assert!(on_host(&host).contains("v1"), "{:?}", on_host(&host));
    let told = told(&host);
    assert!(told[0].contains("stays for now") && told[0].contains("container theirs is using"), "{told:?}");
    host.fake.reset_calls();
    host.converge().await;
    assert_eq!(host.fake.calls().len(), 3, "nobody asks again at once: {:?}", host.fake.calls());
    host.fake.remove_by_hand("theirs").await;
    host.converge_with(Options { retry: true, ..Options::default() }).await.unwrap();
    assert_eq!(on_host(&host), both(&["v2"], &[]), "somebody asked");
}

#[tokio::test]
async fn r24_whatever_docker_answers_the_pass_is_well() {
    for (op, status) in [(Op::RemoveImage, 500), (Op::RemoveImage, 409), (Op::Image, 500)] {
        let host = after(1, &["v1"]).await;
        host.fake.hang(Op::RemoveImage);
        host.write(&keeping(1, "v2"));
        let answer = async {
            host.called(Op::RemoveImage).await;
            host.fake.fail_next(op, status, "no");
            host.fake.release(Op::RemoveImage);
        };
        let (converged, ()) = tokio::join!(host.converge(), answer);
        assert!(converged.results.values().all(landfall::execute::StageResult::is_ok), "{:?}", converged.results);
        assert!(told(&host)[0].contains("stays for now"), "{:?}", told(&host));
        assert_eq!(host.version_at("web.test").await, "v2");
        assert!(host.look().await.unwrap().plan.is_noop());
        assert!(on_host(&host).contains("v1"), "{:?}", on_host(&host));
    }
}

#[tokio::test]
async fn r24_an_image_that_a_person_removed_is_forgotten() {
    let host = after(1, &["v1"]).await;
    host.apply(&keeping(2, "v2")).await;
    host.fake.remove_image_by_hand(&image("v1").names[0]);
    host.write(&keeping(1, "v2"));
    host.converge().await;
    assert_eq!(on_host(&host), both(&["v2"], &[]));
    host.fake.reset_calls();
    host.converge().await;
    assert_eq!(host.fake.calls().len(), 3, "{:?}", host.fake.calls());
}

#[tokio::test]
async fn r24_nothing_goes_while_an_image_is_pulled() {
    let host = after(1, &["v1"]).await;
    let other = |version: &str| {
        let more = keeping(1, version).replace("  web:", "  other:").replace("web.test", "other.test");
        more.replace("projects:\n", "")
    };
    host.settings("  resync: 1s\n");
    host.write(&format!("{}{}", keeping(1, "v1"), other("v3")));
    host.fake.hang(Op::Pull);
    let daemon = Daemon::start(&host);
    host.called(Op::Pull).await;
    // A pass beside the pull, which has an image to let go.
    host.fake.add_image(&image("v2"));
    host.write(&format!("{}{}", keeping(1, "v2"), other("v3")));
    until("the second version serves", async || host.version_at("web.test").await == "v2").await;
    let lists = host.fake.count(Op::List);
    until("a pass more", async || host.fake.count(Op::List) > lists + 1).await;
    assert_eq!(host.fake.count(Op::RemoveImage), 0);
    host.fake.release(Op::Pull);
    until("the first version goes", async || !on_host(&host).contains("v1")).await;
    daemon.stop().await;
}

#[tokio::test]
async fn r24_the_images_of_a_stage_that_goes_go_with_it_but_not_those_that_another_one_keeps() {
    let host = Host::with(&["v1", "v2"].map(image).each_ref()).await;
    let two = |one: &str, other: &str| {
        let stage = |name: &str, version: &str| {
            format!("      {name}: {{ track: {{ digest: \"{}\" }} }}\n", image(version).digest)
        };
        format!(
            "projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {{ tcp: {{}} }}\n    stages:\n{}{}",
            stage("a", one),
            if other.is_empty() { String::new() } else { stage("b", other) }
        )
    };
    host.apply(&two("v1", "v1")).await;
    host.apply(&two("v1", "v2")).await;
    host.write(&two("v1", ""));
    let options = Options { allow_prune: true, secrets_needed: true, ..Options::default() };
    host.converge_with(options).await.unwrap();
    assert_eq!(
        on_host(&host),
        ["landfall/web-a:v1", "landfall/web-b:v1", "v1"].map(ToOwned::to_owned).into(),
        "the other one is kept by a"
    );
    assert!(host.look().await.unwrap().plan.images.is_empty());
}

#[tokio::test]
async fn r5_r24_of_a_stage_that_is_left_alone_all_images_stay() {
    let host = after(3, &["v1", "v2", "v3"]).await;
    let pause = Pause { kind: PauseKind::Suspended, since_ms: 0, until_ms: None };
    host.pause(&key(), Some(pause)).await.unwrap();
    host.write(&keeping(1, "v3"));
    host.converge().await;
    assert_eq!(on_host(&host), both(&["v1", "v2", "v3"], &[]));
    host.pause(&key(), None).await.unwrap();
    host.converge().await;
    assert_eq!(on_host(&host), both(&["v3"], &[]));
}
