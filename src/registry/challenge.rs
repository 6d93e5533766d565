//! What a registry asks for: the `WWW-Authenticate` header. Pure.

use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// A way to log in that we know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password with each request.
    Basic,
    /// A token from a service.
    Bearer {
        /// Address of the token service.
        realm: String,
        /// What the service calls the registry.
        service: Option<String>,
    },
}

/// The challenge of an answer; a token is preferred where both are offered. The scope that the registry asks for is
/// not read: we ask for reading one repository and nothing else.
pub(super) fn parse(headers: &HeaderMap) -> Option<Challenge> {
    let texts = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
    let mut found: Vec<Challenge> = texts.flat_map(challenges).collect();
    let bearer = found.iter().position(|challenge| *challenge != Challenge::Basic);
    (!found.is_empty()).then(|| found.swap_remove(bearer.unwrap_or(0)))
}

/// Splits `Basic realm="a", Bearer realm="b",service="c"`.
fn challenges(text: &str) -> Vec<Challenge> {
    let mut all = Vec::new();
    let mut rest = text.trim_start();
    while let Some((scheme, after)) = rest.split_once(' ') {
        let mut realm = None;
        let mut service = None;
        rest = after.trim_start();
        while let Some((name, value, after)) = parameter(rest) {
            match name.to_ascii_lowercase().as_str() {
                "realm" => realm = Some(value),
                "service" => service = Some(value),
                _ => {}
            }
            rest = after;
        }
        match (scheme.to_ascii_lowercase().as_str(), realm) {
            ("basic", _) => all.push(Challenge::Basic),
            ("bearer", Some(realm)) => all.push(Challenge::Bearer { realm, service }),
            _ => {}
        }
    }
    all
}

/// Takes `name="value"` or `name=value` and the comma after it.
fn parameter(text: &str) -> Option<(&str, String, &str)> {
    let (name, after) = text.split_once('=')?;
    if name.is_empty() || name.contains([' ', ',']) {
        return None;
    }
    let (value, rest) = match after.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"')?,
        None => after.split_at(after.find(',').unwrap_or(after.len())),
    };
    Some((name, value.trim().to_owned(), rest.trim_start().trim_start_matches(',').trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Challenge> {
        parse(&HeaderMap::from_iter([(WWW_AUTHENTICATE, text.parse().unwrap())]))
    }

    #[test]
    fn the_usual_challenges_are_read() {
        let bearer = |realm: &str, service: Option<&str>| {
            Some(Challenge::Bearer { realm: realm.into(), service: service.map(Into::into) })
        };
        assert_eq!(of("Basic realm=\"Registry Realm\""), Some(Challenge::Basic));
        let hub = "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\",scope=\"repository:a/b:pull\"";
        assert_eq!(of(hub), bearer("https://auth.docker.io/token", Some("registry.docker.io")));
        assert_eq!(of("Basic realm=\"x, y\", Bearer realm=\"https://a/t\""), bearer("https://a/t", None));
        assert_eq!(of("bearer realm=https://a/t,service=s"), bearer("https://a/t", Some("s")));
    }

    #[test]
    fn nonsense_is_no_challenge_and_ends() {
        for text in ["", "Digest realm=\"x\"", "Bearer", "Bearer realm", "Bearer realm=\"open", "= = =", "a b c d =,,"]
        {
            assert_eq!(of(text), None, "{text}");
        }
    }
}
