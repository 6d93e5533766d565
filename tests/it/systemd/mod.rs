//! systemd: the units as it judges them, and the binary as it is run by it: what it tells, where it logs, and where its
//! credentials are.

mod credentials;
pub mod daemon;
mod endless;
mod journal;
mod limits;
mod units;
