//! Hooks: commands that a deploy runs once, in containers of their own. In the fake daemon `exit 3 words` is a command
//! that writes the words and ends with 3; any other one runs on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use landfall::execute::Event;
use landfall::model::DeployStatus;
use landfall::plan::Verdict;

use super::ground::{Host, ended, image, web};
use crate::fake_docker::{Fault, Op};
use crate::router_support::until;

const VOLUME: &str = "        volumes: [ \"data:/data\" ]\n";

/// Lines of a stage with hooks.
fn hooks(pre: &str, post: &str) -> String {
    format!(
        "        hooks: {{ pre_deploy: {{ command: \"{pre}\", timeout: 5s }}, post_deploy: {{ command: \"{post}\" }} }}\n"
    )
}

/// A host that runs the first version, about to go to the second one with these lines.
async fn to_v2(before: &str, lines: &str) -> Host {
    let host = Host::with(&[&image("v1"), &image("v2")]).await;
    host.apply(&web("v1", before)).await;
    host.fake.reset_calls();
    host.write(&web("v2", lines));
    host
}

#[tokio::test]
async fn a_hook_runs_before_anything_is_touched_and_another_once_the_new_one_serves() {
    let lines = hooks("exit 0 'migrated it'", "exit 0 'told them'");
    let host = to_v2("", &lines).await;
    assert_eq!(ended(&host.converge().await).0, "success");
    let expected = [
        "pull v2",
        "tag v2 as landfall/web-prod",
        "create web-prod@v2-pre",
        "start web-prod@v2-pre",
        "remove web-prod@v2-pre",
        "create web-prod@v2",
        "start web-prod@v2",
        "connect web-prod@v2 to landfall-names",
        "create web-prod@v2-post",
        "start web-prod@v2-post",
        "remove web-prod@v2-post",
        "disconnect web-prod@v1 from landfall-names",
        "stop web-prod@v1",
        "remove web-prod@v1",
    ];
    assert_eq!(host.changes(), expected);
    let log = host.log();
    assert!(log.contains("| migrated it") && log.contains("| told them"), "{log}");
    assert_eq!((host.containers(), host.instances().len()), (vec!["web-prod@v2 running".to_owned()], 1));
    // Nothing is left to do, whatever the hooks are now.
    host.write(&web("v2", &hooks("exit 1", "exit 1")));
    assert!(host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r7_a_hook_has_all_that_the_instance_has_and_nothing_by_which_it_is_found() {
    let more = "        environment: { LEVEL: info }
        labels: { team: shop }
        user: \"1000\"
        mem_limit: 64m
        volumes: [ \"data:/data\" ]
        ports: [ \"127.0.0.1:<port>:9090\" ]
        entrypoint: [ /entry ]
";
    let host = Host::with(&[&image("v1")]).await;
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let more = more.replace("<port>", &free.to_string());
    host.apply(&web("v1", &(more + &hooks("exit 0", "exit 0")))).await;
    let calls = host.fake.calls();
    let created: Vec<_> = calls.iter().filter(|call| call.op == Op::Create).map(|call| &call.body).collect();
    let [pre, app, post] = created[..] else { panic!("three containers") };
    for hook in [pre, post] {
        for key in ["Env", "Image", "User", "Entrypoint"] {
            assert_eq!(hook[key], app[key], "{key}");
        }
        for key in ["Memory", "Mounts", "LogConfig"] {
            assert_eq!(hook["HostConfig"][key], app["HostConfig"][key], "{key}");
        }
        assert_eq!(hook["Cmd"], serde_json::json!(["exit", "0"]));
        assert!(hook["NetworkingConfig"]["EndpointsConfig"]["landfall"].is_object(), "{hook}");
        assert!(hook["HostConfig"]["PortBindings"].as_object().is_none_or(serde_json::Map::is_empty), "{hook}");
        assert_eq!(hook["Healthcheck"]["Test"], serde_json::json!(["NONE"]));
        assert!(matches!(hook["HostConfig"]["RestartPolicy"]["Name"].as_str(), None | Some("no" | "")), "{hook}");
        assert!(hook["Labels"]["landfall.spec"].is_null() && hook["Labels"]["team"].is_null(), "{hook}");
        assert_eq!(hook["Labels"]["landfall.store"], app["Labels"]["landfall.store"]);
    }
}

#[tokio::test]
async fn r11_r12_a_hook_that_fails_stops_the_deploy_before_anything_is_touched_and_holds_the_version() {
    for volume in ["", VOLUME] {
        let host = to_v2(volume, &(volume.to_owned() + &hooks("exit 3 'no such table'", "exit 0"))).await;
        let (status, reason) = ended(&host.converge().await);
        assert_eq!((status.as_str(), reason.as_str()), ("failed", "pre_deploy failed: exit 3"));
        let touched = ["pull v2", "tag v2 as landfall/web-prod", "create web-prod@v2-pre", "start web-prod@v2-pre"];
        assert_eq!(host.changes(), [&touched[..], &["remove web-prod@v2-pre"]].concat());
        assert!(host.log().contains("| no such table"), "{}", host.log());
        assert_eq!(
            (host.containers(), host.version_at("web.test").await),
            (vec!["web-prod@v1 running".into()], "v1".into())
        );
        host.fake.reset_calls();
        assert_eq!(host.converge().await.view.plan.count(Verdict::Held), 1);
        assert_eq!(host.changes(), [""; 0]);
        // Another hook is another try.
        host.apply(&web("v2", &(volume.to_owned() + &hooks("exit 0", "exit 0")))).await;
        assert_eq!(host.containers(), ["web-prod@v2 running"]);
    }
}

#[tokio::test]
async fn r31_a_hook_that_does_not_end_in_time_is_stopped_and_removed() {
    let host = to_v2("", &hooks("run on", "exit 0").replace("5s", "100ms")).await;
    let (status, reason) = ended(&host.converge().await);
    assert_eq!((status.as_str(), reason.as_str()), ("failed", "pre_deploy did not end within 100ms"));
    let ends = ["start web-prod@v2-pre", "stop web-prod@v2-pre", "remove web-prod@v2-pre"];
    assert!(host.changes().ends_with(&ends.map(str::to_owned)), "{:?}", host.changes());
    assert_eq!(host.converge().await.view.plan.count(Verdict::Held), 1);
    assert_eq!(host.containers(), ["web-prod@v1 running"]);
}

#[tokio::test]
async fn a_hook_that_fails_after_the_deploy_is_told_and_changes_nothing() {
    let host = to_v2("", &hooks("exit 0", "exit 4 'nobody listens'")).await;
    assert_eq!(ended(&host.converge().await).0, "success");
    let warning = "warning: post_deploy failed: exit 4; the new version serves all the same";
    let log = host.log();
    assert!(log.contains(warning) && log.contains("| nobody listens"), "{log}");
    let is_told = |event: &Event| matches!(event, Event::Line { text, .. } if text == warning);
    assert!(host.events().iter().any(is_told));
    assert_eq!(
        (host.containers(), host.version_at("web.test").await),
        (vec!["web-prod@v2 running".into()], "v2".into())
    );
    assert!(host.look().await.unwrap().plan.is_noop());
}

#[tokio::test]
async fn r28_what_a_hook_writes_of_a_secret_is_blacked_out() {
    for (pre, post) in [("exit 1 $TOKEN", "exit 0"), ("exit 0", "exit 1 $TOKEN")] {
        let secret = "        secret_environment: { TOKEN: { credential: token } }\n";
        let host = Host::with(&[&image("v1")]).await;
        std::fs::write(host.path("credentials/token"), "correct-horse").unwrap();
        host.write(&web("v1", &(secret.to_owned() + &hooks(pre, post))));
        host.converge().await;
        let log = host.log();
        assert!(log.contains("| ‹secret›") && !log.contains("correct-horse"), "{log}");
        assert!(!format!("{:?}", host.events()).contains("correct-horse"));
    }
}

#[tokio::test]
async fn r12_a_fault_of_docker_in_a_hook_is_not_held_against_the_version() {
    for op in [Op::Create, Op::Inspect] {
        let host = to_v2("", &hooks("exit 0", "exit 0")).await;
        host.fake.inject(op, Fault::Status(500, "busy".to_owned()));
        assert_eq!(ended(&host.converge().await).0, "failed", "{op:?}");
        assert_eq!(ended(&host.converge().await).0, "success", "{op:?}");
        assert_eq!(host.containers(), ["web-prod@v2 running"], "{op:?}");
    }
}

#[tokio::test]
async fn r15_what_a_killed_pass_left_of_a_hook_goes_before_the_next_one_runs() {
    let host = to_v2("", &hooks("run on", "exit 0")).await;
    let pass = host.converge();
    let hook_runs = async {
        host.called(Op::Inspect).await;
    };
    tokio::select! {
        converged = pass => panic!("{:?}", ended(&converged)),
        () = hook_runs => {}
    }
    assert_eq!(host.containers(), ["web-prod@v1 running", "web-prod@v2-pre running"]);
    let before = host.containers();
    host.look().await.unwrap();
    assert_eq!(host.containers(), before, "a look changes nothing");
    host.fake.reset_calls();
    host.apply(&web("v2", &hooks("exit 0", "exit 0"))).await;
    assert_eq!(host.containers(), ["web-prod@v2 running"]);
    // By name the first one is of the deploy that was cut off.
    assert_eq!(host.changes()[0], "remove web-prod@v2-pre");
    // Its configuration is not the one that is wanted by now.
    assert_eq!(host.deploys()[1].status, DeployStatus::Superseded);
}

#[tokio::test]
async fn r11_the_old_one_runs_again_when_a_hook_fails_in_a_deploy_that_goes_on_after_it_was_stopped() {
    let lines = VOLUME.to_owned() + &hooks("exit 0", "exit 0");
    let host = to_v2(VOLUME, &lines).await;
    // The pass hangs once the old one is stopped, and is dropped; in the next one the hook cannot be made.
    let (is_next, hangs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (asked, hung) = (Arc::clone(&is_next), Arc::clone(&hangs));
    host.fake.judge(move |call| match (call.op, call.query.contains("-pre"), asked.load(Ordering::SeqCst)) {
        (Op::Create, false, false) => {
            hung.store(true, Ordering::SeqCst);
            Some(Fault::Hang)
        }
        (Op::Create, true, true) => Some(Fault::Status(400, "invalid".to_owned())),
        _ => None,
    });
    let stopped = until("the pass hangs", async || hangs.load(Ordering::SeqCst));
    tokio::select! {
        converged = host.converge() => panic!("{:?}", ended(&converged)),
        () = stopped => {}
    }
    assert_eq!(host.containers(), ["web-prod@v1 exited"]);
    is_next.store(true, Ordering::SeqCst);
    assert_eq!(ended(&host.converge().await).0, "failed");
    assert_eq!(
        (host.containers(), host.version_at("web.test").await),
        (vec!["web-prod@v1 running".into()], "v1".into())
    );
    assert_eq!(host.deploys().len(), 2, "it went on under its own id");
}

#[tokio::test]
async fn r1_a_container_that_claims_to_run_a_hook_is_left_alone_unless_it_is_ours() {
    let host = to_v2("", "").await;
    let store = host.recorded().store.unwrap().to_string();
    let labels = |store: &str, own_name: &str| {
        let deploy = host.last().id.to_string();
        let pairs = [
            ("store", store),
            ("project", "web"),
            ("stage", "prod"),
            ("deploy", &deploy),
            ("hook", "pre_deploy"),
            ("self", own_name),
        ];
        pairs.into_iter().map(|(name, value)| (format!("landfall.{name}"), value.to_owned())).collect()
    };
    host.fake.run_by_hand("copied", &labels(&store, "web-prod-00000000-pre"));
    host.fake.run_by_hand("others", &labels("00000000-0000-0000-0000-000000000007", "others"));
    host.fake.run_by_hand("ours", &labels(&store, "ours"));
    assert_eq!(ended(&host.converge().await).0, "success");
    assert_eq!(host.containers(), ["copied running", "others running", "web-prod@v2 running"]);
}
