//! What the configuration has become since a pass began: whoever works on a stage stops where it wants something else by
//! now, and nothing moved yet.

use std::sync::Arc;

use tokio::sync::watch;

use crate::model::{Desired, StageKey};

/// The newest configuration, as the daemon reads it during a pass. A command has none: nothing is read while it runs.
#[derive(Debug, Clone, Default)]
pub struct Newest(Option<watch::Receiver<Option<Arc<Desired>>>>);

impl Newest {
    /// Follows what is sent; none as long as nothing is new.
    pub fn of(receiver: watch::Receiver<Option<Arc<Desired>>>) -> Self {
        Self(Some(receiver))
    }

    /// Resolves once a stage is to run something else than a configuration says; else never.
    pub(super) async fn overtakes(&self, desired: &Desired, key: &StageKey) {
        if let Some(mut receiver) = self.0.clone()
            && receiver
                .wait_for(|newest| newest.as_ref().is_some_and(|newest| !is_same(newest, desired, key)))
                .await
                .is_ok()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

fn is_same(newest: &Desired, desired: &Desired, key: &StageKey) -> bool {
    let surroundings = |desired: &Desired| (desired.settings.network.clone(), desired.settings.proxy.clone());
    let is_run_like = match (newest.written(key), desired.written(key)) {
        (Some(newest), Some(stage)) => newest.is_run_like(stage),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    is_run_like && surroundings(newest) == surroundings(desired)
}
