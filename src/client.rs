//! What every HTTP client of ours has: one TLS provider, limits on time, no redirect followed by itself, a body read up
//! to a limit, causes in one line. Whom to ask, and with which login, is for its users.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, ClientBuilder, Response};

/// Time for a connection with its TLS handshake.
const CONNECT: Duration = Duration::from_secs(10);

/// Installs ring as the TLS provider of the process; safe to call again. Without one, making a client panics.
pub fn install_tls_provider() {
    // An error means that one is installed already, which is the wish.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Makes a client with a limit for one request.
///
/// # Errors
/// The certificates of the system cannot be used.
pub fn build(timeout: Duration, adjust: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Result<Client, String> {
    install_tls_provider();
    let builder = Client::builder()
        .user_agent(concat!("landfall/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        .timeout(timeout)
        // Followed by hand, if at all: who gets the credentials is ours to decide.
        .redirect(reqwest::redirect::Policy::none())
        .referer(false);
    adjust(builder).build().map_err(|error| causes(&error))
}

/// For addresses in plain text: those are of this host or a trusted network, so they never go through the proxy of the
/// environment, and need no certificates: a host without any can still ask a service of its own.
pub fn plain(builder: ClientBuilder) -> ClientBuilder {
    builder.no_proxy().tls_certs_only([])
}

/// Why a body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// It is longer than the limit.
    TooLong,
    /// The connection broke, or time ran out.
    Broken(reqwest::Error),
}

/// Reads a body up to a limit in bytes.
///
/// # Errors
/// It is longer, or broke off.
pub async fn body(mut response: Response, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if body.len() + chunk.len() > limit {
            return Err(BodyError::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Whether the other side was reached and cannot be trusted, or speaks no TLS: something to be set right.
pub fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    if let Some(error) = error.downcast_ref::<rustls::Error>() {
        return matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidMessage(_));
    }
    // An I/O error does not give what is in it as its source.
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    inner.is_some_and(|inner| is_untrusted(inner)) || error.source().is_some_and(is_untrusted)
}

/// The innermost cause: the outer ones repeat the address.
pub fn causes(error: &reqwest::Error) -> String {
    let mut text = String::new();
    let mut next = error.source();
    while let Some(cause) = next {
        text = cause.to_string();
        next = cause.source();
    }
    if text.is_empty() { "the request could not be sent".to_owned() } else { text }
}
