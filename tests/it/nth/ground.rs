//! One host for one run: the fakes with the counter over them, what is foreign, and a pass that can be cut off.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpListener};
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use landfall::execute::Sink;
use landfall::faults::{self, Watched, When};
use landfall::model::StageKey;
use landfall::plan::Options;
use landfall::reconcile::{self, Converged, Error, Order, Places, View};
use landfall::store::{DataDir, Reader, Store};

use super::clients::{Clients, Doors};
use super::disk::{self, Done};
use super::front::{Front, other};
use super::relay::Relay;
use super::scenario::{Scenario, Twist};
use super::tape::{Kind, Tape};
use crate::execute::ground::Host;
use crate::fake_docker::{Fault, Op};
use crate::own_disk;
use crate::router_support::{Router, soon, stage};
use crate::router_tls::{Authority, with_certificates};

/// How often a pass is asked whether it has ended or is to be dropped.
const LOOK: Duration = Duration::from_micros(500);
/// A container of nobody, and one of another Landfall.
const FOREIGN: [&str; 2] = ["blog", "other-app-00000000"];

type Disk = Arc<Mutex<Option<Done>>>;

/// Lets the counter see every transaction of the store, and does to its files what it says.
fn watch_store(host: &Host, tape: &Tape, disk: &Disk) -> Watched {
    let (tape, disk, data) = (tape.clone(), Arc::clone(disk), DataDir::new(host.path("data")));
    faults::watch(&host.path("data"), move |name, when| {
        let mut disk = disk.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(done), When::Before, true) = (disk.as_mut(), when, name.starts_with("store.")) {
            done.next_begins();
        }
        let act = tape.point(name, when);
        if let Some(harm) = tape.harm() {
            *disk = Some(Done::now(harm, &data));
        }
        act
    })
}

/// How a pass ended.
pub enum Passed {
    /// By itself.
    Ended(Box<Result<Converged, Error>>),
    /// It was dropped; so many deploys were without an end then.
    CutOff(usize),
}

/// A host with a counter over everything that lasts.
pub struct Ground {
    pub host: Host,
    pub tape: Tape,
    options: Options,
    order: Option<(StageKey, Order)>,
    /// What must not change, as it was.
    foreign: String,
    pub front: Rc<Front>,
    /// Who issued the certificates that the embedded proxy has.
    pub authority: Option<Authority>,
    relay: Relay,
    /// What was done to the files of the store and is not put right yet.
    disk: Disk,
    _watched: Watched,
    /// What another program listens on.
    taken: Vec<TcpListener>,
}

impl Ground {
    /// The host as it is when the scenario begins, with a proxy of its own.
    pub async fn new(scenario: &Scenario) -> Self {
        Box::pin(Self::behind(&Rc::new(Front::start(scenario.behind)), scenario)).await
    }

    /// The same, behind a proxy that earlier ones stood behind.
    pub async fn behind(front: &Rc<Front>, scenario: &Scenario) -> Self {
        front.begin().await;
        let (router, authority) = match scenario.certificates {
            [] => (Router::start().await, None),
            certificates => {
                let (router, authority) = with_certificates(certificates).await;
                (router, Some(authority))
            }
        };
        let host = Host::behind(router, &scenario.images.iter().collect::<Vec<_>>());
        let tape = Tape::default();
        let front = Rc::clone(front);
        let relay = Relay::start(&host.path("relay.sock"), front.api(&host), tape.clone());
        let disk = Arc::new(Mutex::new(None));
        let watched = watch_store(&host, &tape, &disk);
        let of_docker = tape.clone();
        host.fake.judge(move |call| of_docker.docker(call));
        let options = Options { secrets_needed: true, allow_prune: scenario.allow_prune, ..Options::default() };
        let order = scenario.order.clone().map(|(key, order)| (stage(key), order));
        let (foreign, taken) = (String::new(), Vec::new());
        let mut ground =
            Self { host, tape, options, order, foreign, front, authority, relay, disk, _watched: watched, taken };
        ground.prepare(scenario).await;
        ground.foreign = ground.foreign_now().await;
        ground.tape.begin(None);
        ground
    }

    async fn prepare(&mut self, scenario: &Scenario) {
        if scenario.own_disk {
            own_disk::mount(&self.host.path("data"));
        }
        self.make_foreign().await;
        let settings = self.front.settings(&self.host.path("relay.sock")) + scenario.settings;
        self.host.settings(&settings);
        for (dir, files) in [("config", scenario.files), ("credentials", scenario.credentials)] {
            for (name, content) in files {
                std::fs::write(self.host.path(dir).join(name), content).expect("a file");
            }
        }
        for in_force in scenario.earlier.iter().chain(&scenario.before) {
            self.host.apply(in_force).await;
        }
        for twist in &scenario.twists {
            self.twist(*twist).await;
        }
        self.host.write(&scenario.wanted);
    }

    async fn make_foreign(&self) {
        let theirs = [("landfall.store", other().to_string()), ("landfall.project", "other".to_owned())];
        let labels: BTreeMap<_, _> = theirs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        self.host.fake.run_by_hand(FOREIGN[0], &BTreeMap::new());
        self.host.fake.run_by_hand(FOREIGN[1], &labels);
        self.host.fake.volume_by_hand("blog-data");
        self.front.make_foreign(&self.host).await;
    }

