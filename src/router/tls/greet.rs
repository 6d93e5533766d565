//! The beginning of a TLS connection: the client says which host it is for, and gets that host's certificate or a refusal.

use std::io;
use std::sync::Arc;

use rustls::server::{Acceptor, ClientHello};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

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

/// Shakes hands.
///
/// # Errors
/// The client asked for a host without a certificate, for none, or speaks no TLS that we do; it was told so.
pub async fn greet(stream: TcpStream, certificates: &Certificates) -> io::Result<Greeted> {
    let mut start = LazyConfigAcceptor::new(Acceptor::default(), stream).await?;
    let Some(certificate) = wanted(&start.client_hello(), certificates) else {
        start.io.write_all(&UNRECOGNIZED_NAME).await?;
        start.io.shutdown().await?;
        return Err(io::Error::new(io::ErrorKind::NotFound, "no certificate for what the client asked for"));
    };
    let stream = start.into_stream(certificate.config()).await?;
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(H2);
    Ok(Greeted { stream, certificate, is_h2 })
}

fn wanted(hello: &ClientHello<'_>, certificates: &Certificates) -> Option<Arc<Certificate>> {
    certificates.find(&hello.server_name()?.to_ascii_lowercase())
}
