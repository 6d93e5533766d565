//! A daemon that is kept turning: some reason for a look or a pass every few milliseconds. It grows in nothing (R31).

use std::fs;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use super::daemon::{Daemon, daemon};
use crate::execute::ground::{Host, image, web};
use crate::fake_docker::Op;
use crate::router_support::until;
use crate::walk::is_soak;

/// Between two reasons.
const PERIOD: Duration = Duration::from_millis(5);
/// How long, and how long in a soak.
const FOR: (Duration, Duration) = (Duration::from_secs(20), Duration::from_secs(300));

/// What a process holds.
#[derive(Debug, Clone, Copy)]
struct Held {
    resident_kib: u64,
    threads: u64,
    files: usize,
}

impl Held {
    fn by(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of /proc/PID/status");
            line.split_ascii_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
        };
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it runs").count();
        Self { resident_kib: number("VmRSS:"), threads: number("Threads:"), files }
    }
}

/// The highest of what was held during some time of reasons.
async fn turn(host: &Host, daemon: &Daemon, time: Duration) -> Held {
    let until = Instant::now() + time;
    let mut most = Held::by(daemon.pid());
    let mut turn = 0_u32;
    while Instant::now() < until {
        // The files rest most of the time, or nothing that they say would ever be in force.
        match (turn % 4, turn % 100 < 20) {
            (0, true) => host.write(&format!("# {turn}\n{}", web("v1", ""))),
            (1, true) => host.settings(&format!("  resync: {}s\n", 1 + turn / 100 % 7)),
            (0 | 1, false) => daemon.signal(Signal::HUP),
            _ => {
                if let Some(name) = host.fake.names().first() {
                    host.fake.rename_by_hand(name, &format!("moved-{turn}"));
                }
            }
        }
        turn += 1;
        tokio::time::sleep(PERIOD).await;
        let now = Held::by(daemon.pid());
        most.resident_kib = most.resident_kib.max(now.resident_kib);
        most.threads = most.threads.max(now.threads);
        most.files = most.files.max(now.files);
    }
    most
}

#[tokio::test]
async fn r31_a_daemon_that_is_kept_turning_grows_in_nothing() {
    let time = if is_soak() { FOR.1 } else { FOR.0 };
    let host = Host::with(&[&image("v1")]).await;
    host.apply(&web("v1", "")).await;
    let deploys = host.deploys().len();
    let daemon = Daemon::start(daemon(&host), &host);
    daemon.told("READY=1").await;
    let before = turn(&host, &daemon, time / 2).await;
    let (lists, size) = (host.fake.count(Op::List), store(&host));
    let after = turn(&host, &daemon, time / 2).await;
    println!("{before:?}, then {after:?}; the store: {size} bytes, then {}", store(&host));
    assert!(host.fake.count(Op::List) > lists + 10, "it did turn");
    assert!(after.resident_kib < before.resident_kib + 6 * 1024, "memory: {before:?}, then {after:?}");
    assert!(after.threads <= before.threads + 2, "threads: {before:?}, then {after:?}");
    assert!(after.files <= before.files + 4, "open files: {before:?}, then {after:?}");
    assert!(store(&host) <= size + (1 << 20), "the store: {size}, then {}", store(&host));
    assert_eq!(host.deploys().len(), deploys, "nothing was deployed");
    host.settings("");
    daemon.signal(Signal::HUP);
    until("its own name again", async || host.fake.names().iter().all(|name| name.starts_with("web-prod-"))).await;
}

/// Bytes of the store, and of what SQLite keeps beside it.
fn store(host: &Host) -> u64 {
    let files = fs::read_dir(host.path("data")).expect("a directory").filter_map(Result::ok);
    files.filter_map(|file| file.metadata().ok()).filter(fs::Metadata::is_file).map(|file| file.len()).sum()
}
