//! What is known of the hosts that want a certificate: what was issued to them, what went wrong, and who is next.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::super::certificate::{Certificate, Origin, Seconds, Tls, now};
use super::super::chosen::Certificates;
use super::super::wish::Wishes;
use super::book::{AUTHORITY, Book, Entry};
use super::disk::Disk;
use super::failure::{Concern, Failure};
use super::{LOOK_AGAIN, schedule};

/// Most hosts with a certificate of their own: an account of Let's Encrypt gets three hundred in three hours.
const MAX_HOSTS: usize = 2_000;
/// What is said of those beyond.
const TOO_MANY: &str =
    "more than 2000 hosts want a certificate of their own: who has one keeps it, and no more get one";
/// A certificate that was just issued is not renewed for a sixth of its life, but not for longer than this, in seconds.
const LONGEST_REST: Seconds = 3_600;
/// What nobody wants any more is looked for so often, in seconds: it is small, and every certificate is read for it.
const TIDY: Seconds = 86_400;

/// The hosts that are wanted, and all that is known of them.
pub struct Known {
    disk: Disk,
    tls: Tls,
    certificates: Arc<Certificates>,
    /// The first pause after a failure.
    pause: Duration,
    book: Book,
    /// Why the book that was kept cannot be read; nothing is kept in its place then, and so nothing is asked for.
    unread: Option<String>,
    /// What the book said of the authority before it gave a good answer to the order under way.
    answered: Option<Entry>,
    wanted: BTreeSet<String>,
    /// Hosts that want one too, and are too many.
    left_out: BTreeSet<String>,
    /// Of all hosts that ask for any certificate, wanted or not: as many as there can be routes.
    issued: BTreeMap<String, Arc<Certificate>>,
    /// Hosts whose certificate was kept and cannot be read, and why: none is made in its place.
    unreadable: BTreeMap<String, String>,
    /// Hosts whose certificate was issued by this process, and until when it is not renewed in any case.
    rested: BTreeMap<String, Seconds>,
    /// When it was last looked for what nobody wants any more.
    tidied: Seconds,
}

impl Known {
    /// What is on disk and in force, with nobody wanted yet.
    pub fn new(disk: Disk, tls: Tls, certificates: Arc<Certificates>, pause: Duration) -> Self {
        let (wanted, left_out, unreadable) = (BTreeSet::new(), BTreeSet::new(), BTreeMap::new());
        let (issued, rested) = (certificates.issued().into_iter().collect(), BTreeMap::new());
        let (book, answered, tidied) = (Book::default(), None, 0);
        let mut known = Self {
            disk,
            tls,
            certificates,
            pause,
            book,
            unread: Some(String::new()),
            answered,
            wanted,
            left_out,
            issued,
            unreadable,
            rested,
            tidied,
        };
        known.read_book();
        known
    }

    /// Takes up the book that was kept, unless that is done.
    fn read_book(&mut self) {
        let Some(before) = &self.unread else { return };
        match self.disk.book() {
            Ok(book) => (self.book, self.unread) = (book, None),
            Err(unreadable) => {
                let why = unreadable.to_string();
                if *before != why {
                    tracing::error!(%why, "what is known of certificates cannot be read: none is asked for");
                }
                self.unread = Some(why);
            }
        }
    }

    /// These hosts are wanted: what is on disk for them is put in force. Of a host that asks for another certificate by now,
    /// what was issued stays as long as it is good: the other one may not be there yet.
    pub fn load(&mut self, wishes: &Wishes) {
        let now = now();
        let serves = |host: &str, certificate: &Certificate| {
            wishes.get(host).is_some_and(|wish| wish.is_issued || !certificate.has_ended(now))
        };
        self.issued.retain(|host, certificate| serves(host, certificate));
        for host in wishes.keys() {
            if self.issued.contains_key(host) {
                continue;
            }
            if let Some(certificate) = self.kept(host).filter(|certificate| serves(host, certificate)) {
                self.issued.insert(host.clone(), Arc::new(certificate));
            }
        }
        self.unreadable.retain(|host, _| wishes.contains_key(host));
        self.want(wishes);
        self.rested.retain(|host, _| self.wanted.contains(host));
        self.publish();
    }

    /// What was kept for a host.
    fn kept(&mut self, host: &str) -> Option<Certificate> {
        match self.disk.certificate(host, &self.tls) {
            Ok(kept) => {
                self.unreadable.remove(host);
                kept
            }
            Err(unreadable) => {
                let why = unreadable.to_string();
                if self.unreadable.insert(host.to_owned(), why.clone()).is_none() {
                    tracing::error!(host, %why, "a certificate is not served, and no other is asked for in its place");
                }
                None
            }
        }
    }

    /// The same, with a look at the clock, and the control socket tells of it.
    pub fn follow(&mut self, wishes: &Wishes) {
        self.read_book();
        self.load(wishes);
        let now = now();
        if self.bound(now) | self.tidy(wishes, now) {
            self.save();
        }
        self.tell();
    }

    /// As many hosts as there may be, first of all those that have a certificate; that there are more is said once, and again
    /// when it changes.
    fn want(&mut self, wishes: &Wishes) {
        let mut hosts: Vec<_> = wishes.iter().filter(|(_, wish)| wish.is_issued).map(|(host, _)| host).collect();
        // The order of their names stays else.
        hosts.sort_by_key(|host| !self.issued.contains_key(*host));
        let left_out: BTreeSet<String> = hosts.iter().skip(MAX_HOSTS).copied().cloned().collect();
        self.wanted = hosts.into_iter().take(MAX_HOSTS).cloned().collect();
        if !left_out.is_empty() && left_out.len() != self.left_out.len() {
            tracing::warn!(left_out = left_out.len(), first = left_out.first(), "{TOO_MANY}");
        }
        self.left_out = left_out;
    }

