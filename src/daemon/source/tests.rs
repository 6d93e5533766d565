//! What a plain directory gives, and what it does not.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::daemon::scheduler::Event;
use crate::daemon::tests::Still;
use crate::daemon::told::Told;

/// Long enough that a test sees a difference, and short enough to wait for.
const PATIENCE: Patience = Patience {
    quiet: Duration::from_millis(100),
    retiring: Duration::from_millis(600),
    locked: Duration::from_millis(600),
    at_most: Duration::from_millis(400),
    told: Duration::from_secs(10),
};

struct Site {
    tree: tempfile::TempDir,
    source: Source,
}

impl Site {
    fn new() -> Self {
        let tree = tempfile::tempdir().unwrap();
        for made in ["conf", ".git"] {
            fs::create_dir(tree.path().join(made)).unwrap();
        }
        let source = Source::patient(&tree.path().join("conf").into(), PATIENCE);
        Self { tree, source }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.tree.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path("conf").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    async fn look(&mut self) -> News {
        self.source.look(false).await
    }

    /// Looks until it is something else than that the files are changing.
    async fn settled(&mut self) -> News {
        loop {
            match self.look().await {
                News::Changing => {}
                news => return news,
            }
        }
    }

    /// The stages in force.
    fn stages(&self) -> Vec<String> {
        let good = self.source.last_good();
        good.iter().flat_map(|loaded| loaded.desired.stages.keys()).map(ToString::to_string).collect()
    }
}

/// A project with these stages.
fn project(name: &str, stages: &[&str]) -> String {
    let stages: Vec<_> = stages.iter().map(|stage| format!("      {stage}: {{ track: {{ tag: v1 }} }}\n")).collect();
    format!("projects:\n  {name}:\n    image: ghcr.io/a/{name}\n    stages:\n{}", stages.concat())
}

#[tokio::test]
async fn what_stands_still_for_the_quiet_time_is_in_force_and_is_news_once() {
    let mut site = Site::new();
    site.write("a.yaml", &project("a", &["x"]));
    let began = Instant::now();
    assert!(matches!(site.look().await, News::Changed));
    assert!(began.elapsed() >= PATIENCE.quiet);
    assert!(matches!(site.look().await, News::Same));
    assert!(matches!(site.source.look(true).await, News::Same));
    // Saved again as it is: nothing is new.
    site.write("a.yaml", &project("a", &["x"]));
    assert!(matches!(site.look().await, News::Same));
    site.write("b.yaml", &project("b", &["y"]));
    assert!(matches!(site.settled().await, News::Changed));
    assert_eq!(site.stages(), ["a/x", "b/y"]);
}

#[tokio::test]
async fn the_time_before_a_look_counts_where_an_event_was_told_of() {
    let mut site = Site::new();
    site.write("a.yaml", &project("a", &["x"]));
    assert!(matches!(site.look().await, News::Changed));
    site.write("a.yaml", &project("a", &["x", "y"]));
    let Kind::Head(head) = &site.source.kind else { panic!("a directory") };
    let directory = head.files();
    let eye = directory.glance().0.unwrap();
    site.source.glance().changed();
    // The scan that is asked for happens, whenever the machine finds the time.
    while eye.newest().is_none_or(|scan| scan.quiet() > Duration::ZERO) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let since = eye.newest().unwrap().since();
    tokio::time::sleep_until((since + PATIENCE.quiet).into()).await;
    assert!(matches!(site.look().await, News::Changed));
    assert_eq!(eye.newest().unwrap().since(), since, "the look began to count anew");
}

#[tokio::test]
async fn what_the_loop_notices_is_measured_from_then_on_before_anybody_looks() {
    let site = Site::new();
    let still = Still::over(&site.path("conf"));
    let eye = still.daemon.glance.0.clone().unwrap();
    assert!(eye.newest().is_none());
    assert!(matches!(still.daemon.noticed(), Event::Changed));
    let scanned = async {
        while eye.newest().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), scanned).await.expect("a scan in the background");
}

#[tokio::test]
async fn r2_what_was_in_force_before_takes_its_place_while_the_files_change_and_they_are_looked_at_again() {
    let mut site = Site::new();
    site.write("a.yaml", &project("a", &["x"]));
    assert!(matches!(site.look().await, News::Changed));
    for (news, is_again) in [(News::Changing, true), (News::Bad("so".into()), false)] {
        let mut still = Still::over(&site.path("conf"));
        // As after a start at which the store knew what was in force.
        let mut kept = Source::patient(&site.path("conf").into(), PATIENCE);
        kept.good = site.source.last_good();
        let event = still.daemon.looked(Some((kept, news)));
        assert!(still.daemon.in_force.is_some());
        assert_eq!(matches!(event, Event::Changed), is_again, "{event:?}");
    }
}

