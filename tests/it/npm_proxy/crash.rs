//! R15: a kill in the middle of a write to the proxy: before it is done, after it is done and before the answer, and
//! during the proof. The next pass ends as if it had not been; old or new serves all the time.

use std::time::Duration;

use landfall::execute::Sink;
use landfall::plan::Options;
use landfall::reconcile;

use super::ground::{Behind, Clients, QUICK};
use crate::execute::ground::{image, web};
use crate::npm::{Fault, Matcher};
use crate::router_support::until;

const HOSTS: &str = "/nginx/proxy-hosts";
/// Longer than anybody waits here: what hangs so long is cut off before.
const LONG: Duration = Duration::from_secs(60);

/// Begins a pass and drops it once this is so: what is left is what a kill leaves.
async fn cut_off(behind: &Behind, what: &str, is_so: impl Fn() -> bool) {
    let places = behind.host.places();
    let pass = tokio::spawn(async move {
        let options = Options { secrets_needed: true, ..Options::default() };
        reconcile::converge(&places, &options, Sink::new(|_| {}), "apply").await.map(drop)
    });
    until(what, async || {
        assert!(!pass.is_finished(), "the pass ended before: {what}");
        is_so()
    })
    .await;
    pass.abort();
    drop(pass.await);
}

/// Where the pass is cut off.
#[derive(Debug, Clone, Copy)]
enum At {
    Asked,
    Done,
    Proof,
}

async fn cut_off_at(behind: &Behind, method: &str, at: At) {
    let before = behind.npm.hosts();
    let writes = behind.npm.writes();
    match at {
        At::Asked => behind.npm.fail_next(Matcher::new(method, HOSTS), Fault::Late(LONG)),
        At::Done => behind.npm.fail_next(Matcher::new(method, HOSTS), Fault::Slow(LONG)),
        At::Proof => behind.npm.delay_reload(Duration::from_millis(1500)),
    }
    let is_answered = || behind.npm.calls().iter().any(|call| call.is_write() && call.status.is_some());
    cut_off(behind, &format!("{method} {at:?}"), || match at {
        At::Asked => behind.npm.writes() > writes,
        At::Done => {
            behind.npm.hosts() != before && behind.npm.hosts().iter().all(|row| row["meta"]["nginx_online"] == true)
        }
        At::Proof => is_answered(),
    })
    .await;
    behind.npm.delay_reload(Duration::ZERO);
}

#[tokio::test]
async fn r15_a_create_cut_off_anywhere_leaves_one_host_in_the_end() {
    for at in [At::Asked, At::Done, At::Proof] {
        let behind = Behind::with(&[&image("v1")]).await;
        behind.host.write(&web("v1", QUICK));
        cut_off_at(&behind, "POST", at).await;
        assert!(behind.is_dirty(), "{at:?}: announced before it was sent");
        behind.host.converge().await;
        let creates = behind.npm.calls().iter().filter(|call| call.method == "POST" && call.path == HOSTS).count();
        assert!(creates <= 2 && behind.npm.hosts().len() == 1, "{at:?}: {creates}");
        behind.is_settled_at("v1").await;
    }
}

#[tokio::test]
async fn r15_a_switch_cut_off_anywhere_ends_at_the_new_one_and_somebody_serves_all_the_time() {
    for at in [At::Asked, At::Done, At::Proof] {
        let behind = Behind::at_v1().await;
        behind.npm.reset_calls();
        let clients = Clients::of(&behind, "web.test");
        behind.host.write(&web("v2", QUICK));
        cut_off_at(&behind, "PUT", at).await;
        assert!(behind.is_dirty(), "{at:?}: announced before it was sent");
        behind.host.converge().await;
        clients.saw_only(&["v1", "v2"]).await;
        behind.is_settled_at("v2").await;
    }
}

#[tokio::test]
async fn r15_a_row_that_was_changed_without_nginx_is_proven_by_a_write_before_the_old_one_goes() {
    let behind = Behind::at_v1().await;
    let clients = Clients::of(&behind, "web.test");
    behind.host.write(&web("v2", QUICK));
    let before = behind.row("web.test")["forward_port"].clone();
    // The row changes, nginx does not, and the kill comes while it is asked again.
    behind.npm.fail_next(Matcher::new("PUT", HOSTS), Fault::RowThen(500));
    behind.npm.fail_next(Matcher::new("PUT", HOSTS), Fault::Late(LONG));
    behind.npm.reset_calls();
    let is_asked_again = || behind.npm.count("PUT", HOSTS) >= 2;
    cut_off(&behind, "it is asked again", is_asked_again).await;
    assert_ne!(behind.row("web.test")["forward_port"], before, "the row is changed");
    behind.npm.reset_calls();
    behind.host.converge().await;
    assert!(behind.npm.count("PUT", HOSTS) >= 1, "though the list looked right");
    clients.saw_only(&["v1", "v2"]).await;
    behind.is_settled_at("v2").await;
}

#[tokio::test]
async fn r15_a_removal_cut_off_after_it_was_done_is_finished_and_nothing_is_remembered() {
    let behind = Behind::at_v1().await;
    behind.by_hand("blog.test");
    behind.npm.fail_next(Matcher::new("DELETE", HOSTS), Fault::Slow(LONG));
    behind.host.write("projects: {}\n");
    let places = behind.host.places();
    let pass = tokio::spawn(async move {
        let options = Options { secrets_needed: true, allow_prune: true, ..Options::default() };
        reconcile::converge(&places, &options, Sink::new(|_| {}), "apply").await.map(drop)
    });
    until("the host is gone", async || behind.npm.hosts().len() == 1).await;
    pass.abort();
    drop(pass.await);
    behind.remove_all().await;
    assert_eq!((behind.npm.hosts().len(), behind.known("web/prod")), (1, None));
    assert_eq!(behind.host.containers(), [] as [String; 0]);
}
