//! R17: the history has an end, and what is in use has none.

use std::collections::BTreeSet;

use uuid::Builder;

use super::support::{accepted, chosen, image, instance, new_deploy, scratch};
use crate::model::desired::History;
use crate::model::name::StageKey;
use crate::model::{DeployId, DeployStatus, Phase};
use crate::store::{Filter, LogLine, NewDeploy, Store, now_ms, retention};

const ALL: History = History { days: 36_500, per_stage: 100_000 };

/// An id of a deploy that began so many days ago; of one day the later number is the newer.
fn aged(days: i64, number: u8) -> DeployId {
    let ms = u64::try_from(now_ms() - days * 86_400_000).unwrap();
    DeployId(Builder::from_unix_timestamp_millis(ms / 1000 * 1000, &[number; 10]).into_uuid())
}

/// A deploy with a line in its log, at its end.
async fn ended(store: &Store, key: &str, id: DeployId, status: DeployStatus, hold: bool) -> DeployId {
    begun(store, key, id, "v1").await;
    store.set_phase(id, Phase::Retiring).await.unwrap();
    store.finish(id, status, None, hold).await.unwrap();
    id
}

async fn begun(store: &Store, key: &str, id: DeployId, tag: &str) {
    let spec_hash = format!("v1:{tag}");
    store.begin_deploy(NewDeploy { id, image: image(tag), spec_hash, ..new_deploy(key) }).await.unwrap();
    store.append_log(id, vec![LogLine { at_ms: 0, text: "one".into() }]).await.unwrap();
}

async fn succeeded(store: &Store, key: &str, id: DeployId) -> DeployId {
    ended(store, key, id, DeployStatus::Success, false).await
}

async fn failed(store: &Store, key: &str, id: DeployId) -> DeployId {
    ended(store, key, id, DeployStatus::Failed, false).await
}

/// The deploys that are left, oldest first; each with its log, and none with the log of another.
async fn left(store: &Store) -> Vec<DeployId> {
    let mut ids: Vec<_> =
        store.deploys(&Filter::default(), 10_000).await.unwrap().into_iter().map(|row| row.id).collect();
    ids.reverse();
    for id in &ids {
        assert_eq!(store.log(*id).await.unwrap().len(), 1);
    }
    let logs =
        store.read(|conn| Ok(conn.query_row("SELECT count(*) FROM deploy_logs", [], |row| row.get::<_, i64>(0))?));
    assert_eq!(logs.await.unwrap(), i64::try_from(ids.len()).unwrap());
    ids
}

async fn prune(store: &Store, days: u32, per_stage: u32) -> usize {
    store.prune_history(History { days, per_stage }).await.unwrap()
}

#[tokio::test]
async fn r17_deploys_that_are_too_old_or_too_many_of_their_stage_go_with_their_logs() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/dev"]).await;
    let old = failed(&store, "shop/prod", aged(91, 1)).await;
    let mut prod = vec![failed(&store, "shop/prod", aged(89, 1)).await];
    for number in 1..6 {
        prod.push(failed(&store, "shop/prod", aged(1, number)).await);
    }
    let dev = failed(&store, "shop/dev", aged(2, 1)).await;
    prod.push(succeeded(&store, "shop/prod", aged(0, 1)).await);
    assert_eq!(store.prune_history(ALL).await.unwrap(), 0);
    assert_eq!(prune(&store, 90, 200).await, 1);
    let all = left(&store).await;
    assert!(!all.contains(&old) && all.len() == 8);
    // Each stage counts for itself.
    assert_eq!(prune(&store, 90, 3).await, 4);
    assert_eq!(
        left(&store).await.into_iter().collect::<BTreeSet<_>>(),
        [&prod[4..], &[dev]].concat().into_iter().collect()
    );
    assert_eq!(prune(&store, 90, 3).await, 0);
}

