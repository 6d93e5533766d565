//! The engine behind Nginx Proxy Manager: real YAML, a real store, the fake Docker daemon, the contract server and a
//! real nginx. Each test names the rule of engine.md that it guards.

mod adopt;
mod certify;
mod clash;
mod crash;
mod create;
mod doctor;
mod door;
mod drift;
mod fields;
mod ground;
mod life;
mod login;
mod lost;
mod maintenance;
mod moving;
mod options;
mod probe;
mod reach;
mod records;
mod redirects;
mod refused;
mod sealing;
mod secret;
mod write;
