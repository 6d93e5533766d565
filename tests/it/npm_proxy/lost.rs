//! R16: hosts that a lost store had made in the proxy are those of the store that takes its id.

use landfall::model::{RecordedHost, StoreId};
use landfall::reconcile;
use serde_json::json;

use super::ground::{Behind, QUICK};
use crate::execute::ground::{image, web};

/// Takes the store away, or all of the data directory with the keys, and makes it again.
async fn lose_and_adopt(behind: &Behind, all: bool) -> StoreId {
    let store = behind.recorded().store.expect("a store");
    let data = behind.host.path("data");
    if all {
        std::fs::remove_dir_all(&data).expect("a directory");
    } else {
        for name in ["landfall.db", "landfall.db-wal", "landfall.db-shm"] {
            std::fs::remove_file(data.join(name)).expect("a file");
        }
    }
    behind.npm.reset_calls();
    behind.host.fake.reset_calls();
    reconcile::adopt_store(&behind.host.places(), store).await.expect("a store that was lost");
    store
}

#[tokio::test]
async fn r16_a_host_with_the_mark_of_a_lost_store_is_ours_again_without_a_write() {
    for version in ["2.10.4", "2.15.1"] {
        for all in [false, true] {
            let behind = Behind::version(version, &[&image("v1"), &image("v2")]).await;
            behind.by_hand("blog.test");
            behind.host.apply(&web("v1", QUICK)).await;
            let (before, id) = (behind.npm.hosts(), behind.id("web.test"));
            lose_and_adopt(&behind, all).await;
            for _ in 0..2 {
                let plan = behind.plan().await;
                assert!(plan.is_empty(), "{version} {all}: {plan}");
                assert_eq!(behind.pass().await.0, "nothing", "{version} {all}");
            }
            assert_eq!((behind.npm.writes(), behind.host.fake.mutations()), (0, 0), "{version} {all}");
            assert_eq!(behind.npm.hosts(), before, "{version} {all}");
            // The same host goes on with the next version, and nobody else's is touched.
            behind.host.apply(&web("v2", QUICK)).await;
            assert_eq!((behind.answer("web.test").await, behind.id("web.test")), ("v2".to_owned(), id));
            assert_eq!((behind.npm.writes(), behind.npm.hosts().len()), (1, 2), "{version} {all}");
        }
    }
}

#[tokio::test]
async fn r16_a_host_is_known_by_its_number_again_as_soon_as_it_is_taken_over() {
    let behind = Behind::at_v1().await;
    let known = behind.known("web/prod");
    assert!(matches!(known, Some(RecordedHost { id: Some(_), .. })));
    lose_and_adopt(&behind, false).await;
    behind.pass().await;
    // A person saves the host with an older page, which drops the mark: it is ours all the same.
    behind.npm.by_hand().edit(behind.id("web.test"), &json!({ "meta": { "theirs": 1 } }));
    assert_eq!(behind.known("web/prod"), known);
    assert_eq!(behind.pass().await.0, "done", "{}", behind.plan().await);
    behind.is_settled_at("v1").await;
}
