//! An image registry in memory, on a port of 127.0.0.1: manifests by tag, logins, and answers gone wrong on request.
//!
//! ```ignore
//! let registry = FakeRegistry::start();
//! let web = FakeImage::new(&registry.repository("demo/web"), "v1");
//! registry.publish(&web);                                  // HEAD /v2/demo/web/manifests/v1 → its digest
//! ```

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::fake_docker::FakeImage;

/// The one name and password that it accepts.
pub const USER: &str = "user";
/// See [`USER`]. Its base64 form holds both characters that the URL-safe alphabet changes.
pub const PASSWORD: &str = "a>>>b???c~~~";

/// How it asks for a login.
#[derive(Debug, Clone)]
pub enum Login {
    /// Not at all.
    None,
    /// Name and password with each request.
    Basic,
    /// A token from this realm; `{here}` stands for this registry's own `http://127.0.0.1:port`.
    Bearer {
        /// Address of the token service.
        realm: String,
        /// Lifetime that the token says it has.
        expires_in: Option<u64>,
        /// A token is given without a name, too.
        anonymous: bool,
    },
}

/// One request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `HEAD`, `GET`.
    pub method: Method,
    /// Path with its query, decoded.
    pub path: String,
    /// The `Authorization` header.
    pub authorization: Option<String>,
    /// The `Accept` header.
    pub accept: String,
    /// The `If-None-Match` header.
    pub if_none_match: Option<String>,
}

