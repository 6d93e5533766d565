//! Certificates by ACME (RFC 8555): one per host that a route asks for it, renewed in time, kept on disk.
//!
//! # Guarantees
//! - What is on disk is served after a restart, and nothing is asked for that is not due.
//! - Whoever fails waits: a minute, then twice as long each time up to half a day, also over restarts. That an order begins
//!   is on disk before it does, so that a proxy that dies in the middle does not begin it again at once.
//! - What is no fault of a host's own (the authority is down, has no account for us, or wants to be left alone) is waited
//!   for once for all hosts, in the same way, and counts for none of them.
//! - One order at a time, with a limit; nothing else waits for it, not even what is on disk for hosts that come meanwhile.
//!   A certificate stays in force until a new one is there.

mod authority;
mod book;
mod challenges;
mod disk;
mod failure;
mod http;
mod known;
mod order;
mod schedule;

use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::certificate::{Tls, now};
use super::chosen::Certificates;
use super::wish::Wishes;
use authority::Authority;
pub use challenges::{Challenges, PROTOCOL};
use disk::Disk;
use failure::Failure;
pub use http::check_ca;
use known::Known;
use order::Kind;

/// The directory of Let's Encrypt.
pub const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
/// One order may take so long; authorities look from several places, which takes seconds.
const ORDER: Duration = Duration::from_secs(300);
/// The clock is looked at again after this: it may have been set.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

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
    authority: Authority,
    known: Known,
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
        let known = Known::new(disk.clone(), tls.clone(), certificates, options.pause);
        Self { authority: Authority::new(options, disk, tls, challenges, kinds.collect()), known }
    }

    /// Puts in force what is on disk for these hosts.
    pub fn load(&mut self, wishes: &Wishes) {
        self.known.load(wishes);
    }

    /// Follows what is wanted, for ever.
    pub async fn run(mut self, mut wishes: watch::Receiver<Wishes>) -> Infallible {
        loop {
            let wanted = wishes.borrow_and_update().clone();
            self.known.follow(&wanted);
            match self.known.next() {
                Some((due, host)) if due <= now() => self.renew(&host, &mut wishes).await,
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

    /// Gets one certificate; a failure is noted, and told.
    async fn renew(&mut self, host: &str, wishes: &mut watch::Receiver<Wishes>) {
        let Some(failures) = self.known.begin(host) else { return };
        let got = self.order(host, failures, wishes).await;
        if got.as_ref().is_err_and(|failure| failure.is_account_gone) {
            self.authority.forget_account();
        }
        self.known.end(host, got);
    }

    /// The chain and key of a new certificate, in PEM.
    async fn order(
        &mut self,
        host: &str,
        failures: u32,
        wishes: &mut watch::Receiver<Wishes>,
    ) -> Result<String, Failure> {
        let (Self { authority, known }, end) = (self, Instant::now() + ORDER);
        let begun = beside(known, wishes, timeout_at(end, authority.begin(host))).await;
        let mut order = begun.unwrap_or_else(|_| Err(Failure::common("it took too long")))?;
        known.answered();
        let proven = timeout_at(end, authority.finish(&mut order, host, failures));
        beside(known, wishes, proven).await.unwrap_or_else(|_| Err(Failure::new("it took too long")))
    }
}

/// Follows what is wanted while something is under way, which goes on all the same.
async fn beside<T>(known: &mut Known, wishes: &mut watch::Receiver<Wishes>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            changed = wishes.changed() => match changed {
                Ok(()) => {
                    let wanted = wishes.borrow_and_update().clone();
                    known.follow(&wanted);
                }
                // Nobody is there any more who could want anything else.
                Err(_) => return work.await,
            }
        }
    }
}
