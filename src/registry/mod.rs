//! Remote registries: which tags there are, and which digest a tag has now, and what an image was
//! built for. True status codes, where dockerd has only words.
//!
//! Credentials leave for the registry itself or for the token service it names, over TLS or to this host only; a
//! redirect to another place never carries them. Every answer is bounded in time and size.
//!
//! It must not decide which tag to want, nor when to ask.

mod access;
mod ask;
mod auth;
mod budget;
mod ca;
mod challenge;
mod client;
mod error;
mod find;
mod head;
mod link;
mod pages;
mod platforms;
mod tags;

pub use access::{Access, Credentials};
pub use client::Registry;
pub use error::RegistryError;
pub use find::find;
