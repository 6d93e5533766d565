//! What the daemon costs while nothing happens, with many instances: resident memory, processor time and calls to Docker,
//! over some minutes. Prints them; asserts that Docker is asked nothing but what a resync asks, since that is a count.
//!
//!   tests/ground/with cargo bench --profile dev --bench idle      with `LANDFALL_BIN` for a release binary
//!
//! `BENCH_STAGES` (100) and `BENCH_MINUTES` (10) set its size.

#[path = "../it/recorder.rs"]
#[expect(dead_code, reason = "the bench takes only what it needs of the tests' recorder")]
mod recorder;
#[expect(dead_code, reason = "the bench takes only what it needs of the others' host")]
mod setup;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use recorder::Recorder;
use setup::{Daemon, Host, number};

/// Calls of one pass over everything: the ping and two lists.
const CALLS_OF_A_RESYNC: usize = 3;
/// Times are told in so many ticks a second; the same on every Linux.
const TICKS: f64 = 100.0;

fn main() {
    let (stages, minutes) = (number("BENCH_STAGES", 100), number("BENCH_MINUTES", 10));
    let host = Host::converged(stages);
    let recorder = Recorder::start(&host.socket.display().to_string());
    let daemon = Daemon::start_at(&host, &recorder.url());
    // What it needs to begin is not what it needs to go on.
    while !is_listening(&recorder) {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(2));
    recorder.clear();
    let (before, begun) = (processor_seconds(daemon.pid()), Instant::now());
    let mut most = 0.0_f64;
    for _ in 0..minutes * 6 {
        std::thread::sleep(Duration::from_secs(10));
        most = most.max(resident_mib(daemon.pid()));
    }
    let (took, used) = (begun.elapsed().as_secs_f64(), processor_seconds(daemon.pid()) - before);
    println!("{stages} instances, idle for {took:.0} s");
    println!("resident          {:>8.1} MiB now, {most:.1} at most", resident_mib(daemon.pid()));
    println!("processor         {used:>8.2} s, {:.3} % of one core", used / took * 100.0);
    let mut calls: BTreeMap<String, usize> = BTreeMap::new();
    for request in recorder.requests() {
        let path = request.path.split('?').next().unwrap_or_default().to_owned();
        *calls.entry(format!("{} {path}", request.method)).or_default() += 1;
    }
    for (call, count) in &calls {
        println!("{count:>8} x {call}");
    }
    let all: usize = calls.values().sum();
    let resyncs = calls.iter().find(|(call, _)| call.ends_with("/containers/json")).map_or(0, |(_, count)| *count);
    assert!(all <= resyncs * CALLS_OF_A_RESYNC, "{all} calls for {resyncs} resyncs");
}

fn is_listening(recorder: &Recorder) -> bool {
    recorder.requests().iter().any(|request| request.path.contains("/events"))
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line for it");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib / 1024.0
}

/// What it used in user and in system mode; its name, in brackets, may hold anything.
fn processor_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it runs");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|text| text.parse::<f64>().ok()).expect("a number");
    (ticks(11) + ticks(12)) / TICKS
}
