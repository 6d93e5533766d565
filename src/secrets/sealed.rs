//! A sealed text in a file of its own, such as the token of a proxy.
//!
//! *Guarantees*: the file is for its owner only and always whole, also when two write at once; what is sealed and has
//! no key any more is an error that says so. *Must not*: take a text that was not sealed.

use std::io::{self, ErrorKind};
use std::path::Path;

use secrecy::SecretString;

use super::error::SecretError;
use super::keyfile::{self, Distrust};
use super::read::MAX_BYTES;
use super::seal::{KeyPlace, SealingKey};

/// A sealed value is longer by its nonce, its tag and a third.
const MAX_SEALED_BYTES: usize = MAX_BYTES * 2;

/// Writes a sealed text, mode 0600, in place of what was there.
///
/// # Errors
/// The file cannot be written.
pub fn write(path: &Path, text: &str) -> Result<(), SecretError> {
    keyfile::write(path, format!("{text}\n").as_bytes()).map_err(|source| cannot_use(path, source))
}

/// The sealed text in a file; none when there is no file.
///
/// # Errors
/// It is there and cannot be read, or is no text.
pub fn read(path: &Path) -> Result<Option<String>, SecretError> {
    let untrusted = || SecretError::Untrusted { path: path.to_owned(), why: Distrust::NotAFile };
    let file = match keyfile::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) if keyfile::is_link(&error) => return Err(untrusted()),
        Ok(file) if !file.metadata().is_ok_and(|metadata| metadata.is_file()) => return Err(untrusted()),
        result => result.map_err(|source| cannot_use(path, source))?,
    };
    let bytes = keyfile::read(file, MAX_SEALED_BYTES).map_err(|source| cannot_use(path, source))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) if bytes.len() <= MAX_SEALED_BYTES => Ok(Some(text.trim_end().to_owned())),
        Ok(_) | Err(_) => Err(cannot_use(path, io::Error::other("it holds no sealed text"))),
    }
}

/// What is sealed in a file; none when there is no file.
///
/// # Errors
/// There is a file and no key, or the key does not open it.
pub fn open(
    key: Option<&SealingKey>,
    place: KeyPlace<'_>,
    path: &Path,
    bound_to: &[&str],
) -> Result<Option<SecretString>, SecretError> {
    match (read(path)?, key) {
        (None, _) => Ok(None),
        (Some(_), None) => Err(SecretError::lost_key(path.display(), place.file)),
        (Some(text), Some(key)) => key.open(bound_to, &text).map(Some),
    }
}

fn cannot_use(path: &Path, source: io::Error) -> SecretError {
    SecretError::SealedFile { path: path.to_owned(), source }
}
