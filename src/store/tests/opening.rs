//! How a store comes into being and is opened again.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::support::{accepted, begun, scratch};
use crate::model::Phase;
use crate::store::{Store, StoreError};

fn mode(path: &std::path::Path) -> u32 {
    path.metadata().unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn what_is_made_is_for_its_owner_only() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let dir = &scratch.dir;
    assert_eq!(mode(dir.root()), 0o700);
    for file in [dir.db(), dir.wal(), dir.shm(), dir.lock_file()] {
        assert_eq!(mode(&file), 0o600, "{}", file.display());
    }
    drop(store);
}

#[tokio::test]
async fn a_store_opens_again_with_its_id_and_what_it_held() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let (id, recorded) = (store.id(), store.recorded().await.unwrap());
    drop(store);
    let store = scratch.store().await;
    assert_eq!((store.id(), store.recorded().await.unwrap()), (id, recorded));
}

#[tokio::test]
async fn two_stores_have_different_ids() {
    let (one, two) = (scratch(), scratch());
    assert_ne!(one.store().await.id(), two.store().await.id());
}

#[tokio::test]
async fn what_a_kill_left_of_a_store_in_the_making_is_no_store_and_in_nobodys_way() {
    let scratch = scratch();
    fs::create_dir(scratch.dir.root()).unwrap();
    fs::write(scratch.dir.root().join("landfall.db.new"), b"half").unwrap();
    assert!(!scratch.dir.has_store());
    assert!(Store::open_read(&scratch.dir).unwrap().is_none());
    drop(scratch.store().await);
    assert!(scratch.dir.has_store());
    assert!(!scratch.dir.root().join("landfall.db.new").exists());
}

#[tokio::test]
async fn a_path_with_odd_characters_is_a_path() {
    let scratch = scratch();
    let dir = crate::store::DataDir::new(scratch.tmp.path().join("a b?mode=memory#%41ü"));
    let lock = crate::store::Lock::acquire(&dir, "test", std::time::Duration::ZERO).await.unwrap();
    drop(Store::open(&dir, lock).await.unwrap());
    assert!(dir.db().exists());
    assert!(Store::open_read(&dir).unwrap().is_some());
}

#[tokio::test]
async fn a_kill_loses_nothing_that_was_recorded() {
    let scratch = scratch();
    super::child::Second::start(super::child::Role::Deploy, &scratch.dir).kill();
    let store = scratch.store().await;
    let open = store.in_flight().await.unwrap();
    assert_eq!(open.iter().map(|deploy| deploy.phase).collect::<Vec<_>>(), [Phase::Creating]);
}

#[tokio::test]
async fn clones_share_the_writer_and_the_last_one_closes_it() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/dev"]).await;
    let other = store.clone();
    drop(store);
    let jobs = ["shop/prod", "shop/dev"].map(|key| begun(&other, key));
    for job in jobs {
        job.await;
    }
    assert_eq!(other.in_flight().await.unwrap().len(), 2);
    drop(other);
    // The lock is free at once, and the log was copied into the store.
    drop(scratch.lock().await);
    assert_eq!(scratch.dir.wal().metadata().unwrap().len(), 0);
}

#[tokio::test]
async fn a_store_without_its_lock_cannot_be_opened() {
    let scratch = scratch();
    let store = scratch.store().await;
    let error = crate::store::Lock::acquire(&scratch.dir, "apply", std::time::Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, StoreError::Locked { .. }));
    store.accept_config(accepted("r1", &[])).await.unwrap();
}
