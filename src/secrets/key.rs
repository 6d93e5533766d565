//! The key that fingerprints of secrets are made with: 32 random bytes in `<data>/fingerprint.key`, 0600.
//!
//! Without it a fingerprint would be a plain hash, and a short password could be found by trying. It never leaves its
//! file; fingerprints carry its id, so that those of another key are not compared (R18).

use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::model::hash;

use super::error::SecretError;
use super::keyfile::{self, KEY_BYTES};

/// Hex digits of the key's hash that name it, and of a fingerprint: enough to tell apart, not enough to try against.
const ID_DIGITS: usize = 8;
const FINGERPRINT_DIGITS: usize = 16;

/// The key, in memory.
#[derive(Clone)]
pub struct Key(Zeroizing<[u8; KEY_BYTES]>);

impl Key {
    /// Reads the key; none when there is none or it may not be read. Makes nothing, so that `diff` may call it (R21).
    pub fn read(path: &Path) -> Option<Self> {
        load(path).ok()
    }

    /// Reads the key, or makes it on first use; the caller holds the lock of the data directory.
    pub fn read_or_make(path: &Path) -> Result<Self, SecretError> {
        let key = match load(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => keyfile::make_key(path).map(Self),
            result => result,
        };
        key.map_err(|source| SecretError::Key { path: path.to_owned(), source })
    }

    /// Names the key: the first hex digits of its hash.
    pub fn id(&self) -> String {
        hash::sha256_hex(&*self.0)[..ID_DIGITS].to_owned()
    }

    /// The fingerprint of one value. Its name counts too, so that equal values do not show as equal.
    pub fn fingerprint(&self, name: &str, value: &SecretString) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&*self.0) else {
            unreachable!("HMAC takes a key of any length")
        };
        mac.update(name.as_bytes());
        mac.update(&[0]);
        mac.update(value.expose_secret().as_bytes());
        hash::hex(&mac.finalize().into_bytes())[..FINGERPRINT_DIGITS].to_owned()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.id())
    }
}

fn load(path: &Path) -> io::Result<Key> {
    keyfile::read_key(File::open(path)?).map(Key)
}
