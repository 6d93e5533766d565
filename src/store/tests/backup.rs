//! Backups: one whole file while others write, and what is put in the place of a store, whatever is there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::child::{Role, Second};
use super::support::{Scratch, accepted, begun, key, read_whole, scratch, succeeded, whole};
use crate::store::{DaemonLock, DataDir, FoundDaemon, Restored, Store, StoreError, backup, migrate, restore};

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

impl Scratch {
    /// A place for backups, beside the data directory.
    fn file(&self, name: &str) -> PathBuf {
        let dir = self.tmp.path().join("backups");
        fs::create_dir_all(&dir).unwrap();
        dir.join(name)
    }

    async fn restore(&self, from: &Path) -> Result<Restored, StoreError> {
        let (lock, daemon) = (self.lock().await, DaemonLock::take(&self.dir, "daemon", None).await.unwrap());
        restore(&self.dir, &lock, &daemon, from)
    }
}

/// A store with one success, and a backup of it.
async fn backed_up() -> (Scratch, PathBuf) {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    succeeded(&store, "shop/prod").await;
    let file = scratch.file("one.db");
    let copied = backup(&scratch.dir, &file, false).unwrap();
    assert_eq!((copied.store, copied.deploys), (store.id(), 1));
    assert_eq!(copied.bytes, file.metadata().unwrap().len());
    (scratch, file)
}

#[tokio::test]
async fn a_backup_is_one_whole_file_for_its_owner_and_a_store_where_it_is_put() {
    let (scratch, file) = backed_up().await;
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(names(file.parent().unwrap()), ["one.db"]);
    assert_eq!(fs::read(&file).unwrap()[18..20], [1, 1], "SQLite's header says that it has no log beside it");
    let other = DataDir::new(scratch.tmp.path().join("other"));
    fs::create_dir(other.root()).unwrap();
    fs::copy(&file, other.db()).unwrap();
    assert_eq!(read_whole(&other), read_whole(&scratch.dir));
    assert_eq!(names(other.root()), ["landfall.db"], "it needs no log beside it");
}

#[tokio::test]
async fn a_backup_beside_a_writer_that_never_pauses_is_one_whole_state() {
    let scratch = scratch();
    let mut second = Second::start(Role::Busy, &scratch.dir);
    let mut newest = -1;
    for number in 0..10 {
        let file = scratch.file(&format!("{number}.db"));
        backup(&scratch.dir, &file, false).unwrap();
        let conn = Connection::open(&file).unwrap();
        let answer: String = conn.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(answer, "ok");
        // What is written in one go is there or not: a batch has 50 lines, and the last one is the fiftieth.
        let sql =
            "SELECT coalesce(max(at), 0), (SELECT text FROM deploy_logs ORDER BY seq DESC LIMIT 1) FROM deploy_logs";
        let (at, last): (i64, Option<String>) = conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert!(last.is_none_or(|text| text.starts_with("49 ")), "{file:?}");
        assert!(at >= newest);
        newest = at;
    }
    assert!(newest > 0, "something was written meanwhile");
    second.kill();
}

#[tokio::test]
async fn a_backup_is_not_written_over_a_file_unasked_and_never_over_the_store() {
    let (scratch, file) = backed_up().await;
    let before = fs::read(&file).unwrap();
    let error = backup(&scratch.dir, &file, false).unwrap_err();
    assert!(matches!(error, StoreError::Taken { is_store: false, .. }), "{error:?}");
    assert_eq!(fs::read(&file).unwrap(), before);
    fs::write(&file, "something else").unwrap();
    backup(&scratch.dir, &file, true).unwrap();
    assert_eq!(fs::read(&file).unwrap().len(), before.len());
    let link = scratch.file("link.db");
    std::os::unix::fs::symlink(scratch.dir.db(), &link).unwrap();
    for own in [scratch.dir.db(), scratch.dir.wal(), link] {
        let error = backup(&scratch.dir, &own, true).unwrap_err();
        assert!(matches!(error, StoreError::Taken { is_store: true, .. }), "{error:?}");
    }
    let nowhere = scratch.file("x").join("two.db");
    assert!(matches!(backup(&scratch.dir, &nowhere, false).unwrap_err(), StoreError::Io { .. }));
    assert_eq!(names(file.parent().unwrap()), ["link.db", "one.db"], "nothing half is left");
    let empty = scratch.tmp.path().join("empty");
    let error = backup(&DataDir::new(&empty), &scratch.file("two.db"), false).unwrap_err();
    assert!(matches!(error, StoreError::NoStore { .. }) && !empty.exists(), "{error:?}");
}

