//! Nginx Proxy Manager as a contract server: its admin API with the real one's answers, refusals and oddities, and a
//! real nginx behind it, so that traffic is real. What is known of the real one is in `tests/it/npm_contract`, which can
//! run against an installation, too.
//!
//! ```ignore
//! let npm = Npm::start(&Options::new("2.15.1", Nginx::Local));
//! npm.add_user("landfall@example.com", "a long password", false, "manage");
//! npm.by_hand().create_host(&json!({ … }));              // as the admin, not counted
//! npm.fail_next(Matcher::new("PUT", "/nginx/proxy-hosts/"), Fault::CutAfter);
//! assert_eq!(npm.count("PUT", "/nginx/proxy-hosts"), 1);
//! ```
//!
//! It runs on threads of its own: every function here may be called from a test with or without a runtime. It must never
//! be more lenient than the real one.

mod access_list;
mod api;
mod by_hand;
mod call;
mod certificate;
mod fault;
mod hosts;
mod kind;
mod login;
mod nginx;
mod people;
mod refusal;
mod row;
mod schema;
mod server;
mod site;
mod token;
mod upload;
mod users;
mod version;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;

pub use by_hand::ByHand;
pub use call::Call;
pub use certificate::{Authority, make as self_signed};
pub use fault::{Fault, Matcher};
pub use kind::Kind;
pub use nginx::DefaultSite;

use nginx::Web;
use version::Version;
use world::World;

/// The admin's login.
pub const ADMIN: (&str, &str) = ("admin@example.com", "changeme");

/// What is served where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nginx {
    /// Files only: nothing serves them, and every test of them passes.
    None,
    /// A process of this machine.
    Local,
    /// A container of a dockerd, on one of its networks.
    Container {
        /// `unix://…`.
        docker: String,
        /// A network that exists.
        network: String,
        /// Any small image, with a tag.
        image: String,
    },
}

/// What is played.
#[derive(Debug, Clone)]
pub struct Options {
    /// As in `2.15.1`.
    pub version: String,
    /// What is behind it.
    pub nginx: Nginx,
}

impl Options {
    /// A release and an nginx.
    pub fn new(version: &str, nginx: Nginx) -> Self {
        Self { version: version.to_owned(), nginx }
    }
}

/// What every request handler holds.
struct Shared {
    world: Mutex<World>,
    web: Web,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A server that runs until it is dropped; its nginx and its directory go with it.
pub struct Npm {
    address: std::net::SocketAddr,
    shared: Arc<Shared>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Npm {
    /// Starts a new installation whose only user is the admin.
    ///
    /// # Panics
    /// When the version is none, or nginx does not start.
    pub fn start(options: &Options) -> Self {
        let version: Version = options.version.parse().expect("a version");
        let mut world = World::new(version);
        world.add_user(ADMIN.0, ADMIN.1, true, "manage");
        let shared = Arc::new(Shared { world: Mutex::new(world), web: Web::start(&options.nginx) });
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.expect("threads for the server");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("an address");
        runtime.spawn(server::serve(listener, Arc::clone(&shared)));
        Self { address, shared, runtime: Some(runtime) }
    }

    /// Its address, `http://127.0.0.1:port`; the API is at `/api` below.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// `127.0.0.1:port` where its nginx serves plain HTTP.
    ///
    /// # Panics
    /// Without an nginx.
    pub fn probe(&self) -> String {
        self.shared.web.served().expect("an nginx").probe
    }

    /// The same with TLS.
    ///
    /// # Panics
    /// Without an nginx.
    pub fn https_addr(&self) -> String {
        self.shared.web.served().expect("an nginx").https
    }

    /// The name of nginx's container, if it is in one.
    pub fn container(&self) -> Option<String> {
        self.shared.web.container()
    }

    /// Acts as the admin through the same API; neither counted nor hit by faults.
    pub fn by_hand(&self) -> ByHand<'_> {
        ByHand::new(self)
    }

    /// A new user; `proxy_hosts` is `manage`, `view` or `hidden`. Its id comes back.
    pub fn add_user(&self, email: &str, password: &str, sees_all: bool, proxy_hosts: &str) -> i64 {
        self.shared.lock().add_user(email, password, sees_all, proxy_hosts)
    }

    /// Lets logins of a user end in the question for a second factor, which is always `123456`.
    pub fn require_two_factor(&self, email: &str) {
        self.shared.lock().user_mut(email).has_two_factor = true;
    }

    /// Ends a user; tokens given out before are refused, too.
    pub fn disable_user(&self, email: &str) {
        self.shared.lock().user_mut(email).is_disabled = true;
    }

    /// Changes a password; tokens given out before go on.
    pub fn set_password(&self, email: &str, password: &str) {
        password.clone_into(&mut self.shared.lock().user_mut(email).password);
    }

