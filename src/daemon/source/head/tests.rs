//! What a work tree gives while people work in it: commits, each whole, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use super::super::*;
use crate::git::testing::{commit, git, repository};

/// So many stages, each of one version, in files of their own: a mixed tree has two versions.
fn site(top: &Path, version: &str, stages: usize) {
    let dir = top.join("conf");
    fs::create_dir_all(&dir).unwrap();
    for n in 0..stages {
        let stage =
            format!("projects: {{ p{n}: {{ image: x, stages: {{ s: {{ track: {{ tag: \"{version}\" }} }} }} }} }}\n");
        fs::write(dir.join(format!("p{n}.yaml")), stage).unwrap();
    }
}

fn source(top: &Path) -> Source {
    Source::new(&top.join("conf").into())
}

/// The one version of what is in force, and how many stages it has.
#[track_caller]
fn in_force(source: &Source) -> (String, usize) {
    let good = source.last_good().expect("something in force");
    let versions: BTreeSet<String> = good.desired.stages.values().map(|stage| stage.track.version()).collect();
    assert_eq!(versions.len(), 1, "a mixed tree");
    (versions.into_iter().collect(), good.desired.stages.len())
}

#[tokio::test]
async fn r2_whatever_git_does_in_the_work_tree_what_is_in_force_is_always_one_commit() {
    let (_dir, top) = repository();
    // Each branch has another number of stages, and each commit a version of its own.
    let mut commits = BTreeSet::new();
    for (branch, stages) in [("main", 20), ("other", 7), ("third", 31)] {
        git(&top, &["checkout", "-q", "-B", branch]);
        git(&top, &["rm", "-rqf", "--ignore-unmatch", "."]);
        for version in ["a", "b"] {
            site(&top, &format!("{branch}-{version}"), stages);
            commit(&top);
            commits.insert((format!("{branch}-{version}"), stages));
        }
    }
    git(&top, &["checkout", "-q", "main"]);
    let done = Arc::new(AtomicBool::new(false));
    let (work_tree, over) = (top.clone(), Arc::clone(&done));
    let person = std::thread::spawn(move || {
        for _ in 0..6 {
            for args in [
                &["checkout", "-q", "other"][..],
                &["checkout", "-q", "-B", "work", "third"],
                &["reset", "-q", "--hard", "main~1"],
                &["reset", "-q", "--hard", "third"],
                &["checkout", "-q", "main"],
                &["stash", "-q", "--include-untracked"],
            ] {
                // Half a save of somebody, which a hard reset throws away and a stash takes along.
                fs::write(work_tree.join("conf/p0.yaml"), "projects: { p0: ").unwrap();
                git(
                    &work_tree,
                    if args[0] == "checkout" { &["checkout", "-q", "-f", "--", "."] } else { &["status", "-s"] },
                );
                git(&work_tree, args);
            }
            // A pull that goes forward, and work of somebody's own that is put on top of what came.
            git(&work_tree, &["checkout", "-q", "-f", "-B", "work", "main~1"]);
            git(&work_tree, &["pull", "-q", "--ff-only", ".", "main"]);
            git(&work_tree, &["reset", "-q", "--hard", "main~1"]);
            for note in ["one", "two"] {
                fs::write(work_tree.join(note), "beside the configuration").unwrap();
                commit(&work_tree);
            }
            git(&work_tree, &["rebase", "-q", "main"]);
            assert_eq!(git(&work_tree, &["rev-parse", "work~2"]), git(&work_tree, &["rev-parse", "main"]));
            git(&work_tree, &["checkout", "-q", "main"]);
        }
        over.store(true, Ordering::Relaxed);
    });
    let mut source = source(&top);
    let (mut looks, mut seen) = (0, BTreeSet::new());
    while !done.load(Ordering::Relaxed) {
        match source.look(false).await {
            News::Bad(error) => panic!("{error}"),
            News::Changing => panic!("a commit does not change"),
            News::Same | News::Changed | News::Renamed => seen.insert(in_force(&source)),
        };
        looks += 1;
    }
    person.join().unwrap();
    let _ = source.look(false).await;
    assert_eq!(in_force(&source), ("main-b".to_owned(), 20));
    assert!(seen.is_subset(&commits), "{seen:?}");
    assert!(looks > 20 && seen.len() > 2, "{looks} looks saw {seen:?}");
}

