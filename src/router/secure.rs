//! TLS as the routes ask for it: keeps certificates from files and by ACME in step with the table.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::control::TlsCertificate;
use super::switchboard::Switchboard;
use super::table::Table;
use super::tls::{Acme, Certificates, Challenges, Directory, Tls, Wish, Wishes};
use super::{Bound, Options};

/// What connections over TLS need.
pub struct Secure {
    /// Certificates in force.
    pub certificates: Arc<Certificates>,
    /// Challenges of orders under way.
    pub challenges: Arc<Challenges>,
    directory: Option<Directory>,
    acme: Acme,
    wishes: watch::Sender<Wishes>,
}

impl Secure {
    /// Reads what is on disk, so that whoever comes first is served.
    pub fn new(options: &Options, table: &Table, bound: &Bound) -> Self {
        let (certificates, challenges) = (Arc::new(Certificates::default()), Arc::new(Challenges::default()));
        let tls = Tls::new();
        let directory = options.certificates.clone().map(|path| {
            let mut directory = Directory::new(path, tls.clone());
            directory.look(&certificates);
            directory
        });
        let wishes = wishes(table);
        certificates.set_wishes(wishes.clone());
        if bound.https.is_empty() {
            certificates.set_unserved();
        }
        let reached = (!bound.http.is_empty(), !bound.https.is_empty());
        let (shown, shared) = (Arc::clone(&challenges), Arc::clone(&certificates));
        let mut acme = Acme::new(options.acme.clone(), tls, shared, shown, reached);
        acme.load(&wishes);
        Self { certificates, challenges, directory, acme, wishes: watch::Sender::new(wishes) }
    }

    /// Goes on looking for files, and for what the table asks; nothing else waits for it.
    pub async fn follow(self, board: Arc<Switchboard>, every: std::time::Duration) -> Infallible {
        let mut tasks = JoinSet::new();
        tasks.spawn(self.acme.run(self.wishes.subscribe()));
        if let Some(directory) = self.directory {
            tasks.spawn(directory.follow(Arc::clone(&self.certificates), every));
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
