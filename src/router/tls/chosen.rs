//! All certificates that can be served, and which one a host gets.
//!
//! Invariant: a host without a certificate of its own gets none. There is no first or default one: a client that is
//! shown somebody else's name learns who else is served here, and goes away with an error all the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::super::control::CertificateState;
use super::certificate::{Certificate, Origin, Seconds, now};

/// The certificates in force, shared by every connection.
#[derive(Default)]
pub struct Certificates {
    live: ArcSwap<Live>,
    changing: Mutex<()>,
}

/// Certificates by the names they are for.
#[derive(Default, Clone)]
struct Live {
    /// Issued for one host each; none is here that no route asks for, so they come first.
    issued: HashMap<String, Arc<Certificate>>,
    /// Of files, by each of their names; a wildcard's begins with `*.`.
    named: HashMap<String, Arc<Certificate>>,
}

impl Certificates {
    /// The certificate for a host in lower case: one issued for it, a file's with its name, a file's with a wildcard.
    /// One whose time is over is served where there is no other.
    pub fn find(&self, host: &str) -> Option<Arc<Certificate>> {
        let live = self.live.load();
        let wildcard = host.split_once('.').and_then(|(_, parent)| live.named.get(&format!("*.{parent}")));
        let found = [live.issued.get(host), live.named.get(host), wildcard];
        let now = now();
        let mut found = found.into_iter().flatten();
        let first = found.next()?;
        let good = std::iter::once(first).chain(found).find(|certificate| !certificate.has_ended(now));
        Some(Arc::clone(good.unwrap_or(first)))
    }

    /// Whether a host can be served over TLS.
    pub fn has_certificate(&self, host: &str) -> bool {
        self.find(host).is_some()
    }

    /// Every name with the certificate that it is served with.
    pub fn states(&self) -> Vec<CertificateState> {
        let live = self.live.load();
        let of = |(name, certificate): (&String, &Arc<Certificate>)| {
            let (from, ends) = (Some(certificate.origin.to_string()), Some(certificate.not_after));
            (name.clone(), CertificateState { name: name.clone(), from, ends })
        };
        let states: BTreeMap<_, _> = live.named.iter().chain(&live.issued).map(of).collect();
        states.into_values().collect()
    }

    /// Puts the certificates of files in the place of those before.
    pub fn set_files<'a>(&self, files: impl Iterator<Item = &'a Arc<Certificate>>) {
        let named = by_name(files);
        self.change(|live| live.named = named);
    }

    fn change(&self, edit: impl FnOnce(&mut Live)) {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Live::clone(&self.live.load());
        edit(&mut next);
        self.live.store(Arc::new(next));
    }
}

/// Where several have a name, the one that lasts longest: a renewed one is often put beside the old one.
fn by_name<'a>(files: impl Iterator<Item = &'a Arc<Certificate>>) -> HashMap<String, Arc<Certificate>> {
    let mut named: HashMap<String, Arc<Certificate>> = HashMap::new();
    for certificate in files {
        for name in &certificate.names {
            let known = named.entry(name.clone()).or_insert_with(|| Arc::clone(certificate));
            if rank(known) < rank(certificate) {
                *known = Arc::clone(certificate);
            }
        }
    }
    named
}

fn rank(certificate: &Certificate) -> (Seconds, String) {
    let name = match &certificate.origin {
        Origin::File(name) => name.clone(),
        Origin::Acme => String::new(),
    };
    (certificate.not_after, name)
}
