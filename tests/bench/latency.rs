//! From the save of a file in a plain directory, and from a commit at HEAD of a work tree, to the new container running,
//! beside the same work by plain API calls (HEAD, pull, create, start) in the same run, interleaved; the end of both is dockerd's own `start` event. Prints
//! medians and what the daemon adds; asserts no time, since time is the machine's.
//!
//! Run inside the test ground: `tests/ground/with cargo bench --bench latency`. `BENCH_ROUNDS` (15) sets its size,
//! `LANDFALL_BIN` names a built binary.

#[path = "latency/docker.rs"]
mod docker;

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use docker::Docker;

/// Longest time that anything here may take.
const DEADLINE: Duration = Duration::from_secs(60);

fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this inside the test ground"))
}

fn main() {
    let rounds: usize = std::env::var("BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(15);
    let (site, work_tree) = (Site::new("web"), Site::new("git"));
    work_tree.init();
    let daemons = [site.daemon(), work_tree.daemon()];
    let names = [
        "raw: HEAD, pull, create, start",
        "a file written in place",
        "a file renamed over the old one",
        "a commit at HEAD",
    ];
    let mut times = [const { Vec::new() }; 4];
    // The first round makes networks and warms caches.
    for round in 0..=rounds {
        let took = [
            site.raw(round),
            site.save(&format!("w{round}"), false),
            site.save(&format!("r{round}"), true),
            work_tree.commit(&format!("c{round}")),
        ];
        for (times, took) in times.iter_mut().zip(took).filter(|_| round > 0) {
            times.push(took);
        }
    }
    for mut daemon in daemons {
        daemon.kill().and_then(|()| daemon.wait()).expect("the daemon ends");
    }
    let mut base = None;
    for (name, times) in names.iter().zip(&mut times) {
        let middle = report(name, times, base);
        base = base.or(Some(middle));
    }
}

/// Prints a median, and how much more it is than another one.
fn report(name: &str, times: &mut [Duration], base: Option<Duration>) -> Duration {
    times.sort();
    let (low, middle, high) = (times[0], times[times.len() / 2], times[times.len() - 1]);
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let more = base.map(|base| format!("  raw {:+.0} ms", ms(middle) - ms(base))).unwrap_or_default();
    println!("{name:<34} {:>7.0} ms [{:.0}-{:.0}]{more}", ms(middle), ms(low), ms(high));
    middle
}

/// A configuration of one stage, and the dockerd of the test ground.
struct Site {
    dir: tempfile::TempDir,
    docker: Docker,
    images: String,
    project: &'static str,
}

impl Site {
    fn new(project: &'static str) -> Self {
        let docker = Docker::new(variable("LANDFALL_TEST_DOCKER").strip_prefix("unix://").expect("a local dockerd"));
        let (dir, images) = (tempfile::tempdir().expect("a directory"), variable("LANDFALL_TEST_IMAGES"));
        let site = Self { dir, docker, images, project };
        std::fs::create_dir(site.dir.path().join("config")).expect("a directory");
        std::fs::write(site.file(), site.yaml("v1")).expect("a file");
        site
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join("config/web.yaml")
    }

    fn yaml(&self, tag: &str) -> String {
        format!(
            "settings:\n  network: latency\n  proxy: {{ none: {{}} }}\nprojects:\n  {}:\n    image: {}/web\n    port: 8080\n    \
             ready: {{ tcp: {{}}, interval: 50ms }}\n    drain: 0s\n    stages:\n      prod: {{ track: {{ tag: {tag} }} }}\n",
            self.project, self.images
        )
    }

    /// Makes the configuration a commit of a repository.
    fn init(&self) {
        self.git(&["init", "-q", "-b", "main"]);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-qm", "the first"]);
    }

    /// A person's git in the configuration; the answer without a line end.
    fn git(&self, args: &[&str]) -> String {
        let who = ["-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").arg("-C").arg(self.dir.path().join("config")).args(who).args(args).output();
        let output = output.expect("git");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// The daemon, with its first container running.
    fn daemon(&self) -> Child {
        let binary = std::env::var("LANDFALL_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_landfall").into());
        let log = std::fs::File::create(self.dir.path().join("log")).expect("a file");
        let mut command = Command::new(binary);
        command.arg("--config").arg(self.dir.path().join("config")).arg("--data").arg(self.dir.path().join("data"));
        command.args(["--docker", &variable("LANDFALL_TEST_DOCKER"), "daemon"]);
        let child = command.stdout(Stdio::null()).stderr(log).spawn().expect("landfall starts");
        self.settled();
        child
    }

    /// An image that is nowhere but in the registry.
    fn push(&self, tag: &str) {
        let image = format!("{}/web:{tag}", self.images);
        let pushed = Command::new(variable("LANDFALL_TEST_PUSH")).args([&image, &format!("VERSION={tag}")]).output();
        let pushed = pushed.expect("the push script");
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
    }

    /// A new version by a save, until its container runs.
    fn save(&self, tag: &str, by_rename: bool) -> Duration {
        self.push(tag);
        let starts = self.docker.starts();
        let saved = SystemTime::now();
        if by_rename {
            let new = self.dir.path().join("config/.web.yaml.new");
            std::fs::write(&new, self.yaml(tag)).and_then(|()| std::fs::rename(&new, self.file())).expect("a file");
        } else {
            std::fs::write(self.file(), self.yaml(tag)).expect("a file");
        }
        let started = starts.first();
        self.settled();
        started.duration_since(saved).expect("a clock that goes forward")
    }

    /// A new version by a commit, from the moment at which HEAD is to become it until its container runs.
    fn commit(&self, tag: &str) -> Duration {
        self.push(tag);
        std::fs::write(self.file(), self.yaml(tag)).expect("a file");
        self.git(&["add", "-A"]);
        let tree = self.git(&["write-tree"]);
        let commit = self.git(&["commit-tree", &tree, "-p", "HEAD", "-m", tag]);
        let starts = self.docker.starts();
        let committed = SystemTime::now();
        self.git(&["update-ref", "HEAD", &commit]);
        let started = starts.first();
        self.settled();
        started.duration_since(committed).expect("a clock that goes forward")
    }

    /// The same work by plain calls, as one would write them down.
    fn raw(&self, round: usize) -> Duration {
        let tag = format!("x{round}");
        self.push(&tag);
        let (registry, path) = self.images.split_once('/').expect("a registry and a path");
        let starts = self.docker.starts();
        let began = SystemTime::now();
        let digest = docker::head(registry, &format!("/v2/{path}/web/manifests/{tag}"));
        let image = format!("{}/web@{digest}", self.images);
        self.docker.ok("POST", &format!("/images/create?fromImage={}/web&tag={digest}", self.images), None);
        let body = serde_json::json!({
            "Image": image, "ExposedPorts": { "8080/tcp": {} }, "HostConfig": { "NetworkMode": "latency" }
        });
        let name = format!("raw-{round}");
        self.docker.ok("POST", &format!("/containers/create?name={name}"), Some(&body));
        self.docker.ok("POST", &format!("/containers/{name}/start"), None);
        let started = starts.first();
        self.docker.ok("DELETE", &format!("/containers/{name}?force=1"), None);
        started.duration_since(began).expect("a clock that goes forward")
    }

    /// Waits until the stage has one container alone, and it runs.
    fn settled(&self) {
        let began = Instant::now();
        while !self.docker.has_one_alone(&format!("landfall.project={}", self.project)) {
            let log = || std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            assert!(began.elapsed() < DEADLINE, "not converged: {}", log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A time of dockerd's, in nanoseconds since 1970.
fn at(nanoseconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(nanoseconds)
}
