//! R21: reading changes nothing, whoever else has the store open.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::child::{Role, Second};
use super::support::{accepted, begun, key, scratch};
use crate::model::hash::sha256_hex;
use crate::model::{DeployStatus, Phase};
use crate::store::{DataDir, Store, StoreError};

/// Names, hashes, modes and times of change of everything in the directory. Not to be called while this process has
/// the store open for writing: closing the files would drop its locks.
fn state(dir: &DataDir) -> BTreeMap<String, (String, u32, i64, i64)> {
    let entry = |entry: fs::DirEntry| {
        let meta = entry.metadata().unwrap();
        let content = sha256_hex(&fs::read(entry.path()).unwrap());
        (entry.file_name().into_string().unwrap(), (content, meta.mode(), meta.mtime(), meta.mtime_nsec()))
    };
    fs::read_dir(dir.root()).unwrap().map(Result::unwrap).map(entry).collect()
}

fn names(dir: &DataDir) -> Vec<String> {
    state(dir).into_keys().collect()
}

/// Reads everything there is to read and asserts that nothing in the directory differs afterwards.
fn read_all(dir: &DataDir) -> crate::model::Recorded {
    let before = state(dir);
    let reader = Store::open_read(dir).unwrap().expect("there is a store");
    let recorded = reader.recorded().unwrap();
    reader.in_force().unwrap();
    for deploy in reader.deploys(&crate::store::Filter::default(), 10).unwrap() {
        reader.log(deploy.id).unwrap();
        reader.spec(deploy.id).unwrap();
    }
    reader.instances().unwrap();
    assert_eq!(state(dir), before, "while the reader is open");
    drop(reader);
    assert_eq!(state(dir), before, "after it was closed");
    recorded
}

#[test]
fn r21_a_missing_store_is_none_and_nothing_is_made() {
    let scratch = scratch();
    assert!(Store::open_read(&scratch.dir).unwrap().is_none());
    assert!(!scratch.dir.root().exists());
    fs::create_dir(scratch.dir.root()).unwrap();
    assert!(Store::open_read(&scratch.dir).unwrap().is_none());
    assert!(names(&scratch.dir).is_empty());
}

#[tokio::test]
async fn r21_a_store_that_nobody_has_open_is_read_without_a_trace() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = store.id();
    drop(store);
    assert_eq!(names(&scratch.dir), ["landfall.db", "landfall.db-shm", "landfall.db-wal", "lock"]);
    assert_eq!(scratch.dir.wal().metadata().unwrap().len(), 0);
    let recorded = read_all(&scratch.dir);
    assert_eq!(recorded.store, Some(id));
    assert!(recorded.stages.contains_key(&key("shop/prod")));
}

#[tokio::test]
async fn r21_a_store_without_its_log_beside_it_is_read_without_a_trace() {
    let scratch = scratch();
    drop(scratch.store_with(&["shop/prod"]).await);
    fs::remove_file(scratch.dir.shm()).unwrap();
    assert_eq!(read_all(&scratch.dir).generation, 1);
    fs::remove_file(scratch.dir.wal()).unwrap();
    assert_eq!(read_all(&scratch.dir).generation, 1);
    assert_eq!(names(&scratch.dir), ["landfall.db", "lock"]);
}

#[tokio::test]
async fn a_reader_beside_the_writer_of_its_own_process_sees_what_it_wrote() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let reader = Store::open_read(&scratch.dir).unwrap().unwrap();
    assert_eq!(reader.recorded().unwrap().generation, 1);
    store.accept_config(accepted("r2", &["shop/prod", "shop/dev"])).await.unwrap();
    let recorded = reader.recorded().unwrap();
    assert_eq!((recorded.generation, recorded.stages.len()), (2, 2));
    assert_eq!(recorded, store.recorded().await.unwrap());
}

#[tokio::test]
async fn r21_a_writer_of_another_process_is_read_and_so_is_what_it_left_when_it_was_killed() {
    let scratch = scratch();
    let mut second = Second::start(Role::Deploy, &scratch.dir);
    assert_eq!(read_all(&scratch.dir).generation, 1);
    second.kill();
    assert!(scratch.dir.wal().metadata().unwrap().len() > 0, "it left its log unfinished");
    assert_eq!(read_all(&scratch.dir).generation, 1);
    let reader = Store::open_read(&scratch.dir).unwrap().unwrap();
    assert_eq!(reader.in_flight().unwrap()[0].phase, Phase::Creating);
}

#[tokio::test]
async fn a_reader_sees_whole_states_of_a_writer_that_never_pauses() {
    let scratch = scratch();
    let mut second = Second::start(Role::Busy, &scratch.dir);
    let mut newest = 0;
    for _ in 0..100 {
        let reader = Store::open_read(&scratch.dir).unwrap().unwrap();
        let deploy = reader.in_flight().unwrap().remove(0);
        let log = reader.log(deploy.id).unwrap();
        // A batch is written whole, and never less is seen than before.
        let last = log.last().map_or(0, |line| line.at_ms);
        assert!(log.is_empty() || log.last().unwrap().text.starts_with("49 "));
        assert!(last >= newest);
        newest = last;
    }
    assert!(newest > 0);
    second.kill();
    assert_eq!(read_all(&scratch.dir).generation, 1);
}

#[tokio::test]
async fn r21_an_unfinished_log_without_its_index_needs_a_writer_and_says_so() {
    let scratch = scratch();
    Second::start(Role::Deploy, &scratch.dir).kill();
    fs::remove_file(scratch.dir.shm()).unwrap();
    let before = state(&scratch.dir);
    let error = Store::open_read(&scratch.dir).unwrap_err();
    assert!(matches!(error, StoreError::Unfinished { .. }), "{error}");
    assert!(error.hint().unwrap().contains("landfall apply"));
    assert_eq!(state(&scratch.dir), before);
    drop(scratch.store().await);
    assert_eq!(read_all(&scratch.dir).generation, 1);
}

#[tokio::test]
async fn a_writer_opens_while_a_reader_of_the_same_process_is_about_to_go() {
    let scratch = scratch();
    drop(scratch.store_with(&["shop/prod"]).await);
    let reader = Store::open_read(&scratch.dir).unwrap().unwrap();
    reader.recorded().unwrap();
    let leaving = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(reader);
    });
    let store = scratch.store().await;
    let id = begun(&store, "shop/prod").await;
    store.finish(id, DeployStatus::Failed, Some("interrupted"), false).await.unwrap();
    leaving.join().unwrap();
}

#[tokio::test]
async fn a_reader_that_stays_open_sees_each_new_state() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let reader = Store::open_read(&scratch.dir).unwrap().unwrap();
    for generation in 2..20 {
        store.accept_config(accepted(&format!("r{generation}"), &["shop/prod"])).await.unwrap();
        assert_eq!(reader.recorded().unwrap().generation, generation);
    }
}
