//! The scenarios, each run for every operation and every fault.

use landfall::reconcile::Order;

use super::disk::Harm;
use super::relay::Mood;
use super::run::{every_nth, every_nth_of_store};
use super::scenario::{Scenario, Twist};
use crate::execute::ground::{REPOSITORY, image, web};
use crate::fake_docker::Behaviour;
use crate::own_disk;

/// A volume that both would write to: the old one stops before the new one starts.
const VOLUME: &str = "        volumes: [ \"data:/data\" ]\n";

/// A project whose stages run these versions at these domains.
fn stages(stages: &[(&str, &str, &str)]) -> String {
    let ready = "{ http: { path: / }, interval: 20ms, timeout: 1s, deadline: 5s }";
    let mut text =
        format!("projects:\n  web:\n    image: {REPOSITORY}\n    port: 8080\n    ready: {ready}\n    stages:\n");
    for (name, version, domain) in stages {
        let digest = image(version).digest;
        text.push_str(&format!(
            "      {name}: {{ track: {{ digest: \"{digest}\" }}, route: {{ domains: [ {domain} ] }} }}\n"
        ));
    }
    text
}

/// From the first version of `web/prod` to the second.
pub fn replace(name: &'static str, more: &str) -> Scenario {
    Scenario {
        images: vec![image("v1"), image("v2")],
        before: Some(web("v1", more)),
        served: &["web.test"],
        ..Scenario::new(name, web("v2", more))
    }
}

/// A domain that one stage has and another is to have.
pub fn moves() -> Scenario {
    let two = |version, a, b| stages(&[("a", "v1", a), ("b", version, b)]);
    Scenario {
        before: Some(two("v1", "shared.test", "b.test")),
        wanted: two("v2", "other.test", "shared.test"),
        served: &["shared.test"],
        ..replace("domain that moves", "")
    }
}

#[test]
fn r15_a_first_deploy_survives_a_fault_at_every_operation() {
    every_nth(&Scenario {
        images: vec![image("v1")],
        stale_lists: true,
        ..Scenario::new("first deploy", web("v1", ""))
    });
}

#[test]
fn r15_a_replace_survives_a_fault_at_every_operation() {
    every_nth(&Scenario { stale_lists: true, ..replace("replace", "") });
}

#[test]
fn r15_a_rollback_survives_a_fault_at_every_operation() {
    every_nth(&Scenario {
        earlier: Some(web("v1", "")),
        before: Some(web("v2", "")),
        order: Some(("web/prod", Order::Rollback { to: None })),
        ..replace("rollback", "")
    });
}

#[test]
fn r15_a_monitor_that_gives_back_survives_a_fault_at_every_operation() {
    let monitored = web("v2", "        monitor: 30s\n");
    let images = vec![image("v1"), image("v2").behaving(Behaviour::WellFor(1))];
    every_nth(&Scenario { images, wanted: monitored, stale_lists: true, ..replace("rollback by the monitor", "") });
}

#[test]
fn r15_a_recreate_survives_a_fault_at_every_operation() {
    // Between the stop of the old one and the switch every failure costs an outage, so that it is held.
    every_nth(&Scenario {
        served: &[],
        may_hold: &["docker", "proxy"],
        stale_lists: true,
        ..replace("recreate", VOLUME)
    });
}

#[test]
fn r15_a_failed_gate_survives_a_fault_at_every_operation() {
    let impatient = web("v2", "").replace("deadline: 5s", "deadline: 60ms");
    let images = vec![image("v1"), image("v2").behaving(Behaviour::Unhealthy)];
    every_nth(&Scenario { images, wanted: impatient, ..replace("failed health", "") });
}

#[test]
fn r15_a_refused_switch_survives_a_fault_at_every_operation() {
    let twists = vec![Twist::Proxy(&[Mood::Refuses])];
    every_nth(&Scenario { twists, passes: 2, ..replace("failed switch", "") });
}

#[test]
fn r15_a_switch_of_which_nobody_knows_survives_a_fault_at_every_operation() {
    let twists = vec![Twist::Proxy(&[Mood::LosesAnswer, Mood::Refuses])];
    every_nth(&Scenario { twists, passes: 2, made_after_a_crash: 1, ..replace("unsettled switch", "") });
}