    /// The clock may have been set back while this runs: nothing waits for longer than it would from now on.
    fn bound(&mut self, now: Seconds) -> bool {
        for until in self.rested.values_mut() {
            *until = (*until).min(now.saturating_add(LONGEST_REST));
        }
        self.book.bound(now)
    }

    /// What is kept of hosts that nobody wants goes after a time. Gives whether the book is another one now.
    fn tidy(&mut self, wishes: &Wishes, now: Seconds) -> bool {
        if now.abs_diff(self.tidied) < TIDY {
            return false;
        }
        self.tidied = now;
        let is_wanted = |host: &str| wishes.get(host).is_some_and(|wish| wish.is_issued);
        if let Err(error) = self.disk.remove_ended(is_wanted, &self.tls, now) {
            tracing::warn!(path = %self.disk.path().display(), %error, "certificates that have ended cannot be removed");
        }
        self.book.forget(is_wanted, now)
    }

    /// The host that is to be seen to first, and when.
    pub fn next(&self) -> Option<(Seconds, String)> {
        let now = now();
        // Of those that are due, who was tried longest ago: one that always meets a refusal of all must not stand before all.
        let ranked = self.wanted.iter().map(|host| {
            let due = self.due(host);
            (due.max(now), self.book.begun(host), due, host)
        });
        ranked.min().map(|(.., due, host)| (due, host.clone()))
    }

    /// When a host is to be seen to.
    fn due(&self, host: &str) -> Seconds {
        self.own_due(host).max(self.book.next(AUTHORITY))
    }

    /// The same as if the authority always did its part.
    fn own_due(&self, host: &str) -> Seconds {
        if self.unreadable.contains_key(host) {
            // It is tried to be read by then.
            return now().saturating_add(LOOK_AGAIN.as_secs());
        }
        let renewal = self
            .issued
            .get(host)
            .map_or(0, |certificate| schedule::renew_at(certificate.not_before, certificate.not_after, host));
        let rested = self.rested.get(host).copied().unwrap_or_default();
        renewal.max(self.book.next(host)).max(rested)
    }

    /// An order for a host begins. Gives how many failed before it; none: it must not begin.
    pub fn begin(&mut self, host: &str) -> Option<u32> {
        let now = now();
        self.answered = None;
        self.book.begin(AUTHORITY, now, self.pause);
        let failures = self.book.begin(host, now, self.pause);
        // What cannot be kept would be asked for again and again.
        if let Err(why) = self.keep_book() {
            tracing::error!(%why, "no certificate is asked for");
            self.set_back(host, &why);
            return None;
        }
        Some(failures)
    }

    /// The authority has taken the order: what comes now is about the host.
    pub fn answered(&mut self) {
        self.answered = self.book.done(AUTHORITY);
        self.save();
        self.tell();
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
            Ok(()) => drop(self.book.done(host)),
            // It serves as long as this process does, and after that the pause counts.
            Err(error) => self.book.failed(host, &format!("it serves, and cannot be kept: {error}")),
        }
        Ok(())
    }

    fn fail(&mut self, host: &str, failure: &Failure) {
        let of = match failure.concern {
            Concern::Host => {
                // A refusal of the host alone is a good answer too.
                self.book.done(AUTHORITY);
                self.book.failed(host, &failure.text);
                host
            }
            Concern::Everyone => {
                self.set_back(host, &failure.text);
                AUTHORITY
            }
        };
        let now = now();
        if let Some(until) = failure.not_before {
            self.book.put_off(of, until, now);
        }
        let again_in = self.book.next(of).saturating_sub(now);
        let hint = match failure.concern {
            Concern::Host => "the name must lead to this proxy, on port 80 or 443 from everywhere",
            Concern::Everyone => "it is no fault of this host's: no other is tried before that either",
        };
        tracing::warn!(host, again_in_s = again_in, error = %failure.text, "no certificate was issued: {hint}");
    }

    /// Nobody can be served for a reason that is not this host's.
    fn set_back(&mut self, host: &str, why: &str) {
        // One good answer in between does not make it any better.
        if let Some(before) = self.answered.take() {
            self.book.undone(AUTHORITY, before);
        }
        self.book.failed(AUTHORITY, why);
        self.book.spare(host, why);
    }

    fn save(&self) {
        if let Err(why) = self.keep_book() {
            tracing::error!(%why, "what is known of certificates cannot be kept");
        }
    }

    /// Keeps the book; what cannot be read is not written over.
    fn keep_book(&self) -> Result<(), String> {
        if let Some(why) = &self.unread {
            return Err(why.clone());
        }
        let kept = self.disk.save_book(&self.book);
        kept.map_err(|error| format!("nothing can be kept in {}: {error}", self.disk.path().display()))
    }

    fn publish(&self) {
        self.certificates.set_issued(self.issued.clone());
    }

    /// Has the control socket tell how it stands: of hosts that wait for the authority, what is the matter with that.
    fn tell(&self) {
        let (common, common_error) = (self.book.next(AUTHORITY), self.book.error(AUTHORITY));
        let is_common = common_error.is_some() && common > now();
        let of = |host: &String| {
            let is_waiting = is_common && self.own_due(host) <= common;
            let own = self.unreadable.get(host).cloned();
            let common = if is_waiting { common_error.clone() } else { None };
            let error = own.or(common).or_else(|| self.book.error(host));
            (host.clone(), (error, Some(self.due(host))))
        };
        let left_out = self.left_out.iter().map(|host| (host.clone(), (Some(TOO_MANY.to_owned()), None)));
        self.certificates.set_outlook(self.wanted.iter().map(of).chain(left_out).collect());
    }
}

#[cfg(test)]
mod tests;