/// An answer made up by a test.
#[derive(Debug, Clone)]
pub enum Made {
    /// Status and headers, and a body.
    Answer(u16, Vec<(&'static str, String)>, Vec<u8>),
    /// None, ever.
    Silence,
    /// A body that comes at one byte a second.
    Drip(Vec<u8>),
}

struct World {
    here: String,
    login: Login,
    tags: HashMap<String, String>,
    bodies: HashMap<String, Vec<u8>>,
    made: VecDeque<Made>,
    seen: Vec<Seen>,
    tokens: u32,
}

/// A registry that runs until it is dropped.
pub struct FakeRegistry {
    address: SocketAddr,
    world: Shared,
    server: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, World> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl FakeRegistry {
    /// Listens, without a login.
    pub fn start() -> Self {
        Self::with_login(Login::None)
    }

    /// Listens, with a login.
    pub fn with_login(login: Login) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket option");
        let address = listener.local_addr().expect("an address");
        let world = World {
            here: format!("http://{address}"),
            login,
            tags: HashMap::new(),
            bodies: HashMap::new(),
            made: VecDeque::new(),
            seen: Vec::new(),
            tokens: 0,
        };
        let world = Shared(Arc::new(Mutex::new(world)));
        let app = Router::new().fallback(handle).with_state(world.clone());
        let listener = TcpListener::from_std(listener).expect("a listener in a runtime");
        let server = tokio::spawn(async move { axum::serve(listener, app).await.expect("the fake serves") });
        Self { address, world, server }
    }

    /// A repository here, with its host.
    pub fn repository(&self, path: &str) -> String {
        format!("{}/{path}", self.address)
    }

    /// Where it listens, `http://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Lets the tag of an image lead to its digest.
    pub fn publish(&self, image: &FakeImage) {
        self.tag(image.repository.path(), &image.version, image.digest.as_str());
    }

    /// Lets a tag lead to a digest.
    pub fn tag(&self, path: &str, tag: &str, digest: &str) {
        self.world.lock().tags.insert(format!("/v2/{path}/manifests/{tag}"), digest.to_owned());
    }

    /// Lets a tag lead to a manifest whose digest is not told.
    pub fn tag_without_digest(&self, path: &str, tag: &str, manifest: &[u8]) {
        self.keep(&format!("/v2/{path}/manifests/{tag}"), manifest);
    }

    /// Answers a path with a body.
    pub fn keep(&self, path: &str, body: &[u8]) {
        self.world.lock().bodies.insert(path.to_owned(), body.to_vec());
    }

    /// The next request is answered so, whatever it asks.
    pub fn answer_next(&self, made: Made) {
        self.world.lock().made.push_back(made);
    }

    /// Every request so far, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.world.lock().seen.clone()
    }

    /// Forgets the requests so far.
    pub fn forget(&self) {
        self.world.lock().seen.clear();
    }
}

impl Drop for FakeRegistry {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn handle(State(shared): State<Shared>, request: Request) -> Response {
    let made = {
        let mut world = shared.lock();
        let seen = seen(&request);
        world.seen.push(seen);
        world.made.pop_front()
    };
    match made {
        Some(Made::Silence) => std::future::pending().await,
        Some(Made::Answer(status, headers, body)) => {
            let mut response = (StatusCode::from_u16(status).expect("a status"), body).into_response();
            for (name, value) in headers {
                response.headers_mut().append(name, value.parse().expect("a header"));
            }
            response
        }
        Some(Made::Drip(body)) => {
            let bytes = futures_util::stream::unfold(body.into_iter(), |mut rest| async move {
                let byte = rest.next()?;
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                Some((Ok::<_, std::convert::Infallible>(vec![byte]), rest))
            });
            axum::body::Body::from_stream(bytes).into_response()
        }
        None => answer(&mut shared.lock(), &request),
    }
}

fn seen(request: &Request) -> Seen {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let query = reqwest::Url::parse(&format!("http://x{}", request.uri())).expect("a URL that came in a request");
    let pairs: Vec<_> = query.query_pairs().map(|(key, value)| format!("{key}={value}")).collect();
    let path = if pairs.is_empty() { query.path().to_owned() } else { format!("{}?{}", query.path(), pairs.join("&")) };
    Seen {
        method: request.method().clone(),
        path,
        authorization: text(header::AUTHORIZATION),
        accept: text(header::ACCEPT).unwrap_or_default(),
        if_none_match: text(header::IF_NONE_MATCH),
    }
}

fn answer(world: &mut World, request: &Request) -> Response {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let known = authorization == Some(&basic);
    if request.uri().path() == "/token" {
        return token(world, known, authorization.is_some());
    }
    let welcome = match &world.login {
        Login::None => true,
        Login::Basic => known,
        Login::Bearer { .. } => world.tokens > 0 && authorization == Some(&format!("Bearer token-{}", world.tokens)),
    };
    if !welcome {
        return challenge(world);
    }
    let path = request.uri().path();
    if let Some(digest) = world.tags.get(path) {
        return [("docker-content-digest", digest.clone())].into_response();
    }
    if let Some(repository) = path.strip_suffix("/tags/list") {
        let of = format!("{repository}/manifests/");
        let tags: BTreeSet<_> = world.tags.keys().filter_map(|path| path.strip_prefix(&of)).collect();
        if !tags.is_empty() {
            return page(repository, &tags, request.uri().query().unwrap_or_default());
        }
    }
    match world.bodies.get(path) {
        Some(body) => body.clone().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The tags after `last`, `n` of them, and where the next ones are.
fn page(repository: &str, tags: &BTreeSet<&str>, query: &str) -> Response {
    let asked = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let most = asked("n").map_or(usize::MAX, |n| n.parse().expect("a number"));
    let mut rest = tags.iter().filter(|tag| asked("last").is_none_or(|last| **tag > last));
    let page: Vec<_> = rest.by_ref().take(most).collect();
    let mut response = serde_json::json!({ "name": repository, "tags": page }).to_string().into_response();
    if let (Some(last), Some(_)) = (page.last(), rest.next()) {
        let link = format!("<{repository}/tags/list?last={last}&n={most}>; rel=\"next\"");
        response.headers_mut().insert(header::LINK, link.parse().expect("a header"));
    }
    response
}

fn token(world: &mut World, known: bool, tried: bool) -> Response {
    let Login::Bearer { expires_in, anonymous, .. } = world.login else { return StatusCode::NOT_FOUND.into_response() };
    if !(known || anonymous && !tried) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    world.tokens += 1;
    let life = expires_in.map_or_else(String::new, |seconds| format!(",\"expires_in\":{seconds}"));
    format!("{{\"access_token\":\"token-{}\"{life}}}", world.tokens).into_response()
}

fn challenge(world: &World) -> Response {
    let text = match &world.login {
        Login::None | Login::Basic => "Basic realm=\"here\"".to_owned(),
        // A scope that asks for more than reading: whoever obeys it is fooled.
        Login::Bearer { realm, .. } => {
            let realm = realm.replace("{here}", &world.here);
            format!("Bearer realm=\"{realm}\",service=\"the registry\",scope=\"repository:other:pull,push\"")
        }
    };
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, text)]).into_response()
}
