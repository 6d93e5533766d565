//! A configuration that lies in a git work tree: which commit is said to be in force.

use super::ground::{Daemon, Host, image, web};
use crate::router_support::until;

/// The commit in force, once there is one, as the store has it.
fn in_force(host: &Host) -> Option<String> {
    host.path("data/landfall.db").exists().then(|| host.reader().in_force().expect("a readable store")?.commit)?
}

#[tokio::test]
async fn a_commit_that_changes_nothing_names_what_is_in_force_and_deploys_nothing() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings("  resync: 10m\n");
    host.write(&web("v1", ""));
    let first = host.commit();
    let daemon = Daemon::start(&host);
    until("it is deployed", async || host.version_at("web.test").await == "v1").await;
    until("the deploy is over", async || host.reader().in_flight().is_ok_and(|open| open.is_empty())).await;
    assert_eq!(in_force(&host), Some(first.clone()));
    let second = host.commit();
    assert_ne!(first, second);
    until("the newest commit is in force", async || in_force(&host) == Some(second.clone())).await;
    let recorded = host.recorded();
    assert_eq!((recorded.revision, recorded.generation), (second, 2));
    let deploys: Vec<_> = host.deploys().into_iter().map(|deploy| deploy.config_revision).collect();
    assert_eq!(deploys, [first], "each deploy is of the commit that asked for it");
    daemon.stop().await;
}
