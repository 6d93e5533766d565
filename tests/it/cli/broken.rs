//! A store that cannot be used, as who types a command sees it: the file, the reason and the way out; nothing is written,
//! and nothing is done to a container.

use std::fs;
use std::path::Path;

use landfall::store::DataDir;

use super::landfall;
use crate::execute::ground::{Host, bytes_below, image, web};
use crate::own_disk;

type Harm = fn(&Path);

/// What the file may be instead of a store, and words of what is said of it.
const HARMS: [(&str, Harm); 7] = [
    ("is an empty file", |db| fs::write(db, "").expect("to write")),
    ("it was cut off, or is no SQLite file", |db| cut(db, |len| len - 100)),
    ("is damaged", |db| cut(db, |len| len / 2 / 4096 * 4096)),
    ("it is no SQLite file", |db| fs::write(db, "x".repeat(8192)).expect("to write")),
    ("does not carry landfall's mark", |db| {
        fs::remove_file(db).expect("to remove");
        let other = rusqlite::Connection::open(db).expect("a database");
        other.execute_batch("CREATE TABLE theirs (id INTEGER)").expect("a table");
    }),
    ("this landfall knows up to", |db| {
        let conn = rusqlite::Connection::open(db).expect("the store");
        conn.pragma_update(None, "user_version", 99).expect("a version");
    }),
    ("it is no file", |db| {
        fs::remove_file(db).expect("to remove");
        fs::create_dir(db).expect("a directory");
    }),
];

/// What converges is refused; all else is an error.
fn code(line: &str) -> i32 {
    if line == "apply" || line.ends_with("web/prod") && !line.starts_with("explain") { 4 } else { 1 }
}

fn cut(db: &Path, to: impl FnOnce(u64) -> u64) {
    let file = fs::OpenOptions::new().write(true).open(db).expect("the store");
    let len = file.metadata().expect("its length").len();
    file.set_len(to(len)).expect("to cut it");
}

/// Files of a data directory but for the lock, which is made by who asks for it.
fn files(host: &Host) -> std::collections::BTreeMap<std::path::PathBuf, Vec<u8>> {
    let mut files = bytes_below(&host.path("data"));
    files.remove(&DataDir::new(host.path("data")).lock_file());
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_be_used_is_said_with_its_file_and_the_way_out_and_left_as_it_is() {
    for (words, harm) in HARMS {
        let host = Host::with(&[&image("v1"), &image("v2")]).await;
        host.apply(&web("v1", "")).await;
        let db = DataDir::new(host.path("data")).db();
        harm(&db);
        for end in ["-wal", "-shm"] {
            let _ = fs::remove_file(format!("{}{end}", db.display()));
        }
        host.write(&web("v2", ""));
        host.fake.reset_calls();
        let before = files(&host);
        for line in ["status", "diff", "history", "explain web/prod", "doctor", "apply", "rollback web/prod"] {
            let said = landfall(&host, &line.split(' ').collect::<Vec<_>>()).await;
            let told = format!("{}{}", said.out, said.err);
            assert_eq!(said.code, code(line), "{words}: {line}: {told}");
            assert!(told.contains(words) && told.contains("landfall.db"), "{words}: {line}: {told}");
            assert!(
                told.contains("landfall restore FILE") || told.contains("or a newer one"),
                "{words}: {line}: {told}"
            );
            // Who opens it to write makes an empty log beside it.
            let is_look = code(line) == 1;
            let same = if is_look { files(&host) == before } else { files(&host).get(&db) == before.get(&db) };
            assert!(same, "{words}: {line} wrote");
            for path in files(&host).into_keys().filter(|path| !before.contains_key(path)) {
                fs::remove_file(path).expect("to remove the log");
            }
        }
        assert_eq!(host.fake.mutations(), 0, "{words}");
    }
}

#[test]
fn a_disk_that_became_read_only_stops_changes_and_no_look() {
    own_disk::run("cli::broken::meets_a_disk_that_became_read_only");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above on a disk of its own; elsewhere it does nothing"]
async fn meets_a_disk_that_became_read_only() {
    if !own_disk::is_there() {
        return;
    }
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    own_disk::mount(&host.path("data"));
    host.apply(&web("v1", "")).await;
    host.write(&web("v2", ""));
    let ask = async |line: &str| {
        let said = landfall(&host, &line.split(' ').collect::<Vec<_>>()).await;
        // How long ago something was is not the same twice.
        let out = if line == "diff" { said.out } else { String::new() };
        (said.code, out, said.err)
    };
    let looks = ["diff", "history", "explain web/prod"];
    let mut before = Vec::new();
    for line in looks {
        before.push(ask(line).await);
    }
    own_disk::set_read_only(&host.path("data"), true);
    for (line, before) in looks.iter().zip(before) {
        assert_eq!(ask(line).await, before, "{line}");
    }
    host.fake.reset_calls();
    for line in ["apply", "restart web/prod"] {
        let (ended, _, err) = ask(line).await;
        assert_eq!(ended, code(line), "{line}: {err}");
        let lock = host.path("data/lock").display().to_string();
        assert!(
            err.contains(&lock) && err.contains("Read-only file system") && err.contains("hint: "),
            "{line}: {err}"
        );
    }
    assert_eq!(host.fake.mutations(), 0);
    own_disk::set_read_only(&host.path("data"), false);
    assert_eq!(ask("apply").await.0, 0);
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
}
