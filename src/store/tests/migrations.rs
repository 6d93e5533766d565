//! The schema and how it comes to be.

use rusqlite::Connection;

use super::child::{Role, Second};
use super::support::{begun, instance, key, scratch, succeeded, whole};
use crate::model::hash::sha256_hex;
use crate::model::recorded::LiveDeploy;
use crate::model::{DeployStatus, Recorded};
use crate::store::migrate::{self, MIGRATIONS};
use crate::store::{Store, StoreError};

/// What is shipped, and one more.
pub(super) const MORE: [&str; 10] = [
    MIGRATIONS[0],
    MIGRATIONS[1],
    MIGRATIONS[2],
    MIGRATIONS[3],
    MIGRATIONS[4],
    MIGRATIONS[5],
    MIGRATIONS[6],
    MIGRATIONS[7],
    MIGRATIONS[8],
    "CREATE TABLE more (id INTEGER) STRICT; INSERT INTO more VALUES (1);",
];
/// How many are shipped.
pub(super) const SHIPPED: i64 = 9;

fn texts(conn: &Connection, sql: &str) -> Vec<String> {
    let mut statement = conn.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

fn tables(conn: &Connection) -> Vec<String> {
    texts(conn, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name")
}

fn fresh() -> Connection {
    let mut conn = Connection::open_in_memory().unwrap();
    migrate::migrate(&mut conn, "test".as_ref(), MIGRATIONS).unwrap();
    conn
}

#[test]
fn a_migration_that_was_shipped_is_never_edited() {
    let hashes: Vec<String> = MIGRATIONS.iter().map(|sql| sha256_hex(sql.as_bytes())).collect();
    // Only a line may be added here.
    assert_eq!(
        hashes,
        [
            "bf2c0b02d5c1f2d504c4076da2ca71168e3a59851e9470b316056aba1eebfea3",
            "05f1b70f6e4c678c455daea970d456180404bf4f01d91acb8a59df5a2ba13f1f",
            "e07748fc6da251981839f113f6f309046839024250d82fd86feece074db1afcb",
            "0501a1eb5f3d0bc44e1c28fb3f29ee88b38f91a7e79f5255d5c8e7c3f337f94c",
            "9d84b74dc0154ed194ddf608e014cb2ac0479349b1d8c7a4a58f5f768db47ee9",
            "24eac247669cda28d0a9b94c02d793b62620b72bda796d694687f2f2487eb761",
            "9da3133726c76138c2822137d7370fcd8221e5e480af51f58af52f3fe02f4588",
            "921a7d1b5baba2702ffcab8cb93b1f0712d053ff235796e945fc07789f854462",
            "16ad2aac1487eb202bcc441e194bbd392fca99562e46cd8633d4576700e21f19",
        ]
    );
}

#[test]
fn every_table_is_strict_and_no_reference_cascades() {
    let conn = fresh();
    for table in tables(&conn) {
        let strict: bool =
            conn.query_row("SELECT strict FROM pragma_table_list WHERE name = ?1", [&table], |row| row.get(0)).unwrap();
        assert!(strict, "{table}");
        let sql = format!("SELECT on_delete FROM pragma_foreign_key_list('{table}')");
        assert!(texts(&conn, &sql).iter().all(|action| action == "RESTRICT"), "{table}");
    }
}

#[test]
fn the_tables_that_were_promised_are_there() {
    let tables = tables(&fresh());
    for table in ["projects", "stages", "registries", "settings", "instances", "deploys", "deploy_logs"] {
        assert!(tables.iter().any(|name| name == table), "{table}");
    }
}

#[test]
fn a_migration_that_does_not_work_leaves_the_schema_as_it_was() {
    let mut conn = fresh();
    let before = tables(&conn);
    let broken = [
        MIGRATIONS[0],
        MIGRATIONS[1],
        MIGRATIONS[2],
        MIGRATIONS[3],
        MIGRATIONS[4],
        MIGRATIONS[5],
        MIGRATIONS[6],
        MIGRATIONS[7],
        MIGRATIONS[8],
        "CREATE TABLE more (id INTEGER) STRICT; INSERT INTO nothing VALUES (1);",
    ];
    migrate::migrate(&mut conn, "test".as_ref(), &broken).unwrap_err();
    assert_eq!((migrate::version(&conn).unwrap(), tables(&conn)), (SHIPPED, before));
    migrate::migrate(&mut conn, "test".as_ref(), &MORE).unwrap();
    assert_eq!(migrate::version(&conn).unwrap(), SHIPPED + 1);
}

#[tokio::test]
async fn a_kill_in_the_middle_of_a_migration_leaves_the_old_schema() {
    let scratch = scratch();
    let id = {
        let store = scratch.store_with(&["shop/prod"]).await;
        store.id()
    };
    Second::start(Role::Migrate, &scratch.dir).kill();
    let store = scratch.store().await;
    assert_eq!(store.id(), id);
    drop(store);
    let conn = Connection::open(scratch.dir.db()).unwrap();
    assert_eq!(migrate::version(&conn).unwrap(), SHIPPED);
    assert!(!tables(&conn).contains(&"more".to_owned()));
}

#[tokio::test]
async fn a_store_from_before_there_were_hosts_is_brought_up_to_date_and_keeps_everything() {
    let scratch = scratch();
    let (before, in_force) = {
        let store = scratch.store_with(&["shop/prod", "shop/test"]).await;
        let live = succeeded(&store, "shop/prod").await;
        store.add_instance(instance("shop/prod", live, "c1")).await.unwrap();
        let failed = begun(&store, "shop/test").await;
        store.finish(failed, DeployStatus::Failed, Some("exit 1"), true).await.unwrap();
        (whole(&store).await, store.in_force().await.unwrap())
    };
    // As it was then: without the table, and with specs that say nothing of how they are routed.
    let conn = Connection::open(scratch.dir.db()).unwrap();
    let older = "DROP TABLE maintenance; DROP TABLE certificate_failures; DROP TABLE images; DROP TABLE conditions; DROP TABLE adopted; DROP TABLE choices; DROP TABLE pauses; ALTER TABLE deploys DROP COLUMN giving_up; DROP TABLE proxy_hosts; ALTER TABLE stages DROP COLUMN route; ALTER TABLE stages DROP COLUMN candidate; UPDATE stages SET spec = json_remove(spec, '$.route');
                 UPDATE deploys SET spec = json_remove(spec, '$.route'); PRAGMA user_version = 1;";
    conn.execute_batch(older).unwrap();
    let deploys = "SELECT id || ' ' || status || ' ' || phase FROM deploys ORDER BY id";
    let ended = texts(&conn, deploys);
    drop(conn);

    let reader = Store::open_read(&scratch.dir).map(drop).unwrap_err();
    assert!(matches!(reader, StoreError::Older { found: 1, known: SHIPPED, .. }), "{reader}");
    assert!(reader.hint().is_some_and(|hint| hint.contains("landfall apply")), "{reader:?}");

    let store = scratch.store().await;
    let after = whole(&store).await;
    let specs = |recorded: &Recorded| {
        let stages = recorded.stages.values();
        stages.map(|stage| stage.live.as_ref().and_then(LiveDeploy::spec)).collect::<Vec<_>>()
    };
    assert_eq!(specs(&after), specs(&before));
    assert_eq!(store.in_force().await.unwrap(), in_force);
    let without_json = |recorded: &Recorded| {
        let mut stages = recorded.stages.clone();
        for stage in stages.values_mut() {
            stage.quarantine.iter_mut().for_each(|held| held.spec_json.clear());
            stage.live.iter_mut().for_each(|live| live.spec_json = None);
        }
        stages
    };
    assert_eq!(without_json(&after), without_json(&before));
    assert_eq!(after.stages[&key("shop/test")].quarantine.len(), 1);
    assert_eq!(after.stages[&key("shop/prod")].instances.len(), 1);
    drop(store);
    assert_eq!((texts(&Connection::open(scratch.dir.db()).unwrap(), deploys), ended.len()), (ended, 2));
}
