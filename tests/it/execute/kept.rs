//! R2: a daemon that starts while the configuration cannot be used goes on with what was in force.

use std::fs;

use landfall::model::{ConditionKind, Truth};

use super::ground::{Daemon, Host, image, web};
use crate::router_support::until;

/// A file of the configuration that the container mounts.
const MOUNT: &str = "        volumes: [ \"./site.conf:/etc/site.conf:ro\" ]\n";

/// What makes a configuration one that cannot be used.
type Spoil = fn(&Host);

/// A host where `web/prod` was in force and is gone by now.
async fn host() -> Host {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.settings("  resync: 10m\n");
    fs::write(host.path("config/site.conf"), "a").expect("a file");
    host.apply(&web("v1", MOUNT)).await;
    for name in host.fake.names() {
        host.fake.remove_by_hand(&name).await;
    }
    host
}

async fn serves(host: &Host, version: &str) {
    until(&format!("{version} serves alone"), async || {
        let is_alone = matches!(&host.fake.containers()[..], [only] if only.is_running());
        is_alone && host.version_at("web.test").await == version
    })
    .await;
}

#[tokio::test]
async fn r2_a_daemon_that_starts_with_a_configuration_that_cannot_be_used_puts_right_what_was_in_force() {
    let ways: [(&str, Spoil); 3] = [
        ("a file that was cut off", |host| host.write("projects: [")),
        ("no directory", |host| fs::remove_dir_all(host.path("config")).expect("a directory")),
        ("git at work", |host| {
            fs::create_dir(host.path("config/.git")).expect("a directory");
            fs::write(host.path("config/.git/index.lock"), "").expect("a file");
            host.write("projects: {}\n");
        }),
    ];
    for (how, spoil) in ways {
        let host = host().await;
        spoil(&host);
        let daemon = Daemon::start(&host);
        serves(&host, "v1").await;
        let recorded = host.recorded();
        assert_eq!((recorded.generation, recorded.stages.len()), (1, 1), "{how}: it is what was in force");
        daemon.stop().await;
    }
}

#[tokio::test]
async fn r2_what_was_in_force_before_the_start_makes_way_for_what_is_good_and_is_not_called_loaded() {
    let host = host().await;
    host.write("projects: [");
    let daemon = Daemon::start(&host);
    serves(&host, "v1").await;
    let is_loaded = |truth| {
        let conditions = host.reader().conditions().expect("conditions");
        conditions.host.is(ConditionKind::ConfigLoaded, truth) && conditions.host.is(ConditionKind::Ready, truth)
    };
    until("the configuration is complained of", async || is_loaded(Truth::False)).await;
    // The same again is good again, and the next one is in force.
    host.write(&web("v1", MOUNT));
    until("it is good", async || is_loaded(Truth::True)).await;
    assert_eq!(host.recorded().generation, 1);
    host.write(&web("v2", MOUNT));
    serves(&host, "v2").await;
    daemon.stop().await;
}
