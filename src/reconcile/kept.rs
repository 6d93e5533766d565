//! What the store has of the host, for who asks nobody else: what was in force before this process began, for a start
//! while the configuration cannot be used (R2), and how everything was found last.

use std::path::Path;

use super::{Error, Places};
use crate::config::Loaded;
use crate::model::AllConditions;
use crate::store::{DataDir, InForce, Reader, Store, StoreError};

/// The configuration in force; none before the first.
///
/// # Errors
/// The store cannot be read, or is of a version that says it otherwise.
pub async fn in_force(places: &Places) -> Result<Option<Loaded>, Error> {
    let kept = read(DataDir::new(&places.data), Reader::in_force).await?.flatten();
    Ok(kept.map(|InForce { desired, commit, .. }| Loaded::recorded(desired, commit.as_deref())))
}

/// How the host of a data directory and each stage were found last.
///
/// # Errors
/// The store cannot be read.
pub async fn conditions(data: &Path) -> Result<AllConditions, Error> {
    Ok(read(DataDir::new(data), Reader::conditions).await?.unwrap_or_default())
}

/// Asks the store; none where there is none.
pub(super) async fn read<T: Send + 'static>(
    data: DataDir,
    ask: impl FnOnce(&Reader) -> Result<T, StoreError> + Send + 'static,
) -> Result<Option<T>, Error> {
    let ask = move || Store::open_read(&data)?.map(|reader| ask(&reader)).transpose();
    let joined = tokio::task::spawn_blocking(ask).await;
    Ok(joined.map_err(|error| Error::Internal(error.to_string()))??)
}
