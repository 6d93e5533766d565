//! The engine over the fake Docker daemon: real YAML, a real store, a real proxy in this process, and every call on
//! the wire counted. Each test names the rule of engine.md that it guards.

mod failing;
mod gate;
mod ground;
mod interrupted;
mod looking;
mod order;
mod phases;
mod ports;
mod quarantine;
mod trouble;
mod words;
