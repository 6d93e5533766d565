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
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::aside;
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
    known: Shared,
}

/// What is known of hosts. All of it waits for a disk, and so on a thread for that.
struct Shared(Arc<Mutex<Known>>);

impl Shared {
    async fn with<T: Send + 'static>(&self, work: impl FnOnce(&mut Known) -> T + Send + 'static) -> T {
        let known = Arc::clone(&self.0);
        aside(move || work(&mut known.lock().unwrap_or_else(PoisonError::into_inner))).await
    }

    async fn follow(&self, wishes: &mut watch::Receiver<Wishes>) {
        let wanted = wishes.borrow_and_update().clone();
        self.with(move |known| known.follow(&wanted)).await;
    }
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
        let known = Shared(Arc::new(Mutex::new(known)));
        Self { authority: Authority::new(options, disk, tls, challenges, kinds.collect()), known }
    }

    /// Puts in force what is on disk for these hosts, before this returns.
    pub fn load(&mut self, wishes: &Wishes) {
        self.known.0.lock().unwrap_or_else(PoisonError::into_inner).load(wishes);
    }

    /// Follows what is wanted, for ever.
    pub async fn run(mut self, mut wishes: watch::Receiver<Wishes>) -> Infallible {
        loop {
            self.known.follow(&mut wishes).await;
            match self.known.with(|known| known.next()).await {
                Some((due, host)) if due <= now() => self.renew(host, &mut wishes).await,
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
    async fn renew(&mut self, host: String, wishes: &mut watch::Receiver<Wishes>) {
        let begun = host.clone();
        let Some(failures) = self.known.with(move |known| known.begin(&begun)).await else { return };
        let got = self.order(&host, failures, wishes).await;
        if got.as_ref().is_err_and(|failure| failure.is_account_gone) {
            self.authority.forget_account().await;
        }
        self.known.with(move |known| known.end(&host, got)).await;
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
        known.with(Known::answered).await;
        let proven = timeout_at(end, authority.finish(&mut order, host, failures));
        beside(known, wishes, proven).await.unwrap_or_else(|_| Err(Failure::new("it took too long")))
    }
}

/// Follows what is wanted while something is under way, which goes on all the same.
async fn beside<T>(known: &Shared, wishes: &mut watch::Receiver<Wishes>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    loop {
        tokio::select! {
            done = &mut work => return done,
            changed = wishes.changed() => match changed {
                Ok(()) => known.follow(wishes).await,
                // Nobody is there any more who could want anything else.
                Err(_) => return work.await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::fs::{CWD, FileType, Mode, mknodat};

    use super::super::wish::Wish;
    use super::*;

    /// One thread, so that whatever waits on it has all others wait.
    #[tokio::test]
    async fn a_disk_that_is_slow_holds_up_nobody_else() {
        let dir = tempfile::tempdir().unwrap();
        let options = AcmeOptions::new(dir.path().to_owned());
        let disk = Disk::new(&options.keep, &options.directory);
        std::fs::create_dir_all(disk.path()).unwrap();
        let kept = disk.path().join("a.test.pem");
        mknodat(CWD, &kept, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        let wish = Wish { is_issued: true, ..Wish::default() };
        let (_wish, wishes) = watch::channel(Wishes::from([("a.test".to_owned(), wish)]));
        let acme = Acme::new(options, Tls::new(), Arc::default(), Arc::default(), (false, false));

        let (is_read, read) = tokio::sync::oneshot::channel();
        let (seen, is_seen) = std::sync::mpsc::channel();
        // Whoever reads it waits until it is closed on this side.
        let slow = std::thread::spawn(move || {
            let _open = std::fs::File::options().write(true).open(&kept).unwrap();
            is_read.send(()).unwrap();
            let was_seen = is_seen.recv_timeout(Duration::from_secs(5)).is_ok();
            std::fs::remove_file(&kept).unwrap();
            was_seen
        });
        let task = tokio::spawn(acme.run(wishes));
        read.await.unwrap();
        assert!(seen.send(()).is_ok() && slow.join().unwrap(), "others go on while it is read");
        task.abort();
    }
}