#[tokio::test]
async fn a_damaged_store_gives_no_backup() {
    let (scratch, _) = backed_up().await;
    let mut bytes = fs::read(scratch.dir.db()).unwrap();
    let last_pages = bytes.len() - 3 * 4096..;
    bytes[last_pages].fill(0xa5);
    fs::write(scratch.dir.db(), bytes).unwrap();
    let file = scratch.file("two.db");
    let error = backup(&scratch.dir, &file, false).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_restored_store_is_the_one_of_the_backup_and_the_one_before_is_kept() {
    let (scratch, file) = backed_up().await;
    let then = read_whole(&scratch.dir);
    let store = scratch.store().await;
    succeeded(&store, "shop/prod").await;
    let now = whole(&store).await;
    drop(store);
    let restored = scratch.restore(&file).await.unwrap();
    assert_eq!((restored.copied.deploys, restored.before), (1, then.store));
    assert_eq!(read_whole(&scratch.dir), then);
    let store = scratch.store().await;
    assert_eq!(whole(&store).await, then);
    begun(&store, "shop/prod").await;
    // What was there before is a store as well, without a log of its own.
    let kept = restored.kept.unwrap();
    let other = DataDir::new(scratch.tmp.path().join("other"));
    fs::create_dir(other.root()).unwrap();
    fs::rename(&kept, other.db()).unwrap();
    assert_eq!(read_whole(&other), now);
    drop(store);
    let left = ["daemon.lock", "landfall.db", "landfall.db-shm", "landfall.db-wal", "lock"];
    assert_eq!(names(scratch.dir.root()), left);
}

#[tokio::test]
async fn what_a_killed_writer_left_in_its_log_is_kept_with_its_store_and_not_taken_for_the_new_one_s() {
    let (from, file) = backed_up().await;
    let scratch = scratch();
    Second::start(Role::Deploy, &scratch.dir).kill();
    assert!(scratch.dir.wal().metadata().unwrap().len() > 0);
    let restored = scratch.restore(&file).await.unwrap();
    let store = scratch.store().await;
    assert_eq!(Some(store.id()), Store::open_read(&from.dir).unwrap().unwrap().recorded().unwrap().store);
    assert!(restored.before.is_some_and(|before| before != store.id()));
    assert_eq!(store.in_flight().await.unwrap(), []);
    let conn = Connection::open(restored.kept.unwrap()).unwrap();
    let phase: String = conn.query_row("SELECT phase FROM deploys", [], |row| row.get(0)).unwrap();
    assert_eq!(phase, "creating");
}

#[tokio::test]
async fn the_log_of_a_store_that_cannot_be_read_any_more_goes_with_it() {
    let (_from, file) = backed_up().await;
    let scratch = scratch();
    Second::start(Role::Deploy, &scratch.dir).kill();
    fs::write(scratch.dir.db(), "").unwrap();
    let restored = scratch.restore(&file).await.unwrap();
    let store = scratch.store().await;
    assert_eq!(store.in_flight().await.unwrap(), [], "none of the changes in the log came into the new store");
    assert_eq!(restored.before, None);
    let wal = format!("{}-wal", restored.kept.unwrap().display());
    assert!(fs::metadata(wal).unwrap().len() > 0);
}

#[tokio::test]
async fn a_store_that_is_missing_or_broken_is_replaced_by_its_backup() {
    let harms: [fn(&DataDir); 4] = [
        |dir| fs::write(dir.db(), "").unwrap(),
        |dir| fs::write(dir.db(), "x".repeat(8192)).unwrap(),
        |dir| {
            // A log that belongs to what is damaged.
            fs::write(dir.db(), "x".repeat(8192)).unwrap();
            fs::write(dir.wal(), "y".repeat(5000)).unwrap();
        },
        |dir| {
            fs::remove_file(dir.db()).unwrap();
            fs::write(dir.wal(), "y".repeat(5000)).unwrap();
        },
    ];
    for (number, harm) in harms.into_iter().enumerate() {
        let (scratch, file) = backed_up().await;
        harm(&scratch.dir);
        let restored = scratch.restore(&file).await.unwrap();
        assert_eq!((restored.kept.is_some(), restored.before), (number < 3, None), "{number}");
        let store = scratch.store().await;
        assert!(store.recorded().await.unwrap().stages[&key("shop/prod")].live.is_some());
    }
}

#[tokio::test]
async fn what_is_no_whole_store_is_refused_and_nothing_is_touched() {
    let (scratch, file) = backed_up().await;
    let good = fs::read(&file).unwrap();
    let bad = scratch.file("bad.db");
    let sql = |sql: &str| {
        fs::write(&bad, &good).unwrap();
        Connection::open(&bad).unwrap().execute_batch(sql).unwrap();
    };
    let dir = scratch.dir.root();
    let state = || names(dir).into_iter().map(|name| (fs::read(dir.join(&name)).unwrap(), name)).collect::<Vec<_>>();
    drop((scratch.lock().await, DaemonLock::take(&scratch.dir, "daemon", None).await.unwrap()));
    let before = state();
    let cases: [(&str, &dyn Fn()); 10] = [
        ("it is empty", &|| fs::write(&bad, "").unwrap()),
        ("it was cut off", &|| fs::write(&bad, &good[..good.len() - 1]).unwrap()),
        ("it is damaged", &|| fs::write(&bad, &good[..good.len() / 8192 * 4096]).unwrap()),
        ("it is no SQLite file", &|| fs::write(&bad, "x".repeat(8192)).unwrap()),
        ("it does not carry landfall's mark", &|| sql("PRAGMA application_id = 7")),
        ("a newer landfall wrote it (schema 99", &|| sql("PRAGMA user_version = 99")),
        ("rows of", &|| sql("PRAGMA foreign_keys = off; DELETE FROM projects")),
        ("it is not a whole store", &|| sql("PRAGMA foreign_keys = off; DELETE FROM meta")),
        ("holds changes that are not in it", &|| {
            fs::write(&bad, &good).unwrap();
            fs::write(scratch.file("bad.db-wal"), "x").unwrap();
        }),
        ("it is no file", &|| {
            fs::remove_file(&bad).unwrap();
            fs::create_dir(&bad).unwrap();
        }),
    ];
    for (words, make) in cases {
        make();
        let error = scratch.restore(&bad).await.unwrap_err();
        assert!(matches!(error, StoreError::BadBackup { .. }) && error.to_string().contains(words), "{words}: {error}");
        assert!(error.hint().unwrap().contains("landfall backup"));
        fs::write(dir.join("daemon.lock"), &before.iter().find(|(_, name)| name == "daemon.lock").unwrap().0).unwrap();
        assert!(state() == before, "{words}: {:?}", names(dir));
    }
    let error = scratch.restore(&scratch.file("nowhere.db")).await.unwrap_err();
    assert!(matches!(error, StoreError::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn a_backup_of_an_older_landfall_is_brought_up_to_date_by_the_next_writer() {
    let (from, file) = (scratch(), scratch());
    let (from, path) = (from, file.file("old.db"));
    let store = from.store_with(&["shop/prod"]).await;
    let id = store.id();
    drop(store);
    // As the first version left it.
    let mut old = Connection::open(&path).unwrap();
    old.execute_batch("PRAGMA application_id = 0x4c46414c").unwrap();
    migrate::migrate(&mut old, &path, &migrate::MIGRATIONS[..1]).unwrap();
    old.execute("INSERT INTO meta (id, store_id, created_at) VALUES (1, ?1, 0)", [id.to_string()]).unwrap();
    drop(old);
    assert_eq!(file.restore(&path).await.unwrap().copied.schema, 1);
    assert!(matches!(Store::open_read(&file.dir), Err(StoreError::Older { .. })));
    // An older store is backed up as it is.
    assert_eq!(backup(&file.dir, &file.file("again.db"), false).unwrap().schema, 1);
    let store = file.store().await;
    assert_eq!((store.id(), store.accept_config(accepted("r1", &["shop/prod"])).await.unwrap()), (id, 1));
}

#[tokio::test]
async fn a_daemon_s_lock_is_one_and_its_holder_is_named() {
    let scratch = scratch();
    let socket = scratch.dir.root().join("landfall.sock");
    let held = DaemonLock::take(&scratch.dir, "daemon", Some(&socket)).await.unwrap();
    let error = DaemonLock::take(&scratch.dir, "daemon", None).await.unwrap_err().to_string();
    let wanted = format!("a daemon uses {} (pid {}, since 20", scratch.dir.root().display(), std::process::id());
    assert!(error.starts_with(&wanted) && error.ends_with(" UTC)"), "{error}");
    assert_eq!(DaemonLock::holder(&scratch.dir).unwrap().socket, Some(socket));
    drop(held);
    assert_eq!(DaemonLock::find(&scratch.dir), FoundDaemon::None);
    DaemonLock::take(&scratch.dir, "daemon", None).await.unwrap();
}

#[tokio::test]
async fn a_daemon_s_lock_that_an_older_version_wrote_is_understood() {
    let scratch = scratch();
    let _held = DaemonLock::take(&scratch.dir, "daemon", None).await.unwrap();
    for (text, told) in [("pid 7", "pid 7"), ("", "another process"), ("{", "another process")] {
        fs::write(scratch.dir.daemon_lock(), text).unwrap();
        let holder = DaemonLock::holder(&scratch.dir).unwrap();
        assert_eq!((holder.to_string().as_str(), holder.socket), (told, None), "{text}");
    }
}

#[tokio::test]
async fn who_only_looks_for_a_daemon_keeps_none_from_starting() {
    let scratch = scratch();
    drop(DaemonLock::take(&scratch.dir, "daemon", None).await.unwrap());
    let looker = fs::File::open(scratch.dir.daemon_lock()).unwrap();
    looker.lock_shared().unwrap();
    let look = async {
        tokio::task::yield_now().await;
        drop(looker);
    };
    let (taken, ()) = tokio::join!(DaemonLock::take(&scratch.dir, "daemon", None), look);
    taken.unwrap();
}
