//! Images that stages use (R24).

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::support::{Scratch, accepted, image, instance, key, new_deploy, scratch};
use crate::model::hash::{self, sha256_hex};
use crate::model::recorded::RecordedImage;
use crate::model::{DeployId, DeployStatus, ImageRef, Phase};
use crate::store::{NewDeploy, Readopted, Store};

/// A version of the app.
fn version(tag: &str) -> ImageRef {
    let digest = format!("sha256:{}", sha256_hex(tag.as_bytes()));
    ImageRef { digest: digest.parse().unwrap(), ..image(tag) }
}

/// A deploy of a version that ends so; the image was pulled for it.
async fn deployed(store: &Store, stage: &str, tag: &str, status: DeployStatus) -> DeployId {
    let new = NewDeploy { image: version(tag), ..new_deploy(stage) };
    let id = new.id;
    store.begin_deploy(new).await.unwrap();
    store.set_phase(id, Phase::Pulling).await.unwrap();
    store.hold_image(&key(stage), &version(tag), true).await.unwrap();
    store.set_phase(id, Phase::HealthChecking).await.unwrap();
    store.finish(id, status, Some("why"), false).await.unwrap();
    id
}

async fn all_deployed(store: &Store, stage: &str, tags: &[&str]) {
    for tag in tags {
        deployed(store, stage, tag, DeployStatus::Success).await;
    }
}

/// Tags with their ages, of one stage.
fn ages(found: &[RecordedImage], stage: &str) -> BTreeMap<String, Option<u32>> {
    let of_stage = found.iter().filter(|row| row.key == key(stage));
    of_stage.map(|row| (row.image.version(), row.newer)).collect()
}

/// All of some stages.
async fn all(store: &Store, stages: &[&str]) -> Vec<RecordedImage> {
    store.spare_images(u8::MAX, stages.iter().map(|stage| key(stage)).collect()).await.unwrap()
}

async fn spare(store: &Store, newer: u8) -> BTreeSet<String> {
    let found = store.spare_images(newer, BTreeSet::new()).await.unwrap();
    found.iter().map(|row| format!("{} {}", row.key, row.image.version())).collect()
}

fn named<const N: usize>(names: [&str; N]) -> BTreeSet<String> {
    names.map(ToOwned::to_owned).into()
}

async fn of(keys: &[&str]) -> (Scratch, Store) {
    let scratch = scratch();
    let store = scratch.store_with(keys).await;
    (scratch, store)
}

#[tokio::test]
async fn r24_an_image_ages_with_each_other_one_that_succeeds_after_it() {
    let (_scratch, store) = of(&["shop/prod"]).await;
    all_deployed(&store, "shop/prod", &["v1", "v2", "v2", "v3"]).await;
    deployed(&store, "shop/prod", "v4", DeployStatus::Failed).await;
    let expected = [("v1", Some(2)), ("v2", Some(1)), ("v3", Some(0)), ("v4", None)];
    assert_eq!(ages(&all(&store, &["shop/prod"]).await, "shop/prod"), expected.map(|(t, n)| (t.to_owned(), n)).into());
    all_deployed(&store, "shop/prod", &["v1"]).await;
    let expected = [("v1", Some(0)), ("v2", Some(2)), ("v3", Some(1)), ("v4", None)];
    assert_eq!(ages(&all(&store, &["shop/prod"]).await, "shop/prod"), expected.map(|(t, n)| (t.to_owned(), n)).into());
}

#[tokio::test]
async fn r24_what_may_go_is_told_with_every_stage_that_has_it() {
    let (_scratch, store) = of(&["shop/prod", "shop/test"]).await;
    all_deployed(&store, "shop/prod", &["v1", "v2", "v3"]).await;
    all_deployed(&store, "shop/test", &["v1"]).await;
    assert_eq!(spare(&store, 3).await, named([]));
    assert_eq!(spare(&store, 2).await, named(["shop/prod v1", "shop/test v1"]));
    deployed(&store, "shop/test", "v4", DeployStatus::Superseded).await;
    assert_eq!(spare(&store, 3).await, named(["shop/test v4"]), "one that never succeeded");
}

#[tokio::test]
async fn r24_a_stage_that_is_gone_keeps_nothing() {
    let (_scratch, store) = of(&["shop/prod", "shop/test"]).await;
    all_deployed(&store, "shop/prod", &["v1"]).await;
    let live = deployed(&store, "shop/test", "v2", DeployStatus::Success).await;
    store.add_instance(instance("shop/test", live, "c1")).await.unwrap();
    store.accept_config(accepted("r2", &["shop/prod"])).await.unwrap();
    assert_eq!(spare(&store, 1).await, named([]), "its container is there");
    store.remove_instance("c1").await.unwrap();
    assert_eq!(spare(&store, 1).await, named(["shop/test v2"]));
}

