//! The engine over the fake Docker daemon: real YAML, a real store, a real proxy in this process, and every call on
//! the wire counted. Each test names the rule of engine.md that it guards.

mod adopt;
mod apart;
mod asked;
mod beside;
mod by_hand;
mod commits;
mod depends;
mod drift;
mod failing;
mod foreign;
mod gate;
pub mod ground;
mod heard;
mod hooks;
mod images;
pub mod interrupted;
mod kept;
mod looking;
mod monitor;
mod order;
mod phases;
mod ports;
mod pulling;
mod quarantine;
mod readopt;
mod secrets;
mod superseded;
mod switching;
mod trouble;
pub mod words;
