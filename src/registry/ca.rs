//! Authorities besides those of the system: the file that a registry's entry names, read anew for each access, so that
//! a renewed one counts at once.

use std::io::Read as _;
use std::sync::Arc;

use reqwest::{Certificate, ClientBuilder};

use super::RegistryError;
use crate::model::hash;

/// Largest file, in bytes: all authorities that the world trusts have a quarter of that.
const MAX_FILE: u64 = 1024 * 1024;

/// The certificates of a file.
#[derive(Debug, Clone)]
pub(super) struct Ca {
    /// A hash of the file's content: one client is made for it.
    pub id: String,
    certificates: Arc<[Certificate]>,
}

impl Ca {
    /// Reads a file of certificates in PEM.
    pub(super) fn read(path: &str) -> Result<Self, RegistryError> {
        let bad = |reason: String| RegistryError::CaFile { path: path.to_owned(), reason };
        let mut pem = Vec::new();
        let file = std::fs::File::open(path).map_err(|error| bad(error.to_string()))?;
        file.take(MAX_FILE + 1).read_to_end(&mut pem).map_err(|error| bad(error.to_string()))?;
        if pem.len() as u64 > MAX_FILE {
            return Err(bad(format!("it has more than {MAX_FILE} bytes")));
        }
        // What the file holds is not shown: it may be a key.
        let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| bad("it is not PEM".to_owned()))?;
        if certificates.is_empty() {
            return Err(bad("it holds no certificate".to_owned()));
        }
        Ok(Self { id: hash::sha256_hex(&pem), certificates: certificates.into() })
    }

    /// Trusts them besides the system's: a token service may be elsewhere.
    pub(super) fn trusted(&self, builder: ClientBuilder) -> ClientBuilder {
        builder.tls_certs_merge(self.certificates.iter().cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_a_file_that_is_no_certificate_is_refused_and_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        let of = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            Ca::read(path.to_str().unwrap()).unwrap_err().to_string()
        };
        assert!(of(b"hunter2").ends_with("it holds no certificate"));
        let key = b"-----BEGIN PRIVATE KEY-----\naHVudGVyMg==\n-----END PRIVATE KEY-----\n";
        assert!(of(key).ends_with("it holds no certificate"));
        let broken = of(b"-----BEGIN CERTIFICATE-----\n%%hunter2\n-----END CERTIFICATE-----\n");
        assert!(broken.contains("ca.pem") && !broken.contains("hunter2"), "{broken}");
        assert!(of(&vec![b' '; 1024 * 1024 + 1]).contains("more than"));
        let missing = Ca::read("/nowhere/ca.pem").unwrap_err().to_string();
        assert!(missing.contains("/nowhere/ca.pem") && missing.contains("No such file"), "{missing}");
    }
}
