//! What a proxy does to heads: finds the host, takes off what is meant for one hop only, and says where a request came
//! from.
//!
//! We are the edge: what a client claims about earlier proxies (`X-Forwarded-*`, `Forwarded`, `X-Real-IP`, also spelled
//! with underscores, which CGI and WSGI cannot tell apart) is removed, and `X-Forwarded-For`, `-Proto` and `-Host` are
//! ours. `Host` reaches the app as the client sent it. No `Via` and no `Server`: nothing about us is told.

use std::net::IpAddr;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};
use http::{Request, Uri, Version};

/// Meant for one hop, beside what `Connection` names (RFC 9110, 7.6.1). `Trailer` stays: trailers pass through.
const ONE_HOP: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];
/// `Connection` cannot have these removed: the message would mean something else without them.
const PROTECTED: [HeaderName; 2] = [CONTENT_LENGTH, HOST];
/// How often a request may come through here.
const MAX_PASSES: usize = 8;
/// The proxies that a request came through.
static PASSED: HeaderName = HeaderName::from_static("cdn-loop");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// How a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// Plainly.
    Http,
    /// Over TLS.
    Https,
}

impl Scheme {
    /// As it stands in a URL, and in `X-Forwarded-Proto`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The client's address.
    pub ip: IpAddr,
    /// How it came.
    pub scheme: Scheme,
}

/// Which host a request is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Lower case, without port and trailing dot: what routes are found by.
    pub name: String,
    /// As the client wrote it.
    pub sent: HeaderValue,
}

impl Host {
    /// The one host of a request; none when it names none, two, or nonsense. The authority of an absolute target takes
    /// precedence over the `Host` header (RFC 9112, 3.2.2), which must be there all the same. HTTP/2 has the authority
    /// in its place, and where it has both they must be one (RFC 9113, 8.3.1).
    pub fn of<B>(request: &Request<B>) -> Option<Self> {
        let mut hosts = request.headers().get_all(HOST).iter();
        let (host, None) = (hosts.next(), hosts.next()) else { return None };
        let authority = request.uri().authority().map(|authority| HeaderValue::from_str(authority.as_str()));
        let authority = authority.transpose().ok()?;
        let sent = match (authority, host) {
            (Some(authority), None) if request.version() == Version::HTTP_2 => authority,
            (Some(authority), Some(host)) if request.version() == Version::HTTP_2 && authority != host => return None,
            (Some(authority), Some(_)) => authority,
            (None, Some(host)) => host.clone(),
            (_, None) => return None,
        };
        let name = normal(sent.to_str().ok()?)?;
        Some(Self { name, sent })
    }
}

