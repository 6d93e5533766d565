//! Who sends a request, as far as the connection tells: from where, and the certificate that it was shown.

use std::sync::Arc;

use super::head::Peer;
use super::tls::Certificate;

/// The client's side of a connection, the same for all of its requests.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// Where it is, and how it reached us.
    pub peer: Peer,
    /// Over TLS, what it was shown.
    pub certificate: Option<Arc<Certificate>>,
}

impl Visitor {
    /// Whether it may ask for a host over this connection: HTTP/2 clients ask for any that they think the certificate is
    /// good for, and one that they were not shown a certificate of is not served here (RFC 9110, 15.5.20).
    pub fn may_ask(&self, host: &str) -> bool {
        self.certificate.as_ref().is_none_or(|certificate| certificate.covers(host))
    }
}
