//! The files, what they were at every moment, and which of that stood long enough to be meant.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use landfall::config::{Tree, load_tree};

use crate::execute::ground::REPOSITORY;
use crate::fake_docker::FakeImage;
use crate::random::Random;

/// What stands for so long is in force, as the daemon promises.
const QUIET: Duration = Duration::from_millis(100);
/// What leaves out a stage is in force after so long.
const RETIRING: Duration = Duration::from_secs(2);

/// The stages that every state has.
pub const STAGES: [&str; 3] = ["a/one", "a/two", "b/one"];
/// The files with projects in them.
pub const FILES: [&str; 2] = ["a.yaml", "sub/b.yaml"];
/// States that are commits of a repository.
pub const COMMITS: u32 = 8;

/// Files by path.
pub type Files = BTreeMap<String, Vec<u8>>;

/// A configuration directory, and all that was in it.
pub struct Scene {
    /// Where the daemon looks: a directory, or a link to one.
    pub config: PathBuf,
    pub random: Random,
    settings: Vec<u8>,
    /// What is there now; none while there is no directory.
    now: Option<Files>,
    /// When what is there now began to come.
    since: Instant,
    /// Git's lock is there since then.
    locked: Option<Instant>,
    state: u32,
    made: u32,
    stood: BTreeSet<String>,
    left_out: BTreeSet<String>,
}

impl Scene {
    /// A scene over a directory with settings in it.
    pub fn new(config: &Path, random: Random) -> Self {
        let settings = fs::read(config.join("settings.yaml")).expect("settings");
        let now = Some(Files::from([("settings.yaml".to_owned(), settings.clone())]));
        let mut scene = Self {
            config: config.to_owned(),
            random,
            settings,
            now,
            since: Instant::now(),
            locked: None,
            state: COMMITS,
            made: 0,
            stood: BTreeSet::new(),
            left_out: BTreeSet::new(),
        };
        scene.commit();
        scene
    }

    /// A path beside the configuration that is not taken.
    pub fn beside(&mut self) -> PathBuf {
        self.made += 1;
        self.config.with_file_name(format!("beside-{}", self.made))
    }

    /// All files of a state.
    pub fn files(&self, state: u32) -> Files {
        let mut files: Files = FILES.iter().map(|path| ((*path).to_owned(), text(path, state))).collect();
        files.insert("settings.yaml".to_owned(), self.settings.clone());
        files
    }

    /// A state that never was.
    pub fn next(&mut self) -> u32 {
        self.state += 1;
        self.state
    }

    /// The state made last.
    pub fn state(&self) -> u32 {
        self.state
    }

    /// Revisions of what stood long enough to be in force.
    pub fn stood(&self) -> &BTreeSet<String> {
        &self.stood
    }

    /// Stages that were left out for long enough to be retired.
    pub fn left_out(&self) -> &BTreeSet<String> {
        &self.left_out
    }

    pub fn now(&self) -> Files {
        self.now.clone().unwrap_or_default()
    }

    /// Less than so many milliseconds, none in most cases.
    pub fn pause(&mut self, most: u64) {
        if self.random.next().is_multiple_of(3) {
            std::thread::sleep(Duration::from_millis(self.random.next() % most));
        }
    }

    /// One change, and what is there after it.
    pub fn touch(&mut self, after: Option<Files>, act: impl FnOnce(&Path)) {
        let began = Instant::now();
        act(&self.config);
        // Before this one, what was there stood from the beginning of the change before until the end of this one, at
        // most. Under a lock of git it stands for nothing.
        if self.locked.is_none_or(|lock| lock > self.since) {
            self.stands_for(self.since.elapsed());
        }
        (self.now, self.since) = (after, began);
    }

    fn stands_for(&mut self, time: Duration) {
        let Some(files) = self.now.clone().filter(|_| time >= QUIET) else { return };
        self.allow(&files, time);
    }

    fn allow(&mut self, files: &Files, time: Duration) {
        let Ok(loaded) = load_tree(Tree::from_memory(files.clone())) else { return };
        self.stood.insert(loaded.hash.clone());
        if time >= RETIRING {
            let has = |stage: &&str| loaded.desired.stages.keys().any(|key| key.to_string() == **stage);
            self.left_out.extend(STAGES.iter().filter(|stage| !has(stage)).map(ToString::to_string));
        }
    }

