//! A token server as registries have beside them: who knows the password gets a token that says what it may do, signed
//! with a key whose certificate the registry knows.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::ground::{PASSWORD, USER, openssl_req};

const SERVICE: &str = "a real registry";
const ISSUER: &str = "a token server";

pub struct TokenServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    dir: TempDir,
    sold: Mutex<Vec<String>>,
}

#[derive(Deserialize)]
struct Wanted {
    service: String,
    scope: String,
}

impl TokenServer {
    pub fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        openssl_req(dir.path(), &["-keyout", "token.key", "-out", "token.pem", "-subj", "/CN=tokens"]);
        let shared = Arc::new(Shared { dir, sold: Mutex::default() });
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        let app = Router::new().route("/token", get(sell)).with_state(Arc::clone(&shared));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { address, shared, server }
    }

    /// What a registry has to know of it.
    pub fn settings(&self) -> String {
        let bundle = self.shared.dir.path().join("token.pem");
        let realm = format!("http://{}/token", self.address);
        json!({ "realm": realm, "service": SERVICE, "issuer": ISSUER, "rootcertbundle": bundle }).to_string()
    }

    /// The scopes of all tokens that were sold.
    pub fn sold(&self) -> Vec<String> {
        self.shared.sold.lock().unwrap().clone()
    }

    /// One that is given by hand.
    pub fn for_pushing(&self, path: &str) -> String {
        self.shared.sign(path, &["pull", "push", "delete"])
    }
}

impl Drop for TokenServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn sell(State(shared): State<Arc<Shared>>, Query(wanted): Query<Wanted>, headers: HeaderMap) -> Response {
    let basic = format!("Basic {}", STANDARD.encode(format!("{USER}:{PASSWORD}")));
    let is_known = headers.get(header::AUTHORIZATION).is_some_and(|value| value.as_bytes() == basic.as_bytes());
    let path = wanted.scope.strip_prefix("repository:").and_then(|scope| scope.strip_suffix(":pull"));
    match path.filter(|_| is_known && wanted.service == SERVICE) {
        Some(path) => {
            shared.sold.lock().unwrap().push(wanted.scope.clone());
            json!({ "token": shared.sign(path, &["pull"]), "expires_in": 300 }).to_string().into_response()
        }
        None => StatusCode::UNAUTHORIZED.into_response(),
    }
}

impl Shared {
    /// A token in the form that registries read: the certificate of its key goes with it.
    fn sign(&self, path: &str, actions: &[&str]) -> String {
        let pem = std::fs::read_to_string(self.dir.path().join("token.pem")).unwrap();
        let certificate: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
        let head = json!({ "typ": "JWT", "alg": "RS256", "x5c": [certificate] });
        let now = chrono::Utc::now().timestamp();
        let access = json!([{ "type": "repository", "name": path, "actions": actions }]);
        let body = json!({ "iss": ISSUER, "sub": USER, "aud": SERVICE, "iat": now, "nbf": now - 60,
            "exp": now + 300, "jti": "one", "access": access });
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&head), part(&body));
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(self.signature(signed.as_bytes())))
    }

    fn signature(&self, content: &[u8]) -> Vec<u8> {
        let mut command = Command::new("openssl");
        command.current_dir(self.dir.path()).args(["dgst", "-sha256", "-sign", "token.key"]);
        let mut openssl = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        openssl.stdin.take().unwrap().write_all(content).unwrap();
        let output = openssl.wait_with_output().unwrap();
        assert!(output.status.success());
        output.stdout
    }
}
