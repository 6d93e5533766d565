//! What a `diff` with nothing to do costs, beside one raw list of the containers and beside Compose's own dry run, all
//! in one run, interleaved. Prints medians and ratios; asserts only counts of calls, since time is the machine's.
//!
//! Run by `tests/bench/compare.sh` inside the test ground. `BENCH_STAGES` (100) and `BENCH_ROUNDS` (21) set its size.

#[path = "../it/recorder.rs"]
#[expect(dead_code, reason = "the bench takes only what it needs of the tests' recorder")]
mod recorder;
#[expect(dead_code, reason = "this bench needs no daemon")]
mod setup;

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use setup::{Host, median, number, report};

/// Docker calls that a no-op may make, however many instances there are (R22).
const MAX_CALLS: usize = 3;

fn main() {
    let stages = number("BENCH_STAGES", 100);
    let rounds = number("BENCH_ROUNDS", 21);
    let host = Host::converged(stages);
    let calls = host.calls_of_a_diff();
    println!("{stages} stages: a diff makes {} Docker calls: {}", calls.len(), calls.join(", "));
    assert!(calls.len() <= MAX_CALLS, "R22: at most {MAX_CALLS} calls");
    let compose = host.compose();
    let mut raw = Vec::new();
    let mut curl = Vec::new();
    let mut diff = Vec::new();
    let mut peer = Vec::new();
    for _ in 0..rounds {
        raw.push(raw_list(&host.socket));
        curl.push(timed(&mut host.curl(), 0));
        diff.push(timed(&mut host.landfall(&["diff"]), 0));
        if let Some(compose) = &compose {
            peer.push(timed(&mut compose.dry_run(), 0));
        }
    }
    report("raw GET /containers/json, no process", &mut raw, None);
    let base = median(&mut raw);
    report("the same by curl, a process", &mut curl, Some(base));
    report("landfall diff", &mut diff, Some(base));
    match compose {
        Some(_) => report("docker compose --dry-run up -d", &mut peer, Some(base)),
        None => println!("docker compose: not here (COMPOSE names no plugin)"),
    }
}

/// One list over a fresh connection, read to its end: the least that any observer of the host pays.
fn raw_list(socket: &Path) -> Duration {
    use std::io::{Read as _, Write as _};
    let begun = Instant::now();
    let mut stream = std::os::unix::net::UnixStream::connect(socket).expect("dockerd answers");
    let request = format!("GET {} HTTP/1.0\r\nHost: docker\r\n\r\n", setup::LIST);
    stream.write_all(request.as_bytes()).expect("dockerd reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("dockerd answers");
    assert!(answer.starts_with(b"HTTP/1.0 200"), "{}", String::from_utf8_lossy(&answer[..answer.len().min(200)]));
    begun.elapsed()
}

/// A whole process, from its start to its end.
fn timed(command: &mut Command, wanted: i32) -> Duration {
    let begun = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it starts");
    let took = begun.elapsed();
    assert_eq!(status.code(), Some(wanted), "{command:?}");
    took
}
