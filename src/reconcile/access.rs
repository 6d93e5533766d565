//! How the proxy of the configuration is reached: its socket, or its address with a password and a token kept sealed.

use std::path::Path;

use super::Places;
use crate::model::{Desired, ProxySettings};
use crate::proxy::{Access, Proxy, Vault};
use crate::secrets::{KeyPlace, SealingKey, SecretError, Secrets};
use crate::store::DataDir;

/// The proxy for who only looks: no key is made, and without one no token is kept (R21).
pub(super) fn to_look(places: &Places, desired: &Desired) -> Proxy {
    with_key(places, desired, SealingKey::read)
}

/// The proxy for who changes it and holds the lock: the key is made at its first use. One that was lost, or cannot be used,
/// is told by the proxy's own look, so that stages without a route go on.
pub(super) fn to_change(places: &Places, desired: &Desired) -> Proxy {
    let token = DataDir::new(&places.data).npm_token();
    with_key(places, desired, |place| match SealingKey::read_or_make(place, &[&token]) {
        Err(SecretError::LostKey { .. }) => Ok(None),
        key => key.map(Some),
    })
}

fn with_key(
    places: &Places,
    desired: &Desired,
    key: impl FnOnce(KeyPlace<'_>) -> Result<Option<SealingKey>, SecretError>,
) -> Proxy {
    let data = DataDir::new(&places.data);
    let file = data.sealing_key();
    let key = match &desired.settings.proxy {
        ProxySettings::NginxProxyManager(_) => key(place(places, &file)),
        ProxySettings::Embedded(_) | ProxySettings::Caddy(_) | ProxySettings::None => Ok(None),
    };
    let vault = Vault { path: data.npm_token(), key_place: (places.credentials.clone(), file), key };
    let secrets = Secrets::new(&places.credentials);
    let access = Access { socket: &places.proxy_socket, secrets, vault, writes: places.beside.writes.clone() };
    Proxy::new(&desired.settings.proxy, access)
}

fn place<'a>(places: &'a Places, file: &'a Path) -> KeyPlace<'a> {
    KeyPlace { credentials: &places.credentials, file }
}
