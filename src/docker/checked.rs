//! Checks on names before they become part of a URL (R30): bollard does not percent-encode, so an unchecked
//! `../../images/x?y` would ask another endpoint.

use super::DockerError;

/// Longest name of an object, in characters: a container id has 64, Docker's own names stay below 255.
const MAX_NAME: usize = 255;
/// Longest image reference, in characters: 255 of name, 128 of tag, 71 of digest, and separators.
const MAX_REFERENCE: usize = 512;

/// A name or id of a container, network or volume: `[a-zA-Z0-9][a-zA-Z0-9_.-]*`.
pub(super) fn name(text: &str) -> Result<&str, DockerError> {
    let starts = text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if starts && rest && text.len() <= MAX_NAME { Ok(text) } else { Err(invalid(text)) }
}

/// An image by `repository:tag`, `repository@digest` or `sha256:…`: the alphabet of references, no empty or dotted part.
pub(super) fn reference(text: &str) -> Result<&str, DockerError> {
    let alphabet =
        text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-' | b'/' | b':' | b'@'));
    let parts = text.split('/').all(|part| part.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric()));
    if alphabet && parts && text.len() <= MAX_REFERENCE { Ok(text) } else { Err(invalid(text)) }
}

fn invalid(text: &str) -> DockerError {
    DockerError::InvalidName { name: text.chars().take(80).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r30_what_could_lead_to_another_endpoint_is_refused() {
        for bad in ["", ".", "..", "../../images/x?y", "a/b", "a?b", "a#b", "a%2fb", "a b", "-a", "_a", "ä", "a\n"] {
            assert!(name(bad).is_err(), "{bad}");
        }
        for bad in ["", "..", "../x", "a/../b", "a//b", "/a", "a/", "a?b", "a%2fb", "a#b", "a b", "a/.b"] {
            assert!(reference(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_ids_and_references_of_docker_pass() {
        for good in ["shop-production-1a2b3c4d", "a", &"f".repeat(64), "bridge", "A_b.c"] {
            assert!(name(good).is_ok(), "{good}");
        }
        let digest = format!("sha256:{}", "0".repeat(64));
        for good in ["docker.io/library/nginx:1.25", "127.0.0.1:5000/a/b@sha256:00", &digest, "landfall/shop-test:0011"]
        {
            assert!(reference(good).is_ok(), "{good}");
        }
    }
}
