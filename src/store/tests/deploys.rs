//! The life of a deploy.

use super::support::{begun, key, new_deploy, scratch, succeeded};
use crate::model::secret::Fingerprint;
use crate::model::{DeployStatus, Phase};
use crate::store::writer::Durable;
use crate::store::{Filter, NewDeploy, Store, StoreError, new_deploy_id};

#[tokio::test]
async fn a_deploy_is_read_back_as_it_was_begun() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let mut new = new_deploy("shop/prod");
    new.secrets = Some(Fingerprint { key_id: "k".into(), values: [("P".to_owned(), "00".to_owned())].into() });
    store.begin_deploy(new.clone()).await.unwrap();
    let row = store.in_flight().await.unwrap().remove(0);
    assert_eq!((row.id, &row.key, row.trigger, &row.cause), (new.id, &new.key, new.trigger, &new.cause));
    assert_eq!((row.phase, row.status), (Phase::Pending, DeployStatus::Pending));
    assert_eq!((&row.image, &row.spec_hash, &row.container_name), (&new.image, &new.spec_hash, &new.container_name));
    assert_eq!((row.reason, row.finished_at_ms), (None, None));
    assert_eq!(store.spec(new.id).await.unwrap(), new.spec);
    store.set_phase(new.id, Phase::Retiring).await.unwrap();
    store.finish(new.id, DeployStatus::Success, None, false).await.unwrap();
    let live = store.recorded().await.unwrap().stages.remove(&key("shop/prod")).unwrap().live.unwrap();
    assert_eq!((live.id, live.secrets.clone()), (new.id, new.secrets));
    // Its spec is read only where someone asks for it.
    assert_eq!((live.spec_json, live.id), (None, new.id));
    let mut recorded = store.recorded().await.unwrap();
    let (wanted, gone) = (new.id, new_deploy_id());
    let specs = store.specs([wanted, gone].into()).await.unwrap();
    assert_eq!(specs.keys().collect::<Vec<_>>(), [&wanted]);
    recorded.add_specs(&[gone].into(), specs.clone());
    assert_eq!(recorded, store.recorded().await.unwrap());
    recorded.add_specs(&[wanted].into(), specs);
    assert_eq!(recorded.stages.remove(&key("shop/prod")).unwrap().live.unwrap().spec(), Some(new.spec));
}

#[tokio::test]
async fn each_phase_shows_its_status_and_the_schema_agrees() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    for phase in Phase::ALL.iter().filter(|phase| **phase != Phase::Done) {
        store.set_phase(id, *phase).await.unwrap();
        store.set_phase(id, *phase).await.unwrap();
        let row = store.in_flight().await.unwrap().remove(0);
        assert_eq!((row.phase, Some(row.status)), (*phase, phase.status()));
    }
}

#[tokio::test]
async fn r14_a_phase_is_on_the_disk_before_its_side_effect_and_a_log_line_need_not_be() {
    let scratch = scratch();
    let store = scratch.store().await;
    let level = |tx: &rusqlite::Transaction<'_>| Ok(tx.query_row("PRAGMA synchronous", [], |row| row.get(0))?);
    let (full, normal): (i64, i64) = (
        store.write("store.level", Durable::Disk, level).await.unwrap(),
        store.write("store.level", Durable::Os, level).await.unwrap(),
    );
    assert_eq!((full, normal), (2, 1));
}

