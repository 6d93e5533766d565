//! Connections: requests in, answers out, faults of the wire. What is asked and answered is `api`'s business.
//!
//! A reload of nginx closes connections that are idle, as with the real one, whose API is behind the same nginx.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderValue, Request, Response, StatusCode, header};
use futures_util::stream;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::api::{self, Asked};
use super::call::Call;
use super::fault::Fault;
use super::refusal::Refusal;
use super::{Shared, api::Answer};

/// Bodies above this are refused.
const MAX_BODY: usize = 100 * 1024;
/// How long an old worker of nginx lives on after its last answer.
const LINGER: Duration = Duration::from_millis(15);

/// Accepts connections until its runtime ends.
pub async fn serve(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let listener = TcpListener::from_std(listener).expect("a listener in a runtime");
    for number in 1.. {
        let Ok((stream, _)) = listener.accept().await else { return };
        tokio::spawn(connection(stream, number, Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, number: u64, shared: Arc<Shared>) {
    let (busy, mut idle) = watch::channel(false);
    let busy = Arc::new(busy);
    let mut reloads = shared.web.reloads();
    let service = service_fn(move |request| {
        let (shared, busy) = (Arc::clone(&shared), Arc::clone(&busy));
        async move {
            busy.send_replace(true);
            let answer = request_on(&shared, number, request).await;
            busy.send_replace(false);
            answer
        }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let worker_ends = async {
        // Whoever is answered by an old worker gets the answer whole; then the worker ends.
        let _ = reloads.changed().await;
        loop {
            let _ = idle.wait_for(|busy| !busy).await;
            tokio::time::sleep(LINGER).await;
            if !*idle.borrow() {
                break;
            }
        }
    };
    tokio::select! {
        _ = connection.as_mut() => return,
        () = worker_ends => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

/// One request to its end. An error closes the connection without an answer.
async fn request_on(shared: &Arc<Shared>, number: u64, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), MAX_BODY).await;
    let text = |name| parts.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).map(str::to_owned);
    let asked = Asked {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        authorization: text(header::AUTHORIZATION),
        form: text(header::CONTENT_TYPE).and_then(|kind| Some(kind.split_once("boundary=")?.1.to_owned())),
        is_json: text(header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json")),
        body: body.map_err(|_| Refusal::TooLarge),
        fault: None,
    };
    let (at, fault) = note(shared, number, &asked);
    let shared = Arc::clone(shared);
    // A task of its own: what was noted is done, also when the client does not wait for it.
    let task = tokio::spawn(async move {
        let answer = with_fault(&shared, asked, fault).await;
        if let (Ok(answer), Some(call)) = (&answer, shared.lock().calls.get_mut(at)) {
            call.status = Some(answer.status().as_u16());
        }
        answer
    });
    task.await.expect("an answer")
}

/// Notes a request, and takes the fault that waits for it.
fn note(shared: &Shared, connection: u64, asked: &Asked) -> (usize, Option<Fault>) {
    let mut world = shared.lock();
    let user = asked.token().and_then(|token| world.bearer(token).ok()).map(|actor| actor.id);
    let user = user.and_then(|id| world.users.iter().find(|user| user.id == id)).map(|user| user.email.clone());
    let (method, path) = (asked.method.clone(), asked.route().to_owned());
    let body = asked.body.as_ref().ok().and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or(Value::Null);
    let fault = world.take_fault(&method, &path);
    let query = asked.query.clone();
    world.calls.push(Call { method, path, query, status: None, user, body, connection, at: Instant::now() });
    (world.calls.len() - 1, fault)
}

async fn with_fault(shared: &Arc<Shared>, mut asked: Asked, fault: Option<Fault>) -> io::Result<Response<Body>> {
    let cut = || Err(io::Error::other("the connection is cut, as a test asked"));
    let version = shared.lock().version;
    let failure = |status: u16| {
        let (_, body) = Refusal::Trouble.answer(version, "");
        Ok(plain(&Answer::Json(status, body)))
    };
    match &fault {
        Some(Fault::Status(status)) => return failure(*status),
        Some(Fault::CutBefore) => return cut(),
        Some(Fault::Late(delay)) => tokio::time::sleep(*delay).await,
        Some(
            Fault::DoneThen(_)
            | Fault::RowThen(_)
            | Fault::CutAfter
            | Fault::HalfBody
            | Fault::Slow(_)
            | Fault::Offline(_)
            | Fault::Garbage,
        )
        | None => {}
    }
    asked.fault.clone_from(&fault);
    let done = api::answer(shared, asked).await;
    match fault {
        Some(Fault::DoneThen(status) | Fault::RowThen(status)) => failure(status),
        Some(Fault::CutAfter) => cut(),
        Some(Fault::HalfBody) => Ok(half(&done)),
        Some(Fault::Garbage) => Ok(plain(&Answer::Page("<!doctype html><title>Welcome to the hotel</title>".into()))),
        Some(Fault::Slow(delay)) => {
            tokio::time::sleep(delay).await;
            Ok(plain(&done))
        }
        Some(Fault::Status(_) | Fault::CutBefore | Fault::Late(_) | Fault::Offline(_)) | None => Ok(plain(&done)),
    }
}

fn parts(answer: &Answer) -> (u16, &'static str, String) {
    match answer {
        Answer::Json(status, body) => (*status, "application/json; charset=utf-8", body.to_string()),
        Answer::Page(text) => (200, "text/html", text.clone()),
        Answer::Found(_) => (302, "text/html", String::new()),
    }
}

fn plain(answer: &Answer) -> Response<Body> {
    let (status, kind, body) = parts(answer);
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Answer::Found(place) = answer {
        response.headers_mut().insert(header::LOCATION, place.parse().expect("a header"));
    }
    response
}

/// The head of an answer and a half of its body; then the connection breaks.
fn half(answer: &Answer) -> Response<Body> {
    let (_, _, body) = parts(answer);
    let bytes = Bytes::from(body);
    let first = bytes.slice(..bytes.len() / 2);
    let broken = stream::iter([Ok(first), Err(io::Error::other("the body breaks off, as a test asked"))]);
    let mut response = plain(answer);
    response.headers_mut().insert(header::CONTENT_LENGTH, bytes.len().into());
    *response.body_mut() = Body::from_stream(broken);
    response
}
