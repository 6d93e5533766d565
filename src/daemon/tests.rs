//! The loop without its turning: what it is told, and what it makes of it. No Docker answers here.

use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::sync::Mutex;

use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::config::load;
use crate::docker::Happened;
use crate::execute::{Sink, StageResult};
use crate::reconcile::Want;

/// A daemon that does not turn by itself, over a directory of configuration, with a directory for its data.
pub(super) struct Still {
    pub(super) daemon: Daemon,
    pub(super) told: mpsc::UnboundedReceiver<Told>,
    handle: Handle,
    dir: TempDir,
}

impl Still {
    pub(super) fn over(config: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let places = Places {
            config: config.to_owned().into(),
            data: path("data"),
            docker: format!("unix://{}", path("docker.sock").display()),
            credentials: path("credentials"),
            proxy_socket: path("proxy.sock"),
            beside: Beside::default(),
        };
        let (desk, handle) = state::desk();
        let (daemon, told) = Daemon::new(places, desk.board);
        Self { daemon, told, handle, dir }
    }

    /// With a configuration in force, a resync far away, and the first pass over, which found no Docker.
    async fn converging(yaml: &str) -> Self {
        let config = tempfile::tempdir().unwrap();
        let mut still = Self::over(config.path());
        still.in_force(yaml).await;
        still
    }

    /// Puts a configuration in force; the pass that follows is over.
    async fn in_force(&mut self, yaml: &str) {
        let loaded = loaded(self.dir.path(), yaml);
        let resync = self.daemon.put_in_force(loaded);
        self.daemon.take(Event::Looked(Looked::New(resync)));
        self.passed().await;
    }

    /// Looks at the source until nothing is changing, and takes in what was found.
    async fn looked(&mut self) {
        loop {
            self.daemon.look(true);
            let task = self.daemon.looking.take().expect("a look");
            let event = self.daemon.looked(task.await.ok());
            let is_changing = matches!(event, Event::Looked(Looked::Changing));
            self.daemon.take(event);
            if !is_changing {
                return;
            }
        }
    }

    /// A pass is said to have come to a good end, whatever becomes of it.
    fn over_well(&mut self, pass: u64) {
        let outcome = Outcome::Done { failed: BTreeSet::new(), later: BTreeMap::new() };
        self.daemon.take(Event::Over { pass, outcome });
    }

    /// Takes in what passes tell, until one is over.
    async fn passed(&mut self) {
        loop {
            let told = self.told.recv().await.expect("a loop that can be told");
            let event = self.daemon.told(told);
            let is_over = matches!(event, Event::Over { .. });
            self.daemon.take(event);
            if is_over {
                return;
            }
        }
    }

    /// What a pass over everything would ask registries for.
    fn asks(&mut self) -> Vec<String> {
        let asks = self.daemon.polls.begin(u64::MAX, |_| true);
        self.daemon.polls.over(u64::MAX, true);
        asks.iter().map(ToString::to_string).collect()
    }
}

fn loaded(dir: &Path, yaml: &str) -> Arc<Loaded> {
    let config = dir.join("config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("a.yaml"), format!("settings: {{ resync: 1d, proxy: {{ none: {{}} }} }}\n{yaml}"))
        .unwrap();
    Arc::new(load(&config).unwrap_or_else(|error| panic!("{error}")))
}

fn key(text: &str) -> StageKey {
    text.parse().unwrap()
}

/// One project, its stages with what each follows.
fn web(stages: &str) -> String {
    format!("projects: {{ web: {{ image: r.example.com/web, stages: {{ {stages} }} }} }}\n")
}

const PINNED: &str = "a: { track: { tag: v1 } }, b: { track: { tag: v1 } }";
const FOLLOWING: &str = "a: { track: { semver: \"1\" } }";

#[test]
fn r2_a_stage_that_is_asked_for_alone_and_named_no_more_is_looked_at_with_all_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let desired = Arc::clone(&loaded(dir.path(), &web(PINNED)).desired);
    let of = |stages: &[&str]| {
        let stages = stages.iter().map(|stage| key(stage)).collect();
        pass::selection(&Scope::Stages(stages), &desired).0
    };
    assert_eq!(of(&["web/a"]), ["web/a"]);
    assert_eq!(of(&["web/a", "web/b"]), ["web/a", "web/b"]);
    let all = pass::selection(&Scope::All, &desired).0;
    assert_eq!(all, [""; 0], "no name means all of them");
    for stages in [&["web/gone"][..], &["web/a", "web/gone"], &["gone/a"]] {
        assert_eq!(of(stages), all, "{stages:?}");
    }
}

