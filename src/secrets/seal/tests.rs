//! What sealing promises.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use secrecy::{ExposeSecret as _, SecretString};
use tempfile::TempDir;

use super::{BASE64, CREDENTIAL, KeyPlace, SealingKey};
use crate::secrets::{Distrust, SecretError, sealed};

const VALUE: &str = "eyJhbGciOi.hunter2-xyzzy";
const PURPOSE: &[&str] = &["npm token", "https://npm.lan:81", "bot@example.com"];

/// A credentials directory and a data directory, both empty.
struct Dirs(TempDir);

impl Dirs {
    fn new() -> Self {
        let dirs = Self(tempfile::tempdir().unwrap());
        fs::create_dir(dirs.credentials()).unwrap();
        fs::create_dir(dirs.data()).unwrap();
        dirs
    }

    fn credentials(&self) -> PathBuf {
        self.0.path().join("credentials")
    }

    fn data(&self) -> PathBuf {
        self.0.path().join("data")
    }

    fn file(&self) -> PathBuf {
        self.data().join("sealing.key")
    }

    fn token(&self) -> PathBuf {
        self.data().join("npm.token")
    }

    fn credential(&self, content: &[u8]) {
        fs::write(self.credentials().join(CREDENTIAL), content).unwrap();
    }

    /// Calls something with the place of the key.
    fn at<T>(&self, call: impl FnOnce(KeyPlace<'_>) -> T) -> T {
        call(KeyPlace { credentials: &self.credentials(), file: &self.file() })
    }

    fn read(&self) -> Result<Option<SealingKey>, SecretError> {
        self.at(SealingKey::read)
    }

    fn made(&self) -> SealingKey {
        self.at(|place| SealingKey::read_or_make(place, &[])).unwrap()
    }

    /// Paths and bytes of everything there is.
    fn state(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let files = |dir: PathBuf| fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let all = files(self.credentials()).chain(files(self.data()));
        all.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }
}

fn key() -> SealingKey {
    Dirs::new().made()
}

fn value() -> SecretString {
    SecretString::from(VALUE)
}

fn mode(path: &Path) -> u32 {
    path.metadata().unwrap().mode() & 0o7777
}

#[test]
fn what_is_sealed_opens_with_its_key_for_its_purpose() {
    let key = key();
    let long = "ü".repeat(30_000);
    for plain in ["", "x", VALUE, "two\nlines\0", &long] {
        let text = key.seal(PURPOSE, &SecretString::from(plain)).unwrap();
        assert_eq!(key.open(PURPOSE, &text).unwrap().expose_secret(), plain);
    }
}

#[test]
fn r28_a_sealed_text_is_one_line_that_shows_nothing_of_the_value() {
    let key = key();
    let text = key.seal(PURPOSE, &value()).unwrap();
    assert!(text.is_ascii() && !text.contains(char::is_whitespace), "{text}");
    assert!(text.starts_with(&format!("sealed1.{}.", key.id())), "{text}");
    let bytes = BASE64.decode(text.rsplit_once('.').unwrap().1).unwrap();
    assert_eq!(bytes.len(), 24 + VALUE.len() + 16);
    let shown = String::from_utf8_lossy(&bytes);
    let parts = VALUE.as_bytes().windows(8).map(|part| std::str::from_utf8(part).unwrap());
    for part in parts {
        assert!(!text.contains(part) && !shown.contains(part), "{part} stands in {text}");
    }
    let again = key.seal(PURPOSE, &value()).unwrap();
    assert_ne!(text, again, "each sealing has a nonce of its own");
}

#[test]
fn r28_no_debug_text_and_no_error_shows_key_or_value() {
    let dirs = Dirs::new();
    dirs.credential(VALUE.repeat(2).as_bytes());
    let key = dirs.read().unwrap().unwrap();
    let text = key.seal(PURPOSE, &value()).unwrap();
    let plain = key.open(PURPOSE, &text).unwrap();
    let errors = [
        key.open(&["other"], &text).unwrap_err(),
        self::key().open(PURPOSE, &text).unwrap_err(),
        key.open(PURPOSE, VALUE).unwrap_err(),
    ];
    let hints: Vec<_> = errors.iter().map(SecretError::hint).collect();
    let shown = format!("{key:?} {plain:?} {errors:?} {hints:?}");
    assert!(!shown.contains(VALUE) && shown.contains(key.id()), "{shown}");
    let hex: String = key.key.iter().map(|byte| format!("{byte:02x}")).collect();
    assert!(!shown.contains(&hex) && !hex.contains(key.id()), "{shown}");
}

#[test]
fn a_text_with_any_bit_changed_does_not_open() {
    let key = key();
    let text = key.seal(PURPOSE, &value()).unwrap();
    for (at, bit) in (0..text.len()).flat_map(|at| (0..7).map(move |bit| (at, bit))) {
        let mut bytes = text.clone().into_bytes();
        bytes[at] ^= 1 << bit;
        let changed = String::from_utf8(bytes).unwrap();
        let error = key.open(PURPOSE, &changed).unwrap_err();
        let is_told = matches!(error, SecretError::Damaged { .. } | SecretError::OtherKey { .. });
        assert!(is_told, "byte {at}, bit {bit}: {error:?}");
    }
    for cut in 0..text.len() {
        assert!(matches!(key.open(PURPOSE, &text[..cut]), Err(SecretError::Damaged { .. })), "cut at {cut}");
    }
    for strange in [format!("{text}A"), format!("{text}="), format!(" {text}"), text.replace("sealed1", "sealed2")] {
        assert!(matches!(key.open(PURPOSE, &strange), Err(SecretError::Damaged { .. })), "{strange}");
    }
}

#[test]
fn a_text_moved_to_another_row_or_account_does_not_open() {
    let key = key();
    let text = key.seal(&["ab", "c"], &value()).unwrap();
    assert!(key.open(&["ab", "c"], &text).is_ok());
    for other in [&["a", "bc"][..], &["abc"], &["ab", "c", ""], &["ab"], &["c", "ab"], &["ab", "C"], &[]] {
        let error = key.open(other, &text).unwrap_err();
        assert!(matches!(error, SecretError::Damaged { .. }), "{other:?}: {error:?}");
        assert!(error.to_string().contains(&other.join(" ")), "{error}");
    }
}

#[test]
fn another_key_is_told_by_both_ids() {
    let (first, second) = (key(), key());
    assert_ne!(first.id(), second.id());
    let text = first.seal(PURPOSE, &value()).unwrap();
    let error = second.open(PURPOSE, &text).unwrap_err();
    assert!(matches!(error, SecretError::OtherKey { .. }), "{error:?}");
    assert!(error.to_string().contains(first.id()) && error.to_string().contains(second.id()), "{error}");
    assert!(error.hint().unwrap().contains(first.id()), "{:?}", error.hint());
    let renamed = text.replace(first.id(), second.id());
    assert!(matches!(second.open(PURPOSE, &renamed), Err(SecretError::Damaged { .. })));
}

#[test]
fn r21_a_reader_makes_no_key() {
    let dirs = Dirs::new();
    assert!(dirs.read().unwrap().is_none());
    assert_eq!(dirs.state(), []);
    let gone = Dirs::new();
    fs::remove_dir(gone.data()).unwrap();
    fs::remove_dir(gone.credentials()).unwrap();
    assert!(gone.read().unwrap().is_none());
    assert!(!gone.data().exists() && !gone.credentials().exists());
}

#[test]
fn r28_the_key_is_made_once_and_for_its_owner_only() {
    let dirs = Dirs::new();
    let key = dirs.made();
    assert_eq!((mode(&dirs.file()), fs::read(dirs.file()).unwrap().len()), (0o600, 32));
    let state = dirs.state();
    assert_eq!(state.len(), 1, "nothing is left beside it: {state:?}");
    assert_eq!(dirs.made().id(), key.id());
    assert_eq!(dirs.read().unwrap().unwrap().id(), key.id());
    assert_eq!(dirs.state(), state);
}

#[test]
fn a_credential_wins_over_the_file_and_none_is_made_beside_it() {
    let dirs = Dirs::new();
    let from_file = dirs.made();
    dirs.credential(&[b'k'; 40]);
    let from_credential = dirs.read().unwrap().unwrap();
    assert_ne!(from_credential.id(), from_file.id());
    assert_eq!(dirs.made().id(), from_credential.id());
    let fresh = Dirs::new();
    fresh.credential(&[b'k'; 40]);
    assert_eq!(fresh.made().id(), from_credential.id());
    assert!(!fresh.file().exists());
    fresh.credential(&fs::read(dirs.file()).unwrap());
    assert_eq!(fresh.made().id(), from_file.id(), "the file's bytes as a credential are the same key");
}

#[test]
fn a_credential_that_is_no_key_is_refused_and_not_passed_over() {
    let dirs = Dirs::new();
    dirs.made();
    for content in [&b""[..], &[b'k'; 31], &vec![b'k'; (64 << 10) + 1]] {
        dirs.credential(content);
        let error = dirs.read().unwrap_err();
        assert!(matches!(error, SecretError::SealingKey { .. }), "{error:?}");
        assert!(error.to_string().contains(CREDENTIAL), "{error}");
    }
    fs::remove_file(dirs.credentials().join(CREDENTIAL)).unwrap();
    fs::create_dir(dirs.credentials().join(CREDENTIAL)).unwrap();
    let error = dirs.read().unwrap_err();
    assert!(matches!(error, SecretError::Untrusted { why: Distrust::NotAFile, .. }), "{error:?}");
}

#[test]
fn r28_a_key_file_that_others_can_use_is_refused() {
    let dirs = Dirs::new();
    let key = dirs.made();
    for open in [0o640, 0o604, 0o660, 0o602, 0o644, 0o666, 0o4610] {
        fs::set_permissions(dirs.file(), Permissions::from_mode(open)).unwrap();
        for error in [dirs.read().unwrap_err(), dirs.at(|place| SealingKey::read_or_make(place, &[])).unwrap_err()] {
            assert!(matches!(error, SecretError::Untrusted { why: Distrust::Mode(_), .. }), "{open:o}: {error:?}");
            let (path, hint) = (dirs.file().display().to_string(), error.hint().unwrap());
            assert!(error.to_string().contains(&path), "{error}");
            assert!(hint.contains(&format!("chmod 0600 {path}")), "{hint}");
        }
    }
    for closed in [0o600, 0o400] {
        fs::set_permissions(dirs.file(), Permissions::from_mode(closed)).unwrap();
        assert_eq!(dirs.read().unwrap().unwrap().id(), key.id());
    }
}

#[test]
fn a_key_file_that_is_no_file_or_was_cut_off_is_not_replaced() {
    let dirs = Dirs::new();
    let refused = |dirs: &Dirs| {
        let state = dirs.file().symlink_metadata().unwrap().ino();
        let error = dirs.at(|place| SealingKey::read_or_make(place, &[])).unwrap_err();
        assert_eq!(dirs.file().symlink_metadata().unwrap().ino(), state, "it was replaced");
        error
    };
    symlink(dirs.data().join("not-mounted-yet"), dirs.file()).unwrap();
    assert!(matches!(refused(&dirs), SecretError::Untrusted { why: Distrust::NotAFile, .. }));
    fs::remove_file(dirs.file()).unwrap();
    let pipe = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, dirs.file(), pipe, 0o600.into(), 0).unwrap();
    assert!(matches!(refused(&dirs), SecretError::Untrusted { why: Distrust::NotAFile, .. }));
    fs::remove_file(dirs.file()).unwrap();
    for bytes in [0, 31, 33] {
        fs::write(dirs.file(), vec![1; bytes]).unwrap();
        fs::set_permissions(dirs.file(), Permissions::from_mode(0o600)).unwrap();
        let error = refused(&dirs);
        assert!(matches!(error, SecretError::SealingKey { .. }), "{bytes}: {error:?}");
        assert!(error.hint().unwrap().contains("sealing.key"), "{error:?}");
    }
}

