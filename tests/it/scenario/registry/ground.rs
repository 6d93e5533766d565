//! One docker-registry in memory, and how images get into it.

use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::{StreamExt as _, stream};
use landfall::model::{Digest, Repository, hash};
use reqwest::{Client, Method, RequestBuilder, Response};
use serde_json::json;
use tempfile::TempDir;

use super::tokens::TokenServer;
use crate::own_process::{Process, TRIES, free_port, program};

/// The one account.
pub const USER: &str = "reader";
/// Its password.
pub const PASSWORD: &str = "a-password-for-reading";
const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

/// Who gets in, and how.
pub enum Auth<'a> {
    /// Everybody, in plain text.
    None,
    /// Everybody, over TLS with a certificate of an authority made for it.
    Tls,
    /// With a token of this server.
    Token(&'a TokenServer),
}

pub struct RealRegistry {
    dir: TempDir,
    address: String,
    client: Client,
    /// What the pushing side says to get in.
    authorization: Option<String>,
    is_tls: bool,
    _process: Process,
}

impl RealRegistry {
    pub fn start(auth: &Auth<'_>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let client = Client::builder().no_proxy();
        let client = match auth {
            Auth::None | Auth::Token(_) => client,
            Auth::Tls => {
                certificates(dir.path());
                let authority = std::fs::read(dir.path().join("ca.pem")).unwrap();
                client.tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()])
            }
        };
        landfall::client::install_tls_provider();
        for _ in 0..TRIES {
            let (port, listener) = free_port();
            drop(listener);
            let address = format!("127.0.0.1:{port}");
            let config = dir.path().join("config.yml");
            std::fs::write(&config, settings(dir.path(), &address, auth)).unwrap();
            let mut command = Process::command(&program("docker-registry"));
            command.arg("serve").arg(&config).env("OTEL_TRACES_EXPORTER", "none");
            let answers = || std::net::TcpStream::connect(&address).is_ok();
            let Some(process) = Process::start(command, &dir.path().join("log"), answers) else { continue };
            let authorization = match auth {
                Auth::None | Auth::Tls => None,
                Auth::Token(tokens) => Some(format!("Bearer {}", tokens.for_pushing("demo/web"))),
            };
            let is_tls = matches!(auth, Auth::Tls);
            return Self { dir, address, client: client.build().unwrap(), authorization, is_tls, _process: process };
        }
        panic!("docker-registry does not begin on any of {TRIES} ports");
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn repository(&self, path: &str) -> Repository {
        format!("{}/{path}", self.address).parse().unwrap()
    }

    /// The certificate of the authority that signed its own.
    pub fn authority(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// An image without layers for an architecture, under a tag.
    pub async fn push(&self, path: &str, tag: &str, architecture: &str) -> Digest {
        let config = config(architecture);
        let begun = self.ask(Method::POST, &format!("/v2/{path}/blobs/uploads/")).send().await.unwrap();
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let upload = if location.contains("://") { location } else { format!("{}{location}", self.url()) };
        let upload = format!("{upload}&digest={}", digest_of(&config));
        let request = self.authorized(self.client.put(upload)).header("content-type", "application/octet-stream");
        let sent = request.body(config).send().await.unwrap();
        assert_eq!(sent.status(), 201, "{}", sent.text().await.unwrap());
        self.tag(path, tag, architecture).await.headers()["docker-content-digest"].to_str().unwrap().parse().unwrap()
    }

    /// More names for an image that is there.
    pub async fn tag_all(&self, path: &str, tags: &[String], architecture: &str) {
        stream::iter(tags).for_each_concurrent(8, async |tag| drop(self.tag(path, tag, architecture).await)).await;
    }

    /// Deletes an image with all its names.
    pub async fn delete(&self, path: &str, digest: &Digest) {
        let gone = self.ask(Method::DELETE, &format!("/v2/{path}/manifests/{digest}")).send().await.unwrap();
        assert_eq!(gone.status(), 202);
    }

    async fn tag(&self, path: &str, tag: &str, architecture: &str) -> Response {
        let config = config(architecture);
        let described = json!({ "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": config.len(), "digest": digest_of(&config) });
        let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": described, "layers": [] });
        let request = self.ask(Method::PUT, &format!("/v2/{path}/manifests/{tag}"));
        let answer = request.header("content-type", MANIFEST).body(manifest.to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        answer
    }

    fn ask(&self, method: Method, path: &str) -> RequestBuilder {
        self.authorized(self.client.request(method, format!("{}{path}", self.url())))
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Some(value) => request.header("authorization", value),
            None => request,
        }
    }

    fn url(&self) -> String {
        format!("{}://{}", if self.is_tls { "https" } else { "http" }, self.address)
    }
}

fn config(architecture: &str) -> Vec<u8> {
    let rootfs = json!({ "type": "layers", "diff_ids": [] });
    json!({ "os": "linux", "architecture": architecture, "rootfs": rootfs, "config": {} }).to_string().into_bytes()
}

fn digest_of(content: &[u8]) -> String {
    format!("sha256:{}", hash::sha256_hex(content))
}

fn settings(dir: &Path, address: &str, auth: &Auth<'_>) -> String {
    let dir = dir.display();
    let (tls, auth) = match auth {
        Auth::None => (String::new(), String::new()),
        Auth::Tls => (format!("\n  tls: {{ certificate: {dir}/server.pem, key: {dir}/server.key }}"), String::new()),
        Auth::Token(tokens) => (String::new(), format!("auth: {{ token: {} }}\n", tokens.settings())),
    };
    format!(
        "version: 0.1\nlog: {{ level: error, accesslog: {{ disabled: true }} }}\n\
         storage: {{ inmemory: {{}}, delete: {{ enabled: true }} }}\n{auth}\
         http:\n  addr: \"{address}\"\n  secret: loopback{tls}\n"
    )
}

/// An authority, and a certificate for loopback that it signed.
fn certificates(dir: &Path) {
    let authority = ["-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=an authority of one's own"];
    openssl_req(dir, &authority);
    let name = ["-keyout", "server.key", "-out", "server.pem", "-subj", "/CN=registry", "-CA", "ca.pem", "-CAkey"];
    let names = ["ca.key", "-addext", "subjectAltName=IP:127.0.0.1", "-addext", "basicConstraints=critical,CA:FALSE"];
    openssl_req(dir, &[&name[..], &names[..]].concat());
}

/// Makes a key and a certificate.
pub fn openssl_req(dir: &Path, arguments: &[&str]) {
    let fixed = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"];
    let output = Command::new("openssl").current_dir(dir).args(fixed).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
