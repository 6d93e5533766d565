//! TLS as the routes ask for it: keeps certificates from files and by ACME in step with the table.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::control::TlsCertificate;
use super::switchboard::Switchboard;
use super::table::Table;
use super::tls::{Acme, Certificates, Challenges, Directory, Tls, Wish, Wishes};
use super::{Bound, Options};

/// The pause after a panic: whatever it was, it is not met again at once, nor a log filled.
const AGAIN: Duration = Duration::from_secs(60);

/// What there is to begin with, and how another one is made.
type Renewed<T> = (T, Box<dyn Fn() -> T + Send>);

/// What connections over TLS need.
pub struct Secure {
    /// Certificates in force.
    pub certificates: Arc<Certificates>,
    /// Challenges of orders under way.
    pub challenges: Arc<Challenges>,
    directory: Option<Renewed<Directory>>,
    acme: Renewed<Acme>,
    wishes: watch::Sender<Wishes>,
}

impl Secure {
    /// Reads what is on disk, so that whoever comes first is served.
    pub fn new(options: &Options, table: &Table, bound: &Bound) -> Self {
        let (certificates, challenges) = (Arc::new(Certificates::default()), Arc::new(Challenges::default()));
        let tls = Tls::new();
        let directory = options.certificates.clone().map(|path| {
            let (tls, shared) = (tls.clone(), Arc::clone(&certificates));
            let begin = move || Directory::new(path.clone(), tls.clone(), &shared);
            let mut directory = begin();
            directory.look(&certificates);
            (directory, Box::new(begin) as Box<_>)
        });
        let wishes = wishes(table);
        certificates.set_wishes(wishes.clone());
        if bound.https.is_empty() {
            certificates.set_unserved();
        }
        let reached = (!bound.http.is_empty(), !bound.https.is_empty());
        let (shown, shared, told) = (Arc::clone(&challenges), Arc::clone(&certificates), options.acme.clone());
        let begin = move || Acme::new(told.clone(), tls.clone(), Arc::clone(&shared), Arc::clone(&shown), reached);
        let mut acme = begin();
        acme.load(&wishes);
        let acme = (acme, Box::new(begin) as Box<_>);
        Self { certificates, challenges, directory, acme, wishes: watch::Sender::new(wishes) }
    }

    /// Goes on looking for files, and for what the table asks; nothing else waits for it.
    pub async fn follow(self, board: Arc<Switchboard>, every: Duration) -> Infallible {
        let mut tasks = JoinSet::new();
        let wishes_of_all = self.wishes.subscribe();
        let run = move |acme: Acme| acme.run(wishes_of_all.clone());
        tasks.spawn(keep_up("certificates by ACME", AGAIN, self.acme, run));
        if let Some(directory) = self.directory {
            let certificates = Arc::clone(&self.certificates);
            let follow = move |directory: Directory| directory.follow(Arc::clone(&certificates), every);
            tasks.spawn(keep_up("certificates of files", AGAIN, directory, follow));
        }
        let mut changes = board.changes();
        loop {
            let now = wishes(&board.table());
            self.wishes.send_if_modified(|wishes| {
                let is_new = *wishes != now;
                if is_new {
                    self.certificates.set_wishes(now.clone());
                    *wishes = now;
                }
                is_new
            });
            if changes.changed().await.is_err() {
                return std::future::pending().await;
            }
        }
    }
}

/// Does what never ends, beginning with what there is. Should it panic, that is said, and after a pause it is done with a new
/// one: a proxy that serves must neither end for it nor let its certificates run out in silence.
async fn keep_up<T, F>(
    what: &'static str,
    pause: Duration,
    (first, begin): Renewed<T>,
    run: impl Fn(T) -> F,
) -> Infallible
where
    F: Future<Output = Infallible> + Send + 'static,
{
    let (mut next, mut panics) = (first, 0_u64);
    loop {
        // It goes when this does.
        let mut task = JoinSet::new();
        task.spawn(run(next));
        match task.join_next().await {
            Some(Ok(never)) => match never {},
            Some(Err(error)) if error.is_panic() => {
                panics += 1;
                tracing::error!(
                    what, panics, again_in_s = pause.as_secs(), %error,
                    "a part of the proxy has panicked, and begins again: please report it"
                );
            }
            // The runtime ends, and this with it.
            Some(Err(_)) | None => return std::future::pending().await,
        }
        tokio::time::sleep(pause).await;
        next = begin();
    }
}

/// What the routes of a table ask of TLS. Several paths of a host ask for one certificate.
fn wishes(table: &Table) -> Wishes {
    let mut wishes = Wishes::new();
    for (domain, route) in &table.routes {
        let Some(tls) = &route.tls else { continue };
        let host = domain.host().to_ascii_lowercase();
        let is_address = host.parse::<IpAddr>().is_ok();
        let wish = wishes.entry(host).or_insert_with(|| Wish { only_http1: true, ..Wish::default() });
        wish.only_http1 &= !tls.http2;
        match &tls.certificate {
            TlsCertificate::Letsencrypt => wish.is_issued |= !is_address,
            TlsCertificate::File(name) => wish.file = Some(name.clone()),
            // It is found by the wildcard in the certificate itself.
            TlsCertificate::Wildcard(_) => {}
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::super::control::{Owner, Route, Tls as RouteTls};
    use super::*;
    use crate::model::StoreId;

    #[tokio::test]
    async fn what_panics_begins_again_with_a_new_one() {
        let (tell, mut numbers) = tokio::sync::mpsc::unbounded_channel();
        let made = std::sync::atomic::AtomicU32::new(1);
        let begin = Box::new(move || made.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
        let run = move |number: u32| {
            let tell = tell.clone();
            async move {
                tell.send(number).unwrap();
                assert!(number == 2, "number {number} is of no use");
                std::future::pending().await
            }
        };
        let kept_up = tokio::spawn(keep_up("a test", Duration::from_millis(1), (0, begin), run));
        for number in 0..=2 {
            assert_eq!(numbers.recv().await, Some(number));
        }
        kept_up.abort();
        assert!(kept_up.await.unwrap_err().is_cancelled());
        assert_eq!(numbers.recv().await, None, "it has gone with whoever kept it up");
    }

    #[test]
    fn a_host_asks_for_what_any_of_its_routes_asks_for() {
        let owner = Owner::new(StoreId(Uuid::from_u128(1)), &"shop/prod".parse().unwrap());
        let route = |certificate, http2| {
            let mut route = Route::new(owner.clone(), Vec::new());
            route.tls = Some(RouteTls { certificate, redirect: false, hsts: false, http2 });
            route
        };
        let routes = [
            ("a.test", Route::new(owner.clone(), Vec::new())),
            ("b.test", route(TlsCertificate::Letsencrypt, false)),
            ("b.test/api", route(TlsCertificate::Letsencrypt, true)),
            ("c.test", route(TlsCertificate::File("c".to_owned()), false)),
            ("192.0.2.1", route(TlsCertificate::Letsencrypt, true)),
        ];
        let routes = routes.into_iter().map(|(domain, route)| (domain.parse().unwrap(), route)).collect();
        let wishes = wishes(&Table { revision: 1, routes });
        let of = |host: &str| wishes.get(host).cloned();
        assert_eq!(of("a.test"), None);
        assert_eq!(of("b.test"), Some(Wish { is_issued: true, file: None, only_http1: false }));
        assert_eq!(of("c.test"), Some(Wish { is_issued: false, file: Some("c".to_owned()), only_http1: true }));
        assert!(of("192.0.2.1").is_some_and(|wish| !wish.is_issued), "authorities give addresses no certificate");
    }
}
