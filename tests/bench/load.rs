//! What it costs to load, resolve, hash and diff many stages against the store, beside what Compose and `docker stack`
//! take to read as many services alone, all in one run, interleaved. Prints medians, ratios and peaks of memory; asserts
//! what was done and what memory it took, since time is the machine's.
//!
//! Run by `tests/bench/compare.sh load`. `BENCH_STAGES` (10000) and `BENCH_ROUNDS` (5) set its size. Each side is a
//! process of its own, this program being one of them: `load ours CONFIG DATA` prints what it took.

mod many;
mod unit;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use landfall::config;
use landfall::model::policy::{Choice, choose};
use landfall::model::{Desired, ImageRef, Recorded, StageKey};
use landfall::plan::{self, Blocked, Input, Options};
use landfall::store::{DataDir, Store};

/// Pause between two looks at the memory of a peer.
const LOOK: Duration = Duration::from_millis(5);
/// Memory of the program before it has a single stage, in bytes.
const BASE: u64 = 10 << 20;
/// Most memory that a stage may take, on the way from its file and its row to its plan, in bytes: with the base, 80 MiB for
/// ten thousand.
const STAGE: u64 = 7340;
/// Services that Compose 5 still reads; it refuses a file of 100,000 nodes.
const FEW: usize = 1000;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["ours", config, data] => ours(Path::new(config), Path::new(data)),
        ["fill", config, data] => tokio::runtime::Runtime::new()
            .expect("a runtime")
            .block_on(many::fill_store(Path::new(config), Path::new(data))),
        _ => compare(),
    }
}

/// What the product does between its start and its plan, Docker's and the registry's part left out.
fn ours(dir: &Path, data: &Path) {
    let begun = Instant::now();
    let read = || Store::open_read(&DataDir::new(data)).expect("a store").expect("one").recorded().expect("readable");
    let (loaded, recorded) = thread::scope(|scope| {
        let recorded = scope.spawn(read);
        (config::load(dir).expect("a configuration"), recorded.join().expect("a store"))
    });
    let ready = begun.elapsed();
    let plan = diff(&loaded.desired, &recorded);
    let done = begun.elapsed();
    assert!(plan.is_noop(), "everything runs as it should");
    assert!(plan::lacking(&plan, &recorded).is_empty(), "and nothing more of the store would be read");
    let peak = memory(std::process::id()).expect("of this process");
    let most = (BASE + STAGE * plan.stages.len() as u64) >> 10;
    assert!(peak <= most, "{peak} KiB at most, and {most} would do");
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    println!("{} {} {} {}", plan.stages.len(), ms(ready), ms(done), peak);
    // The daemon keeps what it has loaded: taking it apart is no part of this.
    std::mem::forget((loaded, recorded, plan));
}

fn diff(desired: &Desired, recorded: &Recorded) -> plan::Plan {
    let pinned = |(key, stage): (&StageKey, _)| {
        let pin = recorded.stages.get(key).and_then(|stage| stage.pin.as_ref());
        let Choice::Known(image) = choose(stage, pin, false) else { panic!("it was pinned") };
        (key.clone(), Ok(image))
    };
    let images: BTreeMap<StageKey, Result<ImageRef, Blocked>> = desired.stages.iter().map(pinned).collect();
    plan::plan(Input {
        desired,
        recorded,
        observed: &many::observed(recorded),
        images: &images,
        fingerprints: &BTreeMap::new(),
        unreadable: &BTreeMap::new(),
        options: &Options::default(),
        now_ms: 0,
    })
}