#[test]
fn r28_a_lost_key_is_an_error_and_not_made_anew() {
    let dirs = Dirs::new();
    let key = dirs.made();
    sealed::write(&dirs.token(), &key.seal(PURPOSE, &value()).unwrap()).unwrap();
    fs::remove_file(dirs.file()).unwrap();
    let (token, none) = (dirs.token(), dirs.read().unwrap());
    let errors = [
        dirs.at(|place| SealingKey::read_or_make(place, &[&token])).unwrap_err(),
        dirs.at(|place| sealed::open(none.as_ref(), place, &token, PURPOSE)).unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error, SecretError::LostKey { .. }), "{error:?}");
        assert!(error.to_string().contains("npm.token"), "{error}");
        let hint = error.hint().unwrap();
        assert!(hint.contains("sealing.key") && hint.contains("npm.token") && hint.contains(CREDENTIAL), "{hint}");
    }
    assert!(!dirs.file().exists());
    fs::remove_file(&token).unwrap();
    assert!(dirs.at(|place| SealingKey::read_or_make(place, &[&token])).is_ok());
}

#[test]
fn r28_a_sealed_file_is_for_its_owner_only_and_replaced_whole() {
    let dirs = Dirs::new();
    let (key, token) = (dirs.made(), dirs.token());
    let opened = || dirs.at(|place| sealed::open(Some(&key), place, &token, PURPOSE));
    assert!(opened().unwrap().is_none());
    fs::write(&token, "somebody's").unwrap();
    fs::set_permissions(&token, Permissions::from_mode(0o644)).unwrap();
    assert!(matches!(opened(), Err(SecretError::Damaged { .. })));
    let text = key.seal(PURPOSE, &value()).unwrap();
    sealed::write(&token, &text).unwrap();
    assert_eq!((mode(&token), fs::read_to_string(&token).unwrap()), (0o600, format!("{text}\n")));
    assert_eq!(sealed::read(&token).unwrap(), Some(text));
    assert_eq!(opened().unwrap().unwrap().expose_secret(), VALUE);
    assert_eq!(dirs.state().len(), 2, "nothing is left beside it");
}

