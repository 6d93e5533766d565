//! The beginning of a TLS connection: the client says which host it is for, and gets that host's certificate or a refusal.

use std::io;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{Acceptor, ClientHello};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use super::acme::{Challenges, PROTOCOL};
use super::certificate::{Certificate, H2};
use super::chosen::Certificates;

/// A fatal alert `unrecognized_name` as a record of its own (RFC 6066, 3), since rustls would say `access_denied` to a
/// client whose host it has no certificate for.
const UNRECOGNIZED_NAME: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];

/// A client that was served a certificate.
pub struct Greeted {
    /// The connection.
    pub stream: TlsStream<TcpStream>,
    /// What it was shown.
    pub certificate: Arc<Certificate>,
    /// The protocol that was agreed on: HTTP/2, or else HTTP/1.1.
    pub is_h2: bool,
}

/// Shakes hands; gives nobody where an authority came to look at a challenge.
///
/// # Errors
/// The client asked for a host without a certificate, for none, or speaks no TLS that we do; it was told so.
pub async fn greet(
    stream: TcpStream,
    certificates: &Certificates,
    challenges: &Challenges,
) -> io::Result<Option<Greeted>> {
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    match Wanted::of(&start.client_hello(), certificates, challenges) {
        Wanted::Certificate(certificate, side) => {
            let stream = start.into_stream(side).await?;
            let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
            Ok(Some(Greeted { stream, certificate, is_h2 }))
        }
        Wanted::Challenge(side) => {
            // The handshake was all that it came for.
            start.into_stream(side).await?.shutdown().await?;
            Ok(None)
        }
        Wanted::Unknown => {
            start.io.write_all(&UNRECOGNIZED_NAME).await?;
            start.io.shutdown().await?;
            Err(io::Error::new(io::ErrorKind::NotFound, "no certificate for what the client asked for"))
        }
    }
}

/// What a client asks to be shown.
enum Wanted {
    /// The certificate of a host.
    Certificate(Arc<Certificate>, Arc<ServerConfig>),
    /// That of a challenge of ours.
    Challenge(Arc<ServerConfig>),
    /// One that is not here.
    Unknown,
}

impl Wanted {
    fn of(hello: &ClientHello<'_>, certificates: &Certificates, challenges: &Challenges) -> Self {
        let Some(host) = hello.server_name().map(str::to_ascii_lowercase) else { return Self::Unknown };
        if hello.alpn().is_some_and(|mut protocols| protocols.any(|protocol| protocol == PROTOCOL)) {
            return challenges.side(&host).map_or(Self::Unknown, Self::Challenge);
        }
        let Some(certificate) = certificates.find(&host) else { return Self::Unknown };
        let side = certificate.config(certificates.is_only_http1(&host));
        Self::Certificate(certificate, side)
    }
}
