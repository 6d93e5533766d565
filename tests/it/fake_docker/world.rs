//! What exists on the fake host.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::Ipv4Addr;

use axum::body::Bytes;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use super::app::{Heads, Whims};
use super::events::Events;
use super::fault::Fault;
use super::images::FakeImage;
use super::op::{Call, Op};

/// A port that is bound on the first address of a block of 127.0.0.0/8 to own it among all fakes of the host.
const OWNER_PORT: u16 = 47_999;

/// State of a container, in dockerd's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Made, never started.
    Created,
    /// Runs.
    Running,
    /// Runs, frozen.
    Paused,
    /// Ended badly and is to be started again; the fake leaves it at that.
    Restarting,
    /// Ended.
    Exited,
}

/// A container's place in one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Its further names there.
    pub aliases: Vec<String>,
    /// Its address while it runs.
    pub address: Option<Ipv4Addr>,
}

/// A container, as a test sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeContainer {
    /// 64 hex digits.
    pub id: String,
    /// Its name now.
    pub name: String,
    /// The image as it was asked for.
    pub image: String,
    /// The image's id; empty for a container made by hand.
    pub image_id: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its environment, `NAME=value`.
    pub environment: Vec<String>,
    /// The whole body that it was created with.
    pub body: Value,
    /// Running and so on.
    pub state: State,
    /// Exit code of its last run.
    pub exit_code: i64,
    /// How often Docker restarted it.
    pub restart_count: i64,
    /// The kernel ended it for want of memory.
    pub oom_killed: bool,
    /// Why its start failed.
    pub error: String,
    /// `starting`, `healthy`, `unhealthy`; none without a HEALTHCHECK.
    pub health: Option<&'static str>,
    /// The networks it is in.
    pub networks: BTreeMap<String, Endpoint>,
    /// Published while it runs: port of the host, port of the container.
    pub published: Vec<(u16, u16)>,
    /// Paths of files that were copied into it, with their content.
    pub files: BTreeMap<String, Vec<u8>>,
    /// What it wrote: 1 for stdout, 2 for stderr.
    pub log: Vec<(u8, String)>,
    /// Seconds since 1970 at its creation.
    pub created: i64,
    /// Times it was started.
    pub starts: u32,
}

impl FakeContainer {
    /// True while its process exists.
    pub fn is_running(&self) -> bool {
        matches!(self.state, State::Running | State::Paused)
    }
}

/// A network.
#[derive(Debug, Clone)]
pub struct Network {
    pub id: String,
    pub name: String,
    pub labels: Value,
}

/// What a running container has going on: its listeners, and who follows its log.
#[derive(Default)]
pub struct Running {
    pub tasks: Vec<JoinHandle<()>>,
    pub followers: Vec<mpsc::UnboundedSender<Bytes>>,
}

/// Says what goes wrong with a call.
pub type Judge = std::sync::Arc<dyn Fn(&Call) -> Option<Fault> + Send + Sync>;

/// Everything on the host.
pub struct World {
    pub version: String,
    pub images: Vec<FakeImage>,
    pub remote: Vec<FakeImage>,
    pub containers: Vec<FakeContainer>,
    /// What a stale list shows.
    pub before_last_change: Vec<FakeContainer>,
    pub networks: Vec<Network>,
    pub volumes: BTreeMap<String, Value>,
    pub calls: Vec<Call>,
    pub faults: HashMap<Op, VecDeque<Fault>>,
    /// Asked at every call that is to change something.
    pub judge: Option<Judge>,
    pub hanging: watch::Sender<HashSet<Op>>,
    pub running: HashMap<String, Running>,
    pub events: Events,
    pub heads: Heads,
    pub whims: Whims,
    /// Answers that were kept back after their work was done.
    pub swallowed: usize,
    /// Id → name of every container that was ever made.
    pub made: BTreeMap<String, String>,
    block: u8,
    next_address: u16,
    next_id: u64,
    _owner: std::net::TcpListener,
}

impl World {
    /// A host with Docker's own networks and nothing else.
    pub fn new() -> Self {
        let (block, owner) = own_block();
        let mut world = Self {
            version: "1.41".to_owned(),
            images: Vec::new(),
            remote: Vec::new(),
            containers: Vec::new(),
            before_last_change: Vec::new(),
            networks: Vec::new(),
            volumes: BTreeMap::new(),
            calls: Vec::new(),
            faults: HashMap::new(),
            judge: None,
            hanging: watch::Sender::new(HashSet::new()),
            running: HashMap::new(),
            events: Events::new(),
            heads: Heads::default(),
            whims: Whims::default(),
            swallowed: 0,
            made: BTreeMap::new(),
            block,
            next_address: 0,
            next_id: 0,
            _owner: owner,
        };
        for name in ["bridge", "host", "none"] {
            world.add_network(name, json!({}));
        }
        world
    }

    /// A fresh id of 64 hex digits.
    pub fn id(&mut self) -> String {
        self.next_id += 1;
        landfall::model::hash::sha256_hex(format!("{}/{}", self.block, self.next_id).as_bytes())
    }

    /// A fresh address, unique among all fakes of this machine.
    pub fn address(&mut self) -> Ipv4Addr {
        self.next_address = self.next_address % 0xfffd + 1;
        let [high, low] = (self.next_address + 1).to_be_bytes();
        Ipv4Addr::new(127, self.block, high, low)
    }

    /// Adds a container that was made.
    pub fn add_container(&mut self, container: FakeContainer) {
        self.made.insert(container.id.clone(), container.name.clone());
        self.containers.push(container);
    }

    /// Makes a network and returns its id.
    pub fn add_network(&mut self, name: &str, labels: Value) -> String {
        let id = self.id();
        self.networks.push(Network { id: id.clone(), name: name.to_owned(), labels });
        id
    }

    /// The index of a container by id or name.
    pub fn index(&self, id: &str) -> Option<usize> {
        let by_id = |c: &FakeContainer| c.id == id || (id.len() >= 12 && c.id.starts_with(id));
        self.containers.iter().position(|c| c.name == id).or_else(|| self.containers.iter().position(by_id))
    }

    /// A container by id or name.
    pub fn get(&mut self, id: &str) -> Option<&mut FakeContainer> {
        self.index(id).map(|index| &mut self.containers[index])
    }

    /// True when there is a network of this name or id.
    pub fn has_network(&self, name: &str) -> bool {
        self.networks.iter().any(|network| network.name == name || network.id == name)
    }

    /// Ends what all containers have going on.
    pub fn stop_all(&mut self) {
        for running in self.running.values_mut() {
            running.tasks.drain(..).for_each(|task| task.abort());
        }
        self.running.clear();
    }
}

/// Takes a block 127.n.0.0/16 for one fake: whoever binds a port of its first address has it.
fn own_block() -> (u8, std::net::TcpListener) {
    let start = std::process::id();
    for step in 0..180 {
        let block = u8::try_from(64 + (start.wrapping_add(step)) % 180).expect("below 244");
        if let Ok(owner) = std::net::TcpListener::bind((Ipv4Addr::new(127, block, 0, 1), OWNER_PORT)) {
            return (block, owner);
        }
    }
    panic!("180 fakes on one machine");
}
