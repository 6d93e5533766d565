//! The configuration in force.

use std::sync::Arc;

use super::support::{accepted, begun, instance, key, scratch, succeeded};
use crate::model::recorded::Pin;
use crate::model::secret::SecretRef;
use crate::model::{Digest, Registry};
use crate::store::{Store, StoreError};

fn pin() -> Pin {
    Pin {
        repository: "ghcr.io/acme/shop".parse().unwrap(),
        tag: "v1".parse().unwrap(),
        digest: digest('b'),
        local: false,
    }
}

fn digest(digit: char) -> Digest {
    format!("sha256:{}", digit.to_string().repeat(64)).parse().unwrap()
}

#[tokio::test]
async fn r2_the_configuration_in_force_comes_back_as_it_was_accepted() {
    let scratch = scratch();
    let store = scratch.store().await;
    assert!(store.in_force().await.unwrap().is_none());
    let mut wanted = accepted("r1", &["shop/prod", "db/prod"]);
    wanted.commit = Some("3f2a91c".into());
    let registry = Registry {
        url: "https://ghcr.io".into(),
        prefix: "ghcr.io".into(),
        username: Some("bot".into()),
        password: Some(SecretRef::Credential("ghcr_token".into())),
        poll: None,
        insecure: false,
        ca_file: Some("/etc/ssl/lan.pem".into()),
    };
    Arc::make_mut(&mut wanted.desired).registries.insert("ghcr".parse().unwrap(), registry);
    assert_eq!(store.accept_config(wanted.clone()).await.unwrap(), 1);
    let in_force = store.in_force().await.unwrap().unwrap();
    assert_eq!((in_force.generation, in_force.commit), (1, wanted.commit));
    assert_eq!(in_force.desired, *wanted.desired);
    assert!(in_force.accepted_at_ms > 1_700_000_000_000);
}

/// Bytes that were ever written into the log of an open store.
async fn pages_written(store: &Store) -> i64 {
    store.read(|conn| Ok(conn.query_row("SELECT total_changes()", [], |row| row.get(0))?)).await.unwrap()
}

#[tokio::test]
async fn what_is_in_force_already_is_not_written_again() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let wal = || scratch.dir.wal().metadata().unwrap().len();
    let before = (wal(), pages_written(&store).await);
    assert_eq!(store.accept_config(accepted("r1", &["shop/prod"])).await.unwrap(), 1);
    store.set_pin(&key("shop/prod"), &pin()).await.unwrap();
    assert!(pages_written(&store).await > before.1);
    let before = (wal(), pages_written(&store).await);
    store.accept_config(accepted("r1", &["shop/prod"])).await.unwrap();
    store.set_pin(&key("shop/prod"), &pin()).await.unwrap();
    assert_eq!((wal(), pages_written(&store).await), before);
}

#[tokio::test]
async fn a_new_revision_or_a_changed_spec_is_a_new_generation() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    assert_eq!(store.accept_config(accepted("r2", &["shop/prod"])).await.unwrap(), 2);
    let mut changed = accepted("r2", &["shop/prod"]);
    Arc::make_mut(&mut changed.desired).stages.get_mut(&key("shop/prod")).unwrap().container.read_only = true;
    assert_eq!(store.accept_config(changed.clone()).await.unwrap(), 3);
    assert_eq!(store.in_force().await.unwrap().unwrap().desired, *changed.desired);
    assert_eq!(store.recorded().await.unwrap().revision, "r2");
}

#[tokio::test]
async fn r17_a_removed_stage_keeps_its_history_and_is_forgotten_by_plans_when_its_instances_are_gone() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/dev"]).await;
    let id = succeeded(&store, "shop/prod").await;
    store.add_instance(instance("shop/prod", id, "c1")).await.unwrap();
    store.set_pin(&key("shop/prod"), &pin()).await.unwrap();
    store.accept_config(accepted("r2", &["shop/dev"])).await.unwrap();
    let recorded = store.recorded().await.unwrap();
    assert!(recorded.stages[&key("shop/prod")].live.is_some(), "its instance is still there");
    store.remove_instance("c1").await.unwrap();
    assert!(!store.recorded().await.unwrap().stages.contains_key(&key("shop/prod")));
    assert_eq!(store.deploys(&(&key("shop/prod")).into(), 10).await.unwrap().len(), 1);
    store.accept_config(accepted("r3", &["shop/dev", "shop/prod"])).await.unwrap();
    let recorded = store.recorded().await.unwrap();
    assert_eq!(recorded.stages[&key("shop/prod")], crate::model::RecordedStage::default(), "it begins anew");
}

#[tokio::test]
async fn a_removed_project_and_registry_are_tombstones() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "db/prod"]).await;
    begun(&store, "db/prod").await;
    store.accept_config(accepted("r2", &["shop/prod"])).await.unwrap();
    let removed = |conn: &rusqlite::Connection| {
        let sql = "SELECT name FROM projects WHERE removed_at IS NOT NULL";
        Ok(conn.query_row(sql, [], |row| row.get::<_, String>(0))?)
    };
    assert_eq!(store.read(removed).await.unwrap(), "db");
    assert_eq!(store.in_force().await.unwrap().unwrap().desired.stages.len(), 1);
}

#[tokio::test]
async fn a_pin_is_kept_with_its_stage_and_an_unknown_stage_has_none() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    store.set_pin(&key("shop/prod"), &pin()).await.unwrap();
    store.set_pin(&key("shop/prod"), &Pin { digest: digest('c'), ..pin() }).await.unwrap();
    let recorded = store.recorded().await.unwrap();
    assert_eq!(recorded.stages[&key("shop/prod")].pin.as_ref().unwrap().digest, digest('c'));
    let error = store.set_pin(&key("no/such"), &pin()).await.unwrap_err();
    assert!(matches!(error, StoreError::NotFound { .. }), "{error:?}");
}

#[tokio::test]
async fn r28_a_reference_to_a_secret_is_all_that_is_written_of_it() {
    let scratch = scratch();
    let store = scratch.store().await;
    let mut wanted = accepted("r1", &["shop/prod"]);
    let stage = Arc::make_mut(&mut wanted.desired).stages.get_mut(&key("shop/prod")).unwrap();
    stage.container.secret_environment.insert("P".into(), SecretRef::Credential("shop_db".into()));
    store.accept_config(wanted).await.unwrap();
    let spec = |conn: &rusqlite::Connection| Ok(conn.query_row("SELECT spec FROM stages", [], |row| row.get(0))?);
    let spec: String = store.read(spec).await.unwrap();
    assert!(spec.contains(r#""secret_environment":{"P":{"credential":"shop_db"}}"#), "{spec}");
}
