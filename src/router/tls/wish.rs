//! What routes ask of TLS, host by host.

use std::collections::BTreeMap;

/// What a host asks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// A certificate of its own, by ACME.
    pub is_issued: bool,
    /// The certificate of a pair of files, by its name.
    pub file: Option<String>,
    /// HTTP/1.1 alone.
    pub only_http1: bool,
}

/// All hosts that ask for anything, in lower case.
pub type Wishes = BTreeMap<String, Wish>;
