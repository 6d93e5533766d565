//! The daemon on a branch of a real server: what is pushed runs, and whatever happens to the server or to the branch,
//! what is in force goes on.

use std::ffi::OsString;

use landfall::{git, http};
use rustix::process::Signal;
use tokio::process::Command;

use super::ground::{Fault, MAIN, Remote, TOKEN, Web};
use super::reader::{credential, processes, web_credentials};
use crate::cli::daemon::{Going, socket};
use crate::cli::{Said, command};
use crate::execute::ground::{Host, bytes_below, image, web};
use crate::router_support::{soon, until};

/// What complains of a server that does not answer.
const DOWN: &str = "cannot ask https://";

/// A host, and the server of its configuration.
struct Site {
    host: Host,
    remote: Remote<Web>,
}

impl Site {
    /// With the first version pushed.
    async fn new() -> Self {
        let host = Host::with(&[&image("v1"), &image("v2"), &image("v3")]).await;
        let remote = Remote::web();
        web_credentials(&host.path("credentials"), &remote);
        let site = Self { host, remote };
        site.settings("");
        site.push("v1");
        site
    }

    /// Pushes settings with more lines than every host of these tests has.
    fn settings(&self, more: &str) -> String {
        self.host.settings(&format!("  resync: 10m\n{more}"));
        let text = std::fs::read_to_string(self.host.path("config/settings.yaml")).expect("settings");
        self.remote.repository.commit(&[("conf/settings.yaml", &text)])
    }

    fn push(&self, version: &str) -> String {
        self.remote.repository.commit(&[("conf/projects.yaml", &web(version, ""))])
    }

    /// A command that is told of the server by variables, as a unit tells the daemon.
    fn command(&self, line: &str) -> Command {
        let mut command = command(&self.host, &line.split(' ').collect::<Vec<_>>());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let variables: [(&str, OsString); 4] = [
            ("PATH", path),
            ("LANDFALL_GIT", self.remote.server.url().into()),
            ("LANDFALL_GIT_BRANCH", MAIN.into()),
            ("LANDFALL_GIT_PATH", "conf".into()),
        ];
        command.env_remove("LANDFALL_CONFIG").envs(variables);
        command
    }

    async fn run(&self, line: &str) -> Said {
        soon("a command", self.command(line).output()).await.expect("landfall runs").into()
    }

    /// A daemon that asks when it is told to, and else hardly ever.
    fn daemon(&self) -> Going {
        Going::of(self.command("daemon --git-interval 1d"))
    }

    /// Waits until a version serves and nothing is under way any more.
    async fn serves(&self, version: &str) {
        until(&format!("{version} serves"), async || self.host.version_at("web.test").await == version).await;
        until("the deploy is over", async || self.host.reader().in_flight().is_ok_and(|open| open.is_empty())).await;
    }

    /// Of `ConfigLoaded`, as `status` says it to programs: `True`, or `False` with the reason.
    async fn config_loaded(&self) -> String {
        let said = self.run("status -o json").await;
        let json: serde_json::Value = serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}"));
        let all = json["conditions"].as_array().expect("conditions").clone();
        let loaded = all.into_iter().find(|one| one["type"] == "ConfigLoaded").unwrap_or_default();
        format!("{} {}", loaded["status"].as_str().unwrap_or("none"), loaded["message"].as_str().unwrap_or_default())
    }

    async fn complains(&self, of: &str) {
        until(&format!("it complains of {of}"), async || {
            let loaded = self.config_loaded().await;
            loaded.starts_with("False") && loaded.contains(of)
        })
        .await;
    }
}

