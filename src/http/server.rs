//! The daemon's end: who asks, whether they mean this daemon, and what happens, line by line.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use serde::Serialize;
use tokio::net::unix::UCred;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use super::{Denial, FORMAT_VERSION, Given, Health, Render, Request, Said, StageConditions, Status, VERSION};
use crate::daemon::{Ask, Handle};
use crate::execute::{Event, Sink};
use crate::model::{ConditionRow, Conditions, StageKey};
use crate::reconcile::{self, Done, Error, Want};
use crate::socket::{self, BodyError, ControlSocket, MAX_CONNECTIONS, json, read};
use crate::store::now_ms;

/// Lines that wait for a client that is slower than the work; more are left out, and it is told how many.
const QUEUE: usize = 1024;
/// An empty line so often tells the client that the daemon is there.
const BEAT: Duration = Duration::from_secs(5);
/// A client that takes no line for so long does not get the last one either.
const TAKEN_WITHIN: Duration = Duration::from_secs(30);
/// So long the last lines may take to reach their clients when the daemon stops.
const FINISH: Duration = Duration::from_secs(2);
/// Most characters of a request in the log.
const AUDIT_CHARS: usize = 300;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The control socket of a daemon, served until it is finished or dropped.
#[derive(Debug)]
pub struct Server {
    task: JoinHandle<()>,
    room: Arc<Semaphore>,
}

/// What every request is answered from.
#[derive(Debug)]
struct Desk {
    handle: Handle,
    render: Render,
    /// Where the daemon works.
    places: Given,
}

/// A request that is not answered with what it asked for.
struct Denied(StatusCode, Denial);

impl Denied {
    fn new(status: StatusCode, error: impl Into<String>, hint: &str) -> Self {
        let hint = Some(hint.to_owned()).filter(|hint| !hint.is_empty());
        Self(status, Denial { error: error.into(), hint })
    }
}

impl From<BodyError> for Denied {
    fn from(BodyError { status, text }: BodyError) -> Self {
        Self::new(status, text, "")
    }
}

