//! The cookie by which a client stays at one upstream.
//!
//! Its value tells nothing: a hash of the upstream with the store's id, which is random and known to nobody outside. So it
//! is the same after a restart, without anything being kept.

use http::HeaderMap;
use http::header::{COOKIE, HeaderValue};

use super::control::UpstreamAddr;
use super::head::Scheme;
use crate::model::{StoreId, hash};

/// The cookie's name.
const NAME: &str = "landfall-route";
/// Hex digits of its value: enough to tell sixteen upstreams apart.
const DIGITS: usize = 16;

/// What marks a client of one upstream.
pub struct Mark {
    value: String,
    plain: HeaderValue,
    secure: HeaderValue,
}

impl Mark {
    /// The mark of an upstream, for a route with this path (empty: the whole host).
    pub fn new(store: StoreId, path: &str, upstream: &UpstreamAddr) -> Option<Self> {
        let mut value = hash::sha256_hex(format!("{NAME}\n{store}\n{upstream}").as_bytes());
        value.truncate(DIGITS);
        let path = if path.is_empty() { "/" } else { path };
        let plain = format!("{NAME}={value}; Path={path}; HttpOnly; SameSite=Lax");
        let secure = HeaderValue::try_from(format!("{plain}; Secure")).ok()?;
        Some(Self { value, plain: HeaderValue::try_from(plain).ok()?, secure })
    }

    /// Whether it is the one that a client has.
    pub fn is(&self, value: &str) -> bool {
        self.value == value
    }

    /// The `Set-Cookie` that gives it.
    pub fn cookie(&self, scheme: Scheme) -> HeaderValue {
        match scheme {
            Scheme::Http => self.plain.clone(),
            Scheme::Https => self.secure.clone(),
        }
    }
}

/// The values of all marks that a client sends: routes with paths under each other have one each.
pub fn sent(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
    cookies.filter(|(name, _)| *name == NAME).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_mark_tells_nothing_of_the_upstream_and_is_read_back_among_other_cookies() {
        let mark = |store: u128, addr: &str| {
            Mark::new(StoreId(Uuid::from_u128(store)), "/api", &addr.parse().unwrap()).unwrap()
        };
        let one = mark(1, "127.0.0.1:20000");
        let cookie = one.cookie(Scheme::Http).to_str().unwrap().to_owned();
        assert!(!cookie.contains("127") && !cookie.contains("20000"), "{cookie}");
        assert!(cookie.ends_with("; Path=/api; HttpOnly; SameSite=Lax"), "{cookie}");
        assert!(one.cookie(Scheme::Https).to_str().unwrap().ends_with("; SameSite=Lax; Secure"));

        let mut headers = HeaderMap::new();
        let line = format!("a=b; x{NAME}=no; {}; c=d", cookie.split(';').next().unwrap());
        headers.append(COOKIE, HeaderValue::try_from(line).unwrap());
        headers.append(COOKIE, HeaderValue::from_static("landfall-route=other"));
        assert_eq!(sent(&headers).map(|value| one.is(value)).collect::<Vec<_>>(), [true, false]);
        for other in [mark(1, "127.0.0.1:20001"), mark(2, "127.0.0.1:20000")] {
            assert!(!other.is(&one.value), "another upstream, or another host, has another mark");
        }
    }
}
