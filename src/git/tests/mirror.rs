//! The private clone, of a repository on this host: what it fetches, keeps, and never loses.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::git::testing::{commit, git, repository};
use crate::git::{CommitId, GitError, Kind, Limits, Mirror, Remote};

const LIMITS: Limits = Limits { files: 100, bytes: 1 << 20 };

/// A repository that is served, and a host with a clone of it.
struct Site {
    _served: TempDir,
    top: PathBuf,
    host: TempDir,
}

impl Site {
    fn new() -> Self {
        let (served, top) = repository();
        // As the servers that people use do.
        git(&top, &["config", "uploadpack.allowFilter", "true"]);
        git(&top, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        let site = Self { _served: served, top, host: TempDir::new().unwrap() };
        site.write("conf/a.yaml", "one");
        site.write("else/large", &"x".repeat(100_000));
        site
    }

    fn write(&self, path: &str, text: &str) -> String {
        let path = self.top.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        commit(&self.top)
    }

    fn mirror(&self, branch: Option<&str>, folder: &str) -> Mirror {
        let branch = branch.map(|name| name.parse().unwrap());
        let url = format!("file://{}", self.top.display()).parse().unwrap();
        let remote = Remote { url, branch, folder: folder.parse().unwrap() };
        Mirror::new(remote, &self.dir(), &self.host.path().join("credentials"))
    }

    fn dir(&self) -> PathBuf {
        self.host.path().join("data/git")
    }
}

fn text(mirror: &Mirror, commit: &CommitId, folder: &str) -> Result<String, GitError> {
    let entries = mirror.repository().list(commit, folder, LIMITS)?;
    let blobs = mirror.repository().read(&entries)?;
    let files = entries.iter().zip(blobs);
    Ok(files.map(|(entry, bytes)| format!("{}={} ", entry.path, String::from_utf8(bytes).unwrap())).collect())
}

fn blobs(dir: &Path) -> usize {
    let all = git(dir, &["cat-file", "--batch-all-objects", "--batch-check=%(objecttype)"]);
    all.lines().filter(|kind| *kind == "blob").count()
}

#[test]
fn r26_a_clone_has_all_commits_and_only_the_files_of_its_folder() {
    let site = Site::new();
    let first = git(&site.top, &["rev-parse", "HEAD~1"]);
    let newest = site.write("conf/a.yaml", "two");
    let mirror = site.mirror(None, "conf");
    assert_eq!((mirror.fetched(), mirror.in_force(), mirror.last()), (Ok(None), Ok(None), None));
    let commit = mirror.fetch().unwrap();
    assert_eq!(commit.as_str(), newest);
    assert_eq!(text(&mirror, &commit, "conf").unwrap(), "a.yaml=two ");
    assert_eq!(blobs(&site.dir()), 1, "neither the large file nor the older one");
    assert!(mirror.repository().is_ancestor(&CommitId::parse(&first).unwrap(), &commit).unwrap());
    assert_eq!(mirror.last(), Some(Ok(commit.clone())));
    assert_eq!(site.mirror(None, "conf").fetched(), Ok(Some(commit)), "another process knows it too");
}

#[test]
fn what_another_git_on_this_host_is_told_is_written_only_where_there_is_one() {
    let site = Site::new();
    let config = site.dir().with_extension("config");
    let url = "https://127.0.0.1:1/a.git".parse().unwrap();
    let remote = Remote { url, branch: None, folder: String::new().parse().unwrap() };
    let mirror = Mirror::new(remote, &site.dir(), &site.host.path().join("credentials"));
    assert_eq!(mirror.fetch().unwrap_err().kind, Kind::Unreachable);
    assert!(!config.exists(), "nobody reads it");
    site.mirror(None, "").fetch().unwrap();
    assert!(fs::read_to_string(&config).unwrap().contains("[safe]"));
}

#[test]
fn a_commit_that_is_known_is_not_fetched_again_and_a_new_one_is() {
    let site = Site::new();
    let mirror = site.mirror(Some("main"), "conf");
    let first = mirror.fetch().unwrap();
    let packs = |site: &Site| fs::read_dir(site.dir().join("objects/pack")).unwrap().count();
    let before = packs(&site);
    assert_eq!(mirror.fetch(), Ok(first.clone()));
    assert_eq!(packs(&site), before);
    let newest = site.write("conf/b.yaml", "new");
    let second = mirror.fetch().unwrap();
    assert_eq!(second.as_str(), newest);
    assert_eq!(text(&mirror, &second, "conf").unwrap(), "a.yaml=one b.yaml=new ");
    assert_eq!(text(&mirror, &first, "conf").unwrap(), "a.yaml=one ", "what was fetched stays");
}

#[test]
fn r26_a_rewritten_branch_is_fetched_and_what_is_in_force_stays_readable() {
    let site = Site::new();
    let mirror = site.mirror(None, "conf");
    let old = mirror.fetch().unwrap();
    mirror.put_in_force(&old).unwrap();
    git(&site.top, &["reset", "-q", "--hard", "HEAD~1"]);
    site.write("conf/a.yaml", "rewritten");
    let new = mirror.fetch().unwrap();
    assert_eq!(text(&mirror, &new, "conf").unwrap(), "a.yaml=rewritten ");
    assert!(!mirror.repository().is_ancestor(&old, &new).unwrap());
    assert_eq!(mirror.in_force(), Ok(Some(old.clone())));
    assert_eq!(text(&mirror, &old, "conf").unwrap(), "a.yaml=one ");
}

#[test]
fn a_branch_that_is_deleted_is_an_error_that_names_it_and_nothing_is_lost() {
    let site = Site::new();
    git(&site.top, &["branch", "live"]);
    let mirror = site.mirror(Some("live"), "conf");
    let commit = mirror.fetch().unwrap();
    git(&site.top, &["branch", "-D", "live"]);
    let error = mirror.fetch().unwrap_err();
    assert_eq!(error.kind, Kind::NoBranch);
    assert!(error.to_string().contains("branch live") && error.hint().contains("--branch"), "{error}");
    assert_eq!(mirror.fetched(), Ok(Some(commit)));
    assert_eq!(mirror.last(), Some(Err(error)));
}

#[test]
fn a_repository_that_is_not_there_or_has_no_commit_is_an_error() {
    let site = Site::new();
    fs::rename(&site.top, site.top.with_extension("gone")).unwrap();
    let error = site.mirror(None, "conf").fetch().unwrap_err();
    assert_eq!(error.kind, Kind::NoRepository, "{error}");
    assert!(!site.dir().exists());
    fs::rename(site.top.with_extension("gone"), &site.top).unwrap();
    git(&site.top, &["checkout", "-q", "--orphan", "empty"]);
    assert_eq!(site.mirror(None, "conf").fetch().unwrap_err().kind, Kind::NoBranch);
}

#[test]
fn a_clone_that_is_damaged_is_made_anew_and_knows_what_is_in_force() {
    let site = Site::new();
    let mirror = site.mirror(None, "conf");
    let first = mirror.fetch().unwrap();
    mirror.put_in_force(&first).unwrap();
    let newest = site.write("conf/a.yaml", "two");
    fs::remove_dir_all(site.dir().join("objects/pack")).unwrap();
    fs::create_dir(site.dir().join("objects/pack")).unwrap();
    let commit = mirror.fetch().unwrap();
    assert_eq!(commit.as_str(), newest);
    assert_eq!(text(&mirror, &commit, "conf").unwrap(), "a.yaml=two ");
}

#[test]
fn another_branch_or_folder_is_another_clone_in_which_nothing_is_in_force() {
    let site = Site::new();
    let mirror = site.mirror(None, "conf");
    let commit = mirror.fetch().unwrap();
    mirror.put_in_force(&commit).unwrap();
    let other = site.mirror(None, "else");
    assert_eq!((other.fetched(), other.in_force()), (Ok(None), Ok(None)));
    let commit = other.fetch().unwrap();
    assert!(text(&other, &commit, "else").unwrap().starts_with("large=xxx"));
    assert_eq!(other.in_force(), Ok(None));
}

#[test]
fn r21_a_clone_for_a_moment_leaves_the_other_one_as_it_is_and_nothing_behind() {
    let site = Site::new();
    let mirror = site.mirror(None, "conf");
    let first = mirror.fetch().unwrap();
    mirror.put_in_force(&first).unwrap();
    let newest = site.write("conf/b.yaml", "new");
    let temporary = mirror.temporary().unwrap();
    let commit = temporary.fetch().unwrap();
    assert_eq!(commit.as_str(), newest);
    assert_eq!(text(&temporary, &commit, "conf").unwrap(), "a.yaml=one b.yaml=new ");
    assert_eq!(temporary.in_force(), Ok(Some(first.clone())));
    assert!(temporary.repository().is_ancestor(&first, &commit).unwrap());
    assert_eq!(mirror.fetched(), Ok(Some(first)));
    let place = temporary.repository().git_dir().parent().unwrap().to_owned();
    assert!(place.exists());
    drop(temporary);
    assert!(!place.exists());
}

#[test]
fn whoever_waits_is_told_once_of_each_thing_that_is_new() {
    let site = Site::new();
    let mirror = site.mirror(None, "conf");
    let news = mirror.news();
    let is_told = || futures_util::FutureExt::now_or_never(news.notified()).is_some();
    assert!(!is_told());
    mirror.fetch().unwrap();
    assert!(is_told() && !is_told());
    mirror.fetch().unwrap();
    assert!(!is_told(), "the same again is no news");
    site.write("conf/a.yaml", "two");
    mirror.fetch().unwrap();
    assert!(is_told());
}
