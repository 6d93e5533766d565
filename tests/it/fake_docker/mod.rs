//! A Docker daemon in memory, on a Unix socket: the dozen endpoints that Landfall uses, with dockerd's own answers.
//!
//! It refuses what dockerd refuses (taken names, missing images, unknown networks, taken ports), counts calls, and
//! does wrong on request. A running container really listens: on an address of its own in 127.0.0.0/8, and on its
//! published port on 127.0.0.1, so that health gates and proxies work against it.
//!
//! ```ignore
//! let web = FakeImage::new("127.0.0.1:5000/demo/web", "v1");
//! let fake = FakeDocker::builder().publish(&web).network("landfall").start();
//! let docker = fake.docker().await;                       // or fake.url() for the binary
//! docker.pull(&web.repository, &web.digest, None, |_| {}).await?;
//! fake.fail_next(Op::Start, 500, "boom");                 // once
//! fake.hang(Op::Pull);                                    // until fake.release(Op::Pull)
//! assert_eq!(fake.mutations(), 1);
//! ```
//!
//! Beyond what dockerd does, it refuses a request without an API version in its path (only `_ping` may lack it).
//! The runtime of the test must go on running while a binary talks to it: use `#[tokio::test(flavor =
//! "multi_thread")]`, or `tokio::process`.

mod answer;
mod app;
mod containers;
mod events;
mod fault;
mod hand;
mod images;
mod inspect;
mod listing;
mod logs;
mod networks;
mod op;
mod server;
mod start;
mod volumes;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfall::docker::Docker;
use tokio::task::JoinHandle;

pub use app::Behaviour;
pub use fault::Fault;
pub use images::FakeImage;
pub use op::{Call, Op};
pub use world::{Endpoint, FakeContainer, State};

use world::World;

/// A daemon that runs until it is dropped.
pub struct FakeDocker {
    world: Shared,
    dir: tempfile::TempDir,
    server: JoinHandle<()>,
}

/// The world, as every request handler holds it.
#[derive(Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a daemon begins with.
pub struct Builder(World);

impl Builder {
    /// Speaks this API version at most; 1.41 unless told.
    pub fn api_version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.0.version);
        self
    }

    /// Has an image on the host.
    pub fn image(mut self, image: &FakeImage) -> Self {
        self.0.images.push(image.clone());
        self
    }

    /// Finds an image in its registry when it pulls.
    pub fn publish(mut self, image: &FakeImage) -> Self {
        self.0.remote.push(image.clone());
        self
    }

    /// Has a network, besides `bridge`, `host` and `none`.
    pub fn network(mut self, name: &str) -> Self {
        self.0.add_network(name, serde_json::json!({}));
        self
    }

    /// Listens. Wants a runtime around it.
    pub fn start(self) -> FakeDocker {
        let dir = tempfile::tempdir().expect("a directory for the socket");
        let world = Shared(Arc::new(Mutex::new(self.0)));
        let server = server::serve(&dir.path().join("docker.sock"), world.clone());
        FakeDocker { world, dir, server }
    }
}

impl FakeDocker {
    /// A daemon to be set up.
    pub fn builder() -> Builder {
        Builder(World::new())
    }

    /// Its address, as `LANDFALL_DOCKER` or `--docker` take it.
    pub fn url(&self) -> String {
        format!("unix://{}", self.dir.path().join("docker.sock").display())
    }

    /// A client of it. Its ping is not counted.
    pub async fn docker(&self) -> Docker {
        let docker = Docker::connect(&self.url()).await.expect("the fake answers");
        self.world.lock().calls.pop();
        docker
    }

