//! The life of a deploy.

use super::support::{begun, scratch};
use crate::model::{DeployStatus, Phase};

#[tokio::test]
async fn a_deploy_goes_through_its_phases_and_becomes_the_live_one() {
    let scratch = scratch();
    let store = scratch.store_with(&["shop/prod"]).await;
    let id = begun(&store, "shop/prod").await;
    store.set_phase(id, Phase::HealthChecking).await.unwrap();
    store.finish(id, DeployStatus::Success, None, false).await.unwrap();
    let recorded = store.recorded().await.unwrap();
    let stage = recorded.stages.values().next().unwrap();
    assert_eq!(stage.live.as_ref().unwrap().id, id);
}
