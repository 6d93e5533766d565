//! Reads one secret, from where its reference says.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

use crate::model::secret::SecretRef;

use super::error::SecretError;

/// Bytes of one secret: more than any key, certificate chain or token; less than what an environment can carry.
pub(super) const MAX_BYTES: usize = 64 << 10;

pub(super) fn read(credentials: &Path, reference: &SecretRef) -> Result<SecretString, SecretError> {
    match reference {
        SecretRef::Credential(name) => {
            if name.is_empty() || name.contains(['/', '\0']) || name.starts_with('.') {
                return Err(SecretError::BadName { reference: reference.clone() });
            }
            from_file(reference, &credentials.join(name))
        }
        SecretRef::File(path) => {
            if !Path::new(path).is_absolute() {
                return Err(SecretError::NotAbsolute { reference: reference.clone() });
            }
            from_file(reference, Path::new(path))
        }
        SecretRef::Env(name) => from_env(reference, name),
    }
}

fn from_env(reference: &SecretRef, name: &str) -> Result<SecretString, SecretError> {
    // The standard library panics on such a name.
    let named = !name.is_empty() && !name.contains(['=', '\0']);
    match named.then(|| std::env::var_os(name)).flatten() {
        Some(value) => checked(reference, &Zeroizing::new(value.into_encoded_bytes())),
        None => Err(SecretError::Missing { reference: reference.clone(), path: None }),
    }
}

fn from_file(reference: &SecretRef, path: &Path) -> Result<SecretString, SecretError> {
    // All the room at once: a vector that grows leaves copies of the value behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_BYTES + 1));
    let read = open(path).and_then(|file| {
        if !file.metadata()?.is_file() {
            return Ok(false);
        }
        file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
        Ok(true)
    });
    match read {
        Ok(true) => checked(reference, &bytes),
        Ok(false) => Err(unusable(reference, "is not a file")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(SecretError::Missing { reference: reference.clone(), path: Some(path.to_owned()) })
        }
        Err(source) => Err(SecretError::Io { reference: reference.clone(), source }),
    }
}

/// Without blocking: opening a named pipe would wait for its writer.
pub(super) fn open(path: &Path) -> io::Result<File> {
    let flags = rustix::fs::OFlags::NONBLOCK.bits();
    OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path)
}

/// Editors end a file with a line end that is not part of the secret; one is cut.
fn checked(reference: &SecretRef, bytes: &[u8]) -> Result<SecretString, SecretError> {
    if bytes.len() > MAX_BYTES {
        return Err(unusable(reference, "is longer than 64 KiB"));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return Err(unusable(reference, "is not UTF-8 text"));
    };
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.is_empty() {
        // Most likely a file that is just being written.
        return Err(unusable(reference, "is empty"));
    }
    if text.contains('\0') {
        return Err(unusable(reference, "holds a NUL byte"));
    }
    Ok(SecretString::from(text))
}

fn unusable(reference: &SecretRef, why: &'static str) -> SecretError {
    SecretError::Unusable { reference: reference.clone(), why }
}
