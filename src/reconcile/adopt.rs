//! Taking over what a person made (R5): a host of Nginx Proxy Manager, by exactly the domains of a stage; a container.

mod container;

pub use container::{AdoptedContainer, adopt_container};

use super::{Error, Places, access, ask_docker, load, lost, stage_named};
use crate::model::StageKey;
use crate::proxy::Adopted;
use crate::store::{DataDir, StoreError};

/// Marks the host that has exactly the domains of a stage as this store's. Nothing else of it changes until the stage is
/// deployed.
///
/// # Errors
/// The configuration, Docker, the store or the proxy cannot be used, or there is no such stage or host.
pub async fn adopt(places: &Places, key: &StageKey) -> Result<Adopted, Error> {
    let desired = load(places).await?.desired;
    let stage = stage_named(&desired, key)?;
    if stage.domains.is_empty() {
        return Err(Error::NotRouted(key.clone()));
    }
    let data = DataDir::new(&places.data);
    let lock = places.beside.lock(&data, "adopt").await?;
    if !data.has_store() {
        let (_, host) = ask_docker(places).await?;
        lost::refuse(places, &desired, host.containers())?;
    }
    let store = places.beside.open(&data, lock).await?;
    let adopted = access::to_change(places, &desired)
        .adopt(store.id(), key, &stage.domains, &stage.route.with_certificate(None))
        .await?;
    match store.set_host(key, Some(&adopted.host)).await {
        // Never deployed: the mark says enough, and the first deploy remembers the host.
        Err(StoreError::NotFound { .. }) => {}
        answer => answer?,
    }
    Ok(adopted)
}
