//! What every control side does alike: connections up to a number, heads and bodies in time and of a size, JSON.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;

/// Most bytes of a body: ten thousand domains of the longest kind are about twice this, and no stage has them.
const MAX_BODY: usize = 1 << 20;
/// Longest time for a head or a body to arrive; both ends are on this host.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections served at once: a daemon and a few people.
pub const MAX_CONNECTIONS: u32 = 64;
/// Pause after an accept that failed: trying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Any error of a body.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Serves a control socket, until dropped. Whoever is connected holds a permit of `room`, which has [`MAX_CONNECTIONS`];
/// the answer to each request is made by `answer`, from the request and who asks, as the kernel knows it.
pub async fn serve<A, F, B>(listener: &UnixListener, room: &Arc<Semaphore>, answer: A) -> Infallible
where
    A: Fn(Request<Incoming>, Option<UCred>) -> F + Clone + Send + 'static,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    loop {
        // Closed never: it lives as long as this.
        let permit = Arc::clone(room).acquire_owned().await.ok();
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = answer.clone();
                tokio::spawn(async move {
                    connection(stream, answer).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a control connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection<A, F, B>(stream: UnixStream, answer: A)
where
    A: Fn(Request<Incoming>, Option<UCred>) -> F,
    F: Future<Output = Response<B>>,
    B: Body + 'static,
    B::Error: Into<BoxError>,
{
    let peer = stream.peer_cred().ok();
    let service = service_fn(move |request| {
        let answered = answer(request, peer);
        async move { Ok::<_, Infallible>(answered.await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(READ_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    // Whoever asked may go before the answer is read.
    drop(serving.await);
}

/// A body that is not what it should be, with the status to answer with.
#[derive(Debug)]
pub struct BodyError {
    /// The status.
    pub status: StatusCode,
    /// A sentence for people.
    pub text: String,
}

/// Reads a JSON body.
///
/// # Errors
/// It is too long (413), too slow (408), or not JSON of this type (400).
pub async fn read<T: DeserializeOwned>(body: Incoming) -> Result<T, BodyError> {
    let error = |status, text: String| Err(BodyError { status, text });
    let collected = tokio::time::timeout(READ_TIMEOUT, Limited::new(body, MAX_BODY).collect()).await;
    let body = match collected {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(cause)) if cause.is::<LengthLimitError>() => {
            return error(StatusCode::PAYLOAD_TOO_LARGE, format!("the body has more than {MAX_BODY} bytes"));
        }
        Ok(Err(cause)) => return error(StatusCode::BAD_REQUEST, format!("the body cannot be read: {cause}")),
        Err(_) => return error(StatusCode::REQUEST_TIMEOUT, "the body did not arrive in time".into()),
    };
    serde_json::from_slice(&body)
        .or_else(|cause| error(StatusCode::BAD_REQUEST, format!("the body is not right: {cause}")))
}

/// An answer of JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Response<Full<Bytes>> {
    let (status, body) = match serde_json::to_vec(value) {
        Ok(body) => (status, body),
        // Our types have only text keys, so that this cannot be; still no reason to panic.
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into_bytes()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
