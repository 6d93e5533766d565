//! Certificates by ACME (RFC 8555): one per host that a route asks for it, renewed in time, kept on disk.
//!
//! # Guarantees
//! - What is on disk is served after a restart, and nothing is asked for that is not due.
//! - Whoever fails waits: a minute, then twice as long each time up to half a day, also over restarts. That an order begins
//!   is on disk before it does, so that a proxy that dies in the middle does not begin it again at once.
//! - One order at a time, with a limit; nothing else waits for it. A certificate stays in force until a new one is there.

mod book;
mod challenges;
mod disk;
mod http;
mod order;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use instant_acme::{Account, NewAccount};
use tokio::sync::watch;
use tokio::time::timeout;

use super::certificate::{Certificate, Origin, Seconds, Tls, now};
use super::chosen::Certificates;
use super::wish::Wishes;
use book::Book;
pub use challenges::{Challenges, PROTOCOL};
use disk::Disk;
use order::{Failure, Kind};

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// Most hosts with a certificate of their own: an account of Let's Encrypt gets three hundred in three hours.
const MAX_HOSTS: usize = 2_000;
/// One order may take so long; authorities look from several places, which takes seconds.
const ORDER: Duration = Duration::from_secs(300);
/// The clock is looked at again after this: it may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(600);
/// A certificate that was just issued is not renewed for a sixth of its life, but not for longer than this, in seconds.
const LONGEST_REST: Seconds = 3_600;

/// What is to be known of the authority, and where to keep things.
#[derive(Debug, Clone)]
pub struct AcmeOptions {
    /// The URL of its directory.
    pub directory: String,
    /// Where it may write to.
    pub email: Option<String>,
    /// Certificates in PEM that its own server is trusted by, besides the system's.
    pub ca: Option<PathBuf>,
    /// Where account, keys and certificates are kept.
    pub keep: PathBuf,
    /// The first pause after a failure; each doubles it.
    pub pause: Duration,
}

impl AcmeOptions {
    /// Let's Encrypt, with everything kept in a directory.
    pub fn new(keep: PathBuf) -> Self {
        Self { directory: LETS_ENCRYPT.to_owned(), email: None, ca: None, keep, pause: schedule::FIRST_PAUSE }
    }
}

/// Gets certificates, and sees to it that they do not end.
pub struct Acme {
    options: AcmeOptions,
    disk: Disk,
    tls: Tls,
    certificates: Arc<Certificates>,
    challenges: Arc<Challenges>,
    kinds: Vec<Kind>,
    account: Option<Account>,
    book: Book,
    issued: BTreeMap<String, Arc<Certificate>>,
    /// Hosts whose certificate was issued by this process, and until when it is not renewed in any case.
    rested: BTreeMap<String, Seconds>,
}

impl Acme {
    /// One that proves itself in the ways that the proxy is reached: `plain` over HTTP, `secured` over TLS.
    pub fn new(
        options: AcmeOptions,
        tls: Tls,
        certificates: Arc<Certificates>,
        challenges: Arc<Challenges>,
        (plain, secured): (bool, bool),
    ) -> Self {
        let disk = Disk::new(&options.keep, &options.directory);
        let kinds =
            [(plain, Kind::Http), (secured, Kind::Alpn)].into_iter().filter_map(|(there, kind)| there.then_some(kind));
        let kinds = kinds.collect();
        let (account, book) = (None, disk.book());
        let (issued, rested) = (BTreeMap::new(), BTreeMap::new());
        Self { options, disk, tls, certificates, challenges, kinds, account, book, issued, rested }
    }

    /// Puts in force what is on disk for these hosts.
    pub fn load(&mut self, wishes: &Wishes) {
        let wanted = wanted(wishes);
        self.issued.retain(|host, _| wanted.contains(host));
        self.rested.retain(|host, _| wanted.contains(host));
        for host in wanted {
            if self.issued.contains_key(&host) {
                continue;
            }
            if let Some(certificate) = self.disk.certificate(&host, &self.tls) {
                self.issued.insert(host, Arc::new(certificate));
            }
        }
        self.publish();
    }

