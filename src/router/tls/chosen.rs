//! All certificates that can be served, and which one a host gets.
//!
//! Invariant: a host without a certificate of its own gets none. There is no first or default one: a client that is
//! shown somebody else's name learns who else is served here, and goes away with an error all the same.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::super::control::CertificateState;
use super::certificate::{Certificate, Origin, Seconds, now};
use super::wish::{Wish, Wishes};

/// The certificates in force, shared by every connection.
#[derive(Default)]
pub struct Certificates {
    live: ArcSwap<Live>,
    changing: Mutex<()>,
    outlook: Mutex<Outlook>,
}

/// Of each host that gets a certificate by ACME: why the last order failed, and when the next is due.
type Outlook = BTreeMap<String, (Option<String>, Option<Seconds>)>;

/// Certificates by the names they are for.
#[derive(Default, Clone)]
struct Live {
    /// Issued for one host each. Where a route asks for it by now, it comes first; where one asks for another, last.
    issued: HashMap<String, Arc<Certificate>>,
    /// Of files, by each of their names; a wildcard's begins with `*.`.
    named: HashMap<String, Arc<Certificate>>,
    /// The same, by file.
    files: HashMap<String, Arc<Certificate>>,
    /// Files that cannot be used as they are, and why.
    unusable: HashMap<String, String>,
    /// What routes ask for.
    wishes: Wishes,
    /// Nobody can come over TLS.
    is_unserved: bool,
}

impl Live {
    /// What is wrong with the certificate of a host that asks for one of a file. What ACME could not get, it tells itself.
    fn trouble(&self, host: &str, wish: &Wish) -> Option<String> {
        let now = now();
        if self.is_unserved {
            return Some("is served to nobody: the proxy listens on no port for https (`--listen-tls`)".to_owned());
        }
        let Some(name) = &wish.file else {
            if wish.is_issued {
                return None;
            }
            return match self.find(host).map(|certificate| certificate.has_ended(now)) {
                Some(false) => None,
                Some(true) => Some("has ended: put a new pair in its place".to_owned()),
                None => Some("is missing: no pair of files is for this name".to_owned()),
            };
        };
        let unusable = self.unusable.get(name).map(|why| format!("cannot be used: {why}"));
        match self.files.get(name) {
            None => Some(unusable.unwrap_or_else(|| format!("is missing: there is no `{name}.crt` with `{name}.key`"))),
            Some(file) if !file.covers(host) => {
                Some(format!("is missing: `{name}.crt` is for {} alone", file.names.join(", ")))
            }
            Some(file) if file.has_ended(now) => Some(format!("has ended: put a new `{name}.crt` in its place")),
            Some(_) => unusable.map(|why| format!("{why}; the one before is served")),
        }
    }

    /// The certificate that a host is served with; [`Certificates::find`] tells how it is chosen.
    fn find(&self, host: &str) -> Option<&Arc<Certificate>> {
        let wildcard = host.split_once('.').and_then(|(_, parent)| self.named.get(&format!("*.{parent}")));
        let wish = self.wishes.get(host);
        let file = wish.and_then(|wish| self.files.get(wish.file.as_ref()?));
        let file = file.filter(|certificate| certificate.covers(host));
        let (issued, named) = (self.issued.get(host), self.named.get(host));
        let found = if wish.is_none_or(|wish| wish.is_issued) {
            [file, issued, named, wildcard]
        } else {
            [file, named, wildcard, issued]
        };
        let now = now();
        let mut found = found.into_iter().flatten();
        let first = found.next()?;
        Some(std::iter::once(first).chain(found).find(|certificate| !certificate.has_ended(now)).unwrap_or(first))
    }
}

impl Certificates {
    /// The certificate for a host in lower case: that of the file which its route names, one issued for it, a file's with
    /// its name, a file's with a wildcard; where the route asks for a file's, one issued before that comes last. One whose
    /// time is over is served where there is no other.
    pub fn find(&self, host: &str) -> Option<Arc<Certificate>> {
        self.live.load().find(host).cloned()
    }

    /// Whether a host can be served over TLS.
    pub fn has_certificate(&self, host: &str) -> bool {
        self.find(host).is_some()
    }

