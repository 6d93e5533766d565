//! A file that is not a whole store of ours is refused, with what to do, and left as it is.

use std::fs;
use std::path::Path;

use rusqlite::Connection;

use super::migrations::SHIPPED;
use super::support::{Scratch, accepted, begun, scratch};
use crate::model::{Phase, Retry};
use crate::store::{Lock, LogLine, Store, StoreError};

/// Opens for writing and for reading and answers both errors; the file must be as before.
async fn refused(scratch: &Scratch) -> (StoreError, StoreError) {
    let before = fs::read(scratch.dir.db()).unwrap();
    let writing = Store::open(&scratch.dir, scratch.lock().await).await.expect_err("to write");
    let reading = match Store::open_read(&scratch.dir) {
        Err(error) => error,
        Ok(reader) => reader.unwrap().recorded().expect_err("to read"),
    };
    assert_eq!(fs::read(scratch.dir.db()).unwrap(), before);
    for error in [&writing, &reading] {
        assert_eq!(error.retry(), Retry::OnChange, "{error}");
        assert!(error.hint().is_some(), "{error}");
        assert!(error.to_string().contains("landfall.db"), "{error}");
    }
    (writing, reading)
}

/// A closed store, without the log beside it.
async fn closed() -> Scratch {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/dev"]).await;
    begun(&store, "shop/prod").await;
    drop(store);
    fs::remove_file(scratch.dir.wal()).unwrap();
    fs::remove_file(scratch.dir.shm()).unwrap();
    scratch
}

