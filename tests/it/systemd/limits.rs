//! The daemon, and the programs that it starts, with no more power than its unit leaves them. The filter of system calls
//! is systemd's own to set; what can be set without it is set here.

use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::daemon::{Daemon, daemon_by, stopped};
use super::units::shipped;
use crate::execute::ground::{Host, image, web};

/// The capabilities that the unit leaves, as `setpriv` takes them.
fn bounding_set() -> String {
    let unit = shipped("landfall.service");
    let left = unit.lines().find_map(|line| line.strip_prefix("CapabilityBoundingSet=")).expect("a bounding set");
    let left = left.split_whitespace().map(|name| name.trim_start_matches("CAP_").to_lowercase());
    left.fold("-all".to_owned(), |set, name| format!("{set},+{name}"))
}

/// Runs a program with what the unit leaves it: as user 0, with the capabilities of the unit alone.
fn limited(program: &str) -> Command {
    let mut command = if rustix::process::geteuid().is_root() {
        Command::new("setpriv")
    } else {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "setpriv"]);
        command
    };
    let set = bounding_set();
    command.args(["--no-new-privs", "--inh-caps=-all", "--bounding-set", &set, program]);
    command
}

/// A line of `/proc/PID/status`.
fn status(pid: u32, name: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(name)).expect("a line of the status");
    value.trim_start_matches(':').trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_daemon_deploys_and_stops_with_what_its_unit_leaves_it() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    let running = Daemon::start(daemon_by(limited(env!("CARGO_BIN_EXE_landfall")), &host), &host);
    running.told("STATUS=converged").await;
    let capabilities = status(running.pid(), "CapBnd");
    assert_eq!(u64::from_str_radix(&capabilities, 16).unwrap(), 1 << 1, "CAP_DAC_OVERRIDE alone: {capabilities}");
    assert_eq!(status(running.pid(), "NoNewPrivs"), "1");
    assert_eq!(host.last().status.to_string(), "success");
    assert_eq!(stopped(running).await, 0);
}

/// `git`, as the daemon starts it, with no home and no environment.
async fn git(dir: &Path, arguments: &[&str]) {
    let mut command = limited("git");
    command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).current_dir(dir).args(arguments);
    let output = command.stdin(Stdio::null()).output().await.expect("setpriv of util-linux");
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn git_clones_and_fetches_with_what_the_unit_leaves_it() {
    let dir = tempfile::tempdir().unwrap();
    let commit = "-c user.name=t -c user.email=t@t.test -c commit.gpgsign=false commit -q --allow-empty -m one";
    git(dir.path(), &["init", "-q", "-b", "main", "there"]).await;
    let there = dir.path().join("there");
    git(&there, &commit.split(' ').collect::<Vec<_>>()).await;
    let url = format!("file://{}", there.display());
    git(dir.path(), &["clone", "-q", "--bare", &url, "here"]).await;
    git(&there, &commit.split(' ').collect::<Vec<_>>()).await;
    let here = dir.path().join("here");
    git(&here, &["fetch", "-q", "origin", "main"]).await;
    git(&here, &["cat-file", "-e", "FETCH_HEAD^{commit}"]).await;
}