#[tokio::test]
async fn r20_how_often_a_stage_was_put_right_says_nothing_once_it_gets_something_else_to_run() {
    let config = tempfile::tempdir().unwrap();
    let shop = key("shop/prod");
    let begins = |still: &mut Still, verdict| {
        let event = still.daemon.told(Told::Begins(shop.clone(), verdict));
        assert!(matches!(event, Event::Tick));
    };
    // Until it is looked at, of what is heard now.
    let waits = |still: &mut Still| {
        still.daemon.heard(Heard::Stage { key: shop.clone(), what: Happened::Died });
        let next_at = still.daemon.drift.next_at().expect("it is looked at");
        assert!(still.daemon.wake_at() <= next_at, "the loop turns by then");
        next_at.saturating_duration_since(Instant::now())
    };
    for verdict in [Verdict::Repair, Verdict::Held, Verdict::Blocked] {
        let mut still = Still::over(config.path());
        (0..6).for_each(|_| begins(&mut still, verdict));
        assert!(waits(&mut still) > Duration::from_secs(10), "{verdict:?} again and again");
    }
    for verdict in [Verdict::Create, Verdict::Replace, Verdict::Remove, Verdict::Unchanged] {
        let mut still = Still::over(config.path());
        (0..6).for_each(|_| begins(&mut still, Verdict::Repair));
        begins(&mut still, verdict);
        assert!(waits(&mut still) < Duration::from_secs(1), "{verdict:?}");
    }
}

#[tokio::test]
async fn r20_a_look_at_everything_leaves_what_rests_alone_and_a_new_configuration_or_a_person_does_not() {
    let config = tempfile::tempdir().unwrap();
    let mut still = Still::over(config.path());
    still.daemon.told(Told::Begins(key("web/a"), Verdict::Repair));
    let (all, one) = (Selection::default(), Selection(vec!["web/a".into()]));
    let mut rests = |reason, selection: &Selection| !still.daemon.rests(reason, selection).is_empty();
    for reason in [Reason::Drift, Reason::Retry, Reason::Resync] {
        assert!(rests(reason, &all), "{reason:?} of all");
        assert!(!rests(reason, &one), "{reason:?} of it alone, whose rest is over");
    }
    for selection in [&all, &one] {
        assert!(rests(Reason::Registry, selection), "a registry tells nothing of what rests");
        assert!(!rests(Reason::Config, selection) && !rests(Reason::Manual, selection));
    }
}

#[tokio::test]
async fn what_a_pass_could_not_ask_registries_for_is_asked_for_by_the_next_one_and_all_by_a_reload() {
    let mut still = Still::converging(&web(FOLLOWING)).await;
    assert_eq!(pass::asked_for(&BTreeSet::new()), None, "nobody is not everybody");
    assert_eq!(pass::asked_for(&[key("web/a")].into()), Some(Selection(vec!["web/a".into()])));
    assert_eq!(still.asks(), ["web/a"], "the first pass found no Docker");
    assert_eq!(still.asks(), [""; 0]);
    assert!(matches!(still.daemon.reload(), Event::Reload));
    assert_eq!(still.asks(), ["web/a"]);
}

#[tokio::test]
async fn what_a_person_asks_for_leaves_what_registries_are_to_be_asked_for_to_the_next_pass_of_the_loop() {
    let mut still = Still::converging(&web(FOLLOWING)).await;
    let (answer, answered) = oneshot::channel();
    let want = Want::Pause { key: key("web/a"), pause: None };
    let event = still.daemon.asked(Ask { want, sink: Sink::new(|_| {}), answer });
    still.daemon.take(event);
    assert!(answered.await.expect("an answer").is_err(), "nothing was ever applied here");
    assert!(still.daemon.asks.is_empty());
    still.over_well(2);
    assert_eq!(still.asks(), ["web/a"]);
}

#[tokio::test]
async fn the_loop_turns_in_time_for_what_registries_are_to_be_asked_for_next() {
    let waits = async |stages| {
        let mut still = Still::converging(&web(stages)).await;
        // What could not be planned is tried again soon, and is not meant here.
        still.daemon.take(Event::Looked(Looked::New(Duration::from_secs(86_400))));
        still.daemon.wake_at().saturating_duration_since(Instant::now())
    };
    let minute = Duration::from_secs(60);
    assert!(waits(PINNED).await > 60 * minute);
    assert!(waits(FOLLOWING).await <= minute);
}

/// A service manager that listens.
struct Manager(UnixDatagram);

impl Manager {
    /// Has the daemon tell this one.
    fn of(still: &mut Still) -> Self {
        let path = still.dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        still.daemon.notifier = Notifier::new(Some(path.as_os_str()), None, Instant::now());
        Self(socket)
    }

