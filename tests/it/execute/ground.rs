//! One host for one test: the fake Docker daemon, the proxy, a directory for configuration and store, and words for
//! what happened.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};

use landfall::daemon::{Ask, Calls, Handle};
use landfall::execute::{Event, Sink, StageResult};
use landfall::model::{Pause, Recorded, StageKey};
use landfall::plan::Options;
use landfall::reconcile::{self, Converged, Done, Error, Order, Places, RouteTo, View, Want};
use landfall::store::{DaemonLock, DataDir, DeployRow, Filter, InstanceRow, Reader, Store};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::fake_docker::{FakeDocker, FakeImage, Op};
use crate::own_process::Claim;
use crate::router_support::{Router, soon, until};

/// The repository of all images here.
pub const REPOSITORY: &str = "127.0.0.1:5000/demo/web";
/// Ports of one host.
const PORTS: u16 = 20;

/// An image of the app.
pub fn image(version: &str) -> FakeImage {
    FakeImage::new(REPOSITORY, version)
}

/// A host.
pub struct Host {
    pub fake: FakeDocker,
    pub router: Router,
    dir: tempfile::TempDir,
    ports: Claim,
    /// What was told while it happened.
    events: Arc<Mutex<Vec<Event>>>,
}

impl Host {
    /// A host with these images in the registry and nothing running.
    pub async fn with(images: &[&FakeImage]) -> Self {
        Self::behind(Router::start().await, images)
    }