#[test]
fn a_sealed_file_that_two_write_at_once_is_one_of_theirs() {
    let dirs = Dirs::new();
    let token = dirs.token();
    std::thread::scope(|scope| {
        for writer in ["a", "b", "c", "d"] {
            let (text, token) = (writer.repeat(9_000), &token);
            scope.spawn(move || (0..25).for_each(|_| sealed::write(token, &text).unwrap()));
        }
    });
    let text = sealed::read(&token).unwrap().unwrap();
    assert_eq!(text, text[..1].repeat(9_000));
    assert_eq!(dirs.state().len(), 1, "nothing is left beside it");
}

#[test]
fn what_cannot_be_a_sealed_file_is_told() {
    let dirs = Dirs::new();
    let token = dirs.token();
    for content in [&b"\xff\xfe"[..], &vec![b'x'; (128 << 10) + 1]] {
        fs::write(&token, content).unwrap();
        let error = sealed::read(&token).unwrap_err();
        assert!(matches!(error, SecretError::SealedFile { .. }), "{error:?}");
    }
    fs::remove_file(&token).unwrap();
    symlink("/dev/zero", &token).unwrap();
    assert!(matches!(sealed::read(&token), Err(SecretError::Untrusted { .. })));
    let error = sealed::write(&dirs.data().join("gone/npm.token"), "x").unwrap_err();
    assert!(matches!(error, SecretError::SealedFile { .. }), "{error:?}");
}