/// Writes a file all the time, good YAML each time and each time another one, until it is told to end.
struct Writer {
    goes_on: Arc<AtomicBool>,
    longest_rest: std::thread::JoinHandle<Duration>,
}

impl Writer {
    fn on(path: PathBuf) -> Self {
        let (goes_on, (wrote, written)) = (Arc::new(AtomicBool::new(true)), std::sync::mpsc::channel());
        let until = Arc::clone(&goes_on);
        let longest_rest = std::thread::spawn(move || {
            let (mut rest, mut last) = (Duration::ZERO, None::<Instant>);
            while until.load(Ordering::Relaxed) {
                for stages in [&["y"][..], &["x", "y", "z"], &["z"]] {
                    let began = Instant::now();
                    fs::write(&path, project("a", stages)).unwrap();
                    rest = rest.max(last.map_or(rest, |last| last.elapsed()));
                    last = Some(began);
                    let _ = wrote.send(());
                    std::thread::sleep(Duration::from_millis(3));
                }
            }
            rest.max(last.map_or(rest, |last| last.elapsed()))
        });
        written.recv().unwrap();
        Self { goes_on, longest_rest }
    }

    /// The longest time that the file stood still.
    fn end(self) -> Duration {
        self.goes_on.store(false, Ordering::Relaxed);
        self.longest_rest.join().unwrap()
    }
}

#[tokio::test]
async fn r2_a_file_that_never_rests_is_not_taken_until_it_does() {
    // A machine that keeps the writer waiting lets the file rest; then it is tried again.
    for _ in 0..50 {
        let mut site = Site::new();
        site.write("a.yaml", &project("a", &["x", "y"]));
        assert!(matches!(site.look().await, News::Changed));
        let (writer, began) = (Writer::on(site.path("conf/a.yaml")), Instant::now());
        let news = site.look().await;
        let took = began.elapsed();
        if writer.end() >= PATIENCE.quiet {
            continue;
        }
        assert!(matches!(news, News::Changing) && took >= PATIENCE.at_most, "{news:?} after {took:?}");
        assert_eq!(site.stages(), ["a/x", "a/y"]);
        site.write("a.yaml", &project("a", &["x", "y", "w"]));
        assert!(matches!(site.settled().await, News::Changed));
        assert_eq!(site.stages(), ["a/w", "a/x", "a/y"]);
        return;
    }
    panic!("the writer never wrote without a rest");
}

#[tokio::test]
async fn a_file_that_never_rests_and_is_no_configuration_hides_nothing() {
    let mut site = Site::new();
    site.write("a.yaml", &project("a", &["x"]));
    assert!(matches!(site.look().await, News::Changed));
    let writer = Writer::on(site.path("conf/app.log"));
    site.write("a.yaml", &project("a", &["x", "y"]));
    assert!(matches!(site.look().await, News::Changed));
    assert!(writer.end() > Duration::ZERO);
}

#[tokio::test]
async fn a_hidden_file_counts_where_the_configuration_uses_it() {
    let mut site = Site::new();
    let used = "    env_file: .env\n    volumes: [ \"./site:/srv:ro\" ]\n    stages";
    site.write("a.yaml", &project("a", &["x"]).replace("    stages", used));
    site.write(".env", "A=1\n");
    site.write("site/.hidden", "1");
    assert!(matches!(site.look().await, News::Changed));
    for (name, text) in [(".env", "A=2\n"), ("site/.hidden", "2"), ("site/.new/x", "3")] {
        site.write(name, text);
        assert!(matches!(site.settled().await, News::Changed), "{name}");
        assert!(matches!(site.look().await, News::Same), "{name}");
    }
    site.write(".other", "");
    assert!(matches!(site.look().await, News::Same));
}

#[tokio::test]
async fn r2_what_would_retire_a_stage_has_to_stand_for_longer() {
    let mut site = Site::new();
    site.write("a.yaml", &project("a", &["x", "y"]));
    assert!(matches!(site.look().await, News::Changed));
    site.write("a.yaml", &project("a", &["x"]));
    let began = Instant::now();
    assert!(matches!(site.look().await, News::Changing));
    assert!(matches!(site.settled().await, News::Changed));
    assert!(began.elapsed() >= PATIENCE.retiring);
    assert_eq!(site.stages(), ["a/x"]);

    // The rest comes while it waits.
    site.write("a.yaml", &project("a", &[]));
    assert!(matches!(site.look().await, News::Changing | News::Bad(_)));
    site.write("a.yaml", "projects: {}\n");
    assert!(matches!(site.look().await, News::Changing));
    site.write("a.yaml", &project("a", &["x", "z"]));
    assert!(matches!(site.settled().await, News::Changed));
    assert_eq!(site.stages(), ["a/x", "a/z"]);
}

