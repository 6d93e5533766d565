//! One look at an app: an HTTP request or a TCP connection to the container's own address (R8).
//!
//! Never through the published port: Docker's own proxy accepts there before the app listens. No redirect is followed
//! and the body is not read: the status is the answer.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What an HTTP look asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct HttpLook<'a> {
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    pub(super) expect: (u16, u16),
}

/// Connects, and says why it could not.
pub(super) async fn tcp(address: IpAddr, port: u16, within: Duration) -> Result<(), String> {
    connect(address, port, within).await.map(drop)
}

/// Sends one GET on a fresh connection and judges its status.
pub(super) async fn http(address: IpAddr, port: u16, look: HttpLook<'_>, within: Duration) -> Result<(), String> {
    let status = timeout(within, get(address, port, look, within))
        .await
        .map_err(|_| format!("http {} did not answer within {} ms", look.path, within.as_millis()))??;
    let (low, high) = look.expect;
    if (low..=high).contains(&status) {
        Ok(())
    } else {
        Err(format!("http {} answered {status}, expected {low}-{high}", look.path))
    }
}

async fn connect(address: IpAddr, port: u16, within: Duration) -> Result<TcpStream, String> {
    match timeout(within, TcpStream::connect(SocketAddr::new(address, port))).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(format!("port {port}: {error}")),
        Err(_) => Err(format!("port {port} did not accept a connection within {} ms", within.as_millis())),
    }
}

async fn get(address: IpAddr, port: u16, look: HttpLook<'_>, within: Duration) -> Result<u16, String> {
    let stream = connect(address, port, within).await?;
    let broken = |error: hyper::Error| format!("http {}: {error}", look.path);
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    let request = hyper::Request::get(look.path)
        .header(hyper::header::HOST, look.host)
        .header(hyper::header::USER_AGENT, "landfall-ready")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| format!("http {}: {error}", look.path))?;
    let answer = async {
        let response = sender.send_request(request).await.map_err(broken)?;
        Ok(response.status().as_u16())
    };
    tokio::select! {
        answer = answer => answer,
        ended = connection => Err(match ended {
            Ok(()) => format!("http {}: the connection was closed without an answer", look.path),
            Err(error) => broken(error),
        }),
    }
}
