//! What it costs to select the newest of many tags by each policy, beside reading every tag once as a tag. Prints medians
//! and ratios; asserts only what was selected, since time is the machine's.
//!
//! Run by `cargo bench --bench policy`; it needs nothing around it. `BENCH_TAGS` (10000) and `BENCH_ROUNDS` (101) set its
//! size.

#[path = "../it/recorder.rs"]
#[expect(dead_code, reason = "nothing is recorded here")]
mod recorder;
#[expect(dead_code, reason = "of the other benches' setup only the figures are needed")]
mod setup;

use std::hint::black_box;
use std::time::{Duration, Instant};

use landfall::model::policy::select;
use landfall::model::{Tag, Track};
use serde_json::json;

use setup::{median, number, report};

/// How a tag is named by its number.
type Named = fn(usize) -> String;

fn main() {
    let count = number("BENCH_TAGS", 10_000);
    let rounds = number("BENCH_ROUNDS", 101);
    let last = count - 1;
    let regex = |pattern: &str, order: &str| json!({ "regex": { "match": pattern, "order": order } });
    // What is tracked, and how the tags are named that it wants.
    let version: Named = |n| format!("v1.{}.{}", n / 100, n % 100);
    let dev: Named = |n| format!("dev-{n}");
    let cases = [
        ("semver", json!({ "semver": ">=1.0.0" }), version),
        ("glob", json!({ "glob": "dev-*" }), dev),
        ("regex, numeric", regex("dev-([0-9]+)", "numeric"), dev),
        ("regex, semver", regex("v(?<order>.+)", "semver"), version),
        ("regex, alphabetical", regex("dev-.*", "alphabetical"), |n| format!("dev-{n:06}")),
    ];
    println!("the newest of {count} tags");
    for (name, tracked, named) in cases {
        let track: Track = serde_json::from_value(tracked).expect("a policy");
        // In no order: a prime that divides no round number walks over all of them.
        let tags: Vec<String> = (0..count).map(|n| named(n * 7919 % count)).collect();
        let found = select(&track, tags.iter().map(String::as_str), 1);
        assert_eq!(
            (found.newest.first().map(ToString::to_string), found.matched),
            (Some(named(last)), count),
            "{name}"
        );
        let mut once: Vec<Duration> = Vec::new();
        let mut whole: Vec<Duration> = Vec::new();
        for _ in 0..rounds {
            once.push(timed(|| tags.iter().filter(|tag| tag.parse::<Tag>().is_ok()).count()));
            whole.push(timed(|| select(&track, tags.iter().map(String::as_str), 1)));
        }
        report("each read once", &mut once, None);
        report(name, &mut whole, Some(median(&mut once)));
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> Duration {
    let begun = Instant::now();
    black_box(work());
    begun.elapsed()
}
