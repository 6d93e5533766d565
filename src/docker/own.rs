//! Requests that bollard does not make for us: the ping, and streams of lines, of which it would keep any length.

use bollard::models::ErrorResponse;
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, stream};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::connect::Target;
use super::error::{causes, tidy};
use super::{Docker, DockerError};

/// Longest line of a stream (R31). With each event Docker tells all labels of its container: some kilobytes.
const MAX_LINE: usize = 1 << 20;
/// Most that is read of why Docker refuses.
const MAX_REFUSAL: usize = 64 << 10;

impl Target {
    /// Sends one request on a connection of its own, which ends with the answer.
    pub(super) async fn send(&self, request: Request<Empty<Bytes>>) -> Result<Response<Incoming>, String> {
        let text = |error: std::io::Error| error.to_string();
        match self {
            Self::Unix(path) => send(UnixStream::connect(path).await.map_err(text)?, request).await,
            Self::Tcp(host) => send(TcpStream::connect(host).await.map_err(text)?, request).await,
        }
    }
}

async fn send(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut request: Request<Empty<Bytes>>,
) -> Result<Response<Incoming>, String> {
    let text = |error: hyper::Error| causes(&error);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    // Ends when the sender and the answer are dropped.
    tokio::spawn(connection);
    request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("docker"));
    sender.send_request(request).await.map_err(text)
}

impl Docker {
    /// The lines of an answer as they come; asked for with the first of them. `what` completes "docker did not …".
    pub(super) fn lines(
        &self,
        what: &'static str,
        path: String,
    ) -> impl Stream<Item = Result<Bytes, DockerError>> + Send + use<> {
        let lines = Lines { docker: self.clone(), what, path, body: None, buffer: BytesMut::new(), searched: 0 };
        stream::try_unfold(lines, Lines::next)
    }

    async fn open(&self, what: &str, path: &str) -> Result<Incoming, DockerError> {
        let unreachable = |reason: String| self.unreachable(&reason);
        let request = Request::get(format!("/v{}{path}", self.version)).body(Empty::new());
        let request = request.map_err(|error| unreachable(error.to_string()))?;
        let response = Target::parse(&self.address)?.send(request).await.map_err(unreachable)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = Limited::new(response.into_body(), MAX_REFUSAL).collect().await;
        let text = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
        let message = serde_json::from_slice::<ErrorResponse>(&text).map(|refusal| refusal.message).unwrap_or_default();
        Err(DockerError::Refused { what: what.to_owned(), status: status.as_u16(), message: tidy(&message) })
    }

    fn unreachable(&self, reason: &str) -> DockerError {
        DockerError::Unreachable { address: self.address().to_owned(), reason: tidy(reason) }
    }
}

/// An answer that is read line by line.
struct Lines {
    docker: Docker,
    what: &'static str,
    path: String,
    /// None before it was asked for.
    body: Option<Incoming>,
    buffer: BytesMut,
    /// So many bytes of it hold no end of a line.
    searched: usize,
}

impl Lines {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, DockerError> {
        loop {
            if let Some(at) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
                let line = self.buffer.split_to(self.searched + at + 1).freeze();
                self.searched = 0;
                return Ok(Some((line, self)));
            }
            self.searched = self.buffer.len();
            if self.buffer.len() > MAX_LINE {
                return Err(DockerError::Unreadable { what: self.what.to_owned() });
            }
            let body = match &mut self.body {
                Some(body) => body,
                None => self.body.insert(self.docker.open(self.what, &self.path).await?),
            };
            match body.frame().await {
                Some(Ok(frame)) => self.buffer.extend_from_slice(&frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(self.docker.unreachable(&causes(&error))),
                None => return Ok(None),
            }
        }
    }
}