    /// Changes what a user may do with proxy hosts.
    pub fn set_permission(&self, email: &str, proxy_hosts: &str) {
        proxy_hosts.clone_into(&mut self.shared.lock().user_mut(email).proxy_hosts);
    }

    /// Lets every token given out so far be too old.
    pub fn expire_tokens(&self) {
        self.shared.lock().mint.expire();
    }

    /// From now on a token lives so long, as in `30m`; a day at first.
    pub fn set_token_life(&self, life: &str) {
        life.clone_into(&mut self.shared.lock().token_life);
    }

    /// Lets every token given out so far be none.
    pub fn replace_keys(&self) {
        self.shared.lock().mint.replace_keys();
    }

    /// Proxy hosts as the API's list shows them to the admin.
    pub fn hosts(&self) -> Vec<Value> {
        hosts::listed(&self.shared.lock(), Kind::Proxy)
    }

    /// A proxy host that has a name.
    pub fn host(&self, domain: &str) -> Option<Value> {
        let has = |host: &Value| host["domain_names"].as_array().is_some_and(|names| names.iter().any(|n| n == domain));
        self.hosts().into_iter().find(has)
    }

    /// Every request so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.shared.lock().calls.clone()
    }

    /// How many requests there were of a method, with a path that begins so.
    pub fn count(&self, method: &str, path: &str) -> usize {
        self.calls().iter().filter(|call| call.method == method && call.path.starts_with(path)).count()
    }

    /// How many requests were to change something; logins are not among them.
    pub fn writes(&self) -> usize {
        self.calls().iter().filter(|call| call.is_write()).count()
    }

    /// How many logins were tried.
    pub fn logins(&self) -> usize {
        self.calls().iter().filter(|call| call.is_login()).count()
    }

    /// Forgets the requests so far.
    pub fn reset_calls(&self) {
        self.shared.lock().calls.clear();
    }

    /// How often nginx was told to read its files again, by hand or not.
    pub fn reloads(&self) -> u64 {
        *self.shared.web.reloads().borrow()
    }

    /// The nginx file of a proxy host, if it is in place.
    pub fn conf(&self, id: i64) -> Option<String> {
        std::fs::read_to_string(self.shared.web.file(Kind::Proxy, id)).ok()
    }

    /// Every file of a host that nginx reads, by its place and to the byte.
    pub fn files(&self) -> std::collections::BTreeMap<String, Vec<u8>> {
        let dir = self.shared.web.dir();
        let all = Kind::ALL.into_iter().flat_map(|kind| std::fs::read_dir(dir.join(kind.dir())).expect("a directory"));
        let read = |entry: std::io::Result<std::fs::DirEntry>| {
            let path = entry.expect("an entry").path();
            let place = path.strip_prefix(dir).expect("a place below").display().to_string();
            (place, std::fs::read(path).expect("a file"))
        };
        all.map(read).collect()
    }

    /// Lets the next request that fits go wrong. Faults are used once, in order.
    pub fn fail_next(&self, matcher: Matcher, fault: Fault) {
        self.shared.lock().faults.push_back((matcher, fault));
    }

    /// How many faults wait for their request.
    pub fn faults_left(&self) -> usize {
        self.shared.lock().faults.len()
    }

    /// A file of somebody else that nginx refuses: every write answers 500, with the row changed and nginx as it was.
    pub fn break_nginx_elsewhere(&self, broken: bool) {
        self.shared.web.set_broken(broken);
    }

    /// Every token given out so far.
    pub fn tokens(&self) -> Vec<String> {
        self.shared.lock().mint.texts.clone()
    }

    /// Lets a certificate end at another time, in the form that the API shows.
    pub fn set_certificate_end(&self, id: i64, end: &str) {
        let mut world = self.shared.lock();
        world.certificates.get_mut(&id).expect("a certificate").shown["expires_on"] = end.into();
    }

    /// From now on this comes of asking Let's Encrypt for a certificate.
    pub fn set_authority(&self, authority: Authority) {
        self.shared.lock().authority = authority;
    }

    /// Certificates as the admin sees them, without their keys.
    pub fn certificates(&self) -> Vec<Value> {
        let world = self.shared.lock();
        let there = world.certificates.iter().filter(|(_, certificate)| !certificate.is_deleted);
        there.map(|(id, _)| world.certificate_expanded(*id)).collect()
    }

    /// Ends nginx. Writes go on, and answer 500.
    pub fn stop_nginx(&self) {
        self.shared.web.stop();
    }

    /// Starts nginx again, with the files as they are now.
    pub fn start_nginx(&self) {
        self.shared.web.start_again();
    }

    /// From now on nginx begins to read its files so much later than the answer says.
    pub fn delay_reload(&self, delay: Duration) {
        self.shared.web.delay_reload(delay);
    }
}

impl Drop for Npm {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // Does not wait, which would not be allowed where a test has a runtime around it.
            runtime.shutdown_background();
        }
        self.shared.web.end();
    }
}