    /// Writes one file, another one each time.
    pub fn write(&mut self, path: &str, bytes: &[u8]) {
        let mut after = self.now();
        after.insert(path.to_owned(), bytes.to_vec());
        self.touch(Some(after), |config| put(config, path, bytes));
    }

    /// All files of a new state, in place; it stands until something else is done.
    pub fn publish(&mut self) {
        let state = self.next();
        for (path, bytes) in self.files(state) {
            self.write(&path, &bytes);
        }
        // What stands from now on stands for long enough.
        let files = self.files(state);
        self.allow(&files, QUIET);
    }

    pub fn lock(&mut self, lock: bool) {
        let path = self.config.join(".git/index.lock");
        if lock {
            fs::create_dir_all(self.config.join(".git")).expect("a folder");
            fs::write(path, "").expect("a lock");
            self.locked = Some(Instant::now());
        } else {
            self.locked = None;
            fs::remove_dir_all(self.config.join(".git")).expect("a lock");
        }
    }

    /// `git checkout` of a commit into the directory, by a repository that lies elsewhere: no lock is to be seen.
    pub fn checkout(&mut self, commit: u32) {
        let (before, after) = (self.now(), self.files(commit));
        let began = Instant::now();
        self.touch(Some(after.clone()), |config| git(config, &format!("checkout -q -f state-{commit}")));
        // A git that was kept waiting in the middle left anything in between standing.
        if began.elapsed() >= QUIET {
            let (a, b) = (FILES[0], FILES[1]);
            let ways = |path: &str| [before.get(path).cloned(), after.get(path).cloned(), None, Some(Vec::new())];
            for (one, other) in ways(a).into_iter().flat_map(|one| ways(b).map(|other| (one.clone(), other))) {
                let parts =
                    [(a, one), (b, other)].into_iter().filter_map(|(path, bytes)| Some((path.to_owned(), bytes?)));
                let mixed = after.clone().into_iter().filter(|(path, _)| !FILES.contains(&path.as_str())).chain(parts);
                self.allow(&mixed.collect(), began.elapsed());
            }
        }
    }

    /// A repository beside the configuration, with a tag per state.
    fn commit(&mut self) {
        git(&self.config, "init -q -b main");
        for state in 1..=COMMITS {
            for (path, bytes) in self.files(state) {
                put(&self.config, &path, &bytes);
            }
            for words in ["add .".to_owned(), format!("commit -q -m {state}"), format!("tag state-{state}")] {
                git(&self.config, &words);
            }
        }
        self.now = Some(self.files(COMMITS));
    }
}

/// Writes a file in place.
pub fn put(config: &Path, path: &str, bytes: &[u8]) {
    let path = config.join(path);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(path, bytes).expect("a file");
}

fn git(config: &Path, words: &str) {
    let output = Command::new("git")
        .args(["-c", "user.name=storm", "-c", "user.email=storm@localhost", "-c", "commit.gpgsign=false"])
        .arg("--git-dir")
        .arg(config.with_file_name("repository"))
        .arg("--work-tree")
        .arg(config)
        .args(words.split(' '))
        .output()
        .expect("git");
    assert!(output.status.success(), "git {words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// One file of a state.
fn text(path: &str, state: u32) -> Vec<u8> {
    let (project, stages) = if path == FILES[0] { ("a", &["one", "two"][..]) } else { ("b", &["one"][..]) };
    let digest = FakeImage::new(REPOSITORY, "v1").digest;
    let stages = stages.iter().map(|stage| format!("      {stage}: {{ track: {{ digest: \"{digest}\" }} }}\n"));
    let text = format!(
        "# State {state}.
projects:
  {project}:
    image: {REPOSITORY}
    port: 8080
    drain: 0s
    ready: {{ http: {{ path: /healthz }}, interval: 20ms, timeout: 1s, deadline: 20s }}
    environment:
      STATE: \"{state}\"
    stages:
{}",
        stages.collect::<String>()
    );
    text.into_bytes()
}