impl Host {
    /// The port that the client wrote, if it wrote one.
    pub fn port(&self) -> Option<&str> {
        let (_, port) = self.sent.to_str().ok()?.rsplit_once(':')?;
        (!port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(port)
    }
}

/// `Shop.Example.com.:8080` → `shop.example.com`.
fn normal(authority: &str) -> Option<String> {
    let literal_end = authority.strip_prefix('[').map(|_| authority.find(']')).unwrap_or_default();
    let (host, port) = match literal_end {
        Some(end) => authority.split_at(end + 1),
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_ok =
        port.is_empty() || (port.starts_with(':') && port.len() <= 6 && port[1..].bytes().all(|b| b.is_ascii_digit()));
    let host_ok = match literal_end {
        Some(end) => host[1..end].bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.'),
        None => host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%!$&'()*+,;=".contains(&b)),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    (port_ok && host_ok && !host.is_empty()).then(|| host.to_ascii_lowercase())
}

/// The protocol a client wants to change to; none for `h2c`, with which requests would bypass us inside the tunnel.
pub fn wanted_upgrade<B>(request: &Request<B>) -> Option<HeaderValue> {
    if request.version() != Version::HTTP_11 || !has_token(request.headers(), &CONNECTION, "upgrade") {
        return None;
    }
    let mut upgrades = request.headers().get_all(UPGRADE).iter();
    let (Some(protocol), None) = (upgrades.next(), upgrades.next()) else { return None };
    (!has_token(request.headers(), &UPGRADE, "h2c")).then(|| protocol.clone())
}

/// Whether a request's framing is one we pass on: no transfer coding, or `chunked` alone.
pub fn is_plainly_framed(headers: &HeaderMap) -> bool {
    headers.get_all(TRANSFER_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && headers.get_all(TRANSFER_ENCODING).iter().count() <= 1
}

/// Whether a request runs in a circle, by the mark of this proxy. An app that asks another one by its domain, and copies what
/// it was sent, comes through here a few times, and is none.
pub fn is_circling(headers: &HeaderMap, mark: &HeaderValue) -> bool {
    let all = headers.get_all(&PASSED).iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    all.filter(|part| part.trim_ascii() == mark.as_bytes()).count() >= MAX_PASSES
}

/// Puts the mark of a proxy on a request that it passes on (RFC 8586).
pub fn mark(headers: &mut HeaderMap, mark: &HeaderValue) {
    headers.append(&PASSED, mark.clone());
}

/// Makes a request's head the one the upstream gets.
pub fn to_upstream(parts: &mut http::request::Parts, host: &Host, from: Peer, has_body: bool) {
    let takes_trailers = has_token(&parts.headers, &TE, "trailers");
    take_off(&mut parts.headers);
    let claims: Vec<HeaderName> = parts.headers.keys().filter(|name| is_claim(name)).cloned().collect();
    for name in claims {
        parts.headers.remove(name);
    }
    join_cookies(&mut parts.headers);
    parts.headers.insert(HOST, host.sent.clone());
    parts.headers.insert(FORWARDED_HOST, host.sent.clone());
    parts.headers.insert(FORWARDED_PROTO, HeaderValue::from_static(from.scheme.as_str()));
    // An address is always a valid header value.
    if let Ok(client) = HeaderValue::from_str(&from.ip.to_canonical().to_string()) {
        parts.headers.insert(FORWARDED_FOR, client);
    }
    if takes_trailers {
        parts.headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if has_body && !parts.headers.contains_key(CONTENT_LENGTH) {
        // Said openly because hyper takes a GET without it to have no body.
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.version = Version::HTTP_11;
    parts.uri = origin_form(&parts.uri);
}

/// HTTP/2 may send each cookie in a field of its own; for HTTP/1.1 they are one again (RFC 9113, 8.2.3).
fn join_cookies(headers: &mut HeaderMap) {
    let cookies: Vec<&[u8]> = headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() < 2 {
        return;
    }
    // What was valid in parts is valid joined by what is valid.
    if let Ok(joined) = HeaderValue::from_bytes(&cookies.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

/// Makes a response's head the one the client gets.
pub fn to_client(headers: &mut HeaderMap) {
    // With both, the length is a lie; hyper has read the body by its chunks and will frame it anew.
    if headers.contains_key(TRANSFER_ENCODING) {
        headers.remove(CONTENT_LENGTH);
    }
    take_off(headers);
}

/// Asks for, or agrees to, a change of protocol.
pub fn set_upgrade(headers: &mut HeaderMap, protocol: HeaderValue) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, protocol);
}

/// Takes back asking for a change of protocol.
pub fn unset_upgrade(headers: &mut HeaderMap) {
    headers.remove(CONNECTION);
    headers.remove(UPGRADE);
}

/// Takes a prefix, which the path lies under, off a request's path and tells it; what is left begins with one slash, so
/// that it cannot be taken for a host. With an empty prefix the path is the target's.
pub fn strip<B>(request: &mut Request<B>, target: &Uri, prefix: &str) {
    if prefix.is_empty() {
        if request.headers_mut().remove(FORWARDED_PREFIX).is_some() {
            request.uri_mut().clone_from(target);
        }
        return;
    }
    let rest = target.path().get(prefix.len()..).unwrap_or_default().trim_start_matches('/');
    let query = target.query().map(|query| format!("?{query}")).unwrap_or_default();
    // Both were parts of a target that was read, and a prefix is a path of a domain.
    if let (Ok(uri), Ok(prefix)) = (format!("/{rest}{query}").parse(), HeaderValue::from_str(prefix)) {
        *request.uri_mut() = uri;
        request.headers_mut().insert(FORWARDED_PREFIX, prefix);
    }
}

fn take_off(headers: &mut HeaderMap) {
    if headers.contains_key(CONNECTION) {
        let named: Vec<HeaderName> = tokens(headers, &CONNECTION).filter_map(|name| name.parse().ok()).collect();
        for name in named.iter().filter(|name| !PROTECTED.contains(name)) {
            headers.remove(name);
        }
    }
    for name in &ONE_HOP {
        headers.remove(name);
    }
}

/// A header by which a client could pretend to come from elsewhere.
fn is_claim(name: &HeaderName) -> bool {
    let is = |prefix: &str, whole: bool| {
        let bytes = name.as_str().as_bytes();
        (if whole { bytes.len() == prefix.len() } else { bytes.len() > prefix.len() })
            && prefix.bytes().zip(bytes).all(|(want, got)| want == if *got == b'_' { b'-' } else { *got })
    };
    *name == FORWARDED || is("x-forwarded-", false) || is("x-real-ip", true)
}

/// The path and query alone; `*` stays as it is.
fn origin_form(uri: &Uri) -> Uri {
    let mut parts = http::uri::Parts::default();
    parts.path_and_query = uri.path_and_query().cloned();
    Uri::from_parts(parts).unwrap_or_default()
}

fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    tokens(headers, name).any(|found| found.eq_ignore_ascii_case(token))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_found_without_port_case_or_trailing_dot() {
        for text in ["shop.test", "SHOP.test", "shop.test.", "shop.test:8080", "Shop.Test.:80", "shop.test:"] {
            assert_eq!(normal(text).as_deref(), Some("shop.test"), "{text}");
        }
        assert_eq!(normal("[::1]:80").as_deref(), Some("[::1]"));
        for bad in ["", ".", ":80", "a b", "a@b", "a/b", "a:b", "a:1:2", "[::1", "[x]", "a\\b", "ä", "a:123456"] {
            assert_eq!(normal(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_connection_names_is_removed_but_not_what_frames_or_routes_the_message() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Secret, Host, content-length"),
            ("x-secret", "1"),
            ("host", "a"),
            ("content-length", "3"),
            ("keep-alive", "x"),
            ("te", "trailers"),
            ("x-kept", "1"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        take_off(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-length", "host", "x-kept"]);
    }

    #[test]
    fn a_client_cannot_claim_to_come_from_elsewhere() {
        for name in
            ["x-forwarded-for", "x_forwarded_for", "x-forwarded_proto", "x-forwarded-prefix", "forwarded", "x-real-ip"]
        {
            assert!(is_claim(&HeaderName::from_static(name)), "{name}");
        }
        for name in ["x-forwarded", "x-real-ipx", "x-request-id", "forward"] {
            assert!(!is_claim(&HeaderName::from_static(name)), "{name}");
        }
    }

    #[test]
    fn a_client_of_a_socket_for_both_families_is_told_by_its_ipv4_address() {
        let (mut parts, ()) = Request::builder().uri("/").body(()).unwrap().into_parts();
        let host = Host { name: "shop.test".into(), sent: HeaderValue::from_static("shop.test") };
        let from = Peer { ip: "::ffff:192.0.2.1".parse().unwrap(), scheme: Scheme::Https };
        to_upstream(&mut parts, &host, from, false);
        assert_eq!(parts.headers[FORWARDED_PROTO], "https");
        assert_eq!(parts.headers[FORWARDED_FOR], "192.0.2.1");
    }

    #[test]
    fn a_prefix_is_taken_off_and_told_and_comes_back_for_a_route_without_it() {
        for (sent, got) in [
            ("/api", "/"),
            ("/api?q=1", "/?q=1"),
            ("/api/", "/"),
            ("/api/x/%2Fy?q=/api", "/x/%2Fy?q=/api"),
            ("/api//elsewhere.test/x", "/elsewhere.test/x"),
        ] {
            let target: Uri = sent.parse().unwrap();
            let mut request = Request::builder().uri(target.clone()).body(()).unwrap();
            strip(&mut request, &target, "/api");
            assert_eq!(request.uri().to_string(), got);
            assert_eq!(request.headers()[FORWARDED_PREFIX], "/api");
            strip(&mut request, &target, "");
            assert_eq!((request.uri(), request.headers().len()), (&target, 0));
        }
    }

    #[test]
    fn h2c_is_not_tunnelled() {
        let ask = |upgrade: &str| {
            let request = Request::builder().header("connection", "keep-alive, Upgrade").header("upgrade", upgrade);
            wanted_upgrade(&request.body(()).unwrap()).is_some()
        };
        assert!(ask("websocket"));
        assert!(!ask("h2c"));
        assert!(!ask("websocket, h2c"));
    }

    proptest::proptest! {
        #[test]
        fn any_text_for_a_host_is_refused_or_made_normal(text in "(?s).{0,20}|[A-Za-z.:0-9\\[\\]]{0,12}") {
            if let Some(name) = normal(&text) {
                proptest::prop_assert!(!name.is_empty() && !name.contains(['/', ' ', '@']));
                proptest::prop_assert_eq!(name.to_ascii_lowercase(), name);
            }
        }
    }
}