#[tokio::test]
async fn r2_a_directory_that_is_gone_or_empty_is_said_once_and_what_is_in_force_stays() {
    let mut site = Site::new();
    site.write("a.yaml", &project("a", &["x"]));
    assert!(matches!(site.look().await, News::Changed));
    fs::rename(site.path("conf"), site.path("aside")).unwrap();
    assert!(matches!(site.settled().await, News::Bad(why) if why.contains("does not exist")));
    assert!(matches!(site.look().await, News::Same));
    fs::create_dir(site.path("conf")).unwrap();
    assert!(matches!(site.settled().await, News::Bad(why) if why.contains("holds no YAML file")));
    assert_eq!(site.stages(), ["a/x"]);
    fs::remove_dir(site.path("conf")).unwrap();
    fs::rename(site.path("aside"), site.path("conf")).unwrap();
    assert!(matches!(site.settled().await, News::Same));
    site.write("a.yaml", &project("a", &["x", "y"]));
    assert!(matches!(site.settled().await, News::Changed));
}

#[tokio::test]
async fn a_bad_configuration_that_became_good_by_a_hidden_file_is_seen_by_a_whole_look() {
    let mut site = Site::new();
    site.write("a.yaml", &project("a", &["x"]).replace("    stages", "    env_file: .env\n    stages"));
    assert!(matches!(site.look().await, News::Bad(_)));
    assert!(matches!(site.source.look(true).await, News::Same));
    site.write(".env", "A=1\n");
    assert!(matches!(site.source.look(true).await, News::Changed));
}

#[tokio::test]
async fn while_git_is_at_work_nothing_is_read_but_a_lock_left_behind_does_not_block_for_ever() {
    let (log, _guard) = Told::here();
    let mut site = Site::new();
    let lock = site.path(".git/index.lock");
    site.write("a.yaml", &project("a", &["x"]));
    fs::write(&lock, "").unwrap();
    let began = Instant::now();
    assert!(matches!(site.look().await, News::Changing) && !site.source.has_good());
    assert!(matches!(site.settled().await, News::Changed));
    assert!(began.elapsed() >= PATIENCE.locked);

    assert_eq!(log.times("was left behind by a git that is gone"), 1);

    // The same lock is known, the next one is not.
    site.write("a.yaml", &project("a", &["x", "y"]));
    assert!(matches!(site.look().await, News::Changed));
    fs::remove_file(&lock).unwrap();
    site.write("a.yaml", &project("a", &["x", "y", "z"]));
    fs::write(&lock, "another").unwrap();
    assert!(matches!(site.look().await, News::Changing));
    fs::remove_file(&lock).unwrap();
    assert!(matches!(site.settled().await, News::Changed));
    assert_eq!(site.stages(), ["a/x", "a/y", "a/z"]);
    assert_eq!(log.times("was left behind"), 1);
}

#[tokio::test]
async fn the_lock_of_a_work_tree_beside_its_repository_counts_too() {
    let mut site = Site::new();
    fs::remove_dir(site.path(".git")).unwrap();
    fs::create_dir_all(site.path("repository/worktrees/one")).unwrap();
    fs::write(site.path(".git"), "gitdir: repository/worktrees/one\n").unwrap();
    site.source.kind = Kind::Head(Box::new(Head::new(&site.tree.path().join("conf"), true, PATIENCE)));
    let lock = site.path("repository/worktrees/one/index.lock");
    fs::write(&lock, "").unwrap();
    site.write("a.yaml", &project("a", &["x"]));
    assert!(matches!(site.look().await, News::Changing));
    fs::remove_file(&lock).unwrap();
    assert!(matches!(site.settled().await, News::Changed));
}

#[tokio::test]
async fn what_holds_the_files_back_for_long_is_told_once_and_so_is_its_end() {
    let (log, _guard) = Told::here();
    let mut site = Site::new();
    let patience = Patience { told: Duration::ZERO, ..PATIENCE };
    site.source.kind = Kind::Head(Box::new(Head::new(&site.tree.path().join("conf"), true, patience)));
    let lock = site.path(".git/index.lock");
    fs::write(&lock, "").unwrap();
    site.write("a.yaml", &project("a", &["x"]));
    for _ in 0..3 {
        assert!(matches!(site.look().await, News::Changing));
    }
    assert_eq!(log.times("git is at work: nothing new is read until"), 1);
    fs::remove_file(&lock).unwrap();
    assert!(matches!(site.settled().await, News::Changed));
    assert_eq!(log.times("the files stand still again"), 1);
}
