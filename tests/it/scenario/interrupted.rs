//! `kill -9` at any moment of a deploy, then `apply` again: the same end as without it (R15).

use super::harness::{Host, Running, WEB, WEB_DOMAIN, WEB_PROD, ask, assert_lossless, assert_replaced, eventually};
use crate::recorder::{Hold, Recorder};

/// `apply` runs with a socket of ours in place of Docker's or the proxy's, until one request of it is held.
pub(super) fn held_apply(host: &Host, hold: Hold, what: &str) -> (Recorder, Running) {
    let at_proxy = what.contains("routes") || what.contains("drained");
    let upstream = if at_proxy { host.path("proxy.sock").display().to_string() } else { host.docker.clone() };
    let recorder = Recorder::start(&upstream);
    recorder.hold(hold, what);
    let mut command = host.command("apply");
    if at_proxy {
        command.env("LANDFALL_PROXY_SOCKET", recorder.path());
    } else {
        command.env("LANDFALL_DOCKER", recorder.url());
    }
    let mut apply = host.spawn_prepared(command);
    eventually(&format!("{hold:?} of {what} is held"), || {
        assert!(apply.ended().is_none(), "it ended before {what}:\n{}", apply.log());
        recorder.is_holding().then_some(())
    });
    (recorder, apply)
}

/// Replaces a version by another, killed at one request, and looks whether the next `apply` makes all of it good.
fn survives(host: &Host, tag: &str, hold: Hold, what: &str) {
    host.write("web.yaml", &WEB.replace("v1", tag));
    let before = host.history(WEB_PROD).len();
    let (_recorder, apply) = held_apply(host, hold, what);
    apply.kill();
    assert_eq!(host.get(WEB_DOMAIN, "/").status, 200, "{hold:?} {what}: nobody serves");
    host.landfall("apply").exits(0);
    host.landfall("diff").exits(0);
    assert_eq!(host.instance(WEB_PROD).version, tag, "{hold:?} {what}");
    assert_eq!(host.get(WEB_DOMAIN, "/").version, tag, "{hold:?} {what}");
    let new: Vec<_> = host.history(WEB_PROD).into_iter().rev().skip(before).collect();
    assert!(new.len() == 1 && new[0]["status"] == "success", "{hold:?} {what}: it goes on as itself: {new:?}");
    let id = new[0]["id"].as_str().unwrap();
    host.landfall(&format!("show {id}")).exits(0).says("interrupted");
}

/// All moments of a list, between v1 and v2 to and fro, under load.
fn survives_all(moments: &[(Hold, &str)]) {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let load = host.load(WEB_DOMAIN);
    for (tag, (hold, what)) in ["v2", "v1"].into_iter().cycle().zip(moments) {
        survives(&host, tag, *hold, what);
    }
    assert_lossless(&load.finish());
}

#[test]
fn r15_killed_while_it_pulls() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    host.push("n<id>", &["VERSION=n<id>"]);
    let tag = host.text("n<id>");
    survives(&host, &tag, Hold::Request, "POST /images/create");
}

#[test]
fn r15_killed_before_the_new_instance_is_up() {
    survives_all(&[
        (Hold::Request, "POST /containers/create"),
        (Hold::Answer, "POST /containers/create"),
        (Hold::Request, "POST /start"),
        (Hold::Answer, "POST /start"),
    ]);
}

#[test]
fn r15_killed_while_traffic_moves() {
    survives_all(&[
        (Hold::Answer, "POST /connect"),
        (Hold::Request, "PUT /routes"),
        (Hold::Answer, "PUT /routes"),
        (Hold::Request, "GET /drained"),
    ]);
}

#[test]
fn r15_killed_while_the_old_instance_goes() {
    survives_all(&[
        (Hold::Answer, "POST /disconnect"),
        (Hold::Request, "POST /stop"),
        (Hold::Answer, "POST /stop"),
        (Hold::Answer, "DELETE /containers/"),
    ]);
}

#[test]
fn r15_killed_at_the_gate_the_old_one_serves_throughout_and_the_log_tells_of_it() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let load = host.load(WEB_DOMAIN);
    host.write(
        "web.yaml",
        &WEB.replace("v1", "v2").replace("    port: 8080", "    port: 8080\n    environment: { BOOT_MS: 3000 }"),
    );
    let mut apply = host.spawn("apply");
    apply.says("gate http /healthz");
    apply.kill();
    let killed = host.history(WEB_PROD).remove(0);
    assert_eq!((&killed["status"], &killed["phase"]), (&"health_checking".into(), &"health_checking".into()));
    host.landfall("status").exits(3).says("health checking; the next `landfall apply` goes on with it");
    assert_eq!(host.instances(WEB_PROD).len(), 2);

    host.landfall("apply").exits(0);
    assert_replaced(&load.finish(), "v1", "v2");
    assert_eq!(host.statuses(WEB_PROD), ["success", "success"]);
    let id = killed["id"].as_str().unwrap();
    host.landfall(&format!("show {id}")).exits(0).says("interrupted while health checking, and goes on");
    assert_eq!(host.instance(WEB_PROD).version, "v2");
    host.landfall("diff").exits(0);
}

#[test]
fn r9_a_request_that_the_old_instance_still_answers_outlives_a_kill_while_draining() {
    let host = Host::new();
    let patient = WEB.replace("drain: 2s", "drain: 30s");
    host.deployed("web.yaml", &patient);
    let (address, domain) = (host.text("127.0.0.1:<proxy>"), host.text(WEB_DOMAIN));
    let slow = std::thread::spawn(move || ask(&address, "GET", &domain, "/slow?ms=4000", ""));
    eventually("the request is in flight", || (host.in_flight(WEB_DOMAIN) > 0).then_some(()));
    host.write("web.yaml", &patient.replace("v1", "v2"));
    let mut apply = host.spawn("apply");
    apply.says("traffic goes to");
    eventually("it drains", || (host.history(WEB_PROD)[0]["phase"] == "draining").then_some(()));
    apply.kill();
    host.landfall("apply").exits(0);
    let answer = slow.join().unwrap().unwrap();
    assert_eq!((answer.status, answer.version.as_str()), (200, "v1"));
    assert_eq!(host.instance(WEB_PROD).version, "v2");
}

#[test]
fn one_apply_at_a_time_the_other_waits_or_names_the_holder() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    host.write("web.yaml", &WEB.replace("v1", "v2"));
    let (recorder, mut first) = held_apply(&host, Hold::Answer, "POST /containers/create");
    let pid = first.pid();
    host.landfall("apply").exits(4).says("is locked by `landfall apply`").says(&format!("(process {pid})"));
    // Looking is free meanwhile.
    host.landfall("diff").exits(2);
    host.landfall("status").says("deploying v2: creating");
    let mut second = host.spawn("apply");
    recorder.release();
    assert_eq!((first.ends(), second.ends()), (Some(0), Some(0)));
    second.says("1 unchanged");
    assert_eq!(host.statuses(WEB_PROD), ["success", "success"]);
}
