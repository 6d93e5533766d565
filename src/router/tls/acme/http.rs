//! The HTTP client for an authority's directory: ours, with its limits on time and size.

use std::io::Read as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use reqwest::{Certificate, Client};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::super::certificate::{Seconds, now};
use super::failure::Failure;
use crate::client;

/// Time for one request.
const REQUEST: Duration = Duration::from_secs(30);
/// Largest answer, in bytes; a chain of certificates has some thousand.
const MAX_ANSWER: usize = 1024 * 1024;
/// Largest file of certificates, in bytes.
const MAX_FILE: u64 = 1024 * 1024;
/// The longest that an authority may have us wait between two looks at an order, in seconds; none means more than a day.
const LONGEST_LOOK: Seconds = 86_400;

/// Until when the authority asked to be left alone, as far as it was not told to anybody yet. What makes of answers errors
/// (instant-acme) drops their headers, so it is seen here.
#[derive(Debug, Default, Clone)]
pub struct Later(Arc<AtomicU64>);

impl Later {
    /// That time, in seconds since 1970, once.
    pub fn take(&self) -> Option<Seconds> {
        Some(self.0.swap(0, Ordering::Relaxed)).filter(|until| *until > 0)
    }

    fn see(&self, status: StatusCode, headers: &HeaderMap, now: Seconds) {
        if !matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            return;
        }
        let told = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        if let Some(until) = told.and_then(|told| until(told.trim(), now)) {
            self.0.store(until, Ordering::Relaxed);
        }
    }
}

/// What `Retry-After` names, in seconds since 1970: so many seconds from now, or a date (RFC 9110, 10.2.3).
fn until(told: &str, now: Seconds) -> Option<Seconds> {
    match told.parse::<Seconds>() {
        Ok(after) => Some(now.saturating_add(after)),
        Err(_) => {
            let date = httpdate::parse_http_date(told).ok()?;
            date.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
        }
    }
}

/// Asks over HTTPS alone.
struct Http(Client, Later);

/// Headers as they are passed on: instant-acme adds whatever number of seconds an authority names to the time now, and
/// panics where there is no such time.
fn in_reason(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse::<Seconds>().ok());
    if seconds.is_some_and(|seconds| seconds > LONGEST_LOOK) {
        headers.remove(RETRY_AFTER);
    }
    headers
}

/// A client that trusts the certificates of a file besides the system's.
///
/// # Errors
/// They cannot be read.
pub fn client(ca: Option<&Path>, later: Later) -> Result<impl HttpClient + use<>, Failure> {
    let trusted = ca.map_or(Ok(Vec::new()), |path| {
        read(path).map_err(|reason| Failure::common(format!("the file {} of --acme-ca: {reason}", path.display())))
    })?;
    let client = client::build(REQUEST, |builder| builder.https_only(true).tls_certs_merge(trusted));
    Ok(Http(client.map_err(Failure::common)?, later))
}

/// Whether a file is one that an authority's server can be trusted by.
///
/// # Errors
/// Why it is not.
pub fn check_ca(path: &Path) -> Result<(), String> {
    read(path).map(drop)
}

fn read(path: &Path) -> Result<Vec<Certificate>, String> {
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(MAX_FILE).read_to_end(&mut pem).map_err(|error| error.to_string())?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.ok().filter(|found| !found.is_empty()).ok_or("it holds no certificate in PEM")?;
    let trusted = found.into_iter().map(|one| {
        let read = Certificate::from_der(&one).map_err(|error| client::causes(&error))?;
        // Otherwise it would be looked into when a client is made.
        RootCertStore::empty().add(one).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
        Ok(read)
    });
    trusted.collect()
}

impl HttpClient for Http {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (client, later) = (self.0.clone(), self.1.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = match body.collect().await {
                Ok(body) => body.to_bytes(),
                Err(never) => match never {},
            };
            let asked = client.request(parts.method, parts.uri.to_string()).headers(parts.headers).body(body).send();
            let response = asked.await.map_err(|error| Error::Other(client::causes(&error).into()))?;
            later.see(response.status(), response.headers(), now());
            let mut answer = http::Response::new(());
            *answer.status_mut() = response.status();
            *answer.headers_mut() = in_reason(response.headers());
            let body = client::body(response, MAX_ANSWER).await.map_err(|error| match error {
                client::BodyError::TooLong => Error::Str("its answer is too long"),
                client::BodyError::Broken(error) => Error::Other(client::causes(&error).into()),
            })?;
            Ok(BytesResponse { parts: answer.into_parts().0, body: Box::new(Bytes::from(body)) })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_be_left_alone_is_taken_from_refusals_alone_and_told_once() {
        let after = |text: &str| HeaderMap::from_iter([(RETRY_AFTER, text.parse().unwrap())]);
        for (status, text, until) in [
            (StatusCode::TOO_MANY_REQUESTS, "30", Some(130)),
            (StatusCode::SERVICE_UNAVAILABLE, " 7 ", Some(107)),
            (StatusCode::TOO_MANY_REQUESTS, "99999999999999999999", None),
            (StatusCode::TOO_MANY_REQUESTS, "Fri, 31 Dec 1999 23:59:59 GMT", Some(946_684_799)),
            (StatusCode::SERVICE_UNAVAILABLE, "Friday, 31-Dec-99 23:59:59 GMT", Some(946_684_799)),
            (StatusCode::TOO_MANY_REQUESTS, "Fri, 31 Dec 1999 25:59:59 GMT", None),
            (StatusCode::TOO_MANY_REQUESTS, "soon", None),
            (StatusCode::OK, "Fri, 31 Dec 1999 23:59:59 GMT", None),
            (StatusCode::OK, "30", None),
        ] {
            let later = Later::default();
            later.see(status, &after(text), 100);
            assert_eq!((later.take(), later.take()), (until, None), "{status} {text}");
        }
    }
}
