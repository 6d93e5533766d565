//! `landfall daemon`: follows the files however they are changed, keeps what runs well, and stops when told.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::process::Signal;

use super::harness::{Host, Running, WEB, WEB_DOMAIN, WEB_PROD, eventually};

/// Starts the daemon, and returns when it has told systemd that it is ready.
pub fn daemon(host: &Host) -> Running {
    let socket = host.path("notify.sock");
    let _ = fs::remove_file(&socket);
    let systemd = UnixDatagram::bind(&socket).unwrap();
    let mut command = host.command("daemon");
    command.env("NOTIFY_SOCKET", &socket);
    let daemon = host.spawn_prepared(command);
    systemd.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
    let mut told = [0; 4096];
    loop {
        let length = systemd.recv(&mut told).expect("READY=1 from the daemon");
        if told[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
            return daemon;
        }
    }
}

/// Returns when a version answers and is the only one there.
#[track_caller]
fn follows(host: &Host, version: &str, how: &str) {
    let is_there = || match &host.instances(WEB_PROD)[..] {
        [only] => only.version == version && host.get(WEB_DOMAIN, "/").version == version,
        _ => false,
    };
    eventually(&format!("{version} is live: {how}"), || is_there().then_some(()));
}

fn web(version: &str) -> String {
    WEB.replace("v1", version)
}

fn git(host: &Host, arguments: &str) {
    let output = Command::new("git")
        .args(["-c", "user.name=story", "-c", "user.email=story@localhost", "-c", "commit.gpgsign=false"])
        .args(arguments.split(' '))
        .current_dir(host.config())
        .output()
        .expect("git");
    assert!(output.status.success(), "git {arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_daemon_follows_a_file_however_it_is_saved() {
    let host = Host::new();
    host.write("web.yaml", WEB);
    let mut daemon = daemon(&host);
    follows(&host, "v1", "at the start");
    let file = host.config().join("web.yaml");

    host.write("web.yaml", &web("v2"));
    follows(&host, "v2", "written in place");

    host.write(".web.yaml.new", &web("v3"));
    fs::rename(host.config().join(".web.yaml.new"), &file).unwrap();
    follows(&host, "v3", "renamed over");

    // As vim does it: the file moves away, a new one is written, the old one goes.
    fs::rename(&file, host.config().join("web.yaml~")).unwrap();
    host.write("web.yaml", &web("v1"));
    fs::remove_file(host.config().join("web.yaml~")).unwrap();
    follows(&host, "v1", "saved by an editor");
    assert_eq!(host.history(WEB_PROD).len(), 4, "something was deployed that nobody wrote");

    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends(), Some(0));
    assert_eq!(host.instance(WEB_PROD).state, "running");
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    host.landfall("diff").exits(0);
}

#[test]
fn r2_in_a_work_tree_the_daemon_follows_the_commit_at_head_and_not_the_files() {
    let host = Host::new();
    host.write("web.yaml", WEB);
    git(&host, "init -q -b main");
    for version in ["v1", "v2", "v3"] {
        host.write("web.yaml", &web(version));
        git(&host, "add .");
        git(&host, &format!("commit -qm {version}"));
        git(&host, &format!("tag {version}"));
    }
    let mut daemon = daemon(&host);
    follows(&host, "v3", "at the start");
    git(&host, "checkout -q v2");
    follows(&host, "v2", "another commit checked out");
    host.write("web.yaml", &web("v1"));
    host.landfall("diff").exits(0).says("one file is not committed and so not read");
    git(&host, "commit -qam again");
    follows(&host, "v1", "committed");
    assert_eq!(host.history(WEB_PROD).len(), 3, "something was deployed that nobody committed");

    fs::rename(host.config().join(".git"), host.path("git")).unwrap();
    daemon.says("its files are not read in place of a commit");
    host.write("web.yaml", &web("v3"));
    fs::rename(host.path("git"), host.config().join(".git")).unwrap();
    git(&host, "checkout -qf v2");
    follows(&host, "v2", "the repository is there again");
}

