//! TLS of the embedded proxy: who gets which certificate, where they are from, and what is spoken afterwards.

mod authority;
mod files;
mod handshake;
mod multiplexed;

pub use authority::{Authority, Secured, with_certificates};
