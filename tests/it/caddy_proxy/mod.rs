//! The engine behind a real Caddy, of both versions that are tried: real YAML, a real store, the fake Docker daemon. Each
//! test names the rule of engine.md that it guards.

mod clash;
mod doctor;
mod drift;
mod faults;
pub mod ground;
mod life;
mod options;
mod relay;
