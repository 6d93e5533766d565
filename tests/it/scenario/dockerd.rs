//! dockerd stands still, is restarted or killed in the middle of a deploy, or its socket is gone: said clearly, and made
//! good by the next passes. Each of these stories has a dockerd of its own.

use super::converge::{Came, REAL, converges, tell};
use super::harness::{Host, PausedRegistry, WEB, WEB_DOMAIN, WEB_PROD};
use super::interrupted::held_apply;
use crate::recorder::Hold;

/// The second version, which takes so long to be ready that something can happen meanwhile.
fn slow_v2() -> String {
    WEB.replace("v1", "v2").replace("    port: 8080", "    port: 8080\n    environment: { BOOT_MS: 2000 }")
}

/// What whoever looks or applies is told at once, with a remedy.
#[track_caller]
fn is_told(host: &Host, why: &str) {
    for (command, code) in [("status", 1), ("diff", 1), ("apply", 4)] {
        host.landfall(command)
            .exits(code)
            .says("docker does not answer at unix://")
            .says(why)
            .says("systemctl status docker");
    }
}

#[test]
fn r31_a_dockerd_that_stands_still_is_given_up_after_its_limit_and_one_that_goes_on_is_waited_for() {
    let host = Host::with_own_dockerd();
    host.deployed("web.yaml", WEB);
    host.write("web.yaml", &WEB.replace("v1", "v2"));
    let (recorder, mut apply) = held_apply(&host, Hold::Request, "POST /tag");
    host.dockerd().signal("STOP");
    recorder.release();
    assert_eq!(apply.ends(), Some(1));
    for words in ["docker did not tag image", "within 30 s", "`journalctl -u docker` tells"] {
        assert!(apply.log().contains(words), "no {words:?} in:\n{}", apply.log());
    }
    host.landfall("apply").exits(4).says("no answer to a ping within 5 s").says("systemctl status docker");
    host.dockerd().signal("CONT");
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    let given_up = converges(&host, "v2", false, "it stood still for longer than the limit");

    host.write("web.yaml", WEB);
    let (recorder, mut apply) = held_apply(&host, Hold::Request, "POST /containers/create");
    host.dockerd().signal("STOP");
    recorder.release();
    host.landfall("status").exits(1).says("no answer to a ping within 5 s");
    host.dockerd().signal("CONT");
    assert_eq!(apply.ends(), Some(0), "{}", apply.log());
    assert_eq!(recorder.requests().iter().filter(|request| request.is_creation()).count(), 1);
    let waited_for = converges(&host, "v1", false, "it stood still for a while");
    tell("dockerd stands still (SIGSTOP)", "replace", REAL, &[given_up, waited_for]);
}

/// dockerd ends by a signal while the new version is looked at, and is started again once the pass has ended.
fn ended_at_the_gate(host: &Host, signal: &str) -> Came {
    host.deployed("web.yaml", WEB);
    host.write("web.yaml", &slow_v2());
    let mut apply = host.spawn("apply");
    apply.says("gate http /healthz");
    host.dockerd().signal(signal);
    assert_eq!(apply.ends(), Some(1), "{}", apply.log());
    is_told(host, "");
    host.dockerd().again();
    converges(host, "v2", false, signal)
}

#[test]
fn r15_a_dockerd_that_is_restarted_or_killed_in_the_middle_of_a_deploy_holds_nothing() {
    let host = Host::with_own_dockerd();
    tell("dockerd restarted (SIGTERM)", "replace", REAL, &[ended_at_the_gate(&host, "TERM")]);
    tell("dockerd killed (SIGKILL)", "replace", REAL, &[ended_at_the_gate(&host, "KILL")]);
}

#[test]
fn r6_a_dockerd_that_is_killed_in_the_middle_of_a_pull_pulls_again() {
    let host = Host::with_own_dockerd();
    let registry = PausedRegistry::start();
    let web = WEB.replace("<images>", &registry.images());
    host.deployed("web.yaml", &web);
    host.write("web.yaml", &web.replace("v1", "v2"));
    registry.pause();
    let mut apply = host.spawn("apply");
    registry.is_holding();
    host.dockerd().signal("KILL");
    assert_eq!(apply.ends(), Some(1), "{}", apply.log());
    host.last_deploy(WEB_PROD).says("pull").says("docker does not answer");
    registry.go_on();
    host.dockerd().again();
    let came = converges(&host, "v2", false, "killed in a pull");
    tell("dockerd killed in a pull (SIGKILL)", "replace", REAL, &[came]);
}

#[test]
fn a_socket_that_is_gone_is_named_with_a_remedy_and_what_runs_goes_on() {
    let host = Host::with_own_dockerd();
    host.deployed("web.yaml", WEB);
    let socket = host.dockerd().socket();
    // Who looks for it finds it as little as if it were removed.
    let away = socket.with_extension("away");
    std::fs::rename(&socket, &away).unwrap();
    is_told(&host, "No such file");
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    std::fs::rename(&away, &socket).unwrap();
    let at_rest = converges(&host, "v1", false, "its socket was gone at rest");

    host.write("web.yaml", &slow_v2());
    let mut apply = host.spawn("apply");
    apply.says("gate http /healthz");
    std::fs::rename(&socket, &away).unwrap();
    // The connections of a pass that runs may outlive the file; whoever comes later finds nobody.
    let code = apply.ends();
    assert!(matches!(code, Some(0 | 1)), "{code:?}\n{}", apply.log());
    is_told(&host, "No such file");
    std::fs::rename(&away, &socket).unwrap();
    let meanwhile = converges(&host, "v2", false, "its socket was gone in a deploy");
    tell("Docker's socket gone", "replace", REAL, &[at_rest, meanwhile]);
}