#[tokio::test]
async fn r24_what_went_is_forgotten_for_all_and_what_stayed_is_remembered() {
    let (_scratch, store) = of(&["shop/prod", "shop/test"]).await;
    for stage in ["shop/prod", "shop/test"] {
        deployed(&store, stage, "v1", DeployStatus::Failed).await;
        deployed(&store, stage, "v2", DeployStatus::Failed).await;
    }
    store.leave_image(&version("v1")).await.unwrap();
    store.forget_image(&version("v2")).await.unwrap();
    assert_eq!(spare(&store, 1).await, named(["shop/prod v1", "shop/test v1"]));
    assert!(all(&store, &["shop/prod"]).await.iter().all(|row| row.left_at_ms.is_some()));
}

#[tokio::test]
async fn r24_an_image_that_was_there_before_is_not_ours_unless_a_stage_pulled_it() {
    let (_scratch, store) = of(&["shop/prod", "shop/test"]).await;
    store.hold_image(&key("shop/prod"), &version("theirs"), false).await.unwrap();
    store.hold_image(&key("shop/prod"), &version("ours"), true).await.unwrap();
    store.hold_image(&key("shop/prod"), &version("ours"), false).await.unwrap();
    store.hold_image(&key("shop/test"), &version("ours"), false).await.unwrap();
    let pulled: BTreeSet<_> =
        all(&store, &["shop/prod"]).await.iter().map(|row| (row.image.version(), row.is_pulled)).collect();
    assert_eq!(pulled, [("theirs".to_owned(), false), ("ours".to_owned(), true)].into());
}

#[tokio::test]
async fn r16_r24_what_is_taken_up_again_is_known_and_what_a_person_made_is_not() {
    let (_scratch, store) = of(&["shop/prod", "shop/test"]).await;
    let taken_up = |stage: &str, container: &str, tag: &str, by_hand: bool| {
        let deploy = NewDeploy { image: version(tag), ..new_deploy(stage) };
        Readopted { instance: instance(stage, deploy.id, container), deploy, log: "found".into(), by_hand }
    };
    let found = vec![taken_up("shop/prod", "c1", "v1", false), taken_up("shop/test", "c2", "v2", true)];
    store.readopt(found, None).await.unwrap();
    let found = all(&store, &["shop/prod", "shop/test"]).await;
    assert_eq!(ages(&found, "shop/prod"), [("v1".to_owned(), Some(0))].into());
    assert_eq!(ages(&found, "shop/test"), BTreeMap::new());
}

#[tokio::test]
async fn r18_r24_an_older_store_knows_what_was_deployed_from_it() {
    let scratch = scratch();
    {
        let store = scratch.store_with(&["shop/prod", "shop/old"]).await;
        all_deployed(&store, "shop/prod", &["v1", "v2", "v1", "v3"]).await;
        deployed(&store, "shop/prod", "v4", DeployStatus::Failed).await;
        all_deployed(&store, "shop/old", &["v5"]).await;
        let local = NewDeploy { image: ImageRef { local: true, ..version("local") }, ..new_deploy("shop/prod") };
        store.begin_deploy(local.clone()).await.unwrap();
        store.finish(local.id, DeployStatus::Failed, None, false).await.unwrap();
        let theirs = NewDeploy { image: version("theirs"), spec_hash: hash::ADOPTED.into(), ..new_deploy("shop/prod") };
        store.begin_deploy(theirs).await.unwrap();
        store.accept_config(accepted("r2", &["shop/prod"])).await.unwrap();
    }
    let conn = Connection::open(scratch.dir.db()).unwrap();
    conn.execute_batch(
        "DROP TABLE maintenance; DROP TABLE certificate_failures; DROP TABLE images; PRAGMA user_version = 7;",
    )
    .unwrap();
    drop(conn);
    let store = scratch.store().await;
    let found = all(&store, &["shop/prod"]).await;
    let expected = [("v1", Some(1)), ("v2", Some(2)), ("v3", Some(0)), ("v4", None)];
    assert_eq!(ages(&found, "shop/prod"), expected.map(|(t, n)| (t.to_owned(), n)).into());
    assert_eq!(ages(&found, "shop/old"), [("v5".to_owned(), None)].into(), "the stage is gone");
    assert!(found.iter().all(|row| row.is_pulled));
}
