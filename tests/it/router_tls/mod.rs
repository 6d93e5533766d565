//! TLS of the embedded proxy: who gets which certificate, where they are from, and what is spoken afterwards.

mod acme;
mod acme_down;
mod authority;
mod files;
mod handshake;
mod multiplexed;
mod pebble;

pub use authority::{Authority, Secured, with_certificates};
