//! The store's clock and ids: it is an edge, so it may ask for the time and for randomness.

use std::time::{SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::model::DeployId;

/// Now, in whole milliseconds since 1970 UTC. A clock before 1970 reads 0.
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// The id of a new deploy: sorts after every earlier one of this process.
pub fn new_deploy_id() -> DeployId {
    DeployId(Uuid::now_v7())
}

/// The id of a new row, as the store writes it.
pub(super) fn new_row_id() -> String {
    Uuid::now_v7().to_string()
}