    /// The same, with a proxy that was started before.
    pub fn behind(router: Router, images: &[&FakeImage]) -> Self {
        let fake = images.iter().fold(FakeDocker::builder(), |fake, image| fake.publish(image)).start();
        let dir = tempfile::tempdir().expect("a directory");
        for name in ["config", "credentials"] {
            std::fs::create_dir(dir.path().join(name)).expect("a directory");
        }
        let host = Self {
            fake,
            router,
            dir,
            ports: Claim::take(Ipv4Addr::new(127, 0, 0, 2), 11_000, PORTS, 400),
            events: Arc::default(),
        };
        host.settings("");
        host
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn ports(&self) -> (u16, u16) {
        let first = self.ports.first();
        (first, first + PORTS - 1)
    }

    pub fn places(&self) -> Places {
        Places {
            config: self.path("config").into(),
            data: self.path("data"),
            docker: self.fake.url(),
            credentials: self.path("credentials"),
            proxy_socket: self.router.control(),
            beside: landfall::reconcile::Beside::default(),
        }
    }

    /// The variables that give a command these places.
    pub fn variables(&self) -> [(&'static str, OsString); 5] {
        let Places { config, data, docker, credentials, proxy_socket, beside: _ } = self.places();
        [
            ("LANDFALL_CONFIG", config.to_string().into()),
            ("LANDFALL_DATA", data.into()),
            ("LANDFALL_DOCKER", docker.into()),
            ("LANDFALL_CREDENTIALS", credentials.into()),
            ("LANDFALL_PROXY_SOCKET", proxy_socket.into()),
        ]
    }

    /// Writes `settings`: the network, the ports, and what else is given, indented by two.
    pub fn settings(&self, more: &str) {
        let (first, last) = self.ports();
        let text = format!("settings:\n  network: landfall\n  ports: {first}-{last}\n{more}");
        std::fs::write(self.path("config/settings.yaml"), text).expect("a file");
    }

    /// Writes the projects.
    pub fn write(&self, yaml: &str) {
        std::fs::write(self.path("config/projects.yaml"), yaml).expect("a file");
    }

    /// Commits the configuration as it is, in a repository of its own; the commit's full name.
    pub fn commit(&self) -> String {
        let config = self.path("config");
        if !config.join(".git").exists() {
            git(&config, &["init", "-q", "-b", "main"]);
        }
        git(&config, &["add", "-A"]);
        git(&config, &["commit", "-qm", "a commit", "--allow-empty"]);
        git(&config, &["rev-parse", "HEAD"])
    }

    /// `landfall apply` to these projects, all of it as it must be.
    pub async fn apply(&self, yaml: &str) {
        self.write(yaml);
        let converged = self.converge().await;
        let bad: Vec<_> = converged.results.iter().filter(|(_, result)| !result.is_ok()).collect();
        assert!(
            bad.is_empty() && !converged.refused && !converged.view.plan.is_held(),
            "{bad:?}\n{}",
            converged.view.plan
        );
    }

    /// `landfall apply` to what is written.
    pub async fn converge(&self) -> Converged {
        self.converge_with(Options::default()).await.expect("a pass to its end")
    }

    /// The same, by another way to Docker or to the proxy.
    pub async fn converge_at(&self, places: Places) -> Converged {
        self.pass(places, Options::default()).await.expect("a pass to its end")
    }

    pub async fn converge_with(&self, options: Options) -> Result<Converged, Error> {
        self.pass(self.places(), options).await
    }

    /// `landfall route STAGE --to`: how it ended, and why.
    pub async fn lead(&self, stage: &str, to: RouteTo) -> (String, String) {
        let (key, order) = (stage.parse().expect("a stage"), Order::Route { to });
        ended(&reconcile::by_hand(&self.places(), &key, &order, Sink::new(|_| {})).await.expect("a pass"))
    }

    /// Takes everything out of the configuration, and lets it go.
    pub async fn remove_all(&self) {
        self.write("projects: {}\n");
        let converged = self.converge_with(Options { allow_prune: true, ..Options::default() }).await;
        let results = converged.expect("a pass").results;
        assert!(results.values().all(StageResult::is_ok), "{results:?}");
    }

    /// `landfall deploy`, `rollback` or `restart`.
    pub async fn by_hand(&self, key: &StageKey, order: &Order) -> Result<Converged, Error> {
        let (places, sink) = (self.places(), self.sink());
        soon("what was asked for", Box::pin(reconcile::by_hand(&places, key, order, sink))).await
    }

    /// `landfall suspend`, `release` or `resume`.
    pub async fn pause(&self, key: &StageKey, pause: Option<Pause>) -> Result<Option<Pause>, Error> {
        reconcile::pause(&self.places(), key, pause).await
    }

    fn sink(&self) -> Sink {
        let events = Arc::clone(&self.events);
        Sink::new(move |event| events.lock().unwrap_or_else(PoisonError::into_inner).push(event))
    }

    async fn pass(&self, places: Places, options: Options) -> Result<Converged, Error> {
        let options = Options { secrets_needed: true, ..options };
        soon("a pass", Box::pin(reconcile::converge(&places, &options, self.sink(), "apply"))).await
    }

    /// `landfall diff`.
    pub async fn look(&self) -> Result<View, Error> {
        let (places, options) = (self.places(), Options::default());
        soon("a look", Box::pin(reconcile::look(&places, &options))).await
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The store, to be read and dropped.
    pub fn reader(&self) -> Reader {
        Store::open_read(&DataDir::new(self.path("data"))).expect("a readable store").expect("a store")
    }

    pub fn recorded(&self) -> Recorded {
        whole(&self.reader())
    }

    /// Every deploy, oldest first.
    pub fn deploys(&self) -> Vec<DeployRow> {
        let mut rows = self.reader().deploys(&Filter::default(), 1000).expect("deploys");
        rows.reverse();
        rows
    }

    /// The newest deploy.
    pub fn last(&self) -> DeployRow {
        self.deploys().pop().expect("a deploy")
    }

    /// The log of the newest deploy.
    pub fn log(&self) -> String {
        let lines = self.reader().log(self.last().id).expect("a log");
        lines.into_iter().map(|line| line.text + "\n").collect()
    }

    pub fn instances(&self) -> Vec<InstanceRow> {
        self.reader().instances().expect("instances")
    }

    /// Waits until a call of this kind has come; with [`FakeDocker::hang`], it then waits for its answer.
    pub async fn called(&self, op: Op) {
        until(&format!("{op:?} is called"), async || self.fake.count(op) > 0).await;
    }
}

/// `landfall daemon`, within the test.
pub struct Daemon {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    /// Where it is asked, and seen.
    pub handle: Handle,
}

impl Daemon {
    pub fn start(host: &Host) -> Self {
        let (stop, stopped) = oneshot::channel();
        let places = host.places();
        let (calls, handle) = Calls::until(async { drop(stopped.await) });
        let run = async {
            let alone = DaemonLock::take(&DataDir::new(&places.data), "daemon", None).await.expect("no other daemon");
            Box::pin(landfall::daemon::run(places, &alone, calls)).await;
        };
        Self { stop, task: tokio::spawn(run), handle }
    }

    /// Asks for something, as a command does by the socket; the answer.
    pub async fn ask(&self, want: Want) -> Result<Done, Error> {
        let (answer, answered) = oneshot::channel();
        self.handle.ask(Ask { want, sink: Sink::new(|_| {}), answer }).expect("room for one more");
        soon("an answer", answered).await.expect("an answer")
    }

    /// Killed where it is.
    pub fn kill(self) {
        self.task.abort();
    }

    pub async fn stop(self) {
        self.stop.send(()).expect("a daemon that runs");
        self.task.await.expect("a daemon that stops");
    }
}

/// A person's git; the answer without a line end.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
    let output = Command::new("git").arg("-C").arg(dir).args(who).args(args).output().expect("git");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// Bytes of every file below a directory, by path.
pub fn bytes_below(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(bytes_below(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).expect("a file"));
        }
    }
    found
}

/// How the only stage of a pass ended: status, and reason.
pub fn ended(converged: &Converged) -> (String, String) {
    match converged.results.values().next() {
        Some(StageResult::Deployed { status, reason, .. }) => (status.to_string(), reason.clone().unwrap_or_default()),
        Some(StageResult::Failed { reason, .. }) => ("no deploy".to_owned(), reason.clone()),
        Some(StageResult::Skipped { reason }) => ("skipped".to_owned(), reason.clone()),
        Some(StageResult::Done) => ("done".to_owned(), String::new()),
        None => ("nothing".to_owned(), converged.view.plan.to_string()),
    }
}

/// `web/prod` at a version, routed at web.test; with more lines for the stage, indented by eight.
pub fn web(version: &str, more: &str) -> String {
    format!(
        "projects:
  web:
    image: {REPOSITORY}
    port: 8080
    ready: {{ http: {{ path: /healthz }}, interval: 20ms, timeout: 1s, deadline: 5s }}
    stages:
      prod:
        track: {{ digest: \"{}\" }}
        route: {{ domains: [ web.test ] }}
{more}",
        image(version).digest
    )
}

/// What is recorded, with the spec of every newest success.
pub fn whole(reader: &Reader) -> Recorded {
    let mut recorded = reader.recorded().expect("what is recorded");
    let live = recorded.stages.values().filter_map(|stage| stage.live.as_ref()).map(|live| live.id).collect();
    recorded.add_specs(&live, reader.specs(&live).expect("their specs"));
    recorded
}
