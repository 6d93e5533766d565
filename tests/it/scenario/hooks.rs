//! Hooks and dependencies on a real engine: a migration runs in the new image before the new instance is made.

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD, assert_lossless, eventually};
use super::recreate::assert_order;

/// [`WEB`] at a version, with a hook before the deploy: exit code, milliseconds, words.
fn migrating(tag: &str, task: &str) -> String {
    let hook = format!("    hooks: {{ pre_deploy: {{ command: \"--task {task}\", timeout: 20s }} }}\n");
    WEB.replace("v1", tag).replace("    stages:", &(hook + "    stages:"))
}

#[test]
fn a_migration_of_the_new_version_runs_before_its_instance_and_one_that_fails_leaves_the_old_one() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let old = host.instance(WEB_PROD);
    let load = host.load(WEB_DOMAIN);

    host.write("web.yaml", &migrating("v2", "3 0 no such table in $VERSION"));
    host.landfall("diff").exits(2).says("run      --task 3 0 no such table in $VERSION");
    host.landfall("apply").exits(1).says("pre_deploy failed: exit 3");
    host.last_deploy(WEB_PROD).says("| no such table in v2");
    assert_eq!(host.instances(WEB_PROD), std::slice::from_ref(&old), "nothing was touched, and nothing is left");
    host.landfall("apply").exits(3).says("v2 failed");

    host.write("web.yaml", &migrating("v2", "0 0 migrated to $VERSION"));
    host.landfall("apply").exits(0);
    let new = host.instance(WEB_PROD);
    assert_eq!(new.version, "v2");
    let (create, remove) = (format!("create {}", new.name), format!("remove {}", old.name));
    assert_order(
        &host.last_deploy(WEB_PROD).out,
        &["hook pre_deploy", "| migrated to v2", &create, "switch ", &remove],
    );
    assert_lossless(&load.finish());
    // A changed hook alone changes nothing.
    host.write("web.yaml", &migrating("v2", "9 0"));
    host.landfall("diff").exits(0);
}

#[test]
fn r15_killed_while_a_hook_runs_nothing_of_it_is_left() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    host.write("web.yaml", &migrating("v2", "0 15000 at work"));
    let apply = host.spawn("apply");
    let ends_in_pre = |name: &str| name.ends_with("-pre");
    eventually("the hook runs", || {
        let all = host.instances(WEB_PROD);
        all.iter().any(|one| ends_in_pre(&one.name) && one.state == "running").then_some(())
    });
    apply.kill();
    host.landfall("status").never_says("-pre");
    host.write("web.yaml", &migrating("v2", "0 0 done"));
    host.landfall("apply").exits(0);
    assert_eq!(host.instance(WEB_PROD).version, "v2", "and no other container of it");
    host.landfall("diff").exits(0);
}

#[test]
fn r23_what_depends_on_a_failed_one_is_skipped_and_comes_up_once_that_is_well() {
    let host = Host::new();
    let db = WEB.replace("web-<id>", "db-<id>").replace("web.<id>", "db.<id>").replace("20s", "1s");
    let web = WEB.replace("    stages:", "    depends_on: [ db-<id> ]\n    stages:");
    host.write("db.yaml", &db.replace("v1", "bad"));
    host.write("web.yaml", &web);
    host.landfall("diff").exits(2).says("after db-<id>/prod, which it depends on");
    host.landfall("apply").exits(1).says("db-<id>/prod, which it depends on, did not succeed");
    assert!(host.instances(WEB_PROD).is_empty());
    host.landfall("apply").exits(1).says("it depends on db-<id>/prod, which does not run and is held");
    host.write("db.yaml", &db.replace("1s", "20s"));
    host.landfall("apply").exits(0);
    assert_eq!(host.get(WEB_DOMAIN, "/").version, "v1");
    host.landfall("diff").exits(0);
}