#[tokio::test]
async fn r14_a_phase_never_goes_back() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    store.set_phase(id, Phase::Switching).await.unwrap();
    for to in [Phase::Pending, Phase::HealthChecking, Phase::Done] {
        let error = store.set_phase(id, to).await.unwrap_err();
        assert!(matches!(error, StoreError::PhaseOrder { at: Phase::Switching, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn r14_a_deploy_ends_in_exactly_one_status() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = succeeded(&store, "shop/prod").await;
    let again = store.finish(id, DeployStatus::Failed, Some("late"), true).await.unwrap_err();
    assert!(matches!(again, StoreError::Ended { status: DeployStatus::Success, .. }), "{again:?}");
    let phase = store.set_phase(id, Phase::Retiring).await.unwrap_err();
    assert!(matches!(phase, StoreError::Ended { .. }), "{phase:?}");
    let other = begun(&store, "shop/prod").await;
    let error = store.finish(other, DeployStatus::Starting, None, false).await.unwrap_err();
    assert!(matches!(error, StoreError::NotAnEnd(DeployStatus::Starting)), "{error:?}");
}

#[tokio::test]
async fn r14_success_comes_after_the_gate_and_r11_a_rollback_after_traffic_moved() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    store.set_phase(id, Phase::Starting).await.unwrap();
    store.finish(id, DeployStatus::Success, None, false).await.unwrap_err();
    store.set_phase(id, Phase::HealthChecking).await.unwrap();
    store.finish(id, DeployStatus::RolledBack, Some("x"), true).await.unwrap_err();
    store.finish(id, DeployStatus::Failed, Some("x"), false).await.unwrap();
}

/// The same rules again, below our own code: what any program with the file may do.
#[tokio::test]
async fn the_schema_itself_refuses_what_a_slip_of_ours_would_write() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    succeeded(&store, "shop/prod").await;
    let second = begun(&store, "shop/prod").await;
    store.set_phase(second, Phase::Creating).await.unwrap();
    drop(store);
    let conn = rusqlite::Connection::open(scratch.dir.db()).unwrap();
    conn.pragma_update(None, "foreign_keys", "ON").unwrap();
    for sql in [
        "UPDATE deploys SET phase = 'pulling', status = 'pulling' WHERE phase = 'creating'",
        "UPDATE deploys SET status = 'success' WHERE phase = 'creating'",
        "UPDATE deploys SET phase = 'done', status = 'success', finished_at = 1 WHERE phase = 'creating'",
        "UPDATE deploys SET phase = 'done', status = 'rolled_back', finished_at = 1 WHERE phase = 'creating'",
        "UPDATE deploys SET phase = 'done', status = 'failed' WHERE phase = 'creating'",
        "UPDATE deploys SET phase = 'draining', status = 'draining' WHERE phase = 'creating'",
        "UPDATE deploys SET reason = 'other' WHERE phase = 'done'",
        "UPDATE deploys SET phase = 'retiring', status = 'configuring_proxy', finished_at = NULL WHERE phase = 'done'",
        "UPDATE deploys SET trigger = 'whim'",
        "UPDATE deploys SET spec = '{'",
        "UPDATE deploys SET created_at = 'yesterday'",
        "INSERT INTO settings (id, spec, generation) VALUES (2, '{}', 1)",
        "INSERT INTO meta (id, store_id, created_at) VALUES (2, 'x', 1)",
        "DELETE FROM deploys",
        "DELETE FROM stages",
        "DELETE FROM generations",
    ] {
        assert!(conn.execute(sql, []).is_err(), "{sql}");
    }
}

#[tokio::test]
async fn a_stage_has_one_deploy_in_flight_and_the_index_says_so_too() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/dev"]).await;
    let first = begun(&store, "shop/prod").await;
    begun(&store, "shop/dev").await;
    let error = store.begin_deploy(new_deploy("shop/prod")).await.unwrap_err();
    assert!(matches!(&error, StoreError::InFlight { deploy, .. } if *deploy == first), "{error:?}");
    drop(store);
    let conn = rusqlite::Connection::open(scratch.dir.db()).unwrap();
    let second = "UPDATE deploys SET stage_id = (SELECT stage_id FROM deploys ORDER BY id LIMIT 1)";
    let error = conn.execute(second, []).unwrap_err().to_string();
    assert!(error.contains("UNIQUE") && error.contains("stage_id"), "{error}");
}

#[tokio::test]
async fn an_unknown_stage_or_deploy_is_not_found() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let nobody = new_deploy_id();
    let errors = [
        store.begin_deploy(new_deploy("no/such")).await.unwrap_err(),
        store.set_phase(nobody, Phase::Pulling).await.unwrap_err(),
        store.finish(nobody, DeployStatus::Failed, None, true).await.unwrap_err(),
        store.append_log(nobody, Vec::new()).await.unwrap_err(),
        store.spec(nobody).await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| matches!(error, StoreError::NotFound { .. })), "{errors:?}");
}