    /// What it was told since, a line each, the times and the names of configurations left out.
    fn told(&self) -> Vec<String> {
        let mut buffer = [0; 4096];
        let next =
            || self.0.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
        let messages: String = std::iter::from_fn(next).collect();
        let known = messages.lines().filter(|line| !line.starts_with("MONOTONIC_USEC="));
        known.map(|line| line.split(", configuration ").next().unwrap_or_default().to_owned()).collect()
    }
}

const BAD: &str = "STATUS=configuration cannot be used; the last good one stays in force: ";

#[tokio::test]
async fn r2_the_status_says_that_a_configuration_cannot_be_used_for_as_long_as_it_is_there() {
    let config = tempfile::tempdir().unwrap();
    let write = |yaml: &str| std::fs::write(config.path().join("a.yaml"), yaml).unwrap();
    let mut still = Still::over(config.path());
    let manager = Manager::of(&mut still);
    write("projects: [");
    still.looked().await;
    // Without any configuration there is no more to be seen before it is ready.
    assert_eq!(manager.told(), ["READY=1", "STATUS=configuration cannot be used; nothing is in force yet"]);
    write(&web(PINNED));
    still.looked().await;
    assert_eq!(manager.told(), ["STATUS=converging"], "its first pass is on");
    still.over_well(1);
    assert_eq!(manager.told(), ["STATUS=converged"]);
    write("projects: [");
    still.looked().await;
    assert_eq!(manager.told(), [format!("{BAD}converged")]);
    still.daemon.take(Event::Drifted(key("web/a")));
    still.daemon.take(Event::Over { pass: 2, outcome: Outcome::Failed });
    assert_eq!(manager.told(), [format!("{BAD}not converged; see the log")]);
    // What is there is the one in force again: no pass follows.
    write(&web(PINNED));
    still.looked().await;
    assert_eq!(manager.told(), ["STATUS=not converged; see the log"]);
}

#[tokio::test]
async fn ready_after_a_reload_means_that_a_pass_was_planned_from_what_a_look_after_it_found() {
    let config = tempfile::tempdir().unwrap();
    std::fs::write(config.path().join("a.yaml"), web(PINNED)).unwrap();
    let mut still = Still::over(config.path());
    let manager = Manager::of(&mut still);
    let states = || manager.told().into_iter().filter(|line| !line.starts_with("STATUS=")).collect::<Vec<_>>();
    still.looked().await;
    assert_eq!(states(), [""; 0], "the host was not seen yet");
    still.daemon.take(Event::Planned { pass: 1, stages: BTreeSet::new() });
    assert_eq!(states(), ["READY=1"]);
    let event = still.daemon.reload();
    still.daemon.take(event);
    still.over_well(1);
    assert_eq!(states(), ["RELOADING=1"], "that pass was planned before");
    let task = still.daemon.looking.take().expect("a look");
    let event = still.daemon.looked(task.await.ok());
    still.daemon.take(event);
    assert_eq!(states(), [""; 0], "read, and no pass planned");
    still.daemon.take(Event::Planned { pass: 2, stages: BTreeSet::new() });
    assert_eq!(states(), ["READY=1"]);
}

#[tokio::test]
async fn who_waits_for_a_stage_is_told_once_what_it_waits_for_and_what_a_pass_worked_on_is_free_when_it_is_over() {
    let config = tempfile::tempdir().unwrap();
    let mut still = Still::over(config.path());
    let begin = still.daemon.scheduler.step(Instant::now(), Event::Looked(Looked::New(Duration::from_secs(600))));
    assert!(matches!(&begin[..], [Action::Pass(Pass { id: 1, .. })]), "{begin:?}");
    let stages = BTreeSet::from([key("web/a"), key("web/b")]);
    still.daemon.board.take(1, &execute::Event::Planned { stages: stages.clone() });
    still.daemon.take(Event::Planned { pass: 1, stages });
    let (said, (answer, _answered)) = (Arc::new(Mutex::new(Vec::new())), oneshot::channel());
    let sink = {
        let said = Arc::clone(&said);
        Sink::new(move |event| {
            if let execute::Event::Line { text, .. } = event {
                said.lock().unwrap().push(text);
            }
        })
    };
    let event = still.daemon.asked(Ask { want: Want::Pause { key: key("web/b"), pause: None }, sink, answer });
    still.daemon.take(event);
    (0..3).for_each(|_| still.daemon.take(Event::Tick));
    assert_eq!(*said.lock().unwrap(), ["waiting for web/b: it is being worked on"]);
    assert_eq!(still.handle.state().under_way.len(), 2);
    still.daemon.board.take(1, &execute::Event::End { key: key("web/a"), result: StageResult::Done });
    assert_eq!(still.handle.state().under_way.len(), 1);
    still.over_well(1);
    assert_eq!((still.handle.state().under_way.len(), still.daemon.asks.len()), (0, 0));
}