    /// Whether a host's route has HTTP/2 turned off.
    pub fn is_only_http1(&self, host: &str) -> bool {
        self.live.load().wishes.get(host).is_some_and(|wish| wish.only_http1)
    }

    /// Every name with the certificate that it is served with.
    pub fn states(&self) -> Vec<CertificateState> {
        let live = self.live.load();
        let of = |(name, certificate): (&String, &Arc<Certificate>)| {
            let (from, ends) = (Some(certificate.origin.to_string()), Some(certificate.not_after));
            (name.clone(), CertificateState { from, ends, ..CertificateState::of(name.clone()) })
        };
        let mut states: BTreeMap<_, _> = live.named.iter().chain(&live.issued).map(of).collect();
        for (host, (failure, next)) in self.outlook.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let state = states.entry(host.clone()).or_insert_with(|| CertificateState::of(host.clone()));
            (state.last_failure, state.next_try) = (failure.clone(), *next);
        }
        for (host, wish) in &live.wishes {
            if let Some(trouble) = live.trouble(host, wish) {
                states.entry(host.clone()).or_insert_with(|| CertificateState::of(host.clone())).trouble =
                    Some(trouble);
            }
        }
        states.into_values().collect()
    }

    /// Puts the certificates of files in the place of those before, and why others cannot be used.
    pub fn set_files(&self, files: HashMap<String, Arc<Certificate>>, unusable: HashMap<String, String>) {
        self.change(|live| {
            live.named = by_name(files.values());
            (live.files, live.unusable) = (files, unusable);
        });
    }

    /// Nobody comes over TLS.
    pub fn set_unserved(&self) {
        self.change(|live| live.is_unserved = true);
    }

    /// Puts those that were issued in the place of those before.
    pub fn set_issued(&self, issued: BTreeMap<String, Arc<Certificate>>) {
        self.change(|live| live.issued = issued.into_iter().collect());
    }

    /// Puts what routes ask for in the place of what they did before.
    pub fn set_wishes(&self, wishes: Wishes) {
        self.change(|live| live.wishes = wishes);
    }

    /// What is to be told of hosts that get their certificates by ACME.
    pub fn set_outlook(&self, outlook: Outlook) {
        *self.outlook.lock().unwrap_or_else(PoisonError::into_inner) = outlook;
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

#[cfg(test)]
mod tests {
    use super::super::certificate::Tls;
    use super::*;

    /// A certificate for names, good until the first of a year.
    fn made(origin: Origin, names: &[&str], until: i32) -> Arc<Certificate> {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params =
            rcgen::CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let chain = params.self_signed(&key).unwrap().pem();
        Arc::new(Tls::new().load(origin, chain.as_bytes(), key.serialize_pem().as_bytes()).unwrap())
    }

    fn files(certificates: &Certificates, files: &[(&str, &[&str], i32)]) {
        let files = files
            .iter()
            .map(|(file, names, until)| ((*file).to_owned(), made(Origin::File((*file).to_owned()), names, *until)));
        certificates.set_files(files.collect(), HashMap::new());
    }

    fn wish(is_issued: bool, file: Option<&str>) -> Wish {
        Wish { is_issued, file: file.map(str::to_owned), only_http1: false }
    }

    #[test]
    fn what_was_issued_gives_way_to_a_file_that_a_route_asks_for() {
        let certificates = Certificates::default();
        certificates.set_issued([("a.b.test".to_owned(), made(Origin::Acme, &["a.b.test"], 2999))].into());
        let from = || certificates.find("a.b.test").map(|found| found.origin.to_string());
        for (wish, has_file, expected) in [
            (wish(true, None), true, "acme"),
            (wish(false, None), true, "file wild.crt"),
            (wish(false, None), false, "acme"),
            (wish(false, Some("wild")), true, "file wild.crt"),
            (wish(false, Some("typo")), false, "acme"),
        ] {
            certificates.set_wishes([("a.b.test".to_owned(), wish)].into());
            files(&certificates, if has_file { &[("wild", &["*.b.test"], 2999)] } else { &[] });
            assert_eq!(from().as_deref(), Some(expected));
        }
    }
}
