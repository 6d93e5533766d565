//! What was in force before this process began, as the store has it: for a start while the configuration cannot be used
//! (R2).

use super::{Error, Places};
use crate::config::Loaded;
use crate::store::{DataDir, InForce, Store, StoreError};

/// The configuration in force; none before the first.
///
/// # Errors
/// The store cannot be read, or is of a version that says it otherwise.
pub async fn in_force(places: &Places) -> Result<Option<Loaded>, Error> {
    let data = DataDir::new(&places.data);
    let joined = tokio::task::spawn_blocking(move || read(&data)).await;
    let kept = joined.map_err(|error| Error::Internal(error.to_string()))??;
    Ok(kept.map(|InForce { desired, commit, .. }| Loaded::recorded(desired, commit.as_deref())))
}

fn read(data: &DataDir) -> Result<Option<InForce>, StoreError> {
    Store::open_read(data)?.map_or(Ok(None), |reader| reader.in_force())
}
