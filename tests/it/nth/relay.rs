//! Stands before the control socket of the proxy: counts what is to change something, and lets it go wrong.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::UnixListener;

use super::tape::{Kind, Tape, Verdict};
use crate::router_support::control;

/// What a proxy does by itself with a write, as a scenario wants it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// It refuses, and changes nothing.
    Refuses,
    /// It does it, and closes the connection.
    LosesAnswer,
}

/// The connection is closed in place of an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed on request")]
pub struct Closed;

type Answer = Result<Response<Full<Bytes>>, Closed>;

/// What every connection needs.
#[derive(Clone)]
pub struct Relay {
    behind: PathBuf,
    tape: Tape,
    moods: Arc<Mutex<VecDeque<Mood>>>,
}

impl Relay {
    /// Listens as long as the runtime lives.
    pub fn start(at: &Path, behind: PathBuf, tape: Tape) -> Self {
        let relay = Self { behind, tape, moods: Arc::default() };
        let listener = UnixListener::bind(at).expect("a socket");
        let of_all = relay.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let relay = of_all.clone();
                let service = service_fn(move |request| {
                    let relay = relay.clone();
                    async move { relay.hand_on(request).await }
                });
                // Ends with an error when either side closes it early.
                tokio::spawn(async move {
                    drop(http1::Builder::new().serve_connection(TokioIo::new(stream), service).await);
                });
            }
        });
        relay
    }

    /// The next writes meet these moods, one each.
    pub fn moods(&self, moods: &[Mood]) {
        self.moods.lock().unwrap_or_else(PoisonError::into_inner).extend(moods);
    }

    fn mood(&self) -> Option<Mood> {
        self.moods.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    async fn hand_on(&self, request: Request<Incoming>) -> Answer {
        let (method, path) = (request.method().clone(), request.uri().to_string());
        let body = request.into_body().collect().await.map_err(|_| Closed)?.to_bytes();
        if method == Method::GET {
            return self.ask(&method, &path, &body).await;
        }
        match self.tape.passes(&format!("proxy {method} {path}")) {
            Verdict::Dead | Verdict::Hit(Kind::CrashBefore) => std::future::pending().await,
            Verdict::Hit(Kind::Error) => Ok(trouble("injected")),
            Verdict::Hit(Kind::CrashAfter | Kind::Stale) => {
                drop(self.write(&method, &path, &body).await);
                self.tape.done();
                std::future::pending().await
            }
            Verdict::Hit(Kind::Lost) => {
                drop(self.write(&method, &path, &body).await);
                Err(Closed)
            }
            Verdict::Go | Verdict::Hit(Kind::Disk(_)) => self.write(&method, &path, &body).await,
        }
    }

    async fn write(&self, method: &Method, path: &str, body: &Bytes) -> Answer {
        match self.mood() {
            None => self.ask(method, path, body).await,
            Some(Mood::Refuses) => Ok(trouble("the disk is full")),
            Some(Mood::LosesAnswer) => {
                drop(self.ask(method, path, body).await);
                Err(Closed)
            }
        }
    }

    async fn ask(&self, method: &Method, path: &str, body: &Bytes) -> Answer {
        let body = String::from_utf8_lossy(body);
        let (status, answer) = control(&self.behind, method.as_str(), path, &body).await;
        Ok(response(status, &answer))
    }
}

fn trouble(why: &str) -> Response<Full<Bytes>> {
    response(500, &serde_json::json!({ "error": why }))
}

fn response(status: u16, answer: &serde_json::Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(answer.to_string())));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}
