//! An authority for tests, and a client that trusts it alone.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::router_support::{Router, soon};
use crate::router_wire::Client;

/// A client's side of a connection over TLS.
pub type Secured = TlsStream<TcpStream>;

/// An authority, and what it has issued.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its own certificate, in PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key, in PEM.
    pub fn issue(&self, names: &[&str]) -> (String, String) {
        self.issue_as(names, |_| {})
    }

    /// The same with something particular about it.
    pub fn issue_as(&self, names: &[&str], adjust: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let mut params = CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
        adjust(&mut params);
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    /// The certificates directory of a proxy with one pair per list of names, each called as its first name.
    pub fn place(&self, dir: &Path, certificates: &[&[&str]]) {
        let dir = dir.join("certificates");
        std::fs::create_dir_all(&dir).unwrap();
        for names in certificates {
            let (chain, key) = self.issue(names);
            let name = names[0].replace('*', "any");
            std::fs::write(dir.join(format!("{name}.key")), key).unwrap();
            std::fs::write(dir.join(format!("{name}.crt")), chain).unwrap();
        }
    }

    /// What a client that trusts it sets up.
    pub fn client(&self, protocols: &[&[u8]]) -> ClientConfig {
        landfall::client::install_tls_provider();
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    }

    /// A connection for a host.
    pub async fn connect(&self, addr: SocketAddr, host: &str, protocols: &[&[u8]]) -> io::Result<Secured> {
        connect_as(self.client(protocols), addr, host).await
    }

    /// A client of HTTP/1.1 for a host.
    pub async fn browse(&self, router: &Router, host: &str) -> Client<Secured> {
        Client(BufReader::new(self.connect(router.tls, host, &[b"http/1.1"]).await.expect("a certificate")))
    }
}

/// A connection for a host, with what a client has set up.
pub async fn connect_as(config: ClientConfig, addr: SocketAddr, host: &str) -> io::Result<Secured> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let stream = TcpStream::connect(addr).await?;
    soon("a handshake", TlsConnector::from(Arc::new(config)).connect(name, stream)).await
}

/// A proxy with a certificate per list of names.
pub async fn with_certificates(certificates: &[&[&str]]) -> (Router, Authority) {
    let (authority, dir) = (Authority::new(), Arc::new(tempfile::tempdir().unwrap()));
    authority.place(dir.path(), certificates);
    let router = Router::start_in(dir, landfall::router::Limits::default()).await.expect("starts");
    (router, authority)
}
