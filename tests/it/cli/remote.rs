//! Commands that read a repository elsewhere, here one of this host: what they show, take, hold and leave alone.

use std::path::Path;

use super::{Said, command};
use crate::execute::ground::{Host, bytes_below, image, web};
use crate::git_remote::ground::{MAIN, Repository};
use crate::router_support::soon;

/// A host, and the repository that its configuration is in.
struct Site {
    host: Host,
    repository: Repository,
    _served: tempfile::TempDir,
}

impl Site {
    async fn new() -> Self {
        let host = Host::with(&[&image("v1"), &image("v2")]).await;
        let served = tempfile::tempdir().expect("a directory");
        let site = Self { repository: Repository::new(served.path()), host, _served: served };
        let settings = std::fs::read_to_string(site.host.path("config/settings.yaml")).expect("settings");
        site.repository.commit(&[("one/settings.yaml", &settings), ("one/web.yaml", &web("v1", "")), ("read-me", "")]);
        site
    }

    fn url(&self) -> String {
        self.repository.bare_dir().display().to_string()
    }

    /// Runs a command without a directory that is named.
    async fn run(&self, args: &[&str]) -> Said {
        let mut command = command(&self.host, args);
        soon("a command", command.env_remove("LANDFALL_CONFIG").output()).await.expect("landfall runs").into()
    }

    /// The same with the repository.
    async fn with_git(&self, args: &[&str]) -> Said {
        let url = self.url();
        let named = ["--git", &url, "--branch", MAIN, "--path", "one"];
        self.run(&[args, &named].concat()).await
    }

    /// Says that a rewritten branch is held.
    fn hold(&self) {
        let settings = std::fs::read_to_string(self.host.path("config/settings.yaml")).expect("settings");
        self.repository.commit(&[("one/settings.yaml", &format!("{settings}  source: {{ on_rewrite: hold }}\n"))]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r21_diff_shows_what_a_remote_branch_would_change_and_leaves_no_byte() {
    let site = Site::new().await;
    let before = bytes_below(&site.host.path("."));
    let said = site.with_git(&["diff"]).await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(said.out.contains("web/prod   new → "), "{}", said.out);
    assert!(bytes_below(&site.host.path(".")) == before, "it wrote");
    assert_eq!(site.with_git(&["apply"]).await.code, 0);
    site.repository.commit(&[("one/web.yaml", &web("v2", ""))]);
    let before = bytes_below(&site.host.path("."));
    let said = site.with_git(&["diff"]).await;
    assert_eq!(said.code, 2, "{}{}", said.out, said.err);
    assert!(bytes_below(&site.host.path(".")) == before, "it wrote");
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_takes_what_the_server_has_and_status_shows_what_is_in_force() {
    let site = Site::new().await;
    assert_eq!(site.with_git(&["apply"]).await.code, 0);
    site.repository.commit(&[("one/web.yaml", &web("v2", ""))]);
    let said = site.with_git(&["status"]).await;
    assert_eq!(said.code, 0, "nothing is asked for that: {}{}", said.out, said.err);
    let said = site.with_git(&["apply"]).await;
    assert_eq!(
        (said.code, said.out.lines().last()),
        (0, Some("1 done, 0 failed, 0 held, 0 unchanged")),
        "{}",
        said.err
    );
    assert_eq!(site.host.deploys().len(), 2);
    if !Path::new("/etc/landfall/config").exists() {
        let said = site.run(&["status"]).await;
        assert_eq!(said.code, 0, "the clone tells where it is from: {}{}", said.out, said.err);
        assert_eq!(site.run(&["diff"]).await.code, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_rewritten_branch_is_held_where_what_is_in_force_says_so_until_someone_allows_it() {
    let site = Site::new().await;
    site.hold();
    assert_eq!(site.with_git(&["apply"]).await.code, 0);
    // Also when the rewrite itself says that it may be applied.
    let settings = std::fs::read_to_string(site.host.path("config/settings.yaml")).expect("settings");
    site.repository.rewrite(&[("one/web.yaml", &web("v2", "")), ("one/settings.yaml", &settings)]);
    for args in [&["apply"], &["diff"]] {
        let said = site.with_git(args).await;
        assert_eq!(said.code, if args == &["apply"] { 4 } else { 1 }, "{}{}", said.out, said.err);
        assert!(
            said.err.contains("was rewritten: commit ") && said.err.contains("`landfall apply --allow-rewrite`"),
            "{}",
            said.err
        );
    }
    assert_eq!(site.host.deploys().len(), 1);
    assert_eq!(site.with_git(&["status"]).await.code, 0, "what is in force goes on");
    assert_eq!(site.with_git(&["apply", "--allow-rewrite"]).await.code, 0);
    assert_eq!(site.host.deploys().len(), 2);
    assert_eq!(site.with_git(&["diff"]).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_branch_is_taken_by_default_and_that_is_said() {
    let site = Site::new().await;
    assert_eq!(site.with_git(&["apply"]).await.code, 0);
    site.repository.rewrite(&[("one/web.yaml", &web("v2", ""))]);
    let said = site.with_git(&["diff"]).await;
    assert!(said.code == 2 && said.err.contains("the branch is taken as it is now"), "{}{}", said.out, said.err);
    assert_eq!(site.with_git(&["apply"]).await.code, 0);
    assert_eq!(site.host.deploys().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_the_server_and_says_where_the_branch_is() {
    let site = Site::new().await;
    let head = site.repository.head(MAIN);
    let said = site.with_git(&["doctor"]).await;
    assert!(
        said.out.contains("ok   git: ") && said.out.contains(&format!("is at commit {}", &head[..12])),
        "{}",
        said.out
    );
    site.repository.delete_branch(MAIN);
    let said = site.with_git(&["doctor"]).await;
    assert!(said.code == 1 && said.out.contains("the repository has no such branch"), "{}", said.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_of_a_remote_is_a_usage_error_or_says_what_to_do() {
    let site = Site::new().await;
    for (args, word) in [
        (&["diff", "--git", "https://bot:hunter2@git.example.com/ops"][..], "credential `git-token`"),
        (&["diff", "--git", "ext::sh"], "it is none of"),
        (&["diff", "--branch", "main"], "--git"),
        (&["diff", "--git", "/srv/x", "--config", "/etc"], "cannot be used with"),
        (&["daemon", "--git", "/srv/x", "--git-interval", "1s"], "not from 5s to 1d"),
    ] {
        let said = site.run(args).await;
        assert!(said.code == 64 && said.err.contains(word), "{args:?}: {} {}", said.code, said.err);
        assert!(!said.err.contains("hunter2"), "{}", said.err);
    }
    let said = site.with_git(&["diff", "--against", "HEAD"]).await;
    assert!(said.code == 1 && said.err.contains("clone the repository"), "{}", said.err);
}
