//! `landfall daemon` under a service manager of ours: what it tells, and when.

use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use tokio::net::UnixDatagram;
use tokio::process::{Child, Command};

use crate::execute::ground::{Host, image, web};
use crate::fake_docker::Op;
use crate::router_support::{soon, until};

/// A daemon that runs, and what it told its service manager; killed on drop.
pub struct Daemon {
    child: Child,
    told: Arc<Mutex<Vec<String>>>,
    log: PathBuf,
}

/// The command as a unit would start it: nothing but what is given.
pub fn daemon(host: &Host) -> Command {
    daemon_by(Command::new(env!("CARGO_BIN_EXE_landfall")), host)
}

/// The same by a command that runs it.
pub fn daemon_by(mut command: Command, host: &Host) -> Command {
    command.env_clear().arg("daemon").stdin(Stdio::null()).stdout(Stdio::null());
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.envs(host.variables());
    let log = std::fs::File::create(host.path("daemon.log")).expect("a file");
    command.stderr(log);
    command
}

impl Daemon {
    /// Starts it with a notify socket of ours.
    pub fn start(mut command: Command, host: &Host) -> Self {
        let path = host.path("notify.sock");
        let socket = UnixDatagram::bind(&path).expect("a socket");
        command.env("NOTIFY_SOCKET", &path).kill_on_drop(true);
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&told);
        tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(length) = socket.recv(&mut buffer).await {
                let text = String::from_utf8_lossy(&buffer[..length]).trim_end().to_owned();
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(text);
            }
        });
        Self { child: command.spawn().expect("the binary runs"), told, log: host.path("daemon.log") }
    }

    /// Everything it told so far, a message each.
    pub fn all(&self) -> Vec<String> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many messages begin so.
    pub fn count(&self, beginning: &str) -> usize {
        self.all().iter().filter(|message| message.starts_with(beginning)).count()
    }

    /// Waits until a message begins so.
    pub async fn told(&self, beginning: &str) {
        self.told_times(beginning, 1).await;
    }

    pub async fn told_times(&self, beginning: &str, times: usize) {
        until(&format!("{times} × {beginning}"), async || self.count(beginning) >= times).await;
    }

    /// Where its standard error goes, unless the test led it elsewhere.
    pub fn log(&self) -> PathBuf {
        self.log.clone()
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).expect("a process id");
        kill_process(Pid::from_raw(pid).expect("a process id"), signal).expect("a signal is sent");
    }

    /// Waits for its end; gives its exit code.
    pub async fn ends(&mut self) -> i32 {
        soon("it ends", self.child.wait()).await.expect("its status").code().expect("an end of its own")
    }
}

/// Stops it as systemd does; gives its exit code.
pub async fn stopped(mut daemon: Daemon) -> i32 {
    daemon.signal(Signal::TERM);
    daemon.ends().await
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_comes_when_the_host_was_seen_and_not_before_docker_answers() {
    let host = Host::with(&[]).await;
    host.fake.hang(Op::List);
    let running = Daemon::start(daemon(&host), &host);
    host.called(Op::List).await;
    assert_eq!(running.count("READY=1"), 0, "{:?}", running.all());
    host.fake.release(Op::List);
    running.told("READY=1").await;
    running.told("STATUS=converged").await;
    assert_eq!(running.count("READY=1"), 1);
    assert_eq!(stopped(running).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_watchdog_is_fed_while_a_deploy_takes_its_time() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    host.fake.hang(Op::Start);
    let mut command = daemon(&host);
    command.env("WATCHDOG_USEC", "200000");
    let running = Daemon::start(command, &host);
    host.called(Op::Start).await;
    let begun = running.count("WATCHDOG=1");
    running.told_times("WATCHDOG=1", begun + 5).await;
    assert_eq!(running.count("READY=1"), 1, "ready during its first deploy");
    host.fake.release(Op::Start);
    running.told("STATUS=converged").await;
    assert_eq!(stopped(running).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watchdog_that_is_meant_for_another_process_is_not_fed() {
    let host = Host::with(&[]).await;
    let mut command = daemon(&host);
    command.env("WATCHDOG_USEC", "20000").env("WATCHDOG_PID", "1");
    let running = Daemon::start(command, &host);
    running.told("STATUS=converged").await;
    assert_eq!(running.count("WATCHDOG=1"), 0);
    assert_eq!(stopped(running).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_reloads_tells_so_and_reads_what_no_event_told_of() {
    let host = Host::with(&[&image("v1")]).await;
    let running = Daemon::start(daemon(&host), &host);
    running.told("STATUS=converged").await;
    let asked = host.fake.count(Op::List);
    running.signal(Signal::HUP);
    running.told("RELOADING=1\nMONOTONIC_USEC=").await;
    running.told_times("READY=1", 2).await;
    let told = running.all();
    let at = |beginning: &str| told.iter().rposition(|message| message.starts_with(beginning)).unwrap();
    assert!(at("RELOADING=1") < at("READY=1"), "{told:?}");
    until("the host is looked at again", async || host.fake.count(Op::List) > asked).await;
    // A bad configuration is read and refused: the reload is over all the same.
    host.write("projects: [");
    running.signal(Signal::HUP);
    running.told_times("READY=1", 3).await;
    running.told("STATUS=configuration cannot be used; the last good one stays in force").await;
    assert_eq!(stopped(running).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r12_sighup_tries_at_once_what_waits_after_a_failure() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings("  resync: 1h\n");
    host.write(&web("v1", ""));
    // Each failure doubles the wait, so that from some on nobody would wait for the next by chance.
    for _ in 0..6 {
        host.fake.fail_next(Op::Pull, 500, "received unexpected HTTP status: 503 Service Unavailable");
    }
    let running = Daemon::start(daemon(&host), &host);
    for tries in 1..=6 {
        until("it is tried", async || host.fake.count(Op::Pull) == tries).await;
        until("the failure is known", async || running.count("STATUS=not converged") > 0).await;
        running.signal(Signal::HUP);
    }
    running.told("STATUS=converged").await;
    assert_eq!(stopped(running).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_sigterm_tells_that_it_stops_lets_the_step_end_and_exits_0() {
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    host.fake.hang(Op::Start);
    let mut running = Daemon::start(daemon(&host), &host);
    host.called(Op::Start).await;
    running.signal(Signal::TERM);
    running.told("STOPPING=1").await;
    host.fake.release(Op::Start);
    assert_eq!(running.ends().await, 0);
    assert_eq!(running.count("STOPPING=1"), 1);
    assert_eq!(host.last().status.to_string(), "success");
}

#[tokio::test(flavor = "multi_thread")]
async fn ready_after_sighup_means_that_what_was_there_then_was_read_and_a_pass_planned_from_it() {
    let host = Host::with(&[&image("v1")]).await;
    host.settings("  resync: 10m\n");
    let running = Daemon::start(daemon(&host), &host);
    running.told("STATUS=converged").await;
    host.fake.reset_calls();
    // The pass of a first reload waits for Docker, and is planned when a second one was asked for.
    host.fake.hang(Op::List);
    running.signal(Signal::HUP);
    host.called(Op::List).await;
    host.write(&web("v1", ""));
    running.signal(Signal::HUP);
    let log = || std::fs::read_to_string(running.log()).expect("a log");
    until("both are taken", async || log().matches("reloading").count() == 2).await;
    host.fake.release(Op::List);
    running.told_times("READY=1", 2).await;
    let in_force = host.reader().in_force().expect("a readable store").expect("something in force");
    assert_eq!(in_force.desired.stages.len(), 1, "ready before it was read");
    assert_eq!(stopped(running).await, 0);
}
