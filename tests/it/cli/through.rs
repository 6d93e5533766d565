//! Commands that go through a daemon: as if they did it themselves, while it goes on with its own work.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use landfall::model::StageKey;
use landfall::plan::Options;
use landfall::reconcile::{self, Beside, Order, Places, UnderWay};
use landfall::store::{DataDir, Lock, now_ms};
use rustix::process::Signal;

use super::daemon::{Going, daemon, socket, status};
use super::{Said, landfall, masked};
use crate::execute::ground::{Host, image, web};
use crate::execute::interrupted::cut_off_order;
use crate::fake_docker::{Behaviour, Op};
use crate::router_support::{soon, until};

const SHORT: &str = "        ready: { http: { path: / }, deadline: 100ms }\n";

/// A host on which the first version serves; the second one never gets ready.
async fn host() -> Host {
    let host = Host::with(&[&image("v1"), &image("v2").behaving(Behaviour::Unhealthy), &image("v3")]).await;
    host.apply(&web("v1", "")).await;
    host.fake.reset_calls();
    host
}

async fn run(host: &Host, line: &str) -> Said {
    landfall(host, &line.split(' ').collect::<Vec<_>>()).await
}

/// A `restart` that hangs in the middle, through the daemon.
async fn hanging_restart(host: &Host) -> Going {
    host.fake.hang(Op::Start);
    let restart = Going::start(host, "restart web/prod");
    host.called(Op::Start).await;
    restart
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_arrives_while_the_deploy_is_under_way() {
    let host = host().await;
    let _daemon = daemon(&host).await;
    let restart = hanging_restart(&host).await;
    restart.says("web/prod  replace").await;
    let under_way = status(&host).await.state.under_way;
    assert_eq!(under_way.keys().map(ToString::to_string).collect::<Vec<_>>(), ["web/prod"]);
    until("its phase is told", async || {
        status(&host).await.state.under_way.values().any(|stage| stage.phase.is_some_and(|p| p.as_str() == "starting"))
    })
    .await;
    host.fake.release(Op::Start);
    let said = restart.ends().await;
    assert_eq!((said.code, said.out.as_str()), (0, "1 done, 0 failed, 0 held, 0 unchanged\n"), "{}", said.err);
    assert!(said.err.contains("web/prod  ready after ") && said.err.contains("success ("), "{}", said.err);
    until("it is over", async || status(&host).await.state.under_way.is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_and_how_it_ends_is_the_same_with_a_daemon_and_without() {
    let (alone, beside) = (host().await, host().await);
    let running = daemon(&beside).await;
    for (line, code) in [
        ("apply", 0),
        ("restart web/prod", 0),
        ("deploy web/prod -o json", 0),
        ("rollback web/prod", 4),
        ("suspend web/prod --for 2h", 0),
        ("deploy web/prod", 4),
        ("apply", 3),
        ("apply -o json", 3),
        ("resume web/prod", 0),
        ("resume web/prod", 0),
        ("release web/nope", 1),
        ("adopt nobody web/prod", 1),
        ("adopt web/prod --proxy-host", 1),
        ("apply --plan 000000", 4),
        ("apply nope -o json", 4),
        ("release web/prod", 0),
        ("apply", 3),
    ] {
        let (here, there) = (run(&alone, line).await, run(&beside, line).await);
        assert_eq!(
            (here.code, there.code),
            (code, code),
            "{line}\n{}{}\n{}{}",
            here.out,
            here.err,
            there.out,
            there.err
        );
        let told = |host: &Host, said: &Said| (text(host, &said.out), text(host, &said.err));
        assert_eq!(told(&alone, &here), told(&beside, &there), "{line}");
        running.says(&format!("asks: {}", line.replace(" -o json", "").replace(" --for 2h", ""))).await;
    }
}

/// A text without what differs from run to run.
fn text(host: &Host, text: &str) -> String {
    let text = masked(host, text).replace(&host.path("").display().to_string(), "HOST/");
    let is_moment =
        |line: &&str| ["_ms\":", "\"plan\":", "\"container", "\"id\":"].iter().any(|part| line.contains(part));
    text.lines().filter(|line| !is_moment(line)).map(|line| line.to_owned() + "\n").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_through_the_daemon_ends_as_one_without_it() {
    let host = host().await;
    let daemon = daemon(&host).await;
    host.write(&web("v2", SHORT));
    daemon.says("failed").await;
    let said = run(&host, "apply").await;
    assert_eq!(said.code, 3, "{}{}", said.out, said.err);
    let said = run(&host, "apply --retry").await;
    assert_eq!((said.code, said.out.as_str()), (1, "0 done, 1 failed, 0 held, 0 unchanged\n"), "{}", said.err);
    host.write("projects: [\n");
    let said = run(&host, "apply").await;
    assert!(said.code == 4 && said.err.contains("projects.yaml:"), "{}{}", said.out, said.err);
    assert!(said.err.contains("hint: the lines above say where"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_goes_away_stops_nothing() {
    let host = host().await;
    let daemon = daemon(&host).await;
    for signal in [Signal::KILL, Signal::INT] {
        let before = host.last().id;
        host.fake.reset_calls();
        let restart = hanging_restart(&host).await;
        restart.says("web/prod  replace").await;
        restart.signal(signal);
        let said = restart.ends().await;
        assert!(signal == Signal::KILL || said.err.contains("`landfall history` shows how it ends"), "{}", said.err);
        assert_eq!(said.code, if signal == Signal::KILL { -1 } else { 1 });
        host.fake.release(Op::Start);
        until("what it asked for is done", async || {
            host.last().id != before && host.last().status.as_str() == "success"
        })
        .await;
    }
    assert_eq!(run(&host, "restart web/prod").await.code, 0);
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends().await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_during_a_deploy_waits_says_for_what_and_is_not_lost() {
    let host = host().await;
    let _daemon = daemon(&host).await;
    let restart = hanging_restart(&host).await;
    let suspend = Going::start(&host, "suspend web/prod");
    suspend.says("waiting for web/prod: a deploy is under way").await;
    let apply = Going::start(&host, "apply");
    apply.says("waiting for web/prod: a deploy is under way").await;
    host.fake.release(Op::Start);
    assert_eq!(restart.ends().await.code, 0);
    assert_eq!(
        suspend.ends().await.out,
        "web/prod is suspended: nothing of it is changed until `landfall resume web/prod`\n"
    );
    let said = apply.ends().await;
    assert!(said.code == 3 && said.out.contains("held: suspended"), "{}{}", said.out, said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemon_works_on_is_shown_as_under_way() {
    let host = host().await;
    let _daemon = daemon(&host).await;
    let restart = hanging_restart(&host).await;
    let (status, diff) = (run(&host, "status").await, run(&host, "diff").await);
    for said in [&status.out, &diff.err] {
        assert!(said.contains("web/prod  deploying ") && !said.contains("was interrupted"), "{said}");
    }
    host.fake.release(Op::Start);
    assert_eq!(restart.ends().await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_daemon_that_is_at_work_does_not_name_was_interrupted() {
    let host = host().await;
    let key: StageKey = "web/prod".parse().unwrap();
    cut_off_order(&host, &key, Order::Restart, Op::Start).await;
    let is_under_way = async |daemon: Option<UnderWay>| {
        let places = host.places();
        let beside = daemon.map_or_else(Beside::default, |daemon| places.beside.told(daemon));
        let view = reconcile::look(&Places { beside, ..places }, &Options::default()).await.expect("a look");
        view.open.iter().map(|open| open.is_under_way).collect::<Vec<_>>()
    };
    let said = |pid: u32, stages: &[&StageKey], at_ms: i64| {
        Some(UnderWay { pid, stages: stages.iter().copied().cloned().collect(), at_ms })
    };
    let (ours, other) = (std::process::id(), 1);
    let (now, before) = (now_ms() + 60_000, 0);
    assert_eq!(is_under_way(None).await, [false], "nobody has the lock");
    let lock = Lock::acquire(&DataDir::new(host.path("data")), "daemon", Duration::ZERO).await.unwrap();
    assert_eq!(is_under_way(None).await, [true], "somebody has the lock, and was not asked");
    assert_eq!(is_under_way(said(ours, &[], now)).await, [false], "the daemon has it, for another stage");
    assert_eq!(is_under_way(said(ours, &[&key], now)).await, [true], "the daemon has it, for this one");
    assert_eq!(is_under_way(said(ours, &[], before)).await, [true], "it went on since the daemon was asked");
    assert_eq!(is_under_way(said(other, &[], now)).await, [true], "somebody beside the daemon has it");
    drop(lock);
    assert_eq!(is_under_way(said(ours, &[], now)).await, [false]);
}

/// Somebody else than who runs these tests, and no owner of anything here.
const NOBODY: u32 = 65_534;

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_the_data_directory_asks_by_the_socket_if_its_group_lets_them() {
    let host = host().await;
    let public = tempfile::tempdir().unwrap();
    std::fs::set_permissions(public.path(), Permissions::from_mode(0o755)).unwrap();
    let (socket, binary) = (public.path().join("landfall.sock"), public.path().join("landfall"));
    std::fs::copy(env!("CARGO_BIN_EXE_landfall"), &binary).unwrap();
    let daemon = Going::start(&host, &format!("daemon --socket {}", socket.display()));
    until("the daemon answers", async || landfall::http::status(&socket).await.is_ok()).await;
    let ask = async || -> Said {
        let mut command = tokio::process::Command::new(&binary);
        command.env_clear().env("LANDFALL_DATA", host.path("data")).env("LANDFALL_SOCKET", &socket);
        command.args(["suspend", "web/prod"]).uid(NOBODY).gid(NOBODY);
        soon("a command", command.output()).await.expect("landfall runs").into()
    };
    let said = ask().await;
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
    assert!(said.err.contains("the daemon does not answer at ") && said.err.contains("in the group"), "{}", said.err);
    std::os::unix::fs::chown(&socket, None, Some(NOBODY)).unwrap();
    let said = ask().await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    daemon.says(&format!("uid {NOBODY} (gid {NOBODY}, pid ")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_is_refused_and_names_the_first_and_since_when() {
    let host = host().await;
    let first = daemon(&host).await;
    let said = run(&host, "daemon").await;
    assert_eq!(said.code, 1);
    let wanted = format!("a daemon uses {} (pid {}, since 20", host.path("data").display(), first.pid());
    assert!(said.err.contains(&wanted), "{}", said.err);
    // The first one still has its socket.
    assert_eq!(status(&host).await.pid, first.pid());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_daemons_with_two_data_directories_are_two() {
    let (one, other) = (host().await, host().await);
    let (first, second) = (daemon(&one).await, daemon(&other).await);
    assert_eq!(run(&one, "suspend web/prod").await.code, 0);
    first.says("asks: suspend web/prod").await;
    assert!(!second.err().contains("asks: "), "{}", second.err());
    let there = socket(&one).display().to_string();
    let said = run(&other, &format!("restart web/prod --socket {there}")).await;
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    assert!(said.err.contains("`--data` is ") && said.err.contains("and the daemon uses"), "{}", said.err);
    let third = one.path("third").display().to_string();
    let said = run(&one, &format!("daemon --data {third} --socket {there}")).await;
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(said.err.contains("another process is running on the control socket"), "{}", said.err);
    assert!(said.err.contains("with `--socket`"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_means_another_configuration_than_the_daemon_s_is_refused() {
    let host = host().await;
    let _daemon = daemon(&host).await;
    let elsewhere = host.path("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    let said = run(&host, &format!("apply --config {}", elsewhere.display())).await;
    assert_eq!(said.code, 4, "{}{}", said.out, said.err);
    assert!(said.err.contains("`--config` is ") && said.err.contains("hint: leave `--config` out"), "{}", said.err);
    // The same place by another name.
    let same = elsewhere.join("../config");
    assert_eq!(run(&host, &format!("apply --config {}", same.display())).await.code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_answer_it_is_done_beside_the_daemon_and_that_is_said() {
    let host = host().await;
    let _daemon = daemon(&host).await;
    until("its first pass is over", async || status(&host).await.state.looked_at_ms.is_some()).await;
    std::fs::remove_file(socket(&host)).unwrap();
    let said = run(&host, "suspend web/prod").await;
    assert_eq!((said.code, said.out.starts_with("web/prod is suspended")), (0, true), "{}", said.err);
    assert!(said.err.contains("the daemon does not answer at ") && said.err.contains("beside it"), "{}", said.err);
    assert!(said.err.contains(&socket(&host).display().to_string()), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_that_a_crash_left_is_replaced_and_goes_with_its_daemon() {
    let host = host().await;
    drop(UnixListener::bind(socket(&host)).unwrap());
    let daemon = daemon(&host).await;
    assert_eq!(run(&host, "suspend web/prod").await.code, 0);
    daemon.says("asks: suspend web/prod").await;
    daemon.signal(Signal::TERM);
    assert_eq!(daemon.ends().await.code, 0);
    assert!(!socket(&host).exists());
    let said = run(&host, "resume web/prod").await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
}