/// Ends a daemon as systemd does.
async fn end(daemon: Going) -> String {
    daemon.signal(Signal::TERM);
    let said = daemon.ends().await;
    assert_eq!(said.code, 0, "{}", said.err);
    said.err
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_what_is_pushed_runs_after_the_interval_or_at_once_when_the_daemon_is_told_to_look() {
    let site = Site::new().await;
    let daemon = Going::of(site.command("daemon --git-interval 5s"));
    site.serves("v1").await;
    let second = site.push("v2");
    site.serves("v2").await;
    assert_eq!(site.host.reader().in_force().unwrap().unwrap().commit, Some(second));
    end(daemon).await;
    let daemon = site.daemon();
    until("it answers", async || http::status(&socket(&site.host)).await.is_ok()).await;
    site.push("v3");
    daemon.signal(Signal::HUP);
    site.serves("v3").await;
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_server_that_is_down_is_told_of_once_and_what_is_in_force_goes_on() {
    let mut site = Site::new().await;
    let daemon = site.daemon();
    site.serves("v1").await;
    site.remote.server.stop();
    let containers = site.host.containers();
    for _ in 0..3 {
        daemon.signal(Signal::HUP);
        site.complains(DOWN).await;
    }
    // Drift is put right without any server.
    site.host.fake.pause_by_hand(&site.host.fake.names()[0]);
    until("it runs on", async || site.host.fake.names().len() == 1 && site.host.version_at("web.test").await == "v1")
        .await;
    assert_eq!(site.host.containers().len(), containers.len());
    site.remote.server.start_again();
    site.push("v2");
    daemon.signal(Signal::HUP);
    site.serves("v2").await;
    until("it complains no more", async || site.config_loaded().await.starts_with("True")).await;
    let log = end(daemon).await;
    assert_eq!(log.matches(DOWN).count(), 1, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_after_a_restart_without_the_server_what_was_in_force_comes_back_from_the_clone() {
    let mut site = Site::new().await;
    let commit = site.remote.repository.head(MAIN);
    let daemon = site.daemon();
    site.serves("v1").await;
    daemon.signal(Signal::KILL);
    daemon.ends().await;
    site.remote.server.stop();
    let gone = site.host.fake.names()[0].clone();
    site.host.fake.remove_by_hand(&gone).await;
    let daemon = site.daemon();
    daemon.says(&format!("configuration {} read", &commit[..12])).await;
    until("it is made again", async || {
        site.host.fake.names().len() == 1 && site.host.version_at("web.test").await == "v1"
    })
    .await;
    site.complains(DOWN).await;
    let said = site.run("diff").await;
    assert!(said.err.contains(DOWN), "what is compared is what is in force, and it says so: {said:?}");
    site.remote.server.start_again();
    site.push("v2");
    daemon.signal(Signal::HUP);
    site.serves("v2").await;
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_rewritten_branch_is_taken_and_told_of() {
    let site = Site::new().await;
    let daemon = site.daemon();
    site.serves("v1").await;
    let anew = site.remote.repository.rewrite(&[("conf/projects.yaml", &web("v2", ""))]);
    daemon.signal(Signal::HUP);
    site.serves("v2").await;
    assert_eq!(site.host.reader().in_force().unwrap().unwrap().commit, Some(anew));
    let log = end(daemon).await;
    assert!(log.contains("rewritten"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_rewritten_branch_is_held_where_that_is_asked_for_until_someone_allows_it() {
    let site = Site::new().await;
    site.settings("  source: { on_rewrite: hold }\n");
    let daemon = site.daemon();
    site.serves("v1").await;
    let first = site.host.reader().in_force().unwrap().unwrap().commit;
    let anew = site.remote.repository.rewrite(&[("conf/projects.yaml", &web("v2", ""))]);
    daemon.signal(Signal::HUP);
    site.complains("rewritten").await;
    assert_eq!(site.host.version_at("web.test").await, "v1");
    assert_eq!(site.host.reader().in_force().unwrap().unwrap().commit, first);
    let said = site.run("apply").await;
    assert_eq!(said.code, 4, "{said:?}");
    let said = site.run("apply --allow-rewrite").await;
    assert_eq!(said.code, 0, "{said:?}");
    site.serves("v2").await;
    assert_eq!(site.host.reader().in_force().unwrap().unwrap().commit, Some(anew));
    until("it complains no more", async || site.config_loaded().await.starts_with("True")).await;
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_branch_that_is_deleted_retires_nothing_and_is_followed_when_it_is_there_again() {
    let site = Site::new().await;
    let daemon = site.daemon();
    site.serves("v1").await;
    site.remote.repository.delete_branch(MAIN);
    daemon.signal(Signal::HUP);
    site.complains("no such branch").await;
    assert_eq!(site.host.version_at("web.test").await, "v1");
    site.push("v2");
    daemon.signal(Signal::HUP);
    site.serves("v2").await;
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_what_a_commit_may_not_hold_is_refused_whole_and_the_next_good_one_runs() {
    let site = Site::new().await;
    let daemon = site.daemon();
    site.serves("v1").await;
    let repository = &site.remote.repository;
    let good = repository.head(MAIN);
    let bad: [(&str, &dyn Fn() -> String); 5] = [
        ("conf", &|| repository.remove(&["conf"])),
        ("projects.yaml", &|| repository.commit(&[("conf/projects.yaml", "projects: [\n")])),
        ("a submodule", &|| repository.submodule("conf/module", "https://127.0.0.1:9/module")),
        ("leads out of the config directory", &|| repository.link("conf/out.yaml", "/etc/hostname")),
        ("leads out of the config directory", &|| repository.link("conf/up.yaml", "../../secret.yaml")),
    ];
    for (said, push) in bad {
        push();
        daemon.signal(Signal::HUP);
        site.complains(said).await;
        assert_eq!(site.host.version_at("web.test").await, "v1", "{said}");
        // Forward again, as people do.
        repository.work(&["revert", "--no-edit", &format!("{good}..HEAD")]);
        repository.commit(&[]);
        daemon.signal(Signal::HUP);
        until("it complains no more", async || site.config_loaded().await.starts_with("True")).await;
        repository.go_back(&good);
    }
    site.push("v2");
    daemon.signal(Signal::HUP);
    site.serves("v2").await;
    end(daemon).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_daemon_whose_token_was_wrong_goes_on_when_the_right_one_is_laid_down() {
    let site = Site::new().await;
    credential(&site.host.path("credentials"), git::TOKEN, "a-wrong-one\n");
    let daemon = site.daemon();
    daemon.says("Authentication failed").await;
    assert!(site.host.containers().is_empty());
    web_credentials(&site.host.path("credentials"), &site.remote);
    daemon.signal(Signal::HUP);
    site.serves("v1").await;
    let log = end(daemon).await;
    assert!(!log.contains("a-wrong-one"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn r28_a_token_is_in_no_log_in_no_answer_and_in_no_file_of_ours() {
    let site = Site::new().await;
    let mut command = site.command("daemon --git-interval 1d");
    command.env("RUST_LOG", "trace");
    let daemon = Going::of(command);
    site.serves("v1").await;
    site.remote.server.fail(Fault::Forbidden);
    daemon.signal(Signal::HUP);
    site.complains("403").await;
    for line in
        ["status", "status -o json", "explain", "diff", "diff -o json", "doctor", "apply", "history", "apply -o json"]
    {
        let said = site.run(line).await;
        assert!(!said.out.contains(TOKEN) && !said.err.contains(TOKEN), "{line}: {said:?}");
    }
    let log = end(daemon).await;
    assert!(!log.contains(TOKEN), "{log}");
    let files = bytes_below(&site.host.path("data"));
    assert!(files.keys().any(|path| path.ends_with("landfall.db")), "{:?}", files.keys());
    for (path, bytes) in files {
        let has = bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes());
        assert!(!has, "{}", path.display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r26_a_daemon_that_waits_for_a_silent_server_answers_and_ends_when_it_is_told_to() {
    let site = Site::new().await;
    let asked = async || {
        let url = site.remote.server.url();
        until("git asks the server", async || processes().iter().any(|(_, text)| text.contains(&url))).await;
    };
    // First nothing was ever fetched, then a commit is in force.
    for is_known in [false, true] {
        if is_known {
            let daemon = site.daemon();
            site.serves("v1").await;
            end(daemon).await;
        }
        site.remote.server.set_silent(true);
        let daemon = site.daemon();
        asked().await;
        until("it answers", async || http::status(&socket(&site.host)).await.is_ok()).await;
        end(daemon).await;
        // What was killed is in the list until the system is through with it.
        let url = site.remote.server.url();
        until("no git of it is left", async || !processes().iter().any(|(_, text)| text.contains(&url))).await;
        site.remote.server.set_silent(false);
    }
}
