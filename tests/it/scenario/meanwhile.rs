//! Somebody acts on a container while Landfall is at work on it (R20): whatever it is, the next passes make it good.

use super::converge::{Came, Hand, REAL, converges, tell};
use super::harness::{Host, Instance, WEB, WEB_PROD, assert_lossless};
use super::interrupted::held_apply;
use crate::recorder::Hold;

const HANDS: [Hand; 5] = [Hand::Stop, Hand::Pause, Hand::Rename, Hand::Disconnect, Hand::Remove];
/// The new instance runs, and has not been looked at.
const AT_THE_GATE: (Hold, &str) = (Hold::Answer, "POST /start");
/// The new instance serves, and the old one is to be stopped.
const AT_THE_END: (Hold, &str) = (Hold::Request, "POST /stop");

/// The project at a version, with a gate that gives up soon.
fn at(tag: &str) -> String {
    WEB.replace("tag: v1", &format!("tag: {tag}")).replace("20s", "3s")
}

/// Replaces a version by another one; at a moment of it, somebody acts on the instance of one of the two.
fn meanwhile(host: &Host, (hold, moment): (Hold, &str), to: &str, on: &str, hand: Hand, may_hold: bool) -> Came {
    let what = format!("{hand:?} of {on} at {hold:?} of {moment}");
    host.write("web.yaml", &at(to));
    let (recorder, mut apply) = held_apply(host, hold, moment);
    let is_it = |own: &Instance| own.version == on;
    let own = host.instances(WEB_PROD).into_iter().find(is_it).unwrap_or_else(|| panic!("{what}: no instance"));
    hand.act(host, &own);
    recorder.release();
    let code = apply.ends();
    assert!(matches!(code, Some(0 | 1)), "{what}: {code:?}\n{}", apply.log());
    converges(host, to, may_hold, &what)
}

/// Everything that can be done to the new instance or to the old one at a moment, to and fro between two versions.
fn all_hands(host: &Host, moment: (Hold, &str), is_new: bool, scenario: &str) {
    for hand in HANDS {
        let from = host.instance(WEB_PROD).version;
        let to = if from == "v1" { "v2" } else { "v1" };
        // What stops, or has no address, may do so by itself, and is held (R12); no app pauses or removes itself.
        let may_hold = is_new && moment == AT_THE_GATE && matches!(hand, Hand::Stop | Hand::Disconnect);
        let came = meanwhile(host, moment, to, if is_new { to } else { &from }, hand, may_hold);
        tell(hand.name(), scenario, REAL, &[came]);
    }
}

#[test]
fn r20_r11_what_is_done_to_a_new_instance_at_its_gate_costs_no_request() {
    let host = Host::new();
    host.deployed("web.yaml", &at("v1"));
    let load = host.load(super::harness::WEB_DOMAIN);
    all_hands(&host, AT_THE_GATE, true, "to the new one at its gate");
    assert_lossless(&load.finish());
}

#[test]
fn r20_what_is_done_to_the_old_instance_during_a_deploy_is_made_good() {
    let host = Host::new();
    host.deployed("web.yaml", &at("v1"));
    all_hands(&host, AT_THE_GATE, false, "to the old one while it serves");
    all_hands(&host, AT_THE_END, false, "to the old one before it goes");
}

#[test]
fn r20_what_is_done_to_a_new_instance_after_the_switch_is_made_good() {
    let host = Host::new();
    host.deployed("web.yaml", &at("v1"));
    all_hands(&host, AT_THE_END, true, "to the new one after the switch");
}
