//! The commands that tell: logs, history, show, and JSON everywhere.

use super::harness::{Host, WEB, WEB_DOMAIN, WEB_PROD};

#[test]
fn logs_show_what_an_app_writes() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    for line in ["one", "two", "three"] {
        host.get(WEB_DOMAIN, &format!("/log?line-{line}"));
    }
    host.landfall("logs web-<id>").exits(0).says("listening on port 8080 as v1\nline-one\nline-two\nline-three\n");
    host.landfall("logs web-<id>/prod -n 2").exits(0).says("line-two\nline-three\n").never_says("line-one");
    let mut followed = host.spawn("logs -f -n 1 web-<id>/prod");
    followed.says("line-three");
    host.get(WEB_DOMAIN, "/log?line-four");
    followed.says("line-three\nline-four\n");
    host.engine.remove(&host.instance(WEB_PROD).id);
    assert_eq!(followed.ends(), Some(0), "it ends with the container");

    host.landfall("logs web-<id>/prod").exits(1).says("no instance of");
    host.landfall("logs nobody").exits(1).says("no instance of nobody");
}

#[test]
fn logs_of_a_project_with_several_stages_ask_for_one() {
    let host = Host::without_proxy();
    let other = "      test: { track: { tag: v2 } }\n";
    host.deployed("web.yaml", &(WEB.replace(", route: { domains: [ web.<id>.test ] }", "") + other));
    host.landfall("logs web-<id>").exits(1).says("pick one of web-<id>/prod, web-<id>/test");
    host.landfall("logs web-<id>/test").exits(0).says("as v2");

    // A selection leaves the rest alone, and one that picks nothing is an error.
    host.write("web.yaml", &(WEB.replace(", route: { domains: [ web.<id>.test ] }", "").replace("v1", "v3") + other));
    host.landfall("diff web-<id>/test").exits(0);
    host.landfall("apply web-<id>/test").exits(0);
    assert_eq!(host.instance(WEB_PROD).version, "v1");
    for (command, code) in [("diff", 1), ("apply", 4), ("status", 1)] {
        host.landfall(&format!("{command} web-<id>/tset")).exits(code).says("is neither a project nor a stage");
    }
    host.landfall("apply web-<id>/prod").exits(0);
    assert_eq!(host.instance(WEB_PROD).version, "v3");
}

#[test]
fn history_and_show_tell_what_was() {
    let host = Host::new();
    host.landfall("history").exits(0);
    host.landfall("show 0123").exits(1).says("there is no store");
    for version in ["v1", "v2", "v3"] {
        host.deployed("web.yaml", &WEB.replace("v1", version));
    }
    let all = host.history(WEB_PROD);
    let causes: Vec<_> = all.iter().map(|deploy| deploy["cause"].as_str().unwrap()).collect();
    assert_eq!(causes, ["version v2 → v3", "version v1 → v2", "first deploy"]);
    let newest = host.landfall("history -n 1").exits(0).says("v2 → v3").never_says("first deploy");
    let short = newest.out.lines().nth(1).unwrap().split_whitespace().next().unwrap().to_owned();
    host.landfall(&format!("show {short}")).exits(0).says("version v2 → v3");
    host.landfall("show 01234567").exits(1).says("there is no deploy 01234567");
    host.landfall("history web-<id>/none").exits(0).never_says("success");
}

#[test]
fn every_command_that_prints_data_prints_json_with_the_version_of_its_form() {
    let host = Host::new();
    host.deployed("web.yaml", WEB);
    let id = host.history(WEB_PROD)[0]["id"].as_str().unwrap().to_owned();
    for command in ["validate", "diff", "status", "history", &format!("show {id}"), "apply"] {
        host.landfall(&format!("{command} -o json")).exits(0).json();
    }
    let status = host.landfall("status -o json").json();
    assert_eq!(status["stages"][0]["version"], "v1", "{status}");
    assert_eq!(host.landfall("diff -o json").json()["in_sync"], true);
    let schema = host.landfall("schema").exits(0);
    assert!(serde_json::from_str::<serde_json::Value>(&schema.out).unwrap()["$schema"].is_string());

    // Errors are data, too.
    host.write("web.yaml", "projects: [");
    assert_eq!(host.landfall("validate -o json").exits(1).json()["valid"], false);
    for (command, code) in [("diff", 1), ("apply", 4)] {
        assert!(host.landfall(&format!("{command} -o json")).exits(code).json()["error"].is_string());
    }
}

#[test]
fn a_command_line_that_cannot_be_understood_exits_64() {
    let host = Host::without_proxy();
    for line in ["aply", "apply --dry-run", "diff -o yaml", "show", "history -n 0", "logs"] {
        host.landfall(line).exits(64);
    }
    host.landfall("--version").exits(0).says("landfall ");
    host.landfall("apply --help").exits(0).says("--allow-prune");
}

#[test]
fn diff_against_another_configuration_needs_neither_docker_nor_a_store() {
    let host = Host::without_proxy();
    let other = host.path("other");
    for (dir, version) in [(host.config(), "v2"), (other.clone(), "v1")] {
        host.write_to(&dir, "web.yaml", &WEB.replace("v1", version));
    }
    std::fs::copy(host.config().join("settings.yaml"), other.join("settings.yaml")).unwrap();
    let mut command = host.command(&format!("diff --against {}", other.display()));
    command.env("LANDFALL_DOCKER", "unix:///nowhere.sock");
    host.run(command).exits(2).says("web-<id>/prod   changed").says("track.tag  v1 → v2");
    host.write("web.yaml", WEB);
    host.landfall(&format!("diff --against {}", other.display())).exits(0);
    assert!(!host.data().exists());
}