async fn failed(store: &Store, quarantine: bool) {
    let id = begun(store, "shop/prod").await;
    store.finish(id, DeployStatus::Failed, Some("exit 1"), quarantine).await.unwrap();
}

async fn held(store: &Store) -> usize {
    store.recorded().await.unwrap().stages[&key("shop/prod")].quarantine.len()
}

#[tokio::test]
async fn r12_a_failure_of_its_own_is_held_until_it_is_released_or_works() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/dev"]).await;
    failed(&store, false).await;
    assert_eq!(held(&store).await, 0, "faults from outside do not count");
    failed(&store, true).await;
    failed(&store, true).await;
    let quarantine = store.recorded().await.unwrap().stages[&key("shop/prod")].quarantine.clone();
    assert_eq!(quarantine.len(), 1, "the same combination is held once");
    let new = new_deploy("shop/prod");
    assert_eq!((&quarantine[0].spec_hash, &quarantine[0].digest), (&new.spec_hash, &new.image.digest));
    assert_eq!((quarantine[0].version.as_str(), quarantine[0].reason.as_str()), ("v1", "exit 1"));
    assert_eq!(store.release_quarantine(Some(&key("shop/dev"))).await.unwrap(), 0);
    assert_eq!(store.release_quarantine(Some(&key("shop/prod"))).await.unwrap(), 1);
    failed(&store, true).await;
    assert_eq!(store.release_quarantine(None).await.unwrap(), 1);
    failed(&store, true).await;
    succeeded(&store, "shop/prod").await;
    assert_eq!(held(&store).await, 0);
}

#[tokio::test]
async fn r12_what_works_with_one_secret_does_not_release_what_failed_with_another() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    failed(&store, true).await;
    let new = NewDeploy { secrets_label: "key:another".into(), ..new_deploy("shop/prod") };
    let id = new.id;
    store.begin_deploy(new).await.unwrap();
    store.set_phase(id, Phase::Retiring).await.unwrap();
    store.finish(id, DeployStatus::Success, None, false).await.unwrap();
    assert_eq!(held(&store).await, 1);
}

#[tokio::test]
async fn deploys_are_listed_newest_first_and_by_project_or_stage() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod", "shop/dev", "db/prod"]).await;
    let mut ids = Vec::new();
    for key in ["shop/prod", "shop/dev", "db/prod", "shop/prod"] {
        ids.push(succeeded(&store, key).await);
    }
    let list = async |filter: Filter, limit| -> Vec<_> {
        store.deploys(&filter, limit).await.unwrap().iter().map(|deploy| deploy.id).collect()
    };
    assert_eq!(list(Filter::default(), 10).await, [ids[3], ids[2], ids[1], ids[0]]);
    assert_eq!(list(Filter::default(), 2).await, [ids[3], ids[2]]);
    assert_eq!(list((&key("shop/prod")).into(), 10).await, [ids[3], ids[0]]);
    let project = Filter { project: Some("shop".parse().unwrap()), stage: None };
    assert_eq!(list(project, 10).await, [ids[3], ids[1], ids[0]]);
}

#[tokio::test]
async fn a_deploy_is_found_by_a_part_of_its_id_if_only_one_fits() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let one = succeeded(&store, "shop/prod").await;
    let two = succeeded(&store, "shop/prod").await;
    let reader = Store::open_read(&scratch.dir).unwrap().unwrap();
    assert_eq!(reader.deploy(&one.short()).unwrap().id, one);
    assert_eq!(reader.deploy(&two.to_string()).unwrap().id, two);
    // Both were made within the same minute: they begin alike.
    let error = reader.deploy(&one.to_string()[..6]).unwrap_err();
    assert!(matches!(error, StoreError::Ambiguous { count: 2, .. }), "{error:?}");
    for text in ["", "abc", "nothing", "%%%%", "ffffffffffff"] {
        let error = reader.deploy(text).unwrap_err();
        assert!(matches!(error, StoreError::NotFound { .. }), "{text}: {error:?}");
    }
}
