//! Pebble, the authority that Let's Encrypt tests with: on loopback, with a DNS server that knows every name as 127.0.0.1.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use landfall::router::Options;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use super::Authority;
use crate::router_support::{soon, until};

/// An authority that is reached at one address for as long as the test runs, whether it runs or not.
pub struct Pebble {
    dir: tempfile::TempDir,
    /// Where it looks for hosts over HTTP.
    pub http: SocketAddr,
    /// And over TLS.
    pub https: SocketAddr,
    api: SocketAddr,
    management: SocketAddr,
    dns: SocketAddr,
    running: Vec<Child>,
}

/// An address that nobody listens on, and that the system gives to no connection on its own: below its range for those.
fn free() -> SocketAddr {
    let random = || 10_000 + u16::try_from(uuid::Uuid::new_v4().as_u128() % 20_000).unwrap();
    let mut addresses = std::iter::repeat_with(|| SocketAddr::from(([127, 0, 0, 1], random())));
    addresses.find(|address| TcpListener::bind(address).is_ok()).unwrap()
}

impl Pebble {
    /// Prepares one; its own server is trusted by way of an authority of ours.
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let authority = Authority::new();
        let (chain, key) = authority.issue(&["localhost"]);
        for (name, text) in [("ca.pem", authority.pem()), ("chain.pem", chain), ("key.pem", key)] {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let (http, https, api, management, dns) = (free(), free(), free(), free(), free());
        Self { dir, http, https, api, management, dns, running: Vec::new() }
    }

    /// Runs it, anew: it knows nobody.
    pub async fn start(&mut self) {
        let config = serde_json::json!({ "pebble": {
            "listenAddress": self.api.to_string(), "managementListenAddress": self.management.to_string(),
            "certificate": self.path("chain.pem"), "privateKey": self.path("key.pem"),
            "httpPort": self.http.port(), "tlsPort": self.https.port(),
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
        }});
        std::fs::write(self.path("pebble.json"), config.to_string()).unwrap();
        let dns = self.dns.to_string();
        let mut names = Command::new("pebble-challtestsrv");
        names.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", ""]);
        names.args(["-dns01", &dns, "-management", &free().to_string()]);
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(self.path("pebble.json")).args(["-strict", "-dnsserver", &dns]);
        pebble.env("PEBBLE_VA_NOSLEEP", "1").env("PEBBLE_VA_ALWAYS_VALID", "0");
        for mut command in [names, pebble] {
            let log = std::fs::File::create(self.path("log")).unwrap();
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            self.running.push(command.spawn().expect("pebble and pebble-challtestsrv of Debian's pebble"));
        }
        until("it answers", async || tokio::net::TcpStream::connect(self.management).await.is_ok()).await;
        until("it serves", async || tokio::net::TcpStream::connect(self.api).await.is_ok()).await;
    }

    /// It goes, and nobody answers.
    pub fn stop(&mut self) {
        for mut child in self.running.drain(..) {
            drop(child.kill());
            drop(child.wait());
        }
    }

    /// A proxy that is where it looks, and asks it.
    pub fn serves(&self, options: &mut Options) {
        (options.listen, options.listen_tls) = (vec![self.http], vec![self.https]);
        options.acme.directory = format!("https://localhost:{}/dir", self.api.port());
        options.acme.ca = Some(self.path("ca.pem"));
    }

    /// A client that trusts what it issues.
    pub async fn client(&self) -> ClientConfig {
        landfall::client::install_tls_provider();
        let own = reqwest::Certificate::from_pem(&std::fs::read(self.path("ca.pem")).unwrap()).unwrap();
        let client = reqwest::Client::builder().tls_certs_only([own]).build().unwrap();
        let asked = client.get(format!("https://localhost:{}/roots/0", self.management.port())).send();
        let pem = soon("its root", asked).await.unwrap().bytes().await.unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(&pem).unwrap()).unwrap();
        ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The one directory in which a proxy keeps what an authority gave.
pub fn kept(dir: &Path) -> PathBuf {
    let mut authorities = std::fs::read_dir(dir.join("acme")).unwrap();
    let first = authorities.next().expect("an authority").unwrap().path();
    assert!(authorities.next().is_none(), "one authority");
    first
}
