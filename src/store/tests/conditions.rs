//! Conditions outlive a restart with their `since`, and are written only when something is new.

use rusqlite::Connection;

use super::support::{key, scratch};
use crate::model::{ConditionKind, Findings, Said, Truth};

fn findings(status: Truth, known: &[&str]) -> Findings {
    let said = || vec![Said::new(ConditionKind::Ready, status, "Because", "so it is")];
    Findings {
        generation: Some(3),
        host: vec![Said::new(ConditionKind::DockerReachable, Truth::True, "Answers", "")],
        stages: known.iter().map(|name| (key(name), said())).collect(),
        known: Some(known.iter().map(|name| key(name)).collect()),
    }
}

/// Changes that were ever made to the file, by this connection or another.
fn version(conn: &Connection) -> i64 {
    conn.query_row("PRAGMA data_version", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn what_is_found_again_writes_nothing_and_since_outlives_a_restart() {
    let scratch = scratch();
    let store = scratch.store().await;
    let both = findings(Truth::True, &["shop/prod", "shop/test"]);
    store.find(both.clone()).await.unwrap();
    let before = store.conditions().await.unwrap();
    assert_eq!(before.stages.len(), 2);
    assert!(before.host.is(ConditionKind::Ready, Truth::True));

    let conn = Connection::open(scratch.dir.db()).unwrap();
    let unchanged = version(&conn);
    store.find(both).await.unwrap();
    assert_eq!(version(&conn), unchanged, "nothing is written");
    drop((store, conn));

    let store = scratch.store().await;
    assert_eq!(store.conditions().await.unwrap(), before);
    store.find(findings(Truth::False, &["shop/test"])).await.unwrap();
    let after = store.conditions().await.unwrap();
    assert_eq!(after.stages.keys().collect::<Vec<_>>(), [&key("shop/test")], "what is gone has no rows");
    let docker = |all: &crate::model::AllConditions| all.host.get(ConditionKind::DockerReachable).cloned();
    assert_eq!(docker(&after), docker(&before));
    assert!(after.host.is(ConditionKind::Ready, Truth::False));
    drop(store);
    let reader = crate::store::Store::open_read(&scratch.dir).unwrap().unwrap();
    assert_eq!(reader.conditions().unwrap(), after);
    let rows = Connection::open(scratch.dir.db()).unwrap();
    let count: i64 = rows.query_row("SELECT count(*) FROM conditions", [], |row| row.get(0)).unwrap();
    assert_eq!(count, 4, "three of the host, one of the stage");
}