    /// Follows what is wanted, for ever.
    pub async fn run(mut self, mut wishes: watch::Receiver<Wishes>) -> Infallible {
        loop {
            let wanted = wishes.borrow_and_update().clone();
            self.load(&wanted);
            let wanted = self::wanted(&wanted);
            self.tell(&wanted);
            let first = wanted.iter().map(|host| (self.due(host), host)).min();
            match first {
                Some((due, host)) if due <= now() => self.renew(host).await,
                next => {
                    let wait =
                        next.map_or(LOOK_AGAIN, |(due, _)| Duration::from_secs(due.saturating_sub(now()).max(1)));
                    tokio::select! {
                        () = tokio::time::sleep(wait.min(LOOK_AGAIN)) => {}
                        changed = wishes.changed() => if changed.is_err() {
                            return std::future::pending().await;
                        }
                    }
                }
            }
        }
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

    /// Gets one certificate; a failure is noted, and told.
    async fn renew(&mut self, host: &str) {
        let failures = self.book.begin(host, now(), self.options.pause);
        // What cannot be kept would be asked for again and again.
        if let Err(error) = self.disk.save_book(&self.book) {
            tracing::error!(path = %self.disk.path().display(), %error, "no certificate is asked for: nothing can be kept");
            return self.book.failed(host, &format!("nothing can be kept in {}: {error}", self.disk.path().display()));
        }
        let got = match timeout(ORDER, self.order(host, failures)).await {
            Ok(got) => got,
            Err(_) => Err(Failure::new("it took too long")),
        };
        let outcome = got.and_then(|pem| {
            let certificate = self.tls.load(Origin::Acme, pem.as_bytes(), pem.as_bytes());
            let certificate = certificate.map_err(|unusable| Failure::new(unusable.to_string()))?;
            Ok((certificate, self.disk.save_certificate(host, &pem)))
        });
        match outcome {
            Ok((certificate, kept)) => {
                tracing::info!(host, ends = certificate.not_after, "a certificate was issued");
                // A clock that is wrong may call it old at once.
                let rest = (certificate.not_after.saturating_sub(certificate.not_before) / 6).min(LONGEST_REST);
                self.rested.insert(host.to_owned(), now().saturating_add(rest));
                self.issued.insert(host.to_owned(), Arc::new(certificate));
                match kept {
                    Ok(()) => self.book.done(host),
                    // It serves as long as this process does, and after that the pause counts.
                    Err(error) => self.book.failed(host, &format!("it serves, and cannot be kept: {error}")),
                }
                self.publish();
            }
            Err(failure) => {
                if failure.is_account_gone {
                    self.account = None;
                    self.disk.forget_account();
                }
                let again_in = self.book.next(host).saturating_sub(now());
                tracing::warn!(
                    host, again_in_s = again_in, error = %failure.text,
                    "no certificate was issued: the name must lead to this proxy, on port 80 or 443 from everywhere"
                );
                self.book.failed(host, &failure.text);
            }
        }
        if let Err(error) = self.disk.save_book(&self.book) {
            tracing::error!(path = %self.disk.path().display(), %error, "what is known of certificates cannot be kept");
        }
    }

    /// The chain and key of a new certificate, in PEM. Each attempt uses the next way to prove itself.
    async fn order(&mut self, host: &str, failures: u32) -> Result<String, Failure> {
        let at =
            (failures as usize).checked_rem(self.kinds.len()).ok_or_else(|| Failure::new("nothing is listened on"))?;
        let account = match &self.account {
            Some(account) => account.clone(),
            None => self.account.insert(self.open_account().await?).clone(),
        };
        order::issue(&account, host, &self.challenges, &self.tls, self.kinds[at]).await
    }

    /// The account that was kept, or a new one.
    async fn open_account(&self) -> Result<Account, Failure> {
        let builder =
            || http::client(self.options.ca.as_deref()).map(|client| Account::builder_with_http(Box::new(client)));
        if let Some(kept) = self.disk.account() {
            return Ok(builder()?.from_credentials(kept).await?);
        }
        let contact = self.options.email.as_ref().map(|email| format!("mailto:{email}"));
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
        let (account, credentials) = builder()?.create(&wanted, self.options.directory.clone(), None).await?;
        self.disk
            .save_account(&credentials)
            .map_err(|error| Failure::new(format!("the account cannot be kept: {error}")))?;
        tracing::info!(directory = %self.options.directory, "an account for certificates was made");
        Ok(account)
    }

    fn publish(&self) {
        self.certificates.set_issued(self.issued.clone());
    }

    /// Has the control socket tell how it stands.
    fn tell(&self, wanted: &BTreeSet<String>) {
        let of = |host: &String| (host.clone(), (self.book.error(host), Some(self.due(host))));
        self.certificates.set_outlook(wanted.iter().map(of).collect());
    }
}

fn wanted(wishes: &Wishes) -> BTreeSet<String> {
    let hosts = wishes.iter().filter(|(_, wish)| wish.is_issued).map(|(host, _)| host.clone());
    hosts.take(MAX_HOSTS).collect()
}
