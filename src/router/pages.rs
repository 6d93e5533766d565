//! The pages we answer ourselves. Short, never cached, and without a word about what we are or what stands behind us.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};

use super::body::ToClient;

/// Why a request gets a page of ours instead of an upstream's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page {
    /// No host, two, or nonsense.
    BadHost,
    /// `CONNECT`.
    Method,
    /// A host that the connection's certificate is not for.
    Misdirected,
    /// A transfer coding other than `chunked`.
    Coding,
    /// The request's body is larger than allowed.
    TooLarge,
    /// The client paused for too long while it sent the request's body.
    TooSlow,
    /// No route has this host and path.
    Unknown,
    /// The path can be read in two ways that lead to two routes.
    UnclearPath,
    /// The upstream refused the connection, broke it, or spoke nonsense.
    BadGateway,
    /// The route leads nowhere for now.
    NoUpstream,
    /// The request has been here too often: an upstream leads back to this proxy.
    Loop,
    /// There was no room for the request for too long.
    Crowded,
    /// The upstream did not take the connection, or did not begin to answer, in time.
    Timeout,
}

impl Page {
    fn content(self) -> (StatusCode, &'static str) {
        match self {
            Self::BadHost => (StatusCode::BAD_REQUEST, "The request does not name one valid host."),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "This method is not served here."),
            Self::Misdirected => {
                (StatusCode::MISDIRECTED_REQUEST, "This connection is for another name. Ask on one of its own.")
            }
            Self::Coding => (StatusCode::NOT_IMPLEMENTED, "This transfer coding is not served here."),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The request is larger than what is taken here."),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "The request came too slowly."),
            Self::UnclearPath => (StatusCode::BAD_REQUEST, "The path of the request can be read in more than one way."),
            Self::Unknown => (StatusCode::NOT_FOUND, "Nothing is served at this address."),
            Self::BadGateway => (StatusCode::BAD_GATEWAY, "The application behind this name does not answer."),
            Self::Loop => (StatusCode::LOOP_DETECTED, "The application behind this name leads back to itself."),
            Self::Crowded => (StatusCode::SERVICE_UNAVAILABLE, "Too many requests are under way. Try again soon."),
            Self::NoUpstream => (StatusCode::SERVICE_UNAVAILABLE, "The application is being updated. Try again soon."),
            Self::Timeout => (StatusCode::GATEWAY_TIMEOUT, "The application took too long to answer."),
        }
    }

    /// The answer.
    pub fn response(self) -> Response<ToClient> {
        let (status, sentence) = self.content();
        let text = format!(
            "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{status}</title>\n\
             <h1>{status}</h1>\n<p>{sentence}</p>\n</html>\n"
        );
        let mut response = Response::new(ToClient::page(Bytes::from(text)));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if matches!(self, Self::NoUpstream | Self::Crowded) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
