//! A name or a port that someone else has by now: named, never taken, and no reason to stop (R1, R7).

use std::net::TcpListener;

use serde_json::{Value, json};

use super::converge::{REAL, converges, tell};
use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD, assert_replaced};
use super::interrupted::held_apply;
use crate::recorder::Hold;

/// A container past Landfall, of the image that the stage runs, with what else it is made with.
fn foreign(host: &Host, name: &str, more: &Value) -> String {
    let own = host.engine.inspect(&host.instance(WEB_PROD).id).expect("the instance");
    host.engine.run(name, &json!({ "Image": own["Image"], "HostConfig": more }))
}

#[test]
fn r1_a_name_that_someone_else_takes_in_the_last_moment_is_named_and_left_alone() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    host.write("web.yaml", &WEB.replace("v1", "v2"));
    let load = host.load(WEB_DOMAIN);
    let (recorder, mut apply) = held_apply(&host, Hold::Request, "POST /containers/create");
    let asked = recorder.requests().pop().expect("a request").path;
    let name = asked.split_once("name=").expect("a name").1.split('&').next().expect("a name").to_owned();
    let theirs = foreign(&host, &name, &json!({}));
    let before = host.engine.inspect(&theirs);
    recorder.release();
    apply.says(&format!("name {name} is taken by container {}", &theirs[..12]));
    assert_eq!(apply.ends(), Some(1));
    let came = converges(&host, "v2", true, "a taken name");
    assert_replaced(&load.finish(), "v1", "v2");
    assert_eq!(host.engine.inspect(&theirs), before);
    tell("name taken by a foreign container", "replace", REAL, &[came]);
}

#[test]
fn r7_ports_that_a_program_and_a_foreign_container_have_are_passed_over() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    // The first port is that of the first version.
    let program = TcpListener::bind(("127.0.0.1", host.instance_port(1))).expect("a free port");
    let published = json!({ "8080/tcp": [{ "HostIp": "127.0.0.1", "HostPort": host.instance_port(2).to_string() }] });
    let theirs = foreign(&host, &host.text("foreign-<id>"), &json!({ "PortBindings": published }));
    let before = host.engine.inspect(&theirs);
    host.write("web.yaml", &WEB.replace("v1", "v2"));
    let load = host.load(WEB_DOMAIN);
    host.landfall("apply").exits(0);
    let came = converges(&host, "v2", false, "taken ports");
    assert_replaced(&load.finish(), "v1", "v2");
    host.last_deploy(WEB_PROD).says(&format!("port {} is taken", host.instance_port(1)));
    host.last_deploy(WEB_PROD).says(&format!("port {} is taken", host.instance_port(2)));
    assert_eq!(host.engine.inspect(&theirs), before);
    drop(program);
    tell("port taken by a program or a foreign container", "replace", REAL, &[came, came]);
}
