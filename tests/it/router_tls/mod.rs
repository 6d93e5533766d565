//! TLS of the embedded proxy: who gets which certificate, where they are from, and what is spoken afterwards.

mod acme;
mod acme_down;
mod authority;
mod files;
mod handshake;
mod multiplexed;
mod pebble;

use serde_json::Value;

pub use authority::{Authority, Secured, connect_as, with_certificates};

use crate::router_support::{Router, control};

/// What the proxy tells of the certificate of a host.
pub async fn state(router: &Router, host: &str) -> Value {
    let (_, states) = control(&router.control(), "GET", "/certificates", "").await;
    states.as_array().unwrap().iter().find(|state| state["name"] == host).cloned().unwrap_or_default()
}
