//! The watch with the real inotify, and under limits of the system's own.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;
use std::slice::from_ref;

use super::*;
use crate::daemon::tests::Still;
use crate::daemon::told::Told;

/// Longer than any test: what is noticed was noticed by an event.
const NEVER: Duration = Duration::from_secs(3600);
/// Within this time an event arrives, however busy the machine is.
const SOON: Duration = Duration::from_secs(20);
/// After this time without an event there is none under way.
const STILL: Duration = Duration::from_millis(150);

/// A directory for one test, with its links resolved.
fn scratch() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap();
    (dir, path)
}

struct Watched(Watch);

impl Watched {
    /// Watches by events alone.
    async fn on(paths: &[PathBuf]) -> Self {
        Self::timed(paths, Timing { check: NEVER, poll: NEVER, retry: NEVER }).await
    }

    async fn timed(paths: &[PathBuf], timing: Timing) -> Self {
        let watched = Self(Watch::timed(paths, timing));
        watched.notices("that it began").await;
        watched
    }

    async fn is_still(&self) -> bool {
        tokio::time::timeout(STILL, self.0.changed()).await.is_err()
    }

    /// Returns when a change was noticed and nothing more comes.
    async fn notices(&self, what: &str) {
        assert!(tokio::time::timeout(SOON, self.0.changed()).await.is_ok(), "not noticed: {what}");
        while !self.is_still().await {}
    }

    async fn ignores(&self, what: &str) {
        assert!(self.is_still().await, "noticed: {what}");
    }
}

fn config(at: &Path) {
    fs::create_dir_all(at).unwrap();
    fs::write(at.join("a.yaml"), "projects: {}\n").unwrap();
}

/// A file in place, one renamed over it, one in a folder that has just been made.
async fn notices_all_kinds_of_save(watched: &Watched, dir: &Path, when: &str) {
    fs::write(dir.join("a.yaml"), "projects: {}\n# more\n").unwrap();
    watched.notices(&format!("a file written in place, {when}")).await;
    fs::write(dir.join(".a.yaml.new"), "projects: {}\n").unwrap();
    fs::rename(dir.join(".a.yaml.new"), dir.join("a.yaml")).unwrap();
    watched.notices(&format!("a file renamed over another, {when}")).await;
    let sub = dir.join("sub");
    let _ = fs::remove_dir_all(&sub);
    fs::create_dir(&sub).unwrap();
    watched.notices(&format!("a new folder, {when}")).await;
    fs::write(sub.join("b.yaml"), "").unwrap();
    watched.notices(&format!("a file in a new folder, {when}")).await;
}

#[tokio::test]
async fn every_kind_of_save_is_noticed_also_after_the_directory_was_swapped_or_made_again() {
    let (_scratch, root) = scratch();
    let dir = root.join("config");
    config(&dir);
    let watched = Watched::on(from_ref(&dir)).await;
    notices_all_kinds_of_save(&watched, &dir, "at first").await;

    config(&root.join("next"));
    fs::rename(&dir, root.join("old")).unwrap();
    fs::rename(root.join("next"), &dir).unwrap();
    watched.notices("the directory was swapped").await;
    notices_all_kinds_of_save(&watched, &dir, "after a swap").await;

    fs::remove_dir_all(&dir).unwrap();
    watched.notices("the directory was removed").await;
    config(&dir);
    watched.notices("the directory was made again").await;
    notices_all_kinds_of_save(&watched, &dir, "after it was made again").await;

    // So fast that it may get the inode of the old one.
    for _ in 0..20 {
        fs::remove_dir_all(&dir).unwrap();
        config(&dir);
    }
    watched.notices("the directory was made again many times").await;
    notices_all_kinds_of_save(&watched, &dir, "after many times").await;
}

#[tokio::test]
async fn links_are_followed_wherever_on_the_way_they_are() {
    let (_scratch, root) = scratch();
    for rev in ["one", "two", "three"] {
        config(&root.join("rev").join(rev).join("conf"));
    }
    symlink("rev/one", root.join("current")).unwrap();
    symlink(root.join("current"), root.join("again")).unwrap();
    let dir = root.join("again/conf");
    let watched = Watched::on(from_ref(&dir)).await;
    notices_all_kinds_of_save(&watched, &dir, "behind two links").await;

    symlink("rev/two", root.join("current.new")).unwrap();
    fs::rename(root.join("current.new"), root.join("current")).unwrap();
    watched.notices("the second link was swapped").await;
    notices_all_kinds_of_save(&watched, &dir, "after that").await;
    fs::write(root.join("rev/one/conf/a.yaml"), "").unwrap();
    watched.ignores("a file where the link no longer leads").await;

    fs::remove_file(root.join("again")).unwrap();
    watched.notices("the first link went").await;
    symlink("rev/three", root.join("again")).unwrap();
    watched.notices("and leads elsewhere").await;
    notices_all_kinds_of_save(&watched, &dir, "after both").await;
}

