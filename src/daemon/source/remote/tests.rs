//! A branch of a repository on this host: when it is asked for, and what a look makes of what was fetched.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;
use crate::git::Remote as Place;
use crate::git::testing::{commit, git, repository};

const DAY: Duration = Duration::from_secs(86_400);
/// Within this time what is asked for at once was asked for, however busy the machine is.
const SOON: Duration = Duration::from_secs(20);

struct Site {
    _served: TempDir,
    top: PathBuf,
    host: TempDir,
}

impl Site {
    fn new() -> Self {
        let (served, top) = repository();
        git(&top, &["config", "uploadpack.allowFilter", "true"]);
        git(&top, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        Self { _served: served, top, host: TempDir::new().unwrap() }
    }

    fn push(&self, yaml: &str) -> String {
        fs::write(self.top.join("a.yaml"), yaml).unwrap();
        commit(&self.top)
    }

    fn mirror(&self) -> Arc<Mirror> {
        let url = format!("file://{}", self.top.display()).parse().unwrap();
        let place = Place { url, branch: None, folder: String::new().parse().unwrap() };
        Arc::new(Mirror::new(place, &self.host.path().join("git"), Path::new("")))
    }
}

/// What a look gives: the same, good, or bad.
async fn look(remote: &mut Remote) -> &'static str {
    match remote.read().await.unwrap() {
        Read::Same => "same",
        Read::Changing => "changing",
        Read::Loaded(loaded) if loaded.is_ok() => "good",
        Read::Loaded(_) => "bad",
    }
}

fn named(id: Result<Option<CommitId>, GitError>) -> String {
    id.unwrap().map(|id| id.as_str().to_owned()).unwrap_or_default()
}

const GOOD: &str = "projects: {}\n";

#[test]
fn r26_a_server_that_does_not_answer_is_asked_later_each_time_and_never_sooner_than_it_would_be() {
    let mut dice = Dice::new(1);
    for (interval, most) in [(60, [60, 120, 240, 480, 600, 600]), (3600, [3600; 6])] {
        for (failures, most) in (0..).zip(most) {
            let wait = wait(Duration::from_secs(interval), failures, &mut dice).as_millis();
            assert!((most * 900..=most * 1100).contains(&wait), "{interval} s, {failures} failures: {wait} ms");
        }
    }
    let waits: Vec<_> = (0..50).map(|_| wait(DAY, 0, &mut dice)).collect();
    assert!(waits.iter().max().unwrap() > &(*waits.iter().min().unwrap() + DAY / 10), "hosts do not stay together");
}

#[tokio::test]
async fn r26_after_a_restart_what_was_in_force_is_taken_and_the_server_is_asked_at_once() {
    let site = Site::new();
    let first = site.push(GOOD);
    let mut remote = Remote::new(&site.mirror(), DAY);
    assert_eq!(look(&mut remote).await, "good");
    drop(remote);
    let second = site.push("projects: {}\n# more\n");
    let mirror = site.mirror();
    assert_eq!(named(mirror.in_force()), first);
    let mut remote = Remote::new(&mirror, DAY);
    tokio::time::timeout(SOON, remote.news().notified()).await.expect("the server is asked");
    while named(mirror.fetched()) != second {
        tokio::time::timeout(SOON, remote.news().notified()).await.expect("it is fetched");
    }
    assert_eq!((look(&mut remote).await, look(&mut remote).await), ("good", "good"), "the one before, and the new one");
    assert_eq!(named(mirror.in_force()), second);
}

#[tokio::test]
async fn r26_what_is_bad_is_never_in_force_and_the_end_of_a_trouble_that_passed_is_told() {
    let site = Site::new();
    let first = site.push(GOOD);
    let mirror = site.mirror();
    let mut remote = Remote::new(&mirror, DAY);
    assert_eq!((look(&mut remote).await, look(&mut remote).await), ("good", "same"));
    site.push("projects: [");
    mirror.fetch().unwrap();
    assert_eq!((look(&mut remote).await, look(&mut remote).await), ("bad", "same"), "it stays so");
    assert_eq!(named(mirror.in_force()), first);

    site.push(GOOD);
    mirror.fetch().unwrap();
    assert_eq!(look(&mut remote).await, "good");
    let aside = site.host.path().join("aside");
    fs::rename(&site.top, &aside).unwrap();
    mirror.fetch().unwrap_err();
    assert_eq!(look(&mut remote).await, "bad");
    fs::rename(&aside, &site.top).unwrap();
    mirror.fetch().unwrap();
    assert_eq!((look(&mut remote).await, look(&mut remote).await), ("good", "same"), "the same commit, told of anew");
}