/// The most memory that a process had so far, in KiB.
fn memory(id: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// One side: what is run, and what it took.
struct Side {
    name: String,
    command: Box<dyn Fn() -> Command>,
    wall: Vec<Duration>,
    peak: Vec<u64>,
    said: String,
}

impl Side {
    fn new(name: impl Into<String>, command: impl Fn() -> Command + 'static) -> Self {
        Self { name: name.into(), command: Box::new(command), wall: vec![], peak: vec![], said: String::new() }
    }

    fn run(&mut self) {
        let begun = Instant::now();
        let mut child = (self.command)().stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let stdout = child.stdout.take().expect("its output");
        let reader = thread::spawn(move || std::io::read_to_string(stdout).unwrap_or_default());
        let peak = follow(&mut child);
        self.wall.push(begun.elapsed());
        let said = reader.join().expect("its output");
        // A process of ours knows its own peak to the end.
        let told = said.split_ascii_whitespace().last().filter(|_| self.is_ours()).and_then(|kib| kib.parse().ok());
        self.peak.push(told.unwrap_or(peak));
        assert!(child.wait().expect("it ended").success(), "{} failed", self.name);
        if self.is_ours() {
            said.trim().clone_into(&mut self.said);
        }
    }

    fn is_ours(&self) -> bool {
        self.name.starts_with("landfall")
    }
}

/// Waits for a process and looks at its memory meanwhile.
fn follow(child: &mut Child) -> u64 {
    let mut peak = 0;
    while child.try_wait().expect("it can be asked").is_none() {
        peak = memory(child.id()).unwrap_or(0).max(peak);
        thread::sleep(LOOK);
    }
    peak
}

fn median<T: Ord + Copy>(values: &[T]) -> T {
    let mut sorted = values.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

fn number(name: &str, default: usize) -> usize {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn compare() {
    let rounds = number("BENCH_ROUNDS", 5);
    let many = number("BENCH_STAGES", 10_000);
    for (stages, layouts) in [(many, vec![many / 50, many / 2000]), (FEW, vec![FEW / 50])] {
        let dir = tempfile::tempdir().expect("a directory");
        let mut sides: Vec<Side> = layouts.iter().map(|files| landfall(dir.path(), stages, (*files).max(1))).collect();
        sides.extend(peers(dir.path(), stages));
        for _ in 0..rounds {
            sides.iter_mut().for_each(Side::run);
        }
        report(stages, &sides);
    }
}

fn landfall(dir: &Path, stages: usize, files: usize) -> Side {
    let (config, data) = (dir.join(format!("config-{files}")), dir.join(format!("data-{files}")));
    many::write_config(&config, stages, files);
    let program = std::env::current_exe().expect("this program");
    let filled = Command::new(&program).arg("fill").args([&config, &data]).status().expect("it starts");
    assert!(filled.success(), "the store was not filled");
    Side::new(format!("landfall, {files} files: load to plan"), move || {
        let mut command = Command::new(&program);
        command.arg("ours").args([&config, &data]).envs(unit::environment());
        command
    })
}

/// Those that are here: each reads, merges and prints one file, without a store.
fn peers(dir: &Path, stages: usize) -> Vec<Side> {
    let file = dir.join("compose.yaml");
    fs::write(&file, many::compose_file(stages)).expect("a file");
    let mut sides = Vec::new();
    for (variable, name) in [("COMPOSE", "docker compose config -q"), ("COMPOSE_5", "docker compose 5 config -q")] {
        let Some(binary) = std::env::var_os(variable).map(PathBuf::from) else {
            println!("{name}: not here ({variable} names no plugin)");
            continue;
        };
        let file = file.clone();
        let side = Side::new(name, move || {
            let mut command = Command::new(&binary);
            command.args(["-p", "bench", "-f"]).arg(&file).args(["config", "-q"]);
            command
        });
        sides.push(side);
    }
    let stack = |file: PathBuf| {
        let mut command = Command::new("docker");
        command.args(["stack", "config", "-c"]).arg(file);
        command
    };
    sides.push(Side::new("docker stack config", move || stack(file.clone())));
    let runs = |side: &Side| {
        let output = (side.command)().output();
        let is_good = output.as_ref().is_ok_and(|output| output.status.success());
        if !is_good {
            let why = output.map_or_else(|e| e.to_string(), |o| String::from_utf8_lossy(&o.stderr).trim().to_owned());
            println!("{}: left out at {stages}: {why}", side.name);
        }
        is_good
    };
    sides.into_iter().filter(runs).collect()
}

fn report(stages: usize, sides: &[Side]) {
    let base = median(&sides[0].wall).as_secs_f64();
    println!("{stages} stages; ratios to the first line");
    for side in sides {
        let wall = median(&side.wall).as_secs_f64();
        let (low, high) = (side.wall.iter().min().expect("a run"), side.wall.iter().max().expect("a run"));
        println!(
            "  {:<42} {wall:>7.3} s [{:.3}-{:.3}] {:>6.2}x  {:>6.1} MiB  {}",
            side.name,
            low.as_secs_f64(),
            high.as_secs_f64(),
            wall / base,
            f64::from(u32::try_from(median(&side.peak)).unwrap_or(u32::MAX)) / 1024.0,
            side.said
        );
    }
}