#[tokio::test]
async fn a_swap_of_the_data_directory_as_kubernetes_does_it_is_noticed() {
    let (_scratch, root) = scratch();
    let dir = root.join("config");
    for data in ["..1", "..2"] {
        config(&dir.join(data));
    }
    symlink("..1", dir.join("..data")).unwrap();
    symlink("..data/a.yaml", dir.join("a.yaml")).unwrap();
    let watched = Watched::on(from_ref(&dir)).await;
    symlink("..2", dir.join("..data_tmp")).unwrap();
    fs::rename(dir.join("..data_tmp"), dir.join("..data")).unwrap();
    watched.notices("the data swapped").await;
    fs::remove_dir_all(dir.join("..1")).unwrap();
    watched.notices("the old data removed").await;
}

#[tokio::test]
async fn what_is_not_there_yet_is_waited_for_however_much_of_the_way_is_missing() {
    let (_scratch, root) = scratch();
    let dir = root.join("not/there/yet");
    let watched = Watched::on(from_ref(&dir)).await;
    fs::create_dir(root.join("other")).unwrap();
    watched.ignores("a neighbour").await;
    for part in ["not", "not/there", "not/there/yet"] {
        fs::create_dir(root.join(part)).unwrap();
        watched.notices(part).await;
    }
    config(&dir);
    watched.notices("the files").await;
    notices_all_kinds_of_save(&watched, &dir, "after it came").await;
}

#[tokio::test]
async fn reading_and_what_git_does_for_itself_is_no_change_but_its_lock_and_what_is_named_is() {
    let (_scratch, root) = scratch();
    let dir = root.join("config");
    config(&dir);
    fs::create_dir_all(dir.join(".git/refs/heads")).unwrap();
    fs::create_dir_all(dir.join(".git/objects")).unwrap();
    fs::write(dir.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    let named = [dir.clone(), dir.join(".git/HEAD"), dir.join(".git/refs"), dir.join(".git/packed-refs")];
    let plain = Watched::on(&named[..1]).await;
    let head = Watched::on(&named).await;

    assert!(crate::config::load(&dir).is_ok());
    let scan = crate::config::Scan::of(&dir, &BTreeSet::new(), None, false);
    assert!(!scan.is_empty());
    for watched in [&plain, &head] {
        watched.ignores("reading").await;
    }
    fs::write(dir.join(".git/objects/x"), "").unwrap();
    fs::write(root.join("beside"), "").unwrap();
    for watched in [&plain, &head] {
        watched.ignores("an object of git, and a file beside the directory").await;
    }
    for (file, what) in [("HEAD", "HEAD"), ("refs/heads/main", "a branch"), ("packed-refs", "packed branches")] {
        fs::write(dir.join(".git/new"), "x").unwrap();
        fs::rename(dir.join(".git/new"), dir.join(".git").join(file)).unwrap();
        head.notices(what).await;
        plain.ignores(what).await;
    }
    fs::write(dir.join(".git/index.lock"), "").unwrap();
    plain.notices("the lock of git").await;
    fs::remove_file(dir.join(".git/index.lock")).unwrap();
    plain.notices("the lock is gone").await;
    notices_all_kinds_of_save(&head, &dir, "with git beside").await;
}

#[tokio::test]
async fn another_name_further_up_is_seen_at_the_next_check() {
    let (_scratch, root) = scratch();
    let dir = root.join("up/more/config");
    config(&dir);
    config(&root.join("next/more/config"));
    let timing = Timing { check: Duration::from_millis(20), poll: NEVER, retry: NEVER };
    let watched = Watched::timed(from_ref(&dir), timing).await;
    fs::rename(root.join("up"), root.join("was")).unwrap();
    fs::rename(root.join("next"), root.join("up")).unwrap();
    watched.notices("another directory under the same path").await;
    notices_all_kinds_of_save(&watched, &dir, "after that").await;
}

#[tokio::test]
async fn each_look_has_it_checked_first_whether_the_right_files_are_watched() {
    let (_scratch, root) = scratch();
    let dir = root.join("up/more/config");
    config(&dir);
    config(&root.join("next/more/config"));
    let Still { mut daemon, .. } = Still::over(&dir);
    let watched = Watched::on(from_ref(&dir)).await;
    fs::rename(root.join("up"), root.join("was")).unwrap();
    fs::rename(root.join("next"), root.join("up")).unwrap();
    watched.ignores("another directory under the same path, of which no event tells").await;
    daemon.watch = watched.0;
    daemon.look(false);
    let watched = Watched(daemon.watch);
    watched.notices("it, once it was looked at").await;
    notices_all_kinds_of_save(&watched, &dir, "after that").await;
}

#[tokio::test]
async fn lost_events_and_a_folder_that_cannot_be_watched_begin_a_new_watch() {
    for lost in [
        Ok(Event::new(EventKind::Other).set_flag(notify::event::Flag::Rescan)),
        Err(notify::Error::new(ErrorKind::MaxFilesWatch)),
    ] {
        let shared = Shared::default();
        Wanted::default().hear(lost, &shared);
        assert!(shared.broken.load(Ordering::Relaxed));
        tokio::time::timeout(SOON, shared.check.notified()).await.unwrap();
    }
}

#[tokio::test]
async fn more_events_than_the_system_keeps_are_survived_with_a_folder_that_came_meanwhile() {
    let (_scratch, root) = scratch();
    let dir = root.join("config");
    config(&dir);
    let watched = Watched::on(from_ref(&dir)).await;
    let kept: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap();
    // Nobody in this process reads an event while it is stopped. The same event twice in a row counts once.
    let script = "kill -STOP $PPID; n=0
        while [ $n -lt $KEPT ]; do : > a; : > b; n=$((n+2)); done
        mkdir late; kill -CONT $PPID";
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).env("KEPT", kept.to_string()).current_dir(&dir);
    let status = tokio::task::spawn_blocking(move || shell.status()).await.unwrap().unwrap();
    assert!(status.success());
    watched.notices("that there was too much").await;
    fs::write(dir.join("late/b.yaml"), "").unwrap();
    watched.notices("a file in a folder whose event was lost").await;
}

