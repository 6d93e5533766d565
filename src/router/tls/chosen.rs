//! All certificates that can be served, and which one a host gets.
//!
//! Invariant: a host without a certificate of its own gets none. There is no first or default one: a client that is
//! shown somebody else's name learns who else is served here, and goes away with an error all the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
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
    /// What is wrong with the certificate of a host that asks for one of a file, and what is served instead. What ACME could
    /// not get, it tells itself.
    fn trouble(&self, host: &str, wish: &Wish) -> Option<String> {
        if self.is_unserved {
            return Some("is served to nobody: the proxy listens on no port for https (`--listen-tls`)".to_owned());
        }
        let now = now();
        let (trouble, asked) = match &wish.file {
            Some(name) => (self.trouble_of_file(name, host, now)?, self.files.get(name)),
            None if wish.is_issued => return None,
            None => {
                let named = first_good(self.named(host), now);
                let trouble = match named {
                    None => "is missing: no pair of files is for this name",
                    Some(pair) if pair.has_ended(now) => "has ended: put a new pair in its place",
                    Some(_) => return None,
                };
                (trouble.to_owned(), named)
            }
        };
        let other = self.find(host).filter(|found| !asked.is_some_and(|asked| Arc::ptr_eq(asked, found)));
        Some(match other.map(|other| &other.origin) {
            None => trouble,
            Some(Origin::Acme) => format!("{trouble}; the one by ACME is served"),
            Some(Origin::File(name)) => format!("{trouble}; `{name}.crt` is served"),
        })
    }

    /// What is wrong with the file that a host asks for.
    fn trouble_of_file(&self, name: &str, host: &str, now: Seconds) -> Option<String> {
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
        let wish = self.wishes.get(host);
        let file = wish.and_then(|wish| self.files.get(wish.file.as_ref()?));
        let file = file.filter(|certificate| certificate.covers(host));
        let (issued, [named, wildcard]) = (self.issued.get(host), self.named(host));
        let found = if wish.is_none_or(|wish| wish.is_issued) {
            [file, issued, named, wildcard]
        } else {
            [file, named, wildcard, issued]
        };
        first_good(found, now())
    }

    /// The certificates of files with a host's name, and with its wildcard.
    fn named(&self, host: &str) -> [Option<&Arc<Certificate>>; 2] {
        let wildcard = host.split_once('.').and_then(|(_, parent)| self.named.get(&format!("*.{parent}")));
        [self.named.get(host), wildcard]
    }
}

/// The first certificate that is still good; else the first.
fn first_good<const N: usize>(found: [Option<&Arc<Certificate>>; N], now: Seconds) -> Option<&Arc<Certificate>> {
    let mut all = found.into_iter().flatten();
    all.clone().find(|certificate| !certificate.has_ended(now)).or_else(|| all.next())
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

    /// Every name of a certificate, and every host that asks for one, with what it is served with.
    pub fn states(&self) -> Vec<CertificateState> {
        let live = self.live.load();
        let outlook = self.outlook.lock().unwrap_or_else(PoisonError::into_inner);
        let of_certificates = live.named.keys().chain(live.issued.keys());
        let names: BTreeSet<_> = of_certificates.chain(outlook.keys()).chain(live.wishes.keys()).collect();
        let of = |name: &String| {
            let found = live.find(name);
            let (last_failure, next_try) = outlook.get(name).cloned().unwrap_or_default();
            CertificateState {
                name: name.clone(),
                from: found.map(|certificate| certificate.origin.to_string()),
                ends: found.map(|certificate| certificate.not_after),
                last_failure,
                next_try,
                trouble: live.wishes.get(name).and_then(|wish| live.trouble(name, wish)),
            }
        };
        names.into_iter().map(of).collect()
    }

    /// Those of files that are in force, by file.
    pub fn files(&self) -> HashMap<String, Arc<Certificate>> {
        self.live.load().files.clone()
    }

    /// Those that were issued and are in force, by host.
    pub fn issued(&self) -> HashMap<String, Arc<Certificate>> {
        self.live.load().issued.clone()
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

    fn state(certificates: &Certificates, host: &str) -> CertificateState {
        certificates.states().into_iter().find(|state| state.name == host).unwrap()
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

    #[test]
    fn what_is_told_of_a_host_is_what_it_is_served_with() {
        let certificates = Certificates::default();
        files(
            &certificates,
            &[("wild", &["*.b.test"], 2998), ("shop", &["c.test"], 2997), ("other", &["c.test"], 2999)],
        );
        certificates.set_wishes(
            [("a.b.test", wish(true, None)), ("c.test", wish(false, Some("shop")))]
                .map(|(host, wish)| (host.to_owned(), wish))
                .into(),
        );
        certificates.set_outlook([("a.b.test".to_owned(), (Some("no".to_owned()), None))].into());
        for host in ["a.b.test", "c.test", "*.b.test"] {
            let (state, found) = (state(&certificates, host), certificates.find(host).unwrap());
            assert_eq!((state.from, state.ends), (Some(found.origin.to_string()), Some(found.not_after)), "{host}");
        }
        assert_eq!(state(&certificates, "a.b.test").last_failure.as_deref(), Some("no"), "it is told all the same");
    }

    #[test]
    fn a_file_that_is_missing_is_told_while_what_was_issued_is_served() {
        let certificates = Certificates::default();
        certificates.set_issued([("a.b.test".to_owned(), made(Origin::Acme, &["a.b.test"], 2999))].into());
        for wish in [wish(false, None), wish(false, Some("typo"))] {
            certificates.set_wishes([("a.b.test".to_owned(), wish)].into());
            let CertificateState { from, trouble, .. } = state(&certificates, "a.b.test");
            assert_eq!(from.as_deref(), Some("acme"));
            let trouble = trouble.unwrap();
            assert!(
                trouble.starts_with("is missing: ") && trouble.ends_with("; the one by ACME is served"),
                "{trouble}"
            );
        }
    }
}