#[tokio::test]
async fn r17_what_is_live_and_what_a_rollback_leads_to_stay_however_old() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let key = "shop/prod";
    failed(&store, key, aged(400, 1)).await;
    // The version before the one that is live, which was deployed again and again.
    let other = aged(399, 1);
    begun(&store, key, other, "v0").await;
    store.set_phase(other, Phase::Retiring).await.unwrap();
    store.finish(other, DeployStatus::Success, None, false).await.unwrap();
    let again = [succeeded(&store, key, aged(398, 1)).await, succeeded(&store, key, aged(397, 1)).await];
    let live = succeeded(&store, key, aged(396, 1)).await;
    for number in 1..4 {
        failed(&store, key, aged(300, number)).await;
    }
    assert_eq!(prune(&store, 1, 1).await, 5);
    assert_eq!(left(&store).await, [other, again[1], live]);
    assert_eq!(store.recorded().await.unwrap().stages.values().next().unwrap().live.as_ref().unwrap().id, live);
}

#[tokio::test]
async fn r17_what_is_in_flight_or_referred_to_from_any_table_stays() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/dev", "shop/test"]).await;
    let held = ended(&store, "shop/prod", aged(300, 1), DeployStatus::Failed, true).await;
    let kept = failed(&store, "shop/prod", aged(300, 2)).await;
    store.add_instance(instance("shop/prod", kept, "c1")).await.unwrap();
    let reserved = failed(&store, "shop/dev", aged(300, 3)).await;
    store.reserve_port((30_000, 30_010), reserved, &BTreeSet::new()).await.unwrap();
    let gone_back_to = failed(&store, "shop/dev", aged(300, 5)).await;
    store.choose(&"shop/dev".parse().unwrap(), Some(&chosen("shop/dev", Some(gone_back_to)))).await.unwrap();
    let flying = aged(300, 4);
    begun(&store, "shop/test", flying, "v1").await;
    // One that nothing refers to, beside each.
    for (key, number) in [("shop/prod", 1), ("shop/dev", 2)] {
        failed(&store, key, aged(200, number)).await;
        failed(&store, key, aged(0, number)).await;
    }
    assert_eq!(prune(&store, 1, 1).await, 2);
    let left = left(&store).await;
    assert!([held, kept, reserved, flying, gone_back_to].iter().all(|id| left.contains(id)), "{left:?}");
    assert_eq!(left.len(), 7);
    let tables = store.read(retention_tables).await.unwrap();
    let named = ["choices.from_deploy", "holds.deploy_id", "instances.deploy_id", "port_reservations.deploy_id"];
    assert_eq!(tables, [&named[..], &["stages.live_deploy"]].concat());
}

fn retention_tables(conn: &rusqlite::Connection) -> crate::store::Result<Vec<String>> {
    let mut tables: Vec<_> = retention::referrers(conn)?.into_iter().map(|(t, c)| format!("{t}.{c}")).collect();
    tables.sort();
    Ok(tables)
}

#[tokio::test]
async fn r17_a_stage_that_was_removed_keeps_its_newest_success_for_ever() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "old/prod"]).await;
    succeeded(&store, "old/prod", aged(501, 1)).await;
    let last = succeeded(&store, "old/prod", aged(500, 1)).await;
    store.accept_config(accepted("r2", &["shop/prod"])).await.unwrap();
    prune(&store, 1, 1).await;
    let left = left(&store).await;
    assert_eq!(left, [last]);
    let key: StageKey = "old/prod".parse().unwrap();
    assert!(store.deploys(&Filter::from(&key), 1).await.unwrap()[0].status == DeployStatus::Success);
}

#[tokio::test]
async fn r17_a_long_history_goes_a_few_at_a_time_and_a_short_one_costs_no_write() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    for number in 0..45 {
        failed(&store, "shop/prod", aged(300, number)).await;
    }
    assert_eq!(store.write("store.drop_some", crate::store::writer::Durable::Os, some).await.unwrap(), 20);
    assert_eq!(prune(&store, 1, 1).await, 25);
    let changes = || store.read(|conn| Ok(conn.query_row("SELECT total_changes()", [], |row| row.get::<_, i64>(0))?));
    let before = changes().await.unwrap();
    assert_eq!(prune(&store, 1, 1).await, 0);
    assert_eq!(changes().await.unwrap(), before);
}

fn some(tx: &rusqlite::Transaction<'_>) -> crate::store::Result<usize> {
    retention::drop_some(tx, &retention::Cut::new(History { days: 1, per_stage: 1 }, now_ms()))
}