/// A limit of the user namespace that the test is in.
fn limit(name: &str, most: u32) {
    fs::write(Path::new("/proc/sys/user").join(name), most.to_string()).unwrap();
}

const INNER: &str = "LANDFALL_TEST_LIMITED";

/// True in a process that has limits of its own; else runs the test of that name in one.
fn is_limited(test: &str) -> bool {
    if std::env::var_os(INNER).is_some() {
        return true;
    }
    let mut inner = Command::new("unshare");
    inner.args(["--user", "--map-root-user"]).arg(std::env::current_exe().unwrap());
    inner.args(["--exact", "--nocapture"]).arg(format!("daemon::watch::tests::{test}")).env(INNER, "1");
    let output = inner.output().expect("unshare");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&output.stderr));
    false
}

const FAST: Timing = Timing { check: NEVER, poll: Duration::from_millis(20), retry: Duration::from_millis(50) };

/// Under a limit: polled and said once; without it: watched and said; and changes are noticed all the time.
async fn is_polled_and_then_watched(limit_name: &str, too_few: u32) {
    let (log, (_scratch, root)) = (Told::begin(), scratch());
    let dir = root.join("config");
    config(&dir);
    fs::create_dir(dir.join("folder")).unwrap();
    limit(limit_name, too_few);
    let watched = Watched::timed(from_ref(&dir), FAST).await;
    notices_all_kinds_of_save(&watched, &dir, "polled").await;
    watched.ignores("nothing at all").await;
    assert_eq!(log.times("cannot be watched and are looked at every"), 1);
    assert_eq!(log.times(&limit_name.replace("max_inotify_", "fs.inotify.max_user_")), 1);
    limit(limit_name, 1000);
    watched.notices("that it is watched again").await;
    assert_eq!(log.times("are watched again"), 1);
    notices_all_kinds_of_save(&watched, &dir, "watched again").await;
    assert_eq!(log.times("cannot be watched"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_instance_of_inotify_the_files_are_polled_until_there_is_one() {
    if is_limited("without_an_instance_of_inotify_the_files_are_polled_until_there_is_one") {
        is_polled_and_then_watched("max_inotify_instances", 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_too_few_watches_the_files_are_polled_until_there_are_enough() {
    if is_limited("with_too_few_watches_the_files_are_polled_until_there_are_enough") {
        is_polled_and_then_watched("max_inotify_watches", 2).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_that_loses_its_ground_to_a_limit_while_it_runs_goes_over_to_polling() {
    if !is_limited("a_watch_that_loses_its_ground_to_a_limit_while_it_runs_goes_over_to_polling") {
        return;
    }
    let (log, (_scratch, root)) = (Told::begin(), scratch());
    let dir = root.join("config");
    config(&dir);
    limit("max_inotify_watches", 3);
    let watched = Watched::timed(from_ref(&dir), FAST).await;
    assert_eq!(log.times("cannot be watched"), 0);
    for folder in ["b", "c", "d"] {
        fs::create_dir(dir.join(folder)).unwrap();
    }
    watched.notices("folders").await;
    fs::write(dir.join("d/x.yaml"), "").unwrap();
    watched.notices("a file in a folder that cannot be watched").await;
    assert_eq!(log.times("cannot be watched"), 1);
}
