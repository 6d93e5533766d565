//! One certificate with its key, checked and ready to be served: for which names, and from when to when.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, ProducesTickets, ServerConfig};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::super::control::ACME;

/// Most DNS names that are taken from one certificate; authorities sign a hundred.
const MAX_NAMES: usize = 1_000;
/// Most certificates of one chain: the leaf and what leads to a root that clients know.
const MAX_CHAIN: usize = 16;

/// Where a certificate is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A pair of files, by its name without `.crt`.
    File(String),
    /// An ACME directory.
    Acme,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(name) => write!(f, "file {name}.crt"),
            Self::Acme => f.write_str(ACME),
        }
    }
}

/// Seconds since 1970, as certificates count.
pub type Seconds = u64;

/// The time now.
pub fn now() -> Seconds {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A certificate that can be served.
pub struct Certificate {
    /// Where it is from.
    pub origin: Origin,
    /// Its DNS names in lower case; one that begins with `*.` stands for one label.
    pub names: Vec<String>,
    /// The first second in which it is good.
    pub not_before: Seconds,
    /// The last second in which it is good.
    pub not_after: Seconds,
    /// For clients that may speak HTTP/2.
    both: Arc<ServerConfig>,
    /// For those that may not.
    http1: Arc<ServerConfig>,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate({} for {:?})", self.origin, self.names)
    }
}

/// Why a chain and a key cannot be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// No certificate in the chain.
    #[error("it holds no certificate in PEM")]
    NoCertificate,
    /// Too many.
    #[error("its chain has more than {MAX_CHAIN} certificates")]
    LongChain,
    /// The certificate is damaged.
    #[error("its first certificate cannot be read: {0}")]
    Unreadable(String),
    /// It is for no name.
    #[error("its first certificate is for no DNS name")]
    NoName,
    /// No key.
    #[error("its key file holds no private key in PEM")]
    NoKey,
    /// The key does not fit.
    #[error("the key is not the one of the certificate")]
    WrongKey,
    /// TLS cannot be done with them.
    #[error("it cannot be used for TLS: {0}")]
    Refused(String),
}

impl Unusable {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoCertificate | Self::Unreadable(_) => {
                "put the whole chain there in PEM, beginning with the certificate itself"
            }
            Self::LongChain => "leave out certificates that do not belong to the chain",
            Self::NoName => "have it issued with the domain as a subject alternative name",
            Self::NoKey => "put the private key there in PEM, not encrypted",
            Self::WrongKey => "put the key there that the certificate was made with",
            Self::Refused(_) => "use a key of ECDSA P-256 or P-384, Ed25519, or RSA with 2048 bits or more",
        }
    }
}

/// What all certificates are served with: one TLS provider, and tickets that any of them may resume.
#[derive(Debug, Clone)]
pub struct Tls {
    provider: Arc<CryptoProvider>,
    tickets: Option<Arc<dyn ProducesTickets>>,
}

impl Tls {
    /// ring, with tickets if it can make keys for them.
    pub fn new() -> Self {
        let tickets = rustls::crypto::ring::Ticketer::new().ok();
        Self { provider: Arc::new(rustls::crypto::ring::default_provider()), tickets }
    }

    /// The side of TLS that answers with one certificate.
    ///
    /// # Errors
    /// The provider has no version of TLS in common with us.
    pub fn config(&self, key: CertifiedKey, protocols: &[&[u8]]) -> Result<ServerConfig, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::clone(&self.provider));
        let builder = builder.with_safe_default_protocol_versions()?.with_no_client_auth();
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(key)));
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        // Sessions live in tickets that clients keep: nothing grows here, however many certificates there are.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        if let Some(tickets) = &self.tickets {
            config.ticketer = Arc::clone(tickets);
        }
        Ok(config)
    }

    /// A chain with its key, which must fit.
    ///
    /// # Errors
    /// Either is missing, or they do not belong together.
    fn certified(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<CertifiedKey, Unusable> {
        CertifiedKey::from_der(chain, key, &self.provider).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Unusable::WrongKey,
            error => Unusable::Refused(error.to_string()),
        })
    }

    /// A certificate that was just made with this key, which is not looked at: rustls reads none with a critical extension
    /// that it does not know, as that of a challenge has.
    ///
    /// # Errors
    /// The provider cannot sign with the key.
    pub fn made(
        &self,
        certificate: CertificateDer<'static>,
        key: PrivateKeyDer<'static>,
    ) -> Result<CertifiedKey, rustls::Error> {
        Ok(CertifiedKey::new(vec![certificate], self.provider.key_provider.load_private_key(key)?))
    }

    /// Reads a chain and its key, both in PEM.
    ///
    /// # Errors
    /// They cannot be served.
    pub fn load(&self, origin: Origin, chain: &[u8], key: &[u8]) -> Result<Certificate, Unusable> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).take(MAX_CHAIN + 1).collect();
        let chain = chain.map_err(|error| Unusable::Unreadable(error.to_string()))?;
        if chain.len() > MAX_CHAIN {
            return Err(Unusable::LongChain);
        }
        let leaf = Leaf::read(chain.first().ok_or(Unusable::NoCertificate)?)?;
        // What the file holds is not shown: it may be a key after all.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unusable::NoKey)?;
        let key = self.certified(chain, key)?;
        let config = self.config(key, &[H2, HTTP1]).map_err(|error| Unusable::Refused(error.to_string()))?;
        let mut http1 = config.clone();
        http1.alpn_protocols = vec![HTTP1.to_vec()];
        let Leaf { names, not_before, not_after } = leaf;
        Ok(Certificate { origin, names, not_before, not_after, both: Arc::new(config), http1: Arc::new(http1) })
    }
}