#[test]
fn the_daemon_follows_a_directory_that_is_replaced() {
    let host = Host::new();
    host.write("web.yaml", &web("v2"));
    let mut daemon = daemon(&host);
    follows(&host, "v2", "at the start");

    let (next, old) = (host.path("next"), host.path("old"));
    host.write_to(&next, "settings.yaml", &fs::read_to_string(host.config().join("settings.yaml")).unwrap());
    host.write_to(&next, "web.yaml", &web("v1"));
    fs::rename(host.config(), &old).unwrap();
    fs::rename(&next, host.config()).unwrap();
    follows(&host, "v1", "the directory was swapped");

    host.write("web.yaml", &web("v2"));
    follows(&host, "v2", "a file in the directory that came");

    fs::remove_dir_all(host.config()).unwrap();
    daemon.says("the last good one stays in force");
    host.settings("");
    host.write("web.yaml", &web("v3"));
    follows(&host, "v3", "the directory was removed and made again");

    host.write("web.yaml", &web("v1"));
    follows(&host, "v1", "a file in the directory that was made again");
}

#[test]
fn r2_with_a_bad_file_the_daemon_keeps_the_last_good_one_and_keeps_it_well() {
    let host = Host::new();
    host.settings("resync: 1s");
    host.write("web.yaml", WEB);
    let mut daemon = daemon(&host);
    follows(&host, "v1", "at the start");

    host.write("web.yaml", "projects:\n  web-<id>: { image: \"<images>/we");
    daemon.says("the last good one stays in force");
    let old = host.instance(WEB_PROD);
    host.engine.remove(&old.id);
    follows(&host, "v1", "removed by hand while the file is bad (R20)");
    assert_ne!(host.instance(WEB_PROD).id, old.id);

    fs::remove_file(host.config().join("web.yaml")).unwrap();
    fs::remove_file(host.config().join("settings.yaml")).unwrap();
    daemon.says_times("the last good one stays in force", 2);
    host.engine.act("stop", &host.instance(WEB_PROD).id);
    eventually("it runs again", || (host.instance(WEB_PROD).state == "running").then_some(()));

    host.settings("");
    host.write("web.yaml", &web("v2"));
    follows(&host, "v2", "good again");
}

#[test]
fn a_second_daemon_is_refused_and_names_the_first_and_commands_go_through_it() {
    let host = Host::new();
    host.write("web.yaml", WEB);
    let mut first = daemon(&host);
    follows(&host, "v1", "at the start");
    host.landfall("daemon").exits(1).says("a daemon uses").says(&format!("pid {}, since 20", first.pid()));
    host.landfall("apply").exits(0).says("1 unchanged");
    host.landfall("status").exits(0);
    let old = host.instance(WEB_PROD).name;
    host.landfall("restart web-<id>/prod").exits(0).says("replace v1").says("success").says("1 done");
    first.says("asks: restart ");
    assert_ne!(host.instance(WEB_PROD).name, old);
}

#[test]
fn r31_a_daemon_that_is_told_to_stop_in_the_middle_of_a_deploy_finishes_it() {
    let host = Host::new();
    host.write("web.yaml", WEB);
    let mut daemon = daemon(&host);
    follows(&host, "v1", "at the start");
    host.write("web.yaml", &web("slow"));
    daemon.says("gate http /healthz within 20s");
    eventually("the new one is at its gate", || (host.instances(WEB_PROD).len() == 2).then_some(()));
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends(), Some(0));
    assert_eq!(host.statuses(WEB_PROD), ["success", "success"]);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "slow");
    host.landfall("diff").exits(0);
}

#[test]
fn r3_the_daemon_holds_a_change_that_retires_too_much() {
    let host = Host::new();
    host.write("web.yaml", WEB);
    let mut daemon = daemon(&host);
    follows(&host, "v1", "at the start");
    fs::remove_file(host.config().join("web.yaml")).unwrap();
    daemon.says("1 of 1 live stages would be retired");
    follows(&host, "v1", "held");
    host.landfall("status").exits(3);
}