#[test]
fn r15_drift_of_every_kind_survives_a_fault_at_every_operation() {
    let all = ["a", "b", "c", "d", "e", "f"].map(|name| (name, "v1", format!("{name}.test")));
    let all: Vec<_> = all.iter().map(|(name, version, domain)| (*name, *version, domain.as_str())).collect();
    let twists = vec![
        Twist::Stopped("web/a"),
        Twist::Paused("web/b"),
        Twist::Renamed("web/c"),
        Twist::Removed("web/d"),
        Twist::Disconnected("web/e", "landfall-names"),
        Twist::Unrouted("web/f"),
    ];
    let wanted = stages(&all);
    every_nth(&Scenario {
        images: vec![image("v1")],
        before: Some(wanted.clone()),
        twists,
        served: &["c.test", "e.test"],
        stale_lists: true,
        ..Scenario::new("drift", wanted)
    });
}

#[test]
fn r15_a_prune_survives_a_fault_at_every_operation() {
    every_nth(&Scenario {
        images: vec![image("v1")],
        before: Some(stages(&[("a", "v1", "a.test"), ("b", "v1", "b.test")])),
        allow_prune: true,
        stale_lists: true,
        served: &["a.test"],
        ..Scenario::new("prune", stages(&[("a", "v1", "a.test")]))
    });
}

#[test]
fn r15_two_stages_at_once_survive_a_fault_at_every_operation() {
    let both = |version| stages(&[("a", version, "a.test"), ("b", version, "b.test")]);
    every_nth(&Scenario {
        before: Some(both("v1")),
        wanted: both("v2"),
        served: &["a.test", "b.test"],
        ..replace("two stages at once", "")
    });
}

#[test]
fn r15_a_domain_that_moves_survives_a_fault_at_every_operation() {
    every_nth(&moves());
}

#[test]
fn r15_files_and_secrets_survive_a_fault_at_every_operation() {
    let more = "        volumes: [ \"./app.conf:/etc/app.conf:ro\" ]
        secret_environment: { TOKEN: { credential: token } }
        secret_files: { /run/key: { credential: token } }
";
    every_nth(&Scenario {
        files: &[("app.conf", "mode = 1\n")],
        credentials: &[("token", "correct-horse-battery-staple")],
        ..replace("files and secrets", more)
    });
}

#[test]
fn r15_hooks_survive_a_fault_at_every_operation() {
    let hooks = "        hooks: { pre_deploy: { command: exit 0 migrated }, post_deploy: { command: exit 0 told } }\n";
    // What was cut off before it ended is run again.
    every_nth(&Scenario { per_deploy: 3, made_after_a_crash: 1, ..replace("hooks", hooks) });
}

#[test]
fn r15_r24_an_image_that_goes_survives_a_fault_at_every_operation() {
    // What Docker does not let go is left alone for a while.
    let may_hold = &["docker Start", "docker Image", "docker RemoveImage"];
    every_nth(&Scenario { may_hold, stale_lists: true, ..replace("image that goes", "        keep_images: 1\n") });
}

#[test]
fn r15_a_taken_port_survives_a_fault_at_every_operation() {
    let twists = vec![Twist::PortTaken];
    // A deploy that goes on finds its port taken once more.
    every_nth(&Scenario { twists, stale_lists: true, made_after_a_crash: 1, ..replace("taken port", "") });
}

#[test]
fn r15_a_replace_without_a_proxy_survives_a_fault_at_every_operation() {
    let unrouted = |version| web(version, "").replace("        route: { domains: [ web.test ] }\n", "");
    every_nth(&Scenario {
        settings: "  proxy: { none: {} }\n",
        before: Some(unrouted("v1")),
        wanted: unrouted("v2"),
        served: &[],
        ..replace("replace without a proxy", "")
    });
}

#[test]
fn r14_r15_a_replace_survives_what_befalls_the_store_at_every_transaction() {
    every_nth_of_store(&replace("replace", ""), "store", &Harm::ANYWHERE);
}

#[test]
fn r14_r15_a_recreate_survives_what_befalls_the_store_at_every_transaction() {
    every_nth_of_store(&Scenario { served: &[], ..replace("recreate", VOLUME) }, "store", &Harm::ANYWHERE);
}

#[test]
fn r14_r15_a_replace_survives_a_full_disk_at_every_transaction() {
    own_disk::run("nth::scenarios::meets_a_full_disk");
}

#[test]
#[ignore = "run by the test above on a disk of its own; elsewhere it does nothing"]
fn meets_a_full_disk() {
    if own_disk::is_there() {
        every_nth_of_store(&Scenario { own_disk: true, ..replace("replace", "") }, "disk", &[Harm::Full]);
    }
}
