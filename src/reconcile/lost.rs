//! A store that is gone while its containers run (R16): starting anew would run everything twice. Nothing is done until
//! someone says which store it was.

use std::collections::BTreeMap;

use super::{Error, LOCK_WAIT, Places, ask_docker, load};
use crate::model::{Desired, ObservedContainer, StoreId};
use crate::store::{DataDir, Lock, Store};

/// Refuses to go on without a store while containers of our stages name one.
///
/// # Errors
/// They do.
pub(super) fn refuse(places: &Places, desired: &Desired, containers: &[ObservedContainer]) -> Result<(), Error> {
    let stores = stores(desired, containers);
    if stores.is_empty() { Ok(()) } else { Err(Error::StoreLost { data: places.data.clone(), stores }) }
}

/// The stores that well-formed containers of our stages name, with the names of these containers. One that merely carries
/// copied labels has another name than they say.
fn stores(desired: &Desired, containers: &[ObservedContainer]) -> BTreeMap<StoreId, Vec<String>> {
    let mut stores: BTreeMap<StoreId, Vec<String>> = BTreeMap::new();
    for container in containers {
        let Some(labels) = &container.labels else { continue };
        if labels.own_name == container.name && desired.written(&labels.key).is_some() {
            stores.entry(labels.store).or_default().push(container.name.clone());
        }
    }
    stores
}

/// Makes a new store with the id of one that was lost, so that its containers, hosts and routes are ours again. The next
/// pass records what runs.
///
/// # Errors
/// There is a store, or nothing of the lost one runs here, or the configuration, Docker or the data directory cannot be
/// used.
pub async fn adopt_store(places: &Places, id: StoreId) -> Result<(), Error> {
    let desired = load(places).await?.desired;
    let data = DataDir::new(&places.data);
    let lock = Lock::acquire(&data, "apply", LOCK_WAIT).await?;
    if data.has_store() {
        // One that cannot be read is there all the same.
        let has = Store::open_read(&data).ok().flatten().and_then(|reader| reader.recorded().ok()?.store);
        return Err(Error::HasStore { data: places.data.clone(), has, wanted: id });
    }
    let (_, host) = ask_docker(places).await?;
    let stores = stores(&desired, host.containers());
    if !stores.contains_key(&id) {
        return Err(Error::OtherStore { wanted: id, stores });
    }
    drop(Store::make_as(&data, lock, id).await?);
    Ok(())
}
