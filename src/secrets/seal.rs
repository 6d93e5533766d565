//! Sealing: what has to be kept of secrets, such as a token, is kept encrypted and bound to what it is for (R28).
//!
//! *Guarantees*: a sealed text is one line, opens only with its own key and for what it was sealed for, and shows
//! nothing but its length. *Must not*: make a key unless asked to write (R21), make one over a lost one, or show a
//! value or a key.

use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::model::hash;

use super::error::SecretError;
use super::keyfile::{self, Distrust, KEY_BYTES};
use super::read::MAX_BYTES;

/// Name of the key in the credentials directory; it wins over the file.
pub const CREDENTIAL: &str = "landfall_sealing_key";
/// First part of a sealed text: how the rest is to be read.
const VERSION: &str = "sealed1";
const NONCE_BYTES: usize = 24;
/// Hex digits that name a key.
const ID_DIGITS: usize = 8;
/// What else is hashed with a key's bytes, so that no other use of them gives the same.
const KEY_DOMAIN: &[u8] = b"landfall sealing key\0";
const ID_DOMAIN: &[u8] = b"landfall sealing key id\0";

/// The key that seals, in memory.
#[derive(Clone)]
pub struct SealingKey {
    key: Zeroizing<[u8; KEY_BYTES]>,
    id: String,
}

/// Where the key is looked for.
#[derive(Debug, Clone, Copy)]
pub struct KeyPlace<'a> {
    /// The credentials directory; [`CREDENTIAL`] in it comes first.
    pub credentials: &'a Path,
    /// The file in the data directory.
    pub file: &'a Path,
}

impl SealingKey {
    /// Reads the key; none when there is none. Makes nothing, so that `diff` may call it (R21).
    ///
    /// # Errors
    /// One is there and cannot be used: never another one instead of it.
    pub fn read(place: KeyPlace<'_>) -> Result<Option<Self>, SecretError> {
        match credential(&place.credentials.join(CREDENTIAL))? {
            Some(key) => Ok(Some(key)),
            None => file(place.file),
        }
    }

    /// Reads the key, or makes its file on first use; the caller holds the lock of the data directory.
    ///
    /// # Errors
    /// As [`read`](Self::read), and when there is no key while one of `sealed` exists: then it was lost.
    pub fn read_or_make(place: KeyPlace<'_>, sealed: &[&Path]) -> Result<Self, SecretError> {
        if let Some(key) = Self::read(place)? {
            return Ok(key);
        }
        if let Some(sealed) = sealed.iter().find(|path| path.symlink_metadata().is_ok()) {
            return Err(SecretError::lost_key(sealed.display(), place.file));
        }
        let bytes = keyfile::make_key(place.file).map_err(|source| cannot_use(place.file, source))?;
        Ok(Self::of(&*bytes))
    }

    /// The same bytes give the same key, whether they are the credential or the file.
    fn of(bytes: &[u8]) -> Self {
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        key.copy_from_slice(&Sha256::new().chain_update(KEY_DOMAIN).chain_update(bytes).finalize());
        let id = Sha256::new().chain_update(ID_DOMAIN).chain_update(key.as_slice()).finalize();
        Self { id: hash::hex(&id)[..ID_DIGITS].to_owned(), key }
    }

    /// Names the key.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Seals a value for one purpose: version, key id, and nonce with ciphertext, on one line of ASCII. `bound_to` says
    /// what for, as in `["npm token", url, email]`; it is not kept, is shown in errors, and has to be the same for
    /// opening.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn seal(&self, bound_to: &[&str], plain: &SecretString) -> Result<String, SecretError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|source| SecretError::NoRandom { source })?;
        let payload = Payload { msg: plain.expose_secret().as_bytes(), aad: &associated(&self.id, bound_to) };
        let Ok(sealed) = self.cipher().encrypt(&XNonce::from(nonce), payload) else {
            unreachable!("only what is longer than 256 GiB cannot be encrypted")
        };
        Ok(format!("{VERSION}.{}.{}", self.id, BASE64.encode([&nonce[..], &sealed].concat())))
    }

    /// Opens what was sealed for this purpose.
    ///
    /// # Errors
    /// It was sealed with another key, or for another purpose, or is not what was written.
    pub fn open(&self, bound_to: &[&str], text: &str) -> Result<SecretString, SecretError> {
        let damaged = || SecretError::Damaged { what: bound_to.join(" ") };
        let (id, sealed) = parts(text).ok_or_else(damaged)?;
        if id != self.id {
            let (sealed_with, have) = (id.to_owned(), self.id.clone());
            return Err(SecretError::OtherKey { what: bound_to.join(" "), sealed_with, have });
        }
        let bytes = BASE64.decode(sealed).map_err(|_| damaged())?;
        let (nonce, msg) = bytes.split_first_chunk::<NONCE_BYTES>().ok_or_else(damaged)?;
        let payload = Payload { msg, aad: &associated(id, bound_to) };
        let plain = self.cipher().decrypt(&XNonce::from(*nonce), payload).map_err(|_| damaged())?;
        let plain = Zeroizing::new(plain);
        std::str::from_utf8(&plain).map(SecretString::from).map_err(|_| damaged())
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey({})", self.id)
    }
}

/// Key id, and nonce with ciphertext.
fn parts(text: &str) -> Option<(&str, &str)> {
    let (id, sealed) = text.strip_prefix(VERSION)?.strip_prefix('.')?.split_once('.')?;
    let is_id = id.len() == ID_DIGITS && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    is_id.then_some((id, sealed))
}

/// What the ciphertext is bound to. Each part has its length before it: `ab` + `c` is not `a` + `bc`.
fn associated(id: &str, bound_to: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in [VERSION, id].iter().chain(bound_to) {
        bytes.extend((part.len() as u64).to_le_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

fn cannot_use(path: &Path, source: std::io::Error) -> SecretError {
    SecretError::SealingKey { path: path.to_owned(), source }
}

/// A credential of any content that is long enough to be a key.
fn credential(path: &Path) -> Result<Option<SealingKey>, SecretError> {
    // Not through `keyfile::open`: a credential may be a link, as it may where other secrets are read.
    let bytes = match super::read::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Ok(file) if !file.metadata().is_ok_and(|metadata| metadata.is_file()) => {
            return Err(SecretError::Untrusted { path: path.to_owned(), why: Distrust::NotAFile });
        }
        result => result.and_then(|file| keyfile::read(file, MAX_BYTES)).map_err(|error| cannot_use(path, error))?,
    };
    if (KEY_BYTES..=MAX_BYTES).contains(&bytes.len()) {
        return Ok(Some(SealingKey::of(&bytes)));
    }
    let source = std::io::Error::other(format!("a key has from {KEY_BYTES} bytes to 64 KiB"));
    Err(cannot_use(path, source))
}

/// The file of the data directory: 32 bytes that only its owner can use.
fn file(path: &Path) -> Result<Option<SealingKey>, SecretError> {
    let untrusted = |why| SecretError::Untrusted { path: PathBuf::from(path), why };
    let file = match keyfile::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if keyfile::is_link(&error) => return Err(untrusted(Distrust::NotAFile)),
        result => result.map_err(|error| cannot_use(path, error))?,
    };
    match keyfile::distrust(&file) {
        Ok(Some(why)) => Err(untrusted(why)),
        Ok(None) => match keyfile::read_key(file) {
            Ok(bytes) => Ok(Some(SealingKey::of(&*bytes))),
            Err(error) => Err(cannot_use(path, error)),
        },
        Err(error) => Err(cannot_use(path, error)),
    }
}

#[cfg(test)]
mod tests;