    /// Every call so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.world.lock().calls.clone()
    }

    /// The name that a container was made with, also when it is gone; what is no such id stays as it is.
    pub fn name_of(&self, id: &str) -> String {
        self.world.lock().made.get(id).cloned().unwrap_or_else(|| id.to_owned())
    }

    /// How many containers were ever made.
    pub fn made(&self) -> usize {
        self.world.lock().made.len()
    }

    /// The request heads that a container was sent, in order.
    pub fn heads(&self, name: &str) -> Vec<String> {
        let heads = self.world.lock().heads.clone();
        let heads = heads.lock().unwrap_or_else(PoisonError::into_inner);
        heads.iter().filter(|(to, _)| to == name).map(|(_, head)| head.clone()).collect()
    }

    /// How many answers [`Fault::Swallow`] has kept back so far, their work being done.
    pub fn swallowed(&self) -> usize {
        self.world.lock().swallowed
    }

    /// How many calls of one kind there were.
    pub fn count(&self, op: Op) -> usize {
        self.world.lock().calls.iter().filter(|call| call.op == op).count()
    }

    /// How many calls were to change something.
    pub fn mutations(&self) -> usize {
        self.world.lock().calls.iter().filter(|call| call.op.is_mutation()).count()
    }

    /// Forgets the calls so far.
    pub fn reset_calls(&self) {
        self.world.lock().calls.clear();
    }

    /// The next call of this kind fails with this status and message, and does nothing.
    pub fn fail_next(&self, op: Op, status: u16, message: &str) {
        self.inject(op, Fault::Status(status, message.to_owned()));
    }

    /// Adds a fault to the queue of one kind of call; each is used once.
    pub fn inject(&self, op: Op, fault: Fault) {
        self.world.lock().faults.entry(op).or_default().push_back(fault);
    }

    /// Forgets the faults of one kind of call that were not used.
    pub fn heal(&self, op: Op) {
        self.world.lock().faults.remove(&op);
    }

    /// Asks this at every call that is to change something what goes wrong with it.
    pub fn judge(&self, judge: impl Fn(&Call) -> Option<Fault> + Send + Sync + 'static) {
        self.world.lock().judge = Some(Arc::new(judge));
    }

    /// Calls of this kind are not answered until [`release`](Self::release).
    pub fn hang(&self, op: Op) {
        self.world.lock().hanging.send_if_modified(|hanging| hanging.insert(op));
    }

    /// Lets the hanging calls of this kind go on.
    pub fn release(&self, op: Op) {
        self.world.lock().hanging.send_if_modified(|hanging| hanging.remove(&op));
    }

    /// All containers, by name.
    pub fn containers(&self) -> Vec<FakeContainer> {
        let mut all = self.world.lock().containers.clone();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// One container by name.
    ///
    /// # Panics
    /// When there is none.
    pub fn container(&self, name: &str) -> FakeContainer {
        let found = self.find(name);
        found.unwrap_or_else(|| panic!("no container {name}; there are {:?}", self.names()))
    }

    /// One container by name, if there is one.
    pub fn find(&self, name: &str) -> Option<FakeContainer> {
        self.world.lock().containers.iter().find(|container| container.name == name).cloned()
    }

    /// The names of all containers, sorted.
    pub fn names(&self) -> Vec<String> {
        self.containers().into_iter().map(|container| container.name).collect()
    }

    /// Names of the networks, sorted, with those that Docker makes itself.
    pub fn networks(&self) -> Vec<String> {
        let mut names: Vec<_> = self.world.lock().networks.iter().map(|network| network.name.clone()).collect();
        names.sort();
        names
    }

    /// Volumes with their labels, as JSON.
    pub fn volumes(&self) -> std::collections::BTreeMap<String, serde_json::Value> {
        self.world.lock().volumes.clone()
    }

    /// All names of the images on the host: tags and digests.
    pub fn image_names(&self) -> Vec<String> {
        self.world.lock().images.iter().flat_map(|image| image.names.clone()).collect()
    }

    /// Puts an image on the host.
    pub fn add_image(&self, image: &FakeImage) {
        self.world.lock().images.push(image.clone());
    }

    /// Puts an image into its registry.
    pub fn publish(&self, image: &FakeImage) {
        self.world.lock().remote.push(image.clone());
    }

    /// Containers of this image that are started from now on behave so, wherever the image is.
    pub fn app_behaviour(&self, image: &FakeImage, behaviour: &Behaviour) {
        let mut world = self.world.lock();
        let World { images, remote, .. } = &mut *world;
        for known in images.iter_mut().chain(remote).filter(|known| known.digest == image.digest) {
            known.behaviour = behaviour.clone();
        }
    }
}

impl Drop for FakeDocker {
    fn drop(&mut self) {
        self.server.abort();
        self.world.lock().stop_all();
    }
}
