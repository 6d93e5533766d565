//! Tests against real parts: they need the variables that `tests/run.sh` and `tests/ground/enter` set.

mod adopt;
mod budget;
mod by_hand;
mod caddy_network;
mod caddy_proxy;
mod clashes;
mod commands;
mod config_faults;
mod converge;
mod daemon;
mod deploy;
mod docker;
mod dockerd;
mod drift;
mod failure;
mod files;
pub mod harness;
mod heard;
mod hooks;
mod images;
mod interrupted;
#[cfg(feature = "faults")]
mod kills;
mod meanwhile;
mod names;
mod npm;
mod npm_proxy;
mod ownership;
mod previews;
mod proxyless;
mod reach;
mod recreate;
mod registry;
mod secrets;
mod swaps;
mod tunnels;