/// HTTP/2 in the negotiation of protocols.
pub const H2: &[u8] = b"h2";
/// HTTP/1.1 there.
pub const HTTP1: &[u8] = b"http/1.1";

impl Certificate {
    /// Whether it is good for a host in lower case.
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| matches(name, host))
    }

    /// Whether its time is over.
    pub fn has_ended(&self, now: Seconds) -> bool {
        now > self.not_after
    }

    /// The side of TLS that answers with it.
    pub fn config(&self, only_http1: bool) -> Arc<ServerConfig> {
        Arc::clone(if only_http1 { &self.http1 } else { &self.both })
    }
}

/// Whether a name of a certificate stands for a host: itself, or `*.` and any one label.
fn matches(name: &str, host: &str) -> bool {
    match name.strip_prefix("*.") {
        Some(parent) => host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == parent),
        None => name == host,
    }
}

/// What is read of a certificate itself.
struct Leaf {
    names: Vec<String>,
    not_before: Seconds,
    not_after: Seconds,
}

impl Leaf {
    fn read(der: &CertificateDer<'_>) -> Result<Self, Unusable> {
        let unreadable = |error: x509_cert::der::Error| Unusable::Unreadable(error.to_string());
        let certificate = x509_cert::Certificate::from_der(der).map_err(unreadable)?.tbs_certificate;
        let alternative = certificate.get::<SubjectAltName>().map_err(unreadable)?;
        let alternative = alternative.map(|(_, names)| names.0).unwrap_or_default();
        let names = alternative.iter().filter_map(|name| match name {
            GeneralName::DnsName(name) => Some(name.as_str().to_ascii_lowercase()),
            _ => None,
        });
        let names: Vec<String> = names.take(MAX_NAMES).collect();
        if names.is_empty() {
            return Err(Unusable::NoName);
        }
        let validity = certificate.validity;
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        Ok(Self { names, not_before: seconds(validity.not_before), not_after: seconds(validity.not_after) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(names: &[&str]) -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let certificate = rcgen::CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn load(chain: &str, key: &str) -> Result<Certificate, Unusable> {
        Tls::new().load(Origin::Acme, chain.as_bytes(), key.as_bytes())
    }

    #[test]
    fn a_wildcard_stands_for_one_label_and_nothing_else() {
        let (chain, key) = made(&["Shop.test", "*.shop.test"]);
        let certificate = load(&chain, &key).unwrap();
        for host in ["shop.test", "a.shop.test"] {
            assert!(certificate.covers(host), "{host}");
        }
        for host in ["b.a.shop.test", "test", "xshop.test", ".shop.test", "*.test", ""] {
            assert!(!certificate.covers(host), "{host}");
        }
        assert!(certificate.not_before < certificate.not_after);
    }

    #[test]
    fn r28_what_cannot_be_served_says_why_and_shows_nothing_of_a_key() {
        let ((chain, key), (_, other)) = (made(&["a.test"]), made(&["a.test"]));
        assert_eq!(load(&chain, &other).unwrap_err(), Unusable::WrongKey);
        assert_eq!(load("", &key).unwrap_err(), Unusable::NoCertificate);
        assert_eq!(load(&key, &key).unwrap_err(), Unusable::NoCertificate);
        assert_eq!(load(&chain, &chain).unwrap_err(), Unusable::NoKey);
        assert_eq!(load(&chain.repeat(MAX_CHAIN + 1), &key).unwrap_err(), Unusable::LongChain);
        let (nameless, key_of_it) = made(&[]);
        assert_eq!(load(&nameless, &key_of_it).unwrap_err(), Unusable::NoName);
        let broken = "-----BEGIN CERTIFICATE-----\naHVudGVyMg==\n-----END CERTIFICATE-----\n";
        let why = load(broken, &key).unwrap_err();
        assert!(matches!(why, Unusable::Unreadable(_)) && !why.to_string().contains("hunter2"), "{why}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_loaded_or_refused(chain: Vec<u8>, key: Vec<u8>) {
            proptest::prop_assert!(Tls::new().load(Origin::Acme, &chain, &key).is_err());
        }
    }
}
