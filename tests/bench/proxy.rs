//! What a request through the embedded proxy costs, beside nginx and Caddy, all before the same upstream in one
//! run, interleaved: requests per CPU-second of the proxy's processes, and how long a client waits. Prints medians and
//! ratios; asserts that every request was answered, since time is the machine's.
//!
//! Run by `tests/bench/compare.sh proxy`. `BENCH_ROUNDS` (5), `BENCH_SECONDS` (3) and `BENCH_CLIENTS` (32) set its size;
//! `LANDFALL_BIN` and `CADDY` are the binaries, Caddy left out where there is none.

#[path = "../it/recorder.rs"]
#[expect(dead_code, reason = "nothing is recorded here")]
mod recorder;
#[expect(dead_code, reason = "of the other benches' setup only its numbers are needed")]
mod setup;
mod sides;

use std::path::Path;
use std::process::Command;

use setup::number;
use sides::{HOST, Side};

/// What one round at one side showed.
#[derive(Default)]
struct Seen {
    per_cpu_second: Vec<f64>,
    per_second: Vec<f64>,
    p50_ms: Vec<f64>,
    p99_ms: Vec<f64>,
}

fn main() {
    let (rounds, seconds, clients) =
        (number("BENCH_ROUNDS", 5), number("BENCH_SECONDS", 3), number("BENCH_CLIENTS", 32));
    let dir = tempfile::tempdir().expect("a directory");
    let sides = Side::all(dir.path());
    println!("{rounds} rounds of {seconds} s each, {clients} clients; upstream: nginx with a static answer of 1 KiB");
    for (kind, header) in [("kept alive", None), ("a connection per request", Some("Connection: close"))] {
        let mut seen: Vec<Seen> = sides.iter().map(|_| Seen::default()).collect();
        // Untold: every pool is filled, every page of code is in memory.
        for side in &sides {
            load(side, header, clients, 1, &mut Seen::default());
        }
        for round in 0..rounds {
            for step in 0..sides.len() {
                let at = (round + step) % sides.len();
                load(&sides[at], header, clients, seconds, &mut seen[at]);
            }
        }
        print(kind, &sides, seen);
    }
}

/// One round: wrk asks, and the clock of the side's processes is read before and after.
fn load(side: &Side, header: Option<&str>, clients: usize, seconds: usize, seen: &mut Seen) {
    let before = side.cpu_seconds();
    let mut wrk = Command::new("wrk");
    wrk.args(["--latency", "-t", "1", "-c", &clients.to_string(), "-d", &format!("{seconds}s")]);
    wrk.args(["-H", &format!("Host: {HOST}")]).args(header.iter().flat_map(|header| ["-H", header]));
    let output = wrk.arg(format!("http://127.0.0.1:{}/", side.port)).output().expect("wrk starts");
    let cpu = side.cpu_seconds() - before;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && !text.contains("Non-2xx") && !text.contains("Socket errors"),
        "{}: {text}",
        side.name
    );
    let after = |mark: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(mark));
        line.unwrap_or_else(|| panic!("no {mark} in {text}")).trim().to_owned()
    };
    let requests: f64 = text
        .lines()
        .find_map(|line| line.trim().split_once(" requests in "))
        .and_then(|(count, _)| count.parse().ok())
        .unwrap_or_else(|| panic!("no count in {text}"));
    assert!(requests > 0.0, "{}: {text}", side.name);
    seen.per_cpu_second.push(requests / cpu);
    seen.per_second.push(after("Requests/sec:").parse().expect("a number"));
    seen.p50_ms.push(millis(&after("50%")));
    seen.p99_ms.push(millis(&after("99%")));
}

/// `1.20ms`, `850.00us` or `1.02s`.
fn millis(text: &str) -> f64 {
    let (number, unit) = text.split_at(text.find(char::is_alphabetic).unwrap_or(text.len()));
    let number: f64 = number.parse().unwrap_or_else(|_| panic!("`{text}` is no time"));
    match unit {
        "us" => number / 1000.0,
        "ms" => number,
        "s" => number * 1000.0,
        _ => panic!("`{text}` is no time"),
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print(kind: &str, sides: &[Side], seen: Vec<Seen>) {
    println!("\n{kind:<26}{:>14}{:>12}{:>10}{:>10}", "req/CPU-s", "req/s", "p50 ms", "p99 ms");
    let mut rows = Vec::new();
    for (side, mut seen) in sides.iter().zip(seen) {
        let row =
            [&mut seen.per_cpu_second, &mut seen.per_second, &mut seen.p50_ms, &mut seen.p99_ms].map(|of| median(of));
        println!("{:<26}{:>14.0}{:>12.0}{:>10.2}{:>10.2}", side.name, row[0], row[1], row[2], row[3]);
        rows.push((side.name, row));
    }
    let of = |name: &str| rows.iter().find(|(side, _)| *side == name).map(|(_, row)| *row);
    let ours = of("landfall").expect("our own side");
    for (name, least, most) in [("nginx", 0.5, Some(2.0)), ("caddy", 1.0, None)] {
        let Some(theirs) = of(name) else { continue };
        let (work, wait) = (ours[0] / theirs[0], ours[3] / theirs[3]);
        let met = work >= least && most.is_none_or(|most| wait <= most);
        let goal = if met { "as it should be" } else { "which misses the goal" };
        println!("landfall / {name}: {work:.2} of the requests per CPU-second, {wait:.2} of the p99, {goal}");
    }
}

/// Whether a binary is named in the environment and there.
fn binary(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|path| Path::new(path).is_file())
}
