//! A repository behind a real server, the person who pushes to it, and clients that are nobody but themselves.
//!
//! Everything blocks, everything is in one short-named directory, and all of it ends when it is dropped.

mod client;
mod git;
mod repository;
mod ssh;
mod web;

use std::path::Path;

pub use client::Client;
pub use repository::{MAIN, Repository, at};
pub use ssh::Ssh;
pub use web::{Fault, RETRY_AFTER_S, TOKEN, USER, Web};

/// A repository and what serves it.
pub struct Remote<S> {
    pub server: S,
    pub repository: Repository,
    _dir: tempfile::TempDir,
}

impl Remote<Web> {
    /// Behind nginx.
    pub fn web() -> Self {
        Self::start(Web::start)
    }
}

impl Remote<Ssh> {
    /// Behind sshd.
    pub fn ssh() -> Self {
        Self::start(Ssh::start)
    }
}

impl<S> Remote<S> {
    fn start(server: impl FnOnce(&Path) -> S) -> Self {
        // Sockets are in it, and their paths may have 107 bytes.
        let dir = tempfile::Builder::new().prefix("g-").tempdir().expect("a directory");
        let top = dir.path().canonicalize().expect("a directory");
        let repository = Repository::new(&top);
        Self { server: server(&top), repository, _dir: dir }
    }
}
