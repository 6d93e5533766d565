//! The two kinds of hosts that Landfall makes: those that lead to an instance, and those that only redirect.

use std::fmt;

/// A kind of host; each has numbers of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Leads to an upstream.
    Proxy,
    /// Redirects to another domain.
    Redirection,
}

/// One host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) kind: Kind,
    pub(super) id: u64,
}

impl Kind {
    /// Where all of them are.
    pub(super) const fn path(self) -> &'static str {
        match self {
            Self::Proxy => "/nginx/proxy-hosts",
            Self::Redirection => "/nginx/redirection-hosts",
        }
    }
}

impl Host {
    /// Where it is.
    pub(super) fn path(self) -> String {
        format!("{}/{}", self.kind.path(), self.id)
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            Kind::Proxy => "proxy host",
            Kind::Redirection => "redirection host",
        };
        write!(f, "{kind} {}", self.id)
    }
}
