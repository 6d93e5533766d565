//! R9: a change whose answer is lost or wrong, or that somebody else was faster than. What was in force stays in force or is
//! put back, and what others changed in between stays.

use super::ground::{Behind, QUICK};
use super::relay::{Fault, Relay};
use crate::caddy::{Version, newest, versions};
use crate::execute::ground::web;

/// The first version is deployed, and from now on Caddy is reached through a relay.
async fn relayed(version: &Version) -> (Behind, Relay) {
    let behind = Behind::at_v1(version).await;
    let relay = Relay::before(behind.caddy.admin).await;
    behind.settings_at(&relay.url(), "");
    assert_eq!(behind.pass().await.0, "nothing");
    relay.writes();
    (behind, relay)
}

#[tokio::test]
async fn r9_a_switch_that_is_answered_wrongly_is_looked_at_and_sent_at_most_once_more() {
    for version in versions() {
        for (fault, writes) in [
            (Fault::CutBefore, 2),
            (Fault::CutAfter, 1),
            (Fault::Half, 1),
            (Fault::DoneThen(500), 1),
            (Fault::DoneThen(502), 1),
            (Fault::Overtaken, 2),
        ] {
            let (behind, relay) = relayed(&version).await;
            relay.spoil_writes(&[fault]);
            behind.host.write(&web("v2", QUICK));
            let (status, reason) = behind.pass().await;
            assert_eq!(status, "success", "{version:?} {fault:?}: {reason}");
            assert_eq!(relay.writes(), writes, "{version:?} {fault:?}");
            behind.is_settled_at("v2").await;
            let routes = behind.caddy.routes("sites").await;
            assert_eq!(routes.len(), if fault == Fault::Overtaken { 5 } else { 4 }, "{routes:#?}");
        }
    }
}

#[tokio::test]
async fn r9_r11_a_switch_that_is_refused_or_lost_leaves_the_old_one_serving() {
    for faults in
        [&[Fault::Status(500)][..], &[Fault::Status(503)], &[Fault::Garbage], &[Fault::CutBefore, Fault::CutBefore]]
    {
        let (behind, relay) = relayed(&newest()).await;
        let before = behind.caddy.config_text().await;
        relay.spoil_writes(faults);
        behind.host.write(&web("v2", QUICK));
        let (status, reason) = behind.pass().await;
        assert!(["failed", "rolled_back"].contains(&status.as_str()), "{faults:?}: {status}: {reason}");
        assert_eq!(behind.caddy.answer("web.test").await, "v1", "{faults:?}");
        assert_eq!(behind.host.containers(), ["web-prod@v1 running"], "{faults:?}");
        assert_eq!(behind.caddy.config_text().await, before, "{faults:?}");
        // Later it works, without anything said.
        let (status, reason) = behind.pass().await;
        assert_eq!(status, "success", "{faults:?}: {reason}");
        behind.is_settled_at("v2").await;
    }
}

#[tokio::test]
async fn r9_somebody_who_always_writes_first_is_given_way_after_a_few_tries() {
    let (behind, relay) = relayed(&newest()).await;
    relay.spoil_writes(&[Fault::Overtaken; 50]);
    behind.host.write(&web("v2", QUICK));
    let (status, reason) = behind.pass().await;
    assert_eq!(status, "failed", "{reason}");
    assert!(reason.contains("changed 8 times by others"), "{reason}");
    assert_eq!(relay.writes(), 8);
    assert_eq!(behind.caddy.answer("web.test").await, "v1");
    assert_eq!(behind.caddy.routes("sites").await.len(), 12, "what others wrote stays");
}

#[tokio::test]
async fn r9_a_switch_that_can_neither_be_seen_nor_put_back_is_settled_by_the_next_pass() {
    let (behind, relay) = relayed(&newest()).await;
    relay.spoil_writes(&[Fault::CutAfter]);
    // The look before it is answered, and none after, twice for the proof and twice for putting back.
    relay.spoil_reads_then(&[Fault::CutBefore; 4]);
    behind.host.write(&web("v2", QUICK));
    let (status, reason) = behind.pass().await;
    assert_eq!(status, "rolled_back", "{reason}");
    assert!(reason.contains("putting the old routes back"), "{reason}");
    assert_ne!(behind.pass().await.0, "nothing");
    behind.is_settled_at("v2").await;
}

#[tokio::test]
async fn r9_a_look_that_is_answered_wrongly_blocks_and_names_what_came() {
    let (behind, relay) = relayed(&newest()).await;
    for (fault, words) in [
        (Fault::CutBefore, "gave no answer to GET /config/"),
        (Fault::Half, "gave no answer to GET /config/"),
        (Fault::Garbage, "is not the admin API of a caddy that can be driven: what it answers is not HTTP"),
        (Fault::Status(404), "is not the admin API of a caddy that can be driven: it answers GET /config/ with 404"),
        (Fault::Status(403), "does not let us in"),
        (Fault::Status(500), "answers GET /config/ with 500"),
    ] {
        relay.spoil_reads(&[fault, fault]);
        let plan = behind.pass().await.1;
        assert!(plan.contains("blocked") && plan.contains(words), "{fault:?}: {plan}");
        relay.spoil_reads(&[]);
        assert_eq!(relay.writes(), 0, "{fault:?}");
        behind.is_settled_at("v1").await;
    }
}