    /// All that is not of this store, in every detail.
    async fn foreign_now(&self) -> String {
        let containers = FOREIGN.map(|name| self.host.fake.find(name));
        let volume = self.host.fake.volumes().get("blog-data").cloned();
        let proxy = self.front.foreign(&self.host).await;
        format!("{containers:#?}\n{volume:?}\n{proxy}")
    }

    /// What of the foreign was changed; nothing when all is as it was.
    pub async fn harm(&self) -> Option<String> {
        let now = self.foreign_now().await;
        (now != self.foreign).then(|| format!("what is foreign was changed:\n{}\nto\n{now}", self.foreign))
    }

    async fn twist(&mut self, twist: Twist) {
        let fake = &self.host.fake;
        match twist {
            Twist::Stopped(key) => fake.stop_by_hand(&self.container(key)).await,
            Twist::Paused(key) => fake.pause_by_hand(&self.container(key)),
            Twist::Renamed(key) => fake.rename_by_hand(&self.container(key), &format!("mine-{}", key.len())),
            Twist::Removed(key) => fake.remove_by_hand(&self.container(key)).await,
            Twist::Disconnected(key, network) => fake.disconnect_by_hand(&self.container(key), network),
            Twist::Unrouted(key) => {
                let own = self.host.recorded().store.expect("a store");
                self.front.proxy(&self.host).unroute(own, &stage(key), None).await.expect("no route");
            }
            Twist::PortTaken => {
                let last = self.host.instances().iter().filter_map(|row| row.host_port).max().expect("a port");
                self.taken.push(TcpListener::bind((Ipv4Addr::LOCALHOST, last + 1)).expect("a free port"));
            }
            Twist::Proxy(moods) => self.relay.moods(moods),
        }
    }

    /// The name of the only container of a stage.
    fn container(&self, key: &str) -> String {
        let of = |row: &&landfall::store::InstanceRow| row.key.to_string() == key;
        self.host.instances().iter().find(of).map(|row| row.name.clone()).expect("an instance of the stage")
    }

    /// Clients that ask for these domains.
    pub fn clients(&self, served: &[&'static str]) -> Clients {
        let secured = self.authority.as_ref().map(|all| (self.host.router.tls, all.client(&[b"http/1.1"])));
        let is_caddy = matches!(*self.front, Front::Caddy(_));
        Clients::start(&Doors { plain: self.front.addr(&self.host), secured, is_caddy }, served, &self.tape)
    }

    fn places(&self) -> Places {
        Places { proxy_socket: self.host.path("relay.sock"), ..self.host.places() }
    }

    /// From now on with this fault at this operation.
    pub fn begin(&self, at: Option<(usize, Kind)>) {
        self.host.fake.reset_calls();
        if let Some((_, Kind::Disk(_))) = at {
            disk::back_up(&DataDir::new(self.host.path("data")), &self.host.path("backup.db"));
        }
        self.tape.begin(at);
    }

    /// One pass, to its end or until it is cut off; what is left then is what a kill leaves.
    pub async fn pass(&self, retry: bool) -> Passed {
        let (places, options) = (self.places(), Options { retry, ..self.options.clone() });
        let order = self.order.clone().filter(|(key, _)| self.host.recorded().stages[key].choice.is_none());
        let mut pass = tokio::spawn(async move {
            match order {
                Some((key, order)) => Box::pin(reconcile::by_hand(&places, &key, &order, Sink::new(|_| {}))).await,
                None => Box::pin(reconcile::converge(&places, &options, Sink::new(|_| {}), "apply")).await,
            }
        });
        if self.tape.shows_stale() {
            self.host.fake.inject(Op::List, Fault::Stale);
        }
        let swallowed = self.host.fake.swallowed();
        let ended = soon("the end of a pass", async {
            loop {
                if self.host.fake.swallowed() > swallowed {
                    self.tape.done();
                }
                if self.tape.is_crashed() {
                    return None;
                }
                if let Ok(ended) = tokio::time::timeout(LOOK, &mut pass).await {
                    return Some(ended.expect("a pass without a panic"));
                }
            }
        })
        .await;
        let done = self.disk.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(done) = done {
            done.put_right(&self.places(), &self.host.path("backup.db")).await;
        }
        if let Some(ended) = ended {
            return Passed::Ended(Box::new(ended));
        }
        pass.abort();
        drop(pass.await);
        self.tape.restart();
        Passed::CutOff(self.reader().map_or(0, |reader| reader.in_flight().expect("deploys").len()))
    }

    /// `landfall diff`.
    pub async fn look(&self) -> Result<View, Error> {
        let (places, options) = (self.places(), Options::default());
        soon("a look", Box::pin(reconcile::look(&places, &options))).await
    }

    /// The store, to be read and dropped; none before there is one.
    pub fn reader(&self) -> Option<Reader> {
        Store::open_read(&DataDir::new(self.host.path("data"))).expect("a readable store")
    }

    /// How many changes of its configuration Caddy was sent so far; those of the embedded proxy cost nobody a connection.
    pub fn changes(&self) -> usize {
        match *self.front {
            Front::Embedded => 0,
            Front::Caddy(_) => self.relay.written(),
        }
    }

    /// How many containers were made so far.
    pub fn made(&self) -> usize {
        self.host.fake.made()
    }
}
