//! Configuration in a git repository that a real server serves: a web server with `git http-backend`, or sshd.
//!
//! `ground` is both of these, on loopback and as this user, with all that they can do to their clients.

mod clone;
mod daemon;
pub mod ground;
mod reader;
mod refused;
mod served;
