//! What secrets promise.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::{Key, SecretError, Secrets, SecretsSeen};
use crate::model::secret::SecretRef;
use crate::model::{ContainerSpec, Retry};

const VALUE: &str = "hunter2-xyzzy";

fn credentials(files: &[(&str, &[u8])]) -> (TempDir, Secrets) {
    let dir = tempfile::tempdir().unwrap();
    for (name, content) in files {
        fs::write(dir.path().join(name), content).unwrap();
    }
    let secrets = Secrets::new(dir.path());
    (dir, secrets)
}

fn credential(name: &str) -> SecretRef {
    SecretRef::Credential(name.into())
}

fn spec(reference: SecretRef) -> ContainerSpec {
    ContainerSpec { secret_environment: [("PASSWORD".to_owned(), reference)].into(), ..ContainerSpec::default() }
}

fn key(dir: &Path) -> Key {
    Key::read_or_make(&dir.join("fingerprint.key")).unwrap()
}

#[test]
fn a_secret_is_read_without_the_line_end_after_it() {
    let (dir, secrets) = credentials(&[("a", b"x"), ("b", b"x\n"), ("c", b"x\r\n"), ("d", b"x\n\n"), ("e", b" x ")]);
    let read = |name: &str| secrets.read(&credential(name)).unwrap().expose_secret().to_owned();
    assert_eq!(["a", "b", "c", "d", "e"].map(read), ["x", "x", "x", "x\n", " x "]);
    let file = SecretRef::File(dir.path().join("a").to_str().unwrap().into());
    assert_eq!(secrets.read(&file).unwrap().expose_secret(), "x");
    let env = secrets.read(&SecretRef::Env("CARGO_MANIFEST_DIR".into())).unwrap();
    assert_eq!(env.expose_secret(), env!("CARGO_MANIFEST_DIR"));
}

#[test]
fn r30_a_credential_is_a_file_of_its_directory_and_nothing_else() {
    let (_dir, secrets) = credentials(&[]);
    for name in ["", ".", "..", "../etc/passwd", "/etc/passwd", "a/b", ".hidden", "a\0b"] {
        let error = secrets.read(&credential(name)).unwrap_err();
        assert!(matches!(error, SecretError::BadName { .. }), "{name}: {error:?}");
    }
    let error = secrets.read(&SecretRef::File("relative/path".into())).unwrap_err();
    assert!(matches!(error, SecretError::NotAbsolute { .. }), "{error:?}");
}

#[test]
fn a_missing_secret_names_itself_and_where_it_belongs() {
    let (dir, secrets) = credentials(&[]);
    let error = secrets.read(&credential("shop_db")).unwrap_err();
    assert_eq!(error.to_string(), "credential shop_db does not exist");
    assert!(error.hint().unwrap().contains(dir.path().join("shop_db").to_str().unwrap()));
    for name in ["LANDFALL_NO_SUCH_VARIABLE", "", "A=B", "A\0B"] {
        let error = secrets.read(&SecretRef::Env(name.into())).unwrap_err();
        assert!(matches!(error, SecretError::Missing { path: None, .. }), "{name}: {error:?}");
        assert!(error.hint().unwrap().contains("landfall itself"));
        assert_eq!(error.retry(), Retry::OnChange);
    }
}

#[test]
fn what_cannot_be_a_secret_is_refused_without_blocking() {
    let long = vec![b'x'; 65_537];
    let bad: [(&str, &[u8]); 5] =
        [("empty", b""), ("line", b"\n"), ("nul", b"a\0b"), ("binary", b"\xff\xfe"), ("long", &long)];
    let (dir, secrets) = credentials(&bad);
    fs::create_dir(dir.path().join("directory")).unwrap();
    let pipe = dir.path().join("pipe");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    for name in ["empty", "line", "nul", "binary", "long", "directory", "pipe"] {
        let error = secrets.read(&credential(name)).unwrap_err();
        assert!(matches!(error, SecretError::Unusable { .. }), "{name}: {error:?}");
    }
    let (_dir, secrets) = credentials(&[("most", &long[1..])]);
    assert_eq!(secrets.read(&credential("most")).unwrap().expose_secret().len(), 65_536);
}

#[test]
fn r28_no_error_and_no_debug_text_holds_a_value() {
    let content = format!("{VALUE}\0");
    let (dir, secrets) = credentials(&[("bad", content.as_bytes()), ("good", VALUE.as_bytes())]);
    let error = secrets.read(&credential("bad")).unwrap_err();
    let value = secrets.read(&credential("good")).unwrap();
    let key = key(dir.path());
    let seen = secrets.seen(Some(&key), &spec(credential("good")));
    let unreadable = secrets.seen(Some(&key), &spec(credential("bad")));
    let texts = format!("{error} {error:?} {:?} {value:?} {key:?} {secrets:?} {seen:?} {unreadable:?}", error.hint());
    assert!(!texts.contains(VALUE), "{texts}");
}

#[test]
fn r19_a_fingerprint_tells_that_a_value_changed_and_not_whether_two_are_equal() {
    let (dir, secrets) = credentials(&[("a", b"one"), ("b", b"one"), ("c", b"two")]);
    let key = key(dir.path());
    let print = |reference: &str| match secrets.seen(Some(&key), &spec(credential(reference))) {
        SecretsSeen::Known(fingerprint) => fingerprint,
        other => panic!("{other:?}"),
    };
    assert_eq!(print("a"), print("b"), "where it is read from does not count");
    assert_ne!(print("a"), print("c"));
    assert_eq!((print("a").key_id, print("a").values["PASSWORD"].len()), (key.id(), 16));
    let mut both = spec(credential("a"));
    both.secret_files.insert("/run/secret".into(), credential("a"));
    let SecretsSeen::Known(both) = secrets.seen(Some(&key), &both) else { panic!("known") };
    assert_ne!(both.values["PASSWORD"], both.values["/run/secret"]);
}

#[test]
fn r18_what_cannot_be_compared_is_said_and_not_guessed() {
    let (dir, secrets) = credentials(&[("a", b"one")]);
    assert_eq!(secrets.seen(None, &ContainerSpec::default()), SecretsSeen::None);
    assert_eq!(secrets.seen(None, &spec(credential("a"))), SecretsSeen::NoKey);
    let key = key(dir.path());
    let SecretsSeen::Unreadable(why) = secrets.seen(Some(&key), &spec(credential("b"))) else { panic!("unreadable") };
    assert_eq!(why, "credential b does not exist");
}

#[test]
fn r21_the_key_is_made_by_a_writer_once_for_its_owner_only_and_never_by_a_reader() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fingerprint.key");
    assert!(Key::read(&path).is_none());
    assert!(!path.exists());
    let key = key(dir.path());
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(path.metadata().unwrap().len(), 32);
    assert_eq!(Key::read_or_make(&path).unwrap().id(), key.id());
    assert_eq!(Key::read(&path).unwrap().id(), key.id());
    assert_ne!(super::tests::key(tempfile::tempdir().unwrap().path()).id(), key.id());
}

#[test]
fn a_key_that_was_cut_off_is_not_replaced_in_silence() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fingerprint.key");
    for content in ["", "short", "longer than the thirty-two bytes that it has"] {
        fs::write(&path, content).unwrap();
        let error = Key::read_or_make(&path).unwrap_err();
        assert!(error.hint().unwrap().contains("fingerprint.key"), "{error:?}");
        assert!(Key::read(&path).is_none());
    }
}
