//! Landfall: commit YAML, and it lands on your Docker host.
//!
//! The data flows one way, and the modules are named after it:
//!
//! ```text
//! load → resolve → observe → pin → plan → execute → record
//! YAML   Desired   Observed  digests Plan  effects    SQLite
//! ```
//!
//! `reconcile` is that line on one screen. The modules below stand in reading order; `ARCHITECTURE.md` tells which
//! may import which, and `tests/it/tidy.rs` holds them to it.

pub mod faults;
pub mod model;
pub mod plan;

pub mod config;
pub mod git;
pub mod secrets;

pub mod client;
pub mod docker;
pub mod proxy;
pub mod registry;
pub mod router;
pub mod socket;
pub mod store;

pub mod execute;
pub mod observe;
pub mod pin;
pub mod reconcile;

pub mod cli;
pub mod daemon;
pub mod http;
