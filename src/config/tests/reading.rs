//! Reading a directory: what counts, what is refused, and that nothing is skipped in silence (R2).

use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use tempfile::TempDir;

use crate::config::{LoadError, TreeError, hash_files, load, load_head, load_revision, read_dir};
use crate::git::testing::{commit, git, repository};
use crate::git::{CommitId, Kind};
use crate::model::Retry;
use crate::model::spec::MountSource;

const GOOD: &str = "projects: { a: { image: x, volumes: [ \"./conf:/c\" ], stages: { s: { track: { tag: t } } } } }\n";

pub(super) fn site(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (path, text) in files {
        write(dir.path(), path, text);
    }
    dir
}

pub(super) fn write(dir: &Path, path: &str, text: &str) {
    let path = dir.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn titles(dir: &Path) -> Vec<String> {
    match load(dir) {
        Err(LoadError::Invalid(found)) => found.list.into_iter().map(|d| format!("{} {}", d.code, d.title)).collect(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn r2_a_missing_and_an_empty_directory_are_errors_of_their_own() {
    let dir = TempDir::new().unwrap();
    let gone = dir.path().join("gone");
    assert!(matches!(load(&gone), Err(LoadError::Missing { .. })));
    assert!(matches!(load(dir.path()), Err(LoadError::Empty { .. })));
    write(dir.path(), ".hidden.yaml", GOOD);
    write(dir.path(), ".git/x.yaml", GOOD);
    write(dir.path(), "notes.txt", "x");
    write(dir.path(), "x.yaml~", "x");
    let error = load(dir.path()).map(|_| ()).unwrap_err();
    assert!(matches!(error, LoadError::Empty { .. }));
    assert_eq!(error.retry(), Retry::OnChange);
    assert!(error.hint().is_some());
    write(dir.path(), "file", "x");
    assert!(matches!(load(&dir.path().join("file")), Err(LoadError::Unreadable { .. })));
}

#[test]
fn files_of_sub_folders_count_and_other_files_are_read_when_named() {
    let dir = site(&[("sub/deep/a.yml", GOOD), ("settings.yaml", "settings: { resync: 30s }\n"), ("conf/x", "1")]);
    let loaded = load(dir.path()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(loaded.desired.settings.resync.to_string(), "30s");
    let stage = loaded.desired.stages.values().next().unwrap();
    let MountSource::ConfigTree { path, hash } = &stage.container.mounts[0].source else { panic!("{stage:?}") };
    let content = loaded.files.content(path).unwrap();
    assert_eq!((&*content[0].path, &*content[0].bytes), ("x", &b"1"[..]));
    assert_eq!(hash_files(&content), *hash);
    assert_eq!(loaded.desired.revision, loaded.hash);
}

#[test]
fn r19_the_hash_follows_content_paths_and_the_right_to_execute() {
    let dir = site(&[("a.yaml", GOOD), ("conf/x", "1"), ("unused", "1")]);
    let mut seen = Vec::new();
    let mut look = || {
        let loaded = load(dir.path()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(load(dir.path()).map(|l| l.hash).unwrap_or_default(), loaded.hash, "the same files, the same hash");
        seen.push(loaded.hash);
    };
    look();
    write(dir.path(), "conf/x", "2");
    look();
    fs::set_permissions(dir.path().join("conf/x"), fs::Permissions::from_mode(0o755)).unwrap();
    look();
    fs::rename(dir.path().join("conf/x"), dir.path().join("conf/y")).unwrap();
    look();
    write(dir.path(), "a.yaml", &GOOD.replace("tag: t", "tag: u"));
    look();
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
    let before = load(dir.path()).map(|l| l.hash).unwrap_or_default();
    write(dir.path(), "unused", "2");
    assert_eq!(load(dir.path()).map(|l| l.hash).unwrap_or_default(), before);
}

#[test]
fn r2_what_cannot_be_read_is_an_error_and_never_skipped() {
    let dir = site(&[("good.yaml", "projects: {}\n"), ("folder.yaml/x.yaml", "projects: {}\n")]);
    symlink("gone.yaml", dir.path().join("dangling.yaml")).unwrap();
    symlink("/etc/hostname", dir.path().join("outside.yaml")).unwrap();
    symlink("../..", dir.path().join("up")).unwrap();
    symlink("loop.yaml", dir.path().join("loop.yaml")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.path().join("fifo.yaml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(dir.path().join("socket.yml")).unwrap();
    write(dir.path(), "large.yaml", &"#".repeat((1 << 20) + 1));
    std::fs::write(dir.path().join(std::ffi::OsStr::from_bytes(b"caf\xe9.yaml")), "projects: {}\n").unwrap();
    let found = titles(dir.path());
    assert_eq!(found.len(), 9, "{found:#?}");
    for (file, code) in [
        ("caf\u{fffd}.yaml", "C0003"),
        ("dangling.yaml", "C0002"),
        ("fifo.yaml", "C0003"),
        ("folder.yaml", "C0003"),
        ("large.yaml", "C0003"),
        ("loop.yaml", "C0001"),
        ("outside.yaml", "C0002"),
        ("socket.yml", "C0003"),
        ("up", "C0002"),
    ] {
        assert!(found.iter().any(|title| title.starts_with(&format!("{code} `{file}`"))), "{file}: {found:#?}");
    }
}

#[test]
fn a_link_within_the_directory_is_the_file_it_leads_to() {
    let dir = site(&[(".data/real.yaml", "projects: {}\n")]);
    symlink(".data/real.yaml", dir.path().join("site.yaml")).unwrap();
    assert_eq!(read_dir(dir.path()).unwrap().files.keys().collect::<Vec<_>>(), ["site.yaml"]);
    symlink(".data", dir.path().join("folder")).unwrap();
    assert_eq!(titles(dir.path()), ["C0003 `folder` cannot be used: it is a link to a folder"]);
}

#[test]
fn r32_a_mounted_file_is_never_outside_of_the_directory() {
    let dir = site(&[("a.yaml", GOOD)]);
    let tree = read_dir(dir.path()).unwrap();
    symlink("/etc/hostname", dir.path().join("conf")).unwrap();
    let found = titles(dir.path());
    assert_eq!(found.len(), 2, "the link itself, and its use: {found:?}");
    assert!(found.iter().all(|title| title.ends_with("`conf` cannot be used: it leads out of the config directory")));
    for path in ["../x", "/etc/hostname", "conf", "conf/../../x"] {
        let error = tree.others().content(path).map(|_| ()).unwrap_err();
        assert!(matches!(error, TreeError::Escapes | TreeError::Missing), "{path}: {error}");
    }
    fs::remove_file(dir.path().join("conf")).unwrap();
    fs::create_dir(dir.path().join("conf")).unwrap();
    symlink(".", dir.path().join("conf/circle")).unwrap();
    assert!(titles(dir.path()).iter().any(|t| t.contains("a link to a folder")));
}

#[test]
fn an_unreadable_file_is_an_error() {
    let dir = site(&[("a.yaml", "projects: {}\n")]);
    fs::set_permissions(dir.path().join("a.yaml"), fs::Permissions::from_mode(0o0)).unwrap();
    // Root reads everything.
    if fs::read(dir.path().join("a.yaml")).is_err() {
        assert!(titles(dir.path())[0].starts_with("C0001"));
    }
}

#[test]
fn a_configuration_may_cross_threads() {
    fn check<T: Send + Sync>() {}
    check::<crate::config::Loaded>();
    check::<LoadError>();
}

#[test]
fn a_revision_loads_as_its_files_do() {
    let dir = site(&[
        ("config/a.yaml", GOOD),
        ("config/conf/sub/x", "1"),
        ("config/conf/sub.x", "2"),
        ("other.yaml", "not ours: ["),
    ]);
    let config = dir.path().join("config");
    write(&config, "conf/.hidden", "3");
    write(&config, ".gitattributes", "conf/sub.x export-ignore\n");
    fs::set_permissions(config.join("conf/sub/x"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(config.join("real")).unwrap();
    fs::rename(config.join("a.yaml"), config.join("real/a.txt")).unwrap();
    symlink("real/a.txt", config.join("a.yaml")).unwrap();
    git(dir.path(), &["init", "-q", "-b", "main"]);
    git(dir.path(), &["add", "-A"]);
    git(dir.path(), &["commit", "-qm", "one"]);
    let files = load(&config).unwrap_or_else(|error| panic!("{error}"));
    let revision = load_revision(&config, "HEAD").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(revision.commit.as_ref().map(CommitId::as_str), Some(revision.desired.revision.as_str()));
    assert_eq!((&revision.hash, &revision.desired.stages), (&files.hash, &files.desired.stages));
    write(&config, "conf/sub/x", "changed");
    let changed = load(&config).unwrap_or_else(|error| panic!("{error}"));
    assert_ne!(changed.desired, files.desired);
    let again = load_revision(&config, "main").unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(again.desired, revision.desired);
    for gone in ["nothing", "--help", "HEAD~7", ""] {
        let Err(LoadError::Git(error)) = load_revision(&config, gone) else { panic!("{gone}") };
        assert_eq!(error.kind, Kind::NoRevision, "{error}");
    }
    symlink("../other.yaml", config.join("out.yaml")).unwrap();
    git(dir.path(), &["add", "-A"]);
    git(dir.path(), &["commit", "-qm", "two"]);
    let Err(LoadError::Invalid(found)) = load_revision(&config, "HEAD") else { panic!("accepted") };
    assert_eq!(found.list[0].code, "C0002");
}

fn tag(loaded: &crate::config::Loaded) -> String {
    loaded.desired.stages.values().map(|stage| stage.track.version()).collect()
}

fn at_head(dir: &Path) -> crate::config::Loaded {
    load_head(dir, false).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn r2_in_a_work_tree_the_commit_at_head_is_read_and_what_is_left_out_is_counted() {
    let (_dir, top) = repository();
    let config = top.join("sub/config");
    write(&config, "a.yaml", &GOOD.replace("tag: t", "tag: v1"));
    write(&config, "conf/x", "1");
    write(&top, "other", "1");
    let loaded = at_head(&config);
    assert_eq!((tag(&loaded).as_str(), &loaded.commit), ("v1", &None));
    assert_eq!(
        loaded.note.unwrap(),
        format!("no commit at HEAD holds {}: its files are read as they are", config.display())
    );
    let id = commit(&top);
    write(&config, "a.yaml", "half of a fi");
    write(&config, "new.yaml", "new: [");
    write(&top, "other", "2");
    let loaded = at_head(&config);
    assert_eq!((tag(&loaded).as_str(), loaded.commit.as_ref().map(CommitId::as_str)), ("v1", Some(id.as_str())));
    assert_eq!(loaded.desired.revision, id);
    assert_eq!(loaded.note.unwrap(), "2 files are not committed and so not read; --worktree reads the files");
    assert!(load_head(&config, true).is_err(), "the flag reads the files");
    fs::remove_dir_all(&config).unwrap();
    assert_eq!(tag(&at_head(&config)), "v1", "also while a checkout has taken them away");
    git(&top, &["checkout", "-q", "--", "."]);
    assert_eq!(at_head(&config).note, None);
    // A folder that is ignored is no part of the repository.
    let ignored = top.join("ignored");
    write(&top, ".gitignore", "ignored\n");
    write(&ignored, "conf/x", "1");
    write(&ignored, "a.yaml", &GOOD.replace("tag: t", "tag: v2"));
    commit(&top);
    assert_eq!(tag(&at_head(&ignored)), "v2");
}

#[test]
fn a_commit_can_say_that_the_files_count() {
    let (_dir, top) = repository();
    write(&top, "settings.yaml", "settings: { source: { worktree: true } }\n");
    write(&top, "a.yaml", &GOOD.replace("tag: t", "tag: v1"));
    write(&top, "conf/x", "1");
    commit(&top);
    write(&top, "a.yaml", &GOOD.replace("tag: t", "tag: v2"));
    let loaded = at_head(&top);
    assert_eq!((tag(&loaded).as_str(), loaded.commit, loaded.note), ("v2", None, None));
}