#[tokio::test]
async fn r2_files_never_take_the_place_of_a_commit_unless_a_commit_says_so() {
    let (_dir, top) = repository();
    site(&top, "v1", 2);
    commit(&top);
    let mut source = source(&top);
    assert!(matches!(source.look(false).await, News::Changed));
    site(&top, "not-committed", 1);
    assert!(matches!(source.look(true).await, News::Same));
    for lost in [&["checkout", "-q", "--orphan", "empty"][..], &["checkout", "-q", "--detach", "-f", "main"]] {
        git(&top, lost);
        let news = source.look(true).await;
        let is_lost = lost.contains(&"--orphan");
        assert_eq!(matches!(news, News::Bad(_)), is_lost, "{lost:?}: {news:?}");
        assert_eq!(in_force(&source), ("v1".to_owned(), 2));
    }
    fs::rename(top.join(".git"), top.join("gone")).unwrap();
    let News::Bad(error) = source.look(true).await else { panic!("accepted") };
    assert!(error.contains("HEAD holds nothing of"), "{error}");
    assert_eq!(in_force(&source), ("v1".to_owned(), 2));
    fs::rename(top.join("gone"), top.join(".git")).unwrap();
    site(&top, "v2", 3);
    fs::write(top.join("conf/settings.yaml"), "settings: { source: { worktree: true } }\n").unwrap();
    commit(&top);
    site(&top, "v3", 3);
    while !matches!(source.look(false).await, News::Changed) {}
    assert_eq!(in_force(&source), ("v3".to_owned(), 3));
}

#[tokio::test]
async fn a_work_tree_of_somebody_else_is_read_by_root_though_git_itself_refuses_to() {
    if !rustix::process::geteuid().is_root() {
        println!("not run: only root can give files away");
        return;
    }
    let (_dir, top) = repository();
    site(&top, "v1", 2);
    commit(&top);
    let given = Command::new("chown").args(["-R", "65534:65534"]).arg(&top).status().unwrap();
    assert!(given.success());
    let mut refused = Command::new("git");
    refused.arg("-C").arg(&top).args(["log", "-1"]).env_remove("SUDO_UID");
    refused.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null");
    let said = refused.output().unwrap();
    assert!(String::from_utf8_lossy(&said.stderr).contains("dubious ownership"), "{said:?}");
    let mut source = source(&top);
    assert!(matches!(source.look(false).await, News::Changed));
    assert_eq!(in_force(&source), ("v1".to_owned(), 2));
    // What a command reads, too, and how it tells what is left out.
    fs::write(top.join("conf/new.yaml"), "").unwrap();
    let note = crate::config::load_head(&top.join("conf"), false).unwrap().note;
    assert!(note.is_some_and(|note| note.contains("one file is not committed")));
}

#[tokio::test]
async fn a_bad_commit_is_told_once_and_the_next_good_one_is_in_force() {
    let (_dir, top) = repository();
    site(&top, "v1", 2);
    commit(&top);
    let mut source = source(&top);
    assert!(matches!(source.look(false).await, News::Changed));
    fs::write(top.join("conf/p0.yaml"), "projects: [").unwrap();
    commit(&top);
    assert!(matches!(source.look(false).await, News::Bad(_)));
    assert!(matches!(source.look(false).await, News::Same));
    assert_eq!(in_force(&source), ("v1".to_owned(), 2));
    site(&top, "v2", 2);
    let id = commit(&top);
    assert!(matches!(source.look(false).await, News::Changed));
    assert_eq!(source.last_good().unwrap().desired.revision, id);
}

#[tokio::test]
async fn a_commit_that_changes_nothing_names_what_is_in_force_and_is_news_once() {
    let (_dir, top) = repository();
    site(&top, "v1", 2);
    commit(&top);
    let mut source = source(&top);
    assert!(matches!(source.look(false).await, News::Changed));
    fs::write(top.join("read-me"), "beside the configuration").unwrap();
    let id = commit(&top);
    assert!(matches!(source.look(false).await, News::Renamed));
    assert_eq!(source.last_good().unwrap().desired.revision, id);
    assert_eq!(in_force(&source), ("v1".to_owned(), 2));
    for whole in [false, true] {
        assert!(matches!(source.look(whole).await, News::Same));
    }
}

#[tokio::test]
async fn a_new_commit_is_noticed_by_the_paths_that_are_watched() {
    let (_dir, top) = repository();
    site(&top, "v1", 1);
    commit(&top);
    let source = source(&top);
    let watch = crate::daemon::watch::Watch::new(&source.watched());
    let noticed = async |how: &str| {
        let changed = tokio::time::timeout(std::time::Duration::from_secs(30), watch.changed());
        assert!(changed.await.is_ok(), "not noticed: {how}");
    };
    noticed("the beginning").await;
    git(&top, &["commit", "-qm", "two", "--allow-empty"]);
    noticed("a commit").await;
    git(&top, &["checkout", "-q", "--detach", "HEAD~1"]);
    noticed("a checkout").await;
}
