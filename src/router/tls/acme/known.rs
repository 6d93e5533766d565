//! What is known of the hosts that want a certificate: what was issued to them, what went wrong, and who is next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::certificate::{Certificate, Origin, Seconds, Tls, now};
use super::super::chosen::Certificates;
use super::super::wish::Wishes;
use super::book::Book;
use super::disk::Disk;
use super::order::Failure;
use super::schedule;

/// Most hosts with a certificate of their own: an account of Let's Encrypt gets three hundred in three hours.
const MAX_HOSTS: usize = 2_000;
/// A certificate that was just issued is not renewed for a sixth of its life, but not for longer than this, in seconds.
const LONGEST_REST: Seconds = 3_600;

/// The hosts that are wanted, and all that is known of them.
pub struct Known {
    disk: Disk,
    tls: Tls,
    certificates: Arc<Certificates>,
    /// The first pause after a failure.
    pause: Duration,
    book: Book,
    wanted: BTreeSet<String>,
    issued: BTreeMap<String, Arc<Certificate>>,
    /// Hosts whose certificate was issued by this process, and until when it is not renewed in any case.
    rested: BTreeMap<String, Seconds>,
}

impl Known {
    /// What is on disk, with nobody wanted yet.
    pub fn new(disk: Disk, tls: Tls, certificates: Arc<Certificates>, pause: Duration) -> Self {
        let (book, wanted) = (disk.book(), BTreeSet::new());
        let (issued, rested) = (BTreeMap::new(), BTreeMap::new());
        Self { disk, tls, certificates, pause, book, wanted, issued, rested }
    }

    /// These hosts are wanted: what is on disk for them is put in force.
    pub fn load(&mut self, wishes: &Wishes) {
        self.wanted = wanted(wishes);
        self.issued.retain(|host, _| self.wanted.contains(host));
        self.rested.retain(|host, _| self.wanted.contains(host));
        for host in &self.wanted {
            if self.issued.contains_key(host) {
                continue;
            }
            if let Some(certificate) = self.disk.certificate(host, &self.tls) {
                self.issued.insert(host.clone(), Arc::new(certificate));
            }
        }
        self.publish();
    }

    /// The same, and the control socket tells of it.
    pub fn follow(&mut self, wishes: &Wishes) {
        self.load(wishes);
        self.tell();
    }

    /// The host that is to be seen to first, and when.
    pub fn next(&self) -> Option<(Seconds, String)> {
        let first = self.wanted.iter().map(|host| (self.due(host), host)).min();
        first.map(|(due, host)| (due, host.clone()))
    }

    /// When a host is to be seen to.
    fn due(&self, host: &str) -> Seconds {
        let renewal = self
            .issued
            .get(host)
            .map_or(0, |certificate| schedule::renew_at(certificate.not_before, certificate.not_after, host));
        let rested = self.rested.get(host).copied().unwrap_or_default();
        renewal.max(self.book.next(host)).max(rested)
    }

    /// An order for a host begins. Gives how many failed before it; none: it must not begin.
    pub fn begin(&mut self, host: &str) -> Option<u32> {
        let failures = self.book.begin(host, now(), self.pause);
        // What cannot be kept would be asked for again and again.
        if let Err(error) = self.disk.save_book(&self.book) {
            tracing::error!(path = %self.disk.path().display(), %error, "no certificate is asked for: nothing can be kept");
            self.book.failed(host, &format!("nothing can be kept in {}: {error}", self.disk.path().display()));
            return None;
        }
        Some(failures)
    }

    /// It has ended, with chain and key in PEM if all went well.
    pub fn end(&mut self, host: &str, outcome: Result<String, Failure>) {
        if let Err(failure) = outcome.and_then(|pem| self.take(host, &pem)) {
            self.fail(host, &failure);
        }
        self.save();
    }

    /// Puts in force what was issued.
    fn take(&mut self, host: &str, pem: &str) -> Result<(), Failure> {
        let certificate = self.tls.load(Origin::Acme, pem.as_bytes(), pem.as_bytes());
        let certificate = certificate.map_err(|unusable| Failure::new(unusable.to_string()))?;
        let kept = self.disk.save_certificate(host, pem);
        tracing::info!(host, ends = certificate.not_after, "a certificate was issued");
        // A clock that is wrong may call it old at once.
        let rest = (certificate.not_after.saturating_sub(certificate.not_before) / 6).min(LONGEST_REST);
        self.rested.insert(host.to_owned(), now().saturating_add(rest));
        self.issued.insert(host.to_owned(), Arc::new(certificate));
        self.publish();
        match kept {
            Ok(()) => self.book.done(host),
            // It serves as long as this process does, and after that the pause counts.
            Err(error) => self.book.failed(host, &format!("it serves, and cannot be kept: {error}")),
        }
        Ok(())
    }

    fn fail(&mut self, host: &str, failure: &Failure) {
        let again_in = self.book.next(host).saturating_sub(now());
        tracing::warn!(
            host, again_in_s = again_in, error = %failure.text,
            "no certificate was issued: the name must lead to this proxy, on port 80 or 443 from everywhere"
        );
        self.book.failed(host, &failure.text);
    }

    fn save(&self) {
        if let Err(error) = self.disk.save_book(&self.book) {
            tracing::error!(path = %self.disk.path().display(), %error, "what is known of certificates cannot be kept");
        }
    }

    fn publish(&self) {
        self.certificates.set_issued(self.issued.clone());
    }

    /// Has the control socket tell how it stands.
    fn tell(&self) {
        let of = |host: &String| (host.clone(), (self.book.error(host), Some(self.due(host))));
        self.certificates.set_outlook(self.wanted.iter().map(of).collect());
    }
}

fn wanted(wishes: &Wishes) -> BTreeSet<String> {
    let hosts = wishes.iter().filter(|(_, wish)| wish.is_issued).map(|(host, _)| host.clone());
    hosts.take(MAX_HOSTS).collect()
}
