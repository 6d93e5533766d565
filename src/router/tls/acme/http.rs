//! The HTTP client for an authority's directory: ours, with its limits on time and size.

use std::io::Read as _;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use reqwest::{Certificate, Client};

use super::order::Failure;
use crate::client;

/// Time for one request.
const REQUEST: Duration = Duration::from_secs(30);
/// Largest answer, in bytes; a chain of certificates has some thousand.
const MAX_ANSWER: usize = 1024 * 1024;
/// Largest file of certificates, in bytes.
const MAX_FILE: u64 = 1024 * 1024;

/// Asks over HTTPS alone.
struct Http(Client);

/// A client that trusts the certificates of a file besides the system's.
///
/// # Errors
/// They cannot be read.
pub fn client(ca: Option<&Path>) -> Result<impl HttpClient + use<>, Failure> {
    let trusted = ca.map(read).transpose()?.unwrap_or_default();
    let client = client::build(REQUEST, |builder| builder.https_only(true).tls_certs_merge(trusted));
    Ok(Http(client.map_err(Failure::new)?))
}

fn read(path: &Path) -> Result<Vec<Certificate>, Failure> {
    let bad = |reason: &str| Failure::new(format!("the file {} of --acme-ca: {reason}", path.display()));
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| bad(&error.to_string()))?;
    file.take(MAX_FILE).read_to_end(&mut pem).map_err(|error| bad(&error.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) | Err(_) => Err(bad("it holds no certificate in PEM")),
    }
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let asked = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send();
            let response = asked.await.map_err(|error| Error::Other(client::causes(&error).into()))?;
            let mut answer = http::Response::new(());
            *answer.status_mut() = response.status();
            *answer.headers_mut() = response.headers().clone();
            let body = client::body(response, MAX_ANSWER).await.map_err(|error| match error {
                client::BodyError::TooLong => Error::Str("its answer is too long"),
                client::BodyError::Broken(error) => Error::Other(client::causes(&error).into()),
            })?;
            Ok(BytesResponse { parts: answer.into_parts().0, body: Box::new(Bytes::from(body)) })
        })
    }
}
