//! What an authority asks to see before it issues: an answer over HTTP, or a certificate of a special kind over TLS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::super::certificate::Tls;

/// The protocol by which an authority asks for the certificate of a challenge (RFC 8737).
pub const PROTOCOL: &[u8] = b"acme-tls/1";
/// Where it asks over HTTP (RFC 8555, 8.3).
const PATH: &str = "/.well-known/acme-challenge/";

/// The challenges of orders under way.
#[derive(Default)]
pub struct Challenges(Mutex<Open>);

#[derive(Default)]
struct Open {
    /// Answers by token.
    answers: HashMap<String, String>,
    /// Sides of TLS by host.
    sides: HashMap<String, Arc<ServerConfig>>,
}

impl Challenges {
    /// The answer to a request for this path, if it is about a challenge of ours.
    pub fn answer(&self, path: &str) -> Option<String> {
        self.open().answers.get(path.strip_prefix(PATH)?).cloned()
    }

    /// The side of TLS for a challenge about this host.
    pub fn side(&self, host: &str) -> Option<Arc<ServerConfig>> {
        self.open().sides.get(host).map(Arc::clone)
    }

    /// Answers for a token until the guard goes.
    pub fn put_answer(self: &Arc<Self>, token: &str, answer: &str) -> Shown {
        self.open().answers.insert(token.to_owned(), answer.to_owned());
        Shown { challenges: Arc::clone(self), token: Some(token.to_owned()), host: None }
    }

    /// Shows the certificate with a digest until the guard goes.
    pub fn put_side(self: &Arc<Self>, host: &str, digest: &[u8], tls: &Tls) -> Result<Shown, String> {
        let side = side(host, digest, tls)?;
        self.open().sides.insert(host.to_owned(), Arc::new(side));
        Ok(Shown { challenges: Arc::clone(self), token: None, host: Some(host.to_owned()) })
    }

    /// A panic elsewhere cannot leave the maps half-made.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Something is shown until this goes.
pub struct Shown {
    challenges: Arc<Challenges>,
    token: Option<String>,
    host: Option<String>,
}

impl Drop for Shown {
    fn drop(&mut self) {
        let mut open = self.challenges.open();
        if let Some(token) = &self.token {
            open.answers.remove(token);
        }
        if let Some(host) = &self.host {
            open.sides.remove(host);
        }
    }
}

fn side(host: &str, digest: &[u8], tls: &Tls) -> Result<ServerConfig, String> {
    let text = |error: rcgen::Error| error.to_string();
    let mut params = CertificateParams::new([host.to_owned()]).map_err(text)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(text)?;
    let certificate = params.self_signed(&key).map_err(text)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let side = tls.made(certificate.der().clone(), key).and_then(|key| tls.config(key, &[PROTOCOL]));
    side.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_ours_is_answered_and_only_while_it_is_asked_for() {
        let challenges = Arc::new(Challenges::default());
        let shown = challenges.put_answer("token", "token.thumb");
        assert_eq!(challenges.answer("/.well-known/acme-challenge/token").as_deref(), Some("token.thumb"));
        for path in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/other", "/token", "token"] {
            assert_eq!(challenges.answer(path), None, "{path}");
        }
        drop(shown);
        assert_eq!(challenges.answer("/.well-known/acme-challenge/token"), None);

        let shown = challenges.put_side("a.test", &[7; 32], &Tls::new()).unwrap();
        assert!(challenges.side("a.test").is_some() && challenges.side("b.test").is_none());
        drop(shown);
        assert!(challenges.side("a.test").is_none());
    }
}
