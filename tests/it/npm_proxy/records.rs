//! What the store keeps of hosts: what follows when it cannot be written, comes from an older version, or names a
//! stage that is no more.

use landfall::store::DataDir;
use rusqlite::Connection;

use super::ground::{Behind, QUICK};
use crate::execute::ground::{image, web};

fn database(behind: &Behind) -> Connection {
    Connection::open(DataDir::new(behind.host.path("data")).db()).expect("the store's file")
}

#[tokio::test]
async fn r9_a_switch_that_the_store_cannot_remember_is_put_back_and_nothing_routed_is_removed() {
    let behind = Behind::at_v1().await;
    let trigger = "CREATE TRIGGER full BEFORE UPDATE ON proxy_hosts WHEN NEW.is_dirty = 0
                   BEGIN SELECT RAISE(ABORT, 'no space'); END";
    database(&behind).execute_batch(trigger).unwrap();
    behind.host.write(&web("v2", QUICK));
    let converged = behind.host.converge().await;
    assert!(converged.results.values().all(|result| !result.is_ok()), "{:?}", converged.results);
    assert_eq!(behind.answer("web.test").await, "v1", "{}", behind.host.log());

    database(&behind).execute_batch("DROP TRIGGER full").unwrap();
    behind.host.converge().await;
    assert_eq!(behind.answer("web.test").await, "v2");
    assert!(behind.host.look().await.unwrap().plan.is_noop());
    assert_eq!(behind.host.fake.containers().len(), 1);
}
