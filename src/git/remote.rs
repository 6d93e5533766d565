//! Where a configuration is kept: the address of a repository, a branch of it, and a folder there (R26).
//!
//! *Guarantees*: an address holds no password, and neither it nor a branch can be taken for an option or for a transport
//! that runs a program.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A branch of a repository, and a folder of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// Where the repository is.
    pub url: RemoteUrl,
    /// Which branch; none for the one that the server names.
    pub branch: Option<Branch>,
    /// The folder that holds the configuration.
    pub folder: Folder,
}

/// The address of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteUrl {
    text: String,
    scheme: Scheme,
}

/// How a repository is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scheme {
    Https,
    /// To this host alone: anywhere else the token could be read on the way.
    Http,
    Ssh,
    /// A repository on this host.
    File,
}

/// The name of a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch(String);

/// A folder of a repository, with `/` and none at either end; `""` is all of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Folder(String);

impl RemoteUrl {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Scheme, host and port: whom credentials may be given to; none where none are.
    pub(super) fn origin(&self) -> Option<String> {
        let (scheme, rest) = self.text.split_once("://")?;
        let (authority, _) = rest.split_once('/')?;
        Some(format!("{scheme}://{}", host_of(authority)))
    }

    /// The user in the address.
    pub(super) fn user(&self) -> Option<&str> {
        let (_, rest) = self.text.split_once("://")?;
        let (authority, _) = rest.split_once('/')?;
        Some(authority.rsplit_once('@')?.0)
    }
}

impl FromStr for RemoteUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let scheme = parse(text)?;
        Ok(Self { text: text.to_owned(), scheme })
    }
}

fn parse(text: &str) -> Result<Scheme, String> {
    if text.is_empty() || text.starts_with('-') || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("it is empty, begins with `-`, or holds a space".into());
    }
    if text.starts_with('/') || text.starts_with("file:///") {
        return Ok(Scheme::File);
    }
    let Some((scheme, rest)) = text.split_once("://") else { return short(text) };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (host, user) = (host_of(authority), authority.rsplit_once('@').map(|(user, _)| user));
    if user.is_some_and(|user| user.contains(':')) {
        return Err(
            "it holds a password: put that into the credential `git-token`, and leave only the user here".into()
        );
    }
    if host.is_empty() || host.starts_with('-') || user.is_some_and(|user| user.starts_with('-')) || path.is_empty() {
        return Err("it names no host, or no repository there".into());
    }
    let scheme = match scheme {
        "https" => Scheme::Https,
        "http" if is_here(host) => Scheme::Http,
        "http" => return Err("plain http shows the token to whoever listens: use https, or ssh".into()),
        "ssh" => Scheme::Ssh,
        _ => return Err(format!("`{scheme}://` is not supported: https, ssh, or a directory of this host is")),
    };
    if scheme != Scheme::Ssh && path.contains(['?', '#']) {
        return Err("it holds `?` or `#`: name the repository alone, and the branch with --branch".into());
    }
    Ok(scheme)
}

/// `user@host:path`, which ssh users write.
fn short(text: &str) -> Result<Scheme, String> {
    let unknown = || "it is none of `https://…`, `ssh://…`, `user@host:path`, or an absolute path".to_owned();
    let (authority, path) = text.split_once(':').ok_or_else(unknown)?;
    let host = host_of(authority);
    let is_plain = !authority.contains('/') && !host.is_empty() && !host.starts_with('-') && !path.is_empty();
    // `ext::…` and its like are programs to run.
    if is_plain && !path.starts_with(':') { Ok(Scheme::Ssh) } else { Err(unknown()) }
}

fn host_of(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// The host is this one.
fn is_here(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split_once(']').map_or(bracketed, |(name, _)| name),
        None => host.split_once(':').map_or(host, |(name, _)| name),
    };
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Branch {
    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Branch {
    type Err = String;

    /// What git allows (`git help check-ref-format`), but that a branch cannot begin with `-`.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.strip_prefix("refs/heads/").unwrap_or(text);
        let is_odd = |c: char| c.is_control() || " ~^:?*[\\".contains(c);
        let has_odd_part = text
            .split('/')
            .any(|part| part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some());
        let is_odd = text.starts_with('-')
            || text == "@"
            || text.ends_with('.')
            || text.contains("..")
            || text.contains("@{")
            || text.contains(is_odd)
            || has_odd_part;
        if is_odd { Err("git allows no branch of this name".into()) } else { Ok(Self(text.to_owned())) }
    }
}

impl Folder {
    /// Its path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Folder {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.contains(&"..") || text.chars().any(char::is_control) {
            return Err("it has to be a path below the top of the repository, without `..`".into());
        }
        Ok(Self(parts.join("/")))
    }
}

impl fmt::Display for RemoteUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As in `https://git.example.com/ops.git (branch main, folder hosts/one)`.
impl fmt::Display for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { url, branch, folder } = self;
        let branch = branch.as_ref().map(|branch| format!("branch {branch}"));
        let folder = Some(folder.as_str()).filter(|folder| !folder.is_empty()).map(|folder| format!("folder {folder}"));
        let parts: Vec<String> = branch.into_iter().chain(folder).collect();
        let rest = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
        write!(f, "{url}{rest}")
    }
}
