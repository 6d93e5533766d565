//! What is known of Nginx Proxy Manager, as tests: each is something that was seen with a real one and that a
//! reconciler meets.
//!
//! They run against the contract server (`tests/it/npm`), and against a real installation when `LANDFALL_TEST_NPM_URL`,
//! `_EMAIL`, `_PASSWORD` (of an admin) and `_PROBE` (`host:port` of its plain HTTP) are set: one that may be thrown away,
//! 2.15.1 or newer, and that reaches 127.0.0.1 of this machine; `--test-threads 1`, since its writes are not safe beside
//! each other. With `_DATA`, its data directory, more of them can be run. What needs a fault, a look inside or another
//! release says there that it is skipped; `npm_contract::releases` can be run against older ones, too.

mod app;
mod certbot;
mod errors;
mod faults;
mod hosts;
mod login;
mod meta;
mod names;
mod people;
mod releases;
mod schema;
mod serving;
mod target;
mod tls;
mod trouble;

use app::App;
use target::{Target, eventually};