impl Server {
    /// Begins to serve. Wants a runtime around it.
    pub fn start(socket: ControlSocket, handle: Handle, places: Given, render: Render) -> Self {
        let desk = Arc::new(Desk { handle, render, places });
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS as usize));
        let inside = Arc::clone(&room);
        let task = tokio::spawn(async move {
            let answer = move |request, peer| {
                let desk = Arc::clone(&desk);
                async move { desk.answer(request, peer).await.unwrap_or_else(|Denied(status, why)| full(status, &why)) }
            };
            match socket::serve(&socket.listener, &inside, answer).await {}
        });
        Self { task, room }
    }

    /// Takes no more requests, and lets the last lines go out.
    pub async fn finish(mut self) {
        self.task.abort();
        // The socket goes with the task, and nobody waits for that when the process ends.
        drop((&mut self.task).await);
        // A connection has its permit until it ends; what is idle by then is cut.
        drop(tokio::time::timeout(FINISH, self.room.acquire_many(MAX_CONNECTIONS)).await);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Desk {
    async fn answer(&self, request: http::Request<Incoming>, peer: Option<UCred>) -> Result<Answer, Denied> {
        let (parts, body) = request.into_parts();
        match (&parts.method, parts.uri.path()) {
            (&Method::GET, "/v1/health") => Ok(full(StatusCode::OK, &health())),
            (&Method::GET, "/v1/status") => Ok(full(StatusCode::OK, &self.status().await)),
            (&Method::POST, "/v1/reload") => {
                audit(peer, "reload");
                self.handle.reload();
                Ok(full(StatusCode::ACCEPTED, &health()))
            }
            (&Method::POST, "/v1/want") => self.want(read(body).await?, peer),
            _ => Err(Denied::new(StatusCode::NOT_FOUND, "no such request", "")),
        }
    }

    async fn status(&self) -> Status {
        let (conditions, stages) = self.conditions().await.unzip();
        Status {
            conditions,
            stages,
            format_version: FORMAT_VERSION,
            pid: std::process::id(),
            version: VERSION.to_owned(),
            now_ms: now_ms(),
            places: self.places.clone(),
            state: self.handle.state(),
        }
    }

    /// Those of the host and of the stages. A store that cannot be read keeps nobody from the rest.
    async fn conditions(&self) -> Option<(Vec<ConditionRow>, Vec<StageConditions>)> {
        let found = reconcile::conditions(self.places.data.as_deref()?).await;
        let told = found.inspect_err(|error| tracing::debug!("conditions cannot be read: {error}")).ok()?;
        let of_stage = |(key, own): (StageKey, Conditions)| StageConditions { key, conditions: own.rows() };
        Some((told.host.rows(), told.stages.into_iter().map(of_stage).collect()))
    }

    fn want(&self, request: Request, peer: Option<UCred>) -> Result<Answer, Denied> {
        let Request { format_version, places, want } = request;
        if format_version != FORMAT_VERSION {
            let error = format!("the daemon is landfall {VERSION} and does not know format_version {format_version}");
            let hint = "restart the daemon after an upgrade: `systemctl restart landfall`";
            return Err(Denied::new(StatusCode::BAD_REQUEST, error, hint));
        }
        if let Some((option, wanted, used)) = places.conflict(&self.places) {
            let error = format!("`{option}` is {wanted}, and the daemon uses {used}");
            let hint = format!("leave `{option}` out to ask the daemon; or stop it first to work with another place");
            return Err(Denied::new(StatusCode::CONFLICT, error, &hint));
        }
        audit(peer, &want.to_string());
        let (lines, left_out) = (mpsc::channel(QUEUE), Arc::new(AtomicUsize::new(0)));
        let (sender, receiver) = lines;
        let (answer, done) = oneshot::channel();
        let ask = Ask { want: want.clone(), sink: sink(sender.clone(), Arc::clone(&left_out)), answer };
        if self.handle.ask(ask).is_err() {
            let error = "the daemon has as many requests waiting as it takes, or stops";
            return Err(Denied::new(StatusCode::SERVICE_UNAVAILABLE, error, "try again when some of them are done"));
        }
        let follow = Follow { want, render: self.render, lines: sender, left_out };
        tokio::spawn(follow.until(done));
        Ok(streamed(receiver))
    }
}

/// What is left to do for a request that was accepted.
struct Follow {
    want: Want,
    render: Render,
    lines: mpsc::Sender<Bytes>,
    left_out: Arc<AtomicUsize>,
}

impl Follow {
    async fn until(self, mut done: oneshot::Receiver<Result<Done, Error>>) {
        let mut beat = tokio::time::interval(BEAT);
        let last = loop {
            tokio::select! {
                done = &mut done => break match done {
                    Ok(done) => Said::End((self.render)(&self.want, done)),
                    Err(_) => Said::Left(Denial {
                        error: "the daemon stops, or a fault of its own ended the request; its log says more".into(),
                        hint: Some("`landfall history` shows what was begun; the next start goes on with it".into()),
                    }),
                },
                // A full queue says the same.
                _ = beat.tick() => drop(self.lines.try_send(Bytes::from_static(b"\n"))),
            }
        };
        let left_out = self.left_out.load(Ordering::Relaxed);
        if left_out > 0 {
            let text = format!("{left_out} lines of progress were left out, since nobody read them");
            self.send(&Said::Event(Event::Line { key: None, text })).await;
        }
        self.send(&last).await;
    }

    /// Waits for room; a client that is gone, or takes nothing, gets nothing.
    async fn send(&self, said: &Said) {
        drop(tokio::time::timeout(TAKEN_WITHIN, self.lines.send(line(said))).await);
    }
}

/// Events as lines. It never waits: the work goes on whoever reads.
fn sink(lines: mpsc::Sender<Bytes>, left_out: Arc<AtomicUsize>) -> Sink {
    Sink::new(move |event| {
        if let Err(mpsc::error::TrySendError::Full(_)) = lines.try_send(line(&Said::Event(event))) {
            left_out.fetch_add(1, Ordering::Relaxed);
        }
    })
}

fn line(said: &Said) -> Bytes {
    // Our types have only text keys, so that this cannot fail; an empty line says nothing.
    let mut text = serde_json::to_vec(said).unwrap_or_default();
    text.push(b'\n');
    text.into()
}

fn health() -> Health {
    Health { format_version: FORMAT_VERSION, pid: std::process::id() }
}

/// Who asks for a change, as the kernel knows them, in the text as well as in fields: the journal shows the text alone.
fn audit(peer: Option<UCred>, what: &str) {
    // Whoever asks chose parts of this text: nothing in it looks like another line of the log.
    let what: String = what.escape_debug().take(AUDIT_CHARS).collect();
    match peer {
        Some(peer) => {
            let (uid, gid, pid) = (peer.uid(), peer.gid(), peer.pid().unwrap_or(0));
            tracing::info!(uid, gid, pid, "uid {uid} (gid {gid}, pid {pid}) asks: {what}");
        }
        None => tracing::warn!("somebody who is gone asked: {what}"),
    }
}

fn full(status: StatusCode, value: &impl Serialize) -> Answer {
    json(status, value).map(BodyExt::boxed_unsync)
}

fn streamed(lines: mpsc::Receiver<Bytes>) -> Answer {
    let frames = stream::unfold(lines, async |mut lines| {
        let line = lines.recv().await?;
        Some((Ok(Frame::data(line)), lines))
    });
    let mut response = Response::new(StreamBody::new(frames).boxed_unsync());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    response
}
