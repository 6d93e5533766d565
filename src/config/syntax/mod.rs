//! YAML as a tree with places: text in, nodes out, and from nodes into plain types.
//!
//! The only code that names the YAML crate. Of YAML it takes its parser; the tree is our own, because every entry of
//! a file has to be decoded on its own, every wrong key and value has to be reported with its place, and a place has
//! to be found again for a value that was merged from elsewhere. Nothing here knows what the keys mean.

mod choice;
mod compose;
mod decode;
mod events;
mod node;
mod reader;
mod scalar;
mod words;

pub(super) use compose::compose;
pub(super) use decode::{Decoded, Unknown, Wrong, WrongKind, decode, decode_top};
pub(super) use node::{Entry, EntryId, Hit, Node, Nodes, Problem, Span, Value};
pub(super) use words::{CERTIFICATES, is_unsafe, one_of, short};

#[cfg(test)]
mod tests;
