//! Reading a repository that is not ours: exactly what is committed, and nothing of it runs.

#[path = "tests/mirror.rs"]
mod mirror;
#[path = "tests/remote.rs"]
mod remote;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::command::Git;
use super::testing::{commit, git, repository};
use super::{Kind, Limits, Mode, WorkTree};

const LIMITS: Limits = Limits { files: 100, bytes: 1 << 20 };

fn found(dir: &Path) -> WorkTree {
    WorkTree::find(dir).unwrap_or_else(|error| panic!("{error}")).expect("a work tree")
}

fn files(tree: &WorkTree) -> Vec<(String, Mode, String)> {
    let head = tree.head().unwrap().expect("a commit");
    let entries = tree.repository().list(&head, tree.folder(), LIMITS).unwrap();
    let blobs = tree.repository().read(&entries).unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    entries.into_iter().zip(blobs).map(|(entry, bytes)| (entry.path, entry.mode, text(bytes))).collect()
}

#[test]
fn a_folder_is_read_as_it_was_committed_also_when_it_is_gone_or_is_a_link() {
    let (_dir, top) = repository();
    let odd = top.join("-conf ünd/sub");
    fs::create_dir_all(&odd).unwrap();
    fs::write(odd.join("a\nb"), "one\n").unwrap();
    fs::write(odd.join("empty"), "").unwrap();
    fs::write(odd.join("run"), "#!").unwrap();
    fs::set_permissions(odd.join("run"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("run", odd.join("link")).unwrap();
    fs::write(top.join("-conf ünd.yaml"), "not below").unwrap();
    let id = commit(&top);
    let expected = [
        ("a\nb", Mode::File, "one\n"),
        ("empty", Mode::File, ""),
        ("link", Mode::Link, "run"),
        ("run", Mode::Executable, "#!"),
    ];
    let expected = expected.map(|(path, mode, text)| (path.to_owned(), mode, text.to_owned()));
    let link = top.join("by-link");
    symlink(&odd, &link).unwrap();
    for dir in [&odd, &link] {
        assert_eq!(files(&found(dir)), expected);
    }
    fs::remove_dir_all(top.join("-conf ünd")).unwrap();
    let tree = found(&odd);
    assert_eq!((tree.folder(), tree.head().unwrap().unwrap().as_str()), ("-conf ünd/sub", id.as_str()));
    assert_eq!(files(&tree), expected);
    assert_eq!(
        found(&top.join("no/where")).repository().list(&tree.head().unwrap().unwrap(), "no/where", LIMITS),
        Ok(vec![])
    );
}

#[test]
fn without_a_repository_there_is_no_work_tree_and_a_damaged_one_is_never_taken_for_none() {
    let dir = TempDir::new().unwrap();
    assert!(WorkTree::find(dir.path()).unwrap().is_none());
    fs::create_dir(dir.path().join(".git")).unwrap();
    assert!(WorkTree::find(dir.path()).unwrap().is_none(), "an empty folder of that name");
    let (_dir, top) = repository();
    assert_eq!(found(&top).head(), Ok(None), "a branch without a commit");
    let id = commit(&top);
    let head = top.join(".git/refs/heads/main");
    let object = top.join(".git/objects").join(&id[..2]).join(&id[2..]);
    for damage in [&head, &object, &top.join(".git/HEAD")] {
        let whole = fs::read(damage).unwrap();
        fs::set_permissions(damage, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(damage, "").unwrap();
        let error = WorkTree::find(&top).and_then(|tree| tree.expect("a work tree").head()).unwrap_err();
        assert_eq!(error.kind, Kind::Broken, "{}: {error}", damage.display());
        fs::write(damage, whole).unwrap();
        assert_eq!(found(&top).head().unwrap().unwrap().as_str(), id);
    }
}

#[test]
fn a_linked_work_tree_has_a_head_of_its_own() {
    let (_dir, top) = repository();
    fs::create_dir(top.join("conf")).unwrap();
    fs::write(top.join("conf/a"), "one").unwrap();
    commit(&top);
    let beside = TempDir::new().unwrap();
    let linked = beside.path().canonicalize().unwrap().join("linked");
    git(&top, &["worktree", "add", "-q", "-b", "other", linked.to_str().unwrap()]);
    fs::write(linked.join("conf/a"), "two").unwrap();
    commit(&linked);
    let text = |top: &Path| files(&found(&top.join("conf")))[0].2.clone();
    assert_eq!((text(&top), text(&linked)), ("one".to_owned(), "two".to_owned()));
    let watched = found(&linked).watched();
    for moves in [".git/worktrees/linked/HEAD", ".git/refs/heads", ".git/packed-refs"] {
        assert!(watched.contains(&top.join(moves)), "{moves}: {watched:?}");
    }
}

#[test]
fn what_is_not_committed_is_counted_below_the_directory_alone_and_changes_no_byte() {
    let (_dir, top) = repository();
    fs::create_dir(top.join("conf")).unwrap();
    for name in ["conf/a", "conf/b", "conf/same", "beside"] {
        fs::write(top.join(name), "one").unwrap();
    }
    fs::write(top.join(".gitignore"), "*.swp\n").unwrap();
    commit(&top);
    assert_eq!(found(&top.join("conf")).uncommitted(), Ok(0));
    fs::write(top.join("conf/a"), "two").unwrap();
    fs::remove_file(top.join("conf/b")).unwrap();
    fs::write(top.join("conf/new"), "").unwrap();
    fs::write(top.join("conf/x.swp"), "").unwrap();
    fs::write(top.join("conf/same"), "one").unwrap();
    fs::write(top.join("beside"), "two").unwrap();
    let before = fs::read(top.join(".git/index")).unwrap();
    assert_eq!(found(&top.join("conf")).uncommitted(), Ok(3));
    assert_eq!(found(&top).uncommitted(), Ok(4));
    assert_eq!(fs::read(top.join(".git/index")).unwrap(), before);
}

#[test]
fn r26_nothing_that_a_repository_names_is_run() {
    let (dir, top) = repository();
    fs::write(top.join("a"), "one").unwrap();
    fs::write(top.join(".gitattributes"), "* filter=evil diff=evil\n").unwrap();
    let first = commit(&top);
    let marker = dir.path().join("ran");
    let touch = format!("touch {}", marker.display());
    let hook = top.join(".git/evil.sh");
    fs::write(&hook, format!("#!/bin/sh\n{touch}\n")).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    let hook = hook.to_str().unwrap();
    for (key, value) in [
        ("core.fsmonitor", hook),
        ("core.pager", hook),
        ("core.sshCommand", hook),
        ("core.alternateRefsCommand", hook),
        ("filter.evil.clean", &touch),
        ("filter.evil.smudge", &touch),
        ("filter.evil.process", &touch),
        ("filter.evil.required", "true"),
        ("diff.evil.textconv", &touch),
        ("diff.external", hook),
        ("alias.rev-parse", "!touch ran"),
        ("remote.origin.url", "ssh://127.0.0.1/none"),
        ("remote.origin.promisor", "true"),
        ("extensions.partialClone", "origin"),
    ] {
        git(&top, &["config", key, value]);
    }
    fs::write(top.join("a"), "two").unwrap();
    let tree = found(&top);
    assert_eq!(tree.uncommitted(), Ok(1));
    assert_eq!(files(&tree).len(), 2);
    // A missing object is an error, and fetched from nowhere.
    let blob = git(&top, &["rev-parse", "HEAD:a"]);
    fs::remove_file(top.join(".git/objects").join(&blob[..2]).join(&blob[2..])).unwrap();
    let head = tree.head().unwrap().unwrap();
    assert_eq!(head.as_str(), first);
    assert!(tree.repository().list(&head, "", LIMITS).is_err());
    assert!(!marker.exists(), "something ran");
    // The same, so that it is known to run where nobody prevents it.
    let _ = Command::new("git").arg("-C").arg(&top).args(["status", "--porcelain"]).output().unwrap();
    assert!(marker.exists(), "the trap does not work");
}

#[test]
fn more_than_the_limits_is_refused_and_not_cut() {
    let (_dir, top) = repository();
    for name in ["a", "b", "c"] {
        fs::write(top.join(name), "12345").unwrap();
    }
    commit(&top);
    let (tree, head) = (found(&top), found(&top).head().unwrap().unwrap());
    for (limits, fits) in [((3, 15), true), ((2, 15), false), ((3, 14), false)] {
        let listed = tree.repository().list(&head, "", Limits { files: limits.0, bytes: limits.1 });
        assert_eq!(listed.map_err(|error| error.kind).err(), (!fits).then_some(Kind::TooLarge), "{limits:?}");
    }
}

#[test]
fn r31_a_call_that_takes_too_long_ends_with_all_that_it_started() {
    let dir = TempDir::new().unwrap();
    let (_repository, top) = repository();
    let file = dir.path().join("pid");
    let script = format!("!sh -c 'sleep 600 & echo $! > {}; wait'", file.display());
    let slow =
        Git::local("cannot wait").in_dir(&top).set("alias.slow", script).within(Duration::from_secs(2)).args(["slow"]);
    let error = slow.run().unwrap_err();
    assert_eq!((error.kind, error.to_string().as_str()), (Kind::TimedOut, "cannot wait: git did not end within 2 s"));
    let pid = fs::read_to_string(&file).unwrap();
    // A process that was killed and not waited for yet has no command line left.
    let ran = Path::new("/proc").join(pid.trim()).join("cmdline");
    let lives = || fs::read(&ran).is_ok_and(|line| !line.is_empty());
    let deadline = Instant::now() + Duration::from_secs(20);
    while lives() && Instant::now() < deadline {
        std::thread::yield_now();
    }
    assert!(!lives(), "it goes on");
}