fn resize(path: &Path, len: u64) {
    fs::OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

#[tokio::test]
async fn an_empty_file_was_cut_off_and_is_not_a_new_store() {
    let scratch = closed().await;
    resize(&scratch.dir.db(), 0);
    assert!(scratch.dir.has_store());
    let errors = refused(&scratch).await;
    assert!(matches!(errors, (StoreError::Truncated { .. }, StoreError::Truncated { .. })), "{errors:?}");
}

#[tokio::test]
async fn a_file_cut_off_anywhere_is_refused() {
    let whole = closed().await.dir.db().metadata().map_or(0, |meta| meta.len());
    for len in [1, 50, 99, 100, 511, 512, 4095, 4096, 4097, 8192, whole / 2, whole - 4096, whole - 1] {
        let scratch = closed().await;
        resize(&scratch.dir.db(), len);
        let (error, _) = refused(&scratch).await;
        assert!(matches!(error, StoreError::NotAStore { .. } | StoreError::Damaged { .. }), "{len}: {error:?}");
    }
}

#[tokio::test]
async fn garbage_and_the_database_of_another_program_are_no_store() {
    let scratch = scratch();
    fs::create_dir(scratch.dir.root()).unwrap();
    for len in [10_000, 8192] {
        fs::write(scratch.dir.db(), "x".repeat(len)).unwrap();
        let (error, _) = refused(&scratch).await;
        assert!(matches!(error, StoreError::NotAStore { .. }), "{error:?}");
    }
    fs::remove_file(scratch.dir.db()).unwrap();
    Connection::open(scratch.dir.db()).unwrap().execute_batch("CREATE TABLE theirs (id INTEGER)").unwrap();
    let (error, _) = refused(&scratch).await;
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_page_is_found_before_anything_is_written() {
    let scratch = closed().await;
    let mut bytes = fs::read(scratch.dir.db()).unwrap();
    let last_pages = bytes.len() - 3 * 4096..;
    bytes[last_pages].fill(0xa5);
    fs::write(scratch.dir.db(), bytes).unwrap();
    let error = Store::open(&scratch.dir, scratch.lock().await).await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(error.hint().unwrap().contains("backup"));
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_an_older_one_is_for_a_writer_to_mend() {
    let scratch = closed().await;
    Connection::open(scratch.dir.db()).unwrap().pragma_update(None, "user_version", 99).unwrap();
    drop_log(&scratch);
    let errors = refused(&scratch).await;
    let is_newer = |error: &StoreError| matches!(error, StoreError::Newer { found: 99, known: SHIPPED, .. });
    assert!(is_newer(&errors.0) && is_newer(&errors.1), "{errors:?}");
    Connection::open(scratch.dir.db()).unwrap().pragma_update(None, "user_version", 0).unwrap();
    drop_log(&scratch);
    let error = Store::open_read(&scratch.dir).unwrap_err();
    assert!(matches!(error, StoreError::Older { found: 0, known: SHIPPED, .. }), "{error:?}");
}

fn drop_log(scratch: &Scratch) {
    for file in [scratch.dir.wal(), scratch.dir.shm()] {
        let _ = fs::remove_file(file);
    }
}

type Harm = fn(&Scratch);

/// Does something to the files of an open store and answers what writing then says.
async fn written_after(harm: Harm) -> StoreError {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    harm(&scratch);
    let error = store.set_phase(id, Phase::Pulling).await.unwrap_err();
    assert!(error.hint().is_some(), "{error}");
    error
}

#[tokio::test]
async fn a_store_removed_replaced_or_cut_off_while_open_is_not_written_to() {
    let harms: [(&str, Harm); 5] = [
        ("removed", |s| fs::remove_file(s.dir.db()).unwrap()),
        ("removed", |s| fs::remove_file(s.dir.wal()).unwrap()),
        ("replaced", |s| {
            fs::copy(s.dir.db(), s.dir.root().join("copy")).unwrap();
            fs::rename(s.dir.root().join("copy"), s.dir.db()).unwrap();
        }),
        ("emptied", |s| resize(&s.dir.db(), 0)),
        ("cut off", |s| resize(&s.dir.db(), s.dir.db().metadata().unwrap().len() - 4096)),
    ];
    for (wanted, harm) in harms {
        let error = written_after(harm).await;
        assert!(matches!(&error, StoreError::Replaced { what, .. } if *what == wanted), "{wanted}: {error:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_gone_but_for_its_log_is_not_made_anew() {
    let scratch = scratch();
    super::child::Second::start(super::child::Role::Deploy, &scratch.dir).kill();
    fs::remove_file(scratch.dir.db()).unwrap();
    let error = Store::open(&scratch.dir, scratch.lock().await).await.unwrap_err();
    assert!(matches!(error, StoreError::Gone { .. }), "{error:?}");
    assert!(!scratch.dir.has_store());
    // An empty log holds nothing: whether containers are left that know the store is for others to see (R16).
    resize(&scratch.dir.wal(), 0);
    let store = scratch.store().await;
    assert_eq!(store.accept_config(accepted("r1", &[])).await.unwrap(), 1);
}

#[tokio::test]
async fn a_full_disk_refuses_the_step_and_works_again_when_there_is_room() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    let limit = async |pages: i64| {
        let set =
            move |conn: &Connection| Ok(conn.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?);
        store.read(set).await.unwrap();
    };
    let lines = || (0..100).map(|at_ms| LogLine { at_ms, text: "x".repeat(1000) }).collect();
    limit(1).await;
    let error = store.append_log(id, lines()).await.unwrap_err();
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    assert_eq!(error.retry(), Retry::Backoff);
    assert!(store.log(id).await.unwrap().is_empty(), "nothing of the step was kept");
    limit(1_000_000).await;
    store.append_log(id, lines()).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_no_file_cannot_be_opened_and_is_not_a_missing_one() {
    let scratch = scratch();
    fs::create_dir_all(scratch.dir.db()).unwrap();
    let error = Store::open(&scratch.dir, scratch.lock().await).await.unwrap_err();
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error:?}");
    let error = Store::open_read(&scratch.dir).unwrap_err();
    assert!(matches!(error, StoreError::NotAStore { .. }), "{error:?}");
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_names_itself() {
    let scratch = scratch();
    fs::write(scratch.dir.root(), "a file").unwrap();
    let error = Lock::acquire(&scratch.dir, "apply", std::time::Duration::ZERO).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn a_word_that_this_version_does_not_know_is_said_and_not_guessed() {
    let scratch = scratch();
    drop(scratch.store_with(&["shop/prod"]).await);
    let conn = Connection::open(scratch.dir.db()).unwrap();
    conn.execute("UPDATE stages SET pin = '{\"other\": 1}'", []).unwrap();
    drop(conn);
    let error = scratch.store().await.recorded().await.unwrap_err();
    assert!(matches!(error, StoreError::Unreadable { .. }), "{error:?}");
    assert!(error.hint().is_some());
}
