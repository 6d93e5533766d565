//! R9, R15: the write that makes a host. Its answer may be lost, or be wrong; there is never a second one for it, and a
//! host that nginx refuses is taken away again.

use std::time::Duration;

use super::door::Door;
use super::ground::{Behind, QUICK};
use crate::execute::ground::{image, web};
use crate::npm::{Fault, Matcher};
use crate::router_support::until;

const HOSTS: &str = "/nginx/proxy-hosts";

/// A host about to get its first stage, whose create goes wrong.
async fn creating(fault: Fault) -> Behind {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.host.write(&web("v1", QUICK));
    behind.npm.fail_next(Matcher::new("POST", HOSTS), fault);
    behind
}

fn creates(behind: &Behind) -> usize {
    behind.npm.calls().iter().filter(|call| call.method == "POST" && call.path == HOSTS).count()
}

#[tokio::test]
async fn r9_a_create_that_was_done_and_answered_wrongly_is_found_and_not_repeated() {
    let lost = [Fault::DoneThen(500), Fault::RowThen(500), Fault::CutAfter, Fault::HalfBody, Fault::Garbage];
    for fault in lost {
        let behind = creating(fault.clone()).await;
        let (status, reason) = behind.pass().await;
        assert_eq!(status, "success", "{fault:?}: {reason}");
        assert_eq!((creates(&behind), behind.npm.faults_left()), (1, 0), "{fault:?}");
        behind.is_settled_at("v1").await;
    }
}

#[tokio::test]
async fn r9_a_create_that_was_not_done_is_left_to_the_next_pass_which_makes_it_once() {
    for fault in [Fault::Status(500), Fault::Status(502), Fault::CutBefore] {
        let behind = creating(fault.clone()).await;
        let (status, reason) = behind.pass().await;
        assert_eq!(status, "rolled_back", "{fault:?}: {reason}");
        assert_eq!((creates(&behind), behind.npm.hosts().len()), (1, 0), "{fault:?}");
        assert_eq!(behind.host.containers(), [] as [String; 0], "{fault:?}");
        behind.npm.reset_calls();
        assert_eq!(behind.pass().await.0, "success", "{fault:?}");
        assert_eq!(creates(&behind), 1, "{fault:?}");
        behind.is_settled_at("v1").await;
    }
}

#[tokio::test]
async fn r9_a_create_whose_outcome_cannot_even_be_looked_for_is_proven_by_the_next_pass() {
    let behind = creating(Fault::RowThen(500)).await;
    // The looks of the plan and of the switch go well, the one after the lost answer does not.
    for fault in [Fault::Slow(Duration::ZERO), Fault::Slow(Duration::ZERO), Fault::Status(502)] {
        behind.npm.fail_next(Matcher::new("GET", HOSTS), fault);
    }
    let (status, reason) = behind.pass().await;
    assert_eq!((status.as_str(), behind.npm.faults_left()), ("rolled_back", 0), "{reason}");
    assert_eq!(behind.npm.hosts().len(), 1, "made, and nobody knows");
    assert!(behind.is_dirty(), "{:?}", behind.known("web/prod"));
    assert_eq!(behind.pass().await.0, "success");
    assert_eq!(creates(&behind), 1);
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r9_a_create_after_which_the_api_is_gone_is_remembered_as_not_proven() {
    let behind = creating(Fault::Slow(Duration::from_secs(20))).await;
    let door = Door::before(&behind.npm.url()).await;
    behind.settings_at(&door.url(), "");
    let gone_in_the_middle = async {
        until("the host is made", async || !behind.npm.hosts().is_empty()).await;
        door.shut().await;
    };
    let ((status, reason), ()) = tokio::join!(behind.pass(), gone_in_the_middle);
    assert_eq!(status, "rolled_back", "{reason}");
    assert!(behind.is_dirty(), "{:?}", behind.known("web/prod"));
    door.open();
    assert_eq!(behind.pass().await.0, "success");
    assert_eq!(creates(&behind), 1);
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r9_a_new_host_that_nginx_refuses_is_removed_and_its_words_are_in_the_log() {
    let behind = creating(Fault::Offline("nginx: [emerg] unknown directive \"nonsense\" in 1.conf:37\n".into())).await;
    let (status, reason) = behind.pass().await;
    assert_eq!(status, "rolled_back", "{reason}");
    assert!(behind.host.log().contains("unknown directive \"nonsense\" in 1.conf:37"), "{}", behind.host.log());
    assert_eq!((behind.npm.hosts().len(), behind.host.containers().len()), (0, 0));
    assert!(!behind.is_dirty());
    assert_eq!(behind.pass().await.0, "success");
    behind.is_settled_at("v1").await;
}

#[tokio::test]
async fn r9_a_create_that_takes_effect_late_is_waited_for_and_not_repeated() {
    let behind = Behind::with(&[&image("v1")]).await;
    behind.npm.delay_reload(Duration::from_millis(700));
    behind.host.apply(&web("v1", QUICK)).await;
    assert_eq!((creates(&behind), behind.npm.writes()), (1, 1));
    behind.is_settled_at("v1").await;
}
