//! Images: a repository (never with a tag), a tag, a digest, and the three together as what runs.
//!
//! Their texts are shared by whoever holds a copy: each stage's image is in what is desired, pinned, recorded and planned.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::name::{InvalidName, text_conversions};

/// Longest tag, in characters (OCI distribution).
const MAX_TAG: usize = 128;
/// Longest repository, in characters (Docker's limit for a reference's name).
const MAX_REPOSITORY: usize = 255;

/// A repository with its registry host, as in `ghcr.io/acme/shop`; Docker Hub's short forms are written out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    host: Arc<str>,
    path: Arc<str>,
}

impl Repository {
    /// The registry's host and port, as in `ghcr.io` or `127.0.0.1:5000`; Docker Hub is `docker.io`.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path below the host, as in `acme/shop` or `library/nginx`.
    pub fn path(&self) -> &str {
        &self.path
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.host, self.path)
    }
}

impl FromStr for Repository {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bad = |why: &str| InvalidName(format!("`{text}` is not an image repository: {why}"));
        if text.contains('@') {
            return Err(bad("a digest belongs to `track: { digest: … }`"));
        }
        if text.contains("://") {
            return Err(bad("write it without `https://`"));
        }
        let (first, rest) = text.split_once('/').unwrap_or(("", text));
        let is_host = first.contains('.') || first.contains(':') || first == "localhost";
        let (host, path) = if is_host { (first, rest) } else { ("docker.io", text) };
        if path.contains(':') {
            return Err(bad("the tag belongs to `track: { tag: … }`"));
        }
        let is_short = host == "docker.io" && !path.contains('/');
        let path = if is_short { Cow::Owned(format!("library/{path}")) } else { Cow::Borrowed(path) };
        if !is_host_and_port(host) {
            return Err(bad("the registry is not a host name, or its port is not a number"));
        }
        if path.len() + host.len() > MAX_REPOSITORY || !path.split('/').all(is_path_component) {
            return Err(bad("use lower case letters, digits and single `.`, `_`, `-` between them"));
        }
        Ok(Self { host: host.into(), path: path.into() })
    }
}

fn is_host_and_port(host: &str) -> bool {
    let (name, port) = host.split_once(':').map_or((host, None), |(n, p)| (n, Some(p)));
    let name_ok = !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-')
        && !name.starts_with(['-', '.']);
    name_ok && port.is_none_or(|p| p.parse::<u16>().is_ok_and(|n| n > 0))
}

fn is_path_component(part: &str) -> bool {
    let edge = |b: Option<u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    edge(part.bytes().next())
        && edge(part.bytes().last())
        && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'_' | b'-'))
        && !part.contains("..")
}

/// A tag: `[A-Za-z0-9_][A-Za-z0-9._-]{0,127}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(Arc<str>);

impl Tag {
    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for text that is a tag.
    pub(super) fn is(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= MAX_TAG
            && !text.starts_with(['.', '-'])
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        if Self::is(text) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName(format!("`{text}` is not a tag: use letters, digits, `.`, `_`, `-`, at most {MAX_TAG}")))
        }
    }
}

/// A content digest, `sha256:` and 64 hex digits: of a manifest, or of an image on this host (an image id).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(Arc<str>);

impl Digest {
    /// The digest as text, `sha256:…`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 hex digits, as people read it.
    pub fn short(&self) -> &str {
        &self.0[7..19]
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Digest {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let hex = text.strip_prefix("sha256:").unwrap_or("");
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidName(format!("`{text}` is not a digest: write `sha256:` and 64 lower-case hex digits")))
        }
    }
}

/// What a stage runs, pinned: a repository, the tag it was found by (if any), and the digest that decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// Where the image comes from.
    pub repository: Repository,
    /// The tag that led to the digest; none when the digest itself is tracked.
    pub tag: Option<Tag>,
    /// The manifest digest, or the image id when `local`.
    pub digest: Digest,
    /// True when the image is never pulled and `digest` is the id of an image on the host (R6).
    pub local: bool,
}

impl ImageRef {
    /// The tag, or the short digest when there is none: what people call this version.
    pub fn version(&self) -> String {
        self.tag.as_ref().map_or_else(|| self.digest.short().to_owned(), ToString::to_string)
    }

    /// What Docker is asked to pull and to run: `repository@sha256:…`, or the bare image id when local.
    pub fn by_digest(&self) -> String {
        if self.local { self.digest.to_string() } else { format!("{}@{}", self.repository, self.digest) }
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.repository.fmt(f)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        write!(f, "@{}", self.digest)
    }
}

impl FromStr for ImageRef {
    type Err = InvalidName;

    /// Reads what `Display` writes, as in the label of a container. It says nothing of `local`, which is false then.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bad = || InvalidName(format!("`{text}` is not an image with its digest"));
        let (name, digest) = text.rsplit_once('@').ok_or_else(bad)?;
        let (repository, tag) = match name.rsplit_once(':') {
            // A colon before the last slash is that of a port.
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag.parse()?)),
            Some(_) | None => (name, None),
        };
        Ok(Self { repository: repository.parse()?, tag, digest: digest.parse()?, local: false })
    }
}

text_conversions!(Repository, Tag, Digest);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn docker_hub_short_names_are_written_out() {
        assert_eq!("nginx".parse::<Repository>().unwrap().to_string(), "docker.io/library/nginx");
        assert_eq!("acme/shop".parse::<Repository>().unwrap().to_string(), "docker.io/acme/shop");
        assert_eq!("127.0.0.1:5000/a/b".parse::<Repository>().unwrap().host(), "127.0.0.1:5000");
    }

    #[test]
    fn a_tag_or_digest_in_the_image_is_refused_with_the_remedy() {
        assert!("nginx:1.25".parse::<Repository>().unwrap_err().0.contains("track: { tag"));
        assert!("nginx@sha256:00".parse::<Repository>().unwrap_err().0.contains("track: { digest"));
        for bad in ["", "UPPER/x", "a//b", "a/../b", "https://a/b", "h:x/y", "-a.b/c"] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_is_read_as_it_is_written() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for name in ["ghcr.io/acme/shop", "ghcr.io/acme/shop:v1.2", "127.0.0.1:5000/a/b", "127.0.0.1:5000/a/b:v1"] {
            let text = format!("{name}@{digest}");
            assert_eq!(text.parse::<ImageRef>().unwrap().to_string(), text);
        }
        for bad in ["", "ghcr.io/acme/shop", "ghcr.io/acme/shop:v1", &digest, &format!("a/b:@{digest}"), "a/b@sha256:0"]
        {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_digest_is_64_lower_case_hex_digits() {
        assert!(format!("sha256:{}", "a".repeat(64)).parse::<Digest>().is_ok());
        assert!(format!("sha256:{}", "A".repeat(64)).parse::<Digest>().is_err());
        assert!("sha256:abc".parse::<Digest>().is_err());
    }
}
