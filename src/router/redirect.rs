//! Where a request is sent instead of being answered: another domain, or the same one over https.
//!
//! Always with 308, which keeps method and body. It must not be asked for what a certificate authority wants to see.

use http::header::HeaderValue;
use http::{HeaderMap, Response, StatusCode, Uri, header};

use super::body::ToClient;
use super::head::{Host, Scheme};
use super::path;
use crate::model::Domain;

/// Where the authority looks for its proof over plain HTTP (RFC 8555, 8.3).
const CHALLENGES: &[u8] = b"/.well-known/acme-challenge";
/// How long a browser keeps a redirect. Without a word it would be for ever, also after the route has gone.
const KEPT: HeaderValue = HeaderValue::from_static("max-age=3600");
/// For a year, this host alone: its subdomains may not be ours to speak for.
const HTTPS_ONLY: HeaderValue = HeaderValue::from_static("max-age=31536000");

/// Whether a request may be sent to https.
pub fn may_be_secured(target: &Uri) -> bool {
    !path::is_under(target.path().as_bytes(), CHALLENGES)
}

/// The same over https, on the port that everybody means by it.
pub fn secured(host: &Host, target: &Uri) -> Option<HeaderValue> {
    let text = target.path_and_query().map_or("/", |target| target.as_str());
    HeaderValue::try_from(format!("https://{}{text}", host.name)).ok()
}

/// Another domain, where what follows the prefix, and the query, are kept; so is the port that the client wrote, unless
/// the scheme changes.
pub fn elsewhere(
    to: &Domain,
    prefix: &str,
    host: &Host,
    target: &Uri,
    from: Scheme,
    scheme: Scheme,
) -> Option<HeaderValue> {
    let (name, under) = (to.host(), to.path());
    let rest = target.path().get(prefix.len()..).unwrap_or_default();
    let rest = if rest.is_empty() && under.is_empty() { "/" } else { rest };
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    let port = host.port().filter(|_| from == scheme).map(|port| format!(":{port}")).unwrap_or_default();
    HeaderValue::try_from(format!("{}://{name}{port}{under}{rest}{query}", scheme.as_str())).ok()
}

/// The answer.
pub fn moved(to: HeaderValue) -> Response<ToClient> {
    let mut response = Response::new(ToClient::page(bytes::Bytes::new()));
    *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
    response.headers_mut().insert(header::LOCATION, to);
    response.headers_mut().insert(header::CACHE_CONTROL, KEPT);
    response
}

/// Tells browsers to use https only, unless the app has told them something of its own.
pub fn only_https(headers: &mut HeaderMap) {
    headers.entry(header::STRICT_TRANSPORT_SECURITY).or_insert(HTTPS_ONLY);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(sent: &'static str) -> Host {
        Host { name: sent.split(':').next().unwrap().to_owned(), sent: HeaderValue::from_static(sent) }
    }

    #[test]
    fn a_redirect_keeps_path_query_and_port() {
        let to = |to: &str, prefix: &str, sent: &'static str, target: &str| {
            let (to, target) = (to.parse().unwrap(), target.parse().unwrap());
            elsewhere(&to, prefix, &host(sent), &target, Scheme::Http, Scheme::Http).unwrap()
        };
        assert_eq!(to("a.test", "", "www.a.test", "/x%20y?q=%2F"), "http://a.test/x%20y?q=%2F");
        assert_eq!(to("a.test", "", "www.a.test:8080", "/"), "http://a.test:8080/");
        assert_eq!(to("a.test", "/old", "b.test", "/old/x?q"), "http://a.test/x?q");
        assert_eq!(to("a.test", "/old", "b.test", "/old"), "http://a.test/");
        assert_eq!(to("a.test/new", "/old", "b.test", "/old?q"), "http://a.test/new?q");
        assert_eq!(to("a.test/new", "", "b.test", "/x/"), "http://a.test/new/x/");
    }

    #[test]
    fn a_redirect_that_changes_the_scheme_leaves_the_port_behind() {
        let (www, target) = (host("www.a.test:8080"), "/x?q=1".parse().unwrap());
        let there = elsewhere(&"a.test".parse().unwrap(), "", &www, &target, Scheme::Http, Scheme::Https);
        assert_eq!(there.unwrap(), "https://a.test/x?q=1");
        assert_eq!(secured(&www, &target).unwrap(), "https://www.a.test/x?q=1");
    }

    #[test]
    fn what_a_certificate_authority_asks_for_is_not_sent_to_https() {
        assert!(!may_be_secured(&"/.well-known/acme-challenge/token".parse().unwrap()));
        assert!(may_be_secured(&"/.well-known/acme-challenges".parse().unwrap()));
    }
}
