//! Where a registry is and with what it is asked; which addresses may be spoken to in plain text.

use std::net::IpAddr;

use reqwest::Url;
use secrecy::SecretString;

use super::RegistryError;
use super::ca::Ca;
use crate::model::{Digest, Registry, Repository};

/// The address behind the name `docker.io`.
const DOCKER_HUB: &str = "https://registry-1.docker.io";

/// A name and a password for a registry.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password or token.
    pub password: SecretString,
}

/// How the registry of one repository is reached.
#[derive(Debug, Clone)]
pub struct Access {
    base: Url,
    insecure: bool,
    ca: Option<Ca>,
    credentials: Option<Credentials>,
}

impl Access {
    /// Access to the registry that a repository names. `registry` is its entry in the configuration, if it has one
    /// (see [`find`](super::find)); without one it is asked over TLS, or in plain text when it is on this host.
    pub fn new(
        repository: &Repository,
        registry: Option<&Registry>,
        credentials: Option<Credentials>,
    ) -> Result<Self, RegistryError> {
        let insecure = registry.is_some_and(|registry| registry.insecure);
        let base = base(repository, registry.map(|registry| registry.url.as_str()))?;
        if !may_be_plain(&base, insecure) {
            return Err(RegistryError::PlainText { url: base.to_string() });
        }
        let ca = registry.and_then(|registry| registry.ca_file.as_deref()).map(Ca::read).transpose()?;
        Ok(Self { base, insecure, ca, credentials })
    }

    /// Host, and port where it is not the usual one.
    pub(super) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// `/v2/<path>/manifests/<reference>`. The path and the reference are checked names, so they need no encoding.
    pub(super) fn manifest(&self, repository: &Repository, reference: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{}/manifests/{reference}", repository.path()));
        url
    }

    /// `/v2/<path>/blobs/<digest>`.
    pub(super) fn blob(&self, repository: &Repository, digest: &Digest) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{}/blobs/{digest}", repository.path()));
        url
    }

    /// `/v2/<path>/tags/list`, at most so many of them.
    pub(super) fn tags(&self, repository: &Repository, most: usize) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("/v2/{}/tags/list", repository.path()));
        url.set_query(Some(&format!("n={most}")));
        url
    }

    /// Authorities to trust besides the system's.
    pub(super) fn ca(&self) -> Option<&Ca> {
        self.ca.as_ref()
    }

    pub(super) fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    pub(super) fn is_own_origin(&self, url: &Url) -> bool {
        self.base.origin() == url.origin()
    }

    /// A token service may be elsewhere, but gets credentials: TLS, this host, or the very registry that may be
    /// spoken to in plain text.
    pub(super) fn may_ask_for_token(&self, realm: &Url) -> bool {
        may_be_plain(realm, self.insecure && self.is_own_origin(realm))
    }

    /// Where an answer leads: by a redirect, or to its next page.
    pub(super) fn follow(&self, from: &Url, target: Option<&str>) -> Result<Url, RegistryError> {
        match target.and_then(|target| from.join(target).ok()) {
            Some(next) if self.may_follow(from, &next) => Ok(next),
            Some(next) => Err(RegistryError::PlainText { url: next.origin().ascii_serialization() }),
            None => Err(RegistryError::Unreachable { registry: self.host(), reason: "it leads to nowhere".to_owned() }),
        }
    }

    /// An answer may lead elsewhere, but never from TLS to plain text.
    fn may_follow(&self, from: &Url, to: &Url) -> bool {
        let plain = from.scheme() == "http" && may_be_plain(to, self.insecure && self.is_own_origin(to));
        to.scheme() == "https" || plain
    }
}

fn base(repository: &Repository, configured: Option<&str>) -> Result<Url, RegistryError> {
    let bad = |url: &str, reason: &str| RegistryError::Address { url: url.to_owned(), reason: reason.to_owned() };
    let parse = |text: &str| Url::parse(text).map_err(|error| bad(text, &error.to_string()));
    if repository.host() == "docker.io" {
        return parse(DOCKER_HUB);
    }
    let scheme = match configured {
        Some(url) => parse(url)?.scheme().to_owned(),
        None if parse(&format!("http://{}", repository.host())).is_ok_and(|url| is_loopback(&url)) => "http".to_owned(),
        None => "https".to_owned(),
    };
    let text = format!("{scheme}://{}", repository.host());
    match scheme.as_str() {
        "http" | "https" => parse(&text),
        _ => Err(bad(&text, "only https:// and http:// are spoken")),
    }
}

/// Whether nobody else can listen in, or the user does not mind.
fn may_be_plain(url: &Url, insecure: bool) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => insecure || is_loopback(url),
        _ => false,
    }
}

/// 127.0.0.0/8, `localhost` and `[::1]`, by the name alone: a name that merely resolves to it does not count.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: &str, insecure: bool) -> Registry {
        let prefix = url.split_once("://").unwrap().1.to_owned();
        Registry { url: url.into(), prefix, username: None, password: None, poll: None, insecure, ca_file: None }
    }

    fn base_of(repository: &str, registry: Option<&Registry>) -> Result<String, RegistryError> {
        Access::new(&repository.parse().unwrap(), registry, None).map(|access| access.base.to_string())
    }

    #[test]
    fn plain_text_is_for_this_host_or_for_those_who_ask_for_it() {
        assert_eq!(base_of("127.0.0.1:5000/a", None).unwrap(), "http://127.0.0.1:5000/");
        assert_eq!(base_of("localhost:5000/a", None).unwrap(), "http://localhost:5000/");
        assert_eq!(base_of("r.example.com/a", None).unwrap(), "https://r.example.com/");
        assert!(base_of("r.example.com/a", Some(&entry("http://r.example.com", false))).is_err());
        assert!(base_of("127.evil.com/a", Some(&entry("http://127.evil.com", false))).is_err());
        assert!(base_of("r.example.com/a", Some(&entry("http://r.example.com", true))).is_ok());
    }

    #[test]
    fn docker_hub_is_asked_where_it_lives() {
        assert_eq!(base_of("nginx", None).unwrap(), "https://registry-1.docker.io/");
    }

    #[test]
    fn a_redirect_never_leaves_tls() {
        let url = |text| Url::parse(text).unwrap();
        let access = Access::new(&"r.example.com/a".parse().unwrap(), None, None).unwrap();
        assert!(access.may_follow(&url("https://r.example.com/"), &url("https://cdn.example.com/")));
        assert!(!access.may_follow(&url("https://r.example.com/"), &url("http://127.0.0.1/")));
        assert!(!access.may_ask_for_token(&url("http://auth.example.com/")));
        assert!(access.may_ask_for_token(&url("https://auth.example.com/")));
    }
}
