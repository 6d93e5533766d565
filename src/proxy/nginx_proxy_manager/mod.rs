//! The user's own Nginx Proxy Manager, over its API: look, switch with proof, put back, drain, take over.
//!
//! *Expected flow*: one list a pass; a switch lists again, writes one host, reads back that nginx runs with it, and looks
//! from outside (R9). *Guarantees*: a host that a person made is never written (R1); fields that we do not own stay as
//! they are; no write without a difference. *Assumptions*: one Landfall for each host; people may change theirs at any
//! time. *Caveats*: nginx reloads with every write and then closes idle connections of clients; a domain that moves
//! between two hosts of ours is unserved for the moment between two writes.

mod adopt;
mod api;
mod certify;
mod change;
mod error;
mod fields;
mod host;
mod look;
mod mark;
mod probe;
mod redirects;
mod row;
mod session;
mod token;
mod writes;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::Value;

use self::api::{Answer, Api};
use self::host::Kind;
use self::mark::REDIRECTS;
use self::row::Row;
use self::session::Session;
use crate::model::route::Certificate;
use crate::model::{Desired, DesiredStage, Domain, NpmSettings, ObservedProxy, Recorded};
use crate::proxy::{Drained, Seen, Writes};
use crate::secrets::Secrets;

pub use adopt::Adopted;
pub use change::Saved;
pub use error::NpmError;
pub use session::Vault;

/// A question that was dropped by a reload was dropped sooner than this.
const AT_ONCE: Duration = Duration::from_secs(5);

/// One Nginx Proxy Manager.
#[derive(Debug)]
pub struct NginxProxyManager {
    settings: NpmSettings,
    api: Api,
    session: Session,
    /// Writes are made one after the other: they share one configuration of nginx.
    writes: Writes,
}

impl NginxProxyManager {
    /// A client; nothing is contacted yet.
    pub fn new(settings: NpmSettings, secrets: Secrets, vault: Vault, writes: Writes) -> Self {
        let api = Api::new(&settings.url);
        let session = Session::new(settings.clone(), secrets, vault);
        Self { settings, api, session, writes }
    }

    /// Every route; and the certificates, if a stage asks for one. One call or two; two more only when a wanted domain
    /// has no host yet, to see who else may have it (R22).
    pub(in crate::proxy) async fn observe(&self, desired: &Desired, recorded: &Recorded) -> Seen {
        match self.look(desired, recorded).await {
            Ok(seen) => seen,
            Err(error) => {
                let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
                Seen::routes(ObservedProxy::Unreachable(format!("{error}{hint}")))
            }
        }
    }

    async fn look(&self, desired: &Desired, recorded: &Recorded) -> Result<Seen, NpmError> {
        let mut rows = self.rows(Kind::Proxy).await?;
        let domains: Vec<&Domain> = desired.stages.values().flat_map(|stage| &stage.domains).collect();
        // Which domains instances will have is not known yet.
        let has_patterns = desired.several.values().any(|stage| !stage.patterns.is_empty());
        let has = |rows: &[Row], domain: &Domain| rows.iter().any(|row| row.has_one_of(std::slice::from_ref(domain)));
        let is_missing = |rows: &[Row]| has_patterns || domains.iter().any(|domain| !has(rows, domain));
        let has_redirects = rows.iter().any(|row| row.owned.has(REDIRECTS))
            || desired.all_written().any(|stage| !stage.route.redirects.is_empty());
        if has_redirects {
            rows.extend(self.rows(Kind::Redirection).await?);
        }
        let mut routes = look::routes(&rows, &self.settings.url, recorded);
        if is_missing(&rows) {
            for (kind, list) in self.other_hosts(has_redirects).await {
                look::add_others(&mut routes, kind, &list);
            }
        }
        let secured = |stage: &DesiredStage| stage.route.certificate != Certificate::None;
        // A host of ours that has one may be of a version that is kept, which the configuration does not show.
        let has_one = |row: &Row| {
            let is_ours = row.mark.as_ref().is_some_and(|(store, _)| Some(*store) == recorded.store);
            is_ours && row.options.certificate.is_some()
        };
        let certificates = if desired.all_written().any(secured) || rows.iter().any(has_one) {
            look::certificates(&self.call(Method::GET, certify::CERTIFICATES, None).await?)
        } else {
            Vec::new()
        };
        let guarded = |stage: &DesiredStage| stage.route.access_list.is_some();
        let access_lists = if desired.all_written().any(guarded) {
            look::access_lists(&self.call(Method::GET, "/nginx/access-lists", None).await?)
        } else {
            Vec::new()
        };
        Ok(Seen { proxy: ObservedProxy::Routes(routes), certificates, access_lists, uncertified: BTreeMap::new() })
    }

    /// Waits all of the time: nobody can tell when the last request of an old worker is answered.
    pub(in crate::proxy) async fn drain(&self, at_most: Duration) -> Drained {
        let began = Instant::now();
        tokio::time::sleep(at_most).await;
        Drained { left: None, took: began.elapsed() }
    }

    /// Its version, as far as it says. Needs no login.
    ///
    /// # Errors
    /// It does not answer, or is something else.
    pub async fn version(&self) -> Result<String, NpmError> {
        let answer = self.api.ask(Method::GET, "/", None, None).await?;
        let part =
            |name: &str| answer.body.get("version").and_then(|version| version.get(name)).and_then(Value::as_u64);
        match (part("major"), part("minor"), part("revision")) {
            (Some(major), Some(minor), Some(revision)) => Ok(format!("{major}.{minor}.{revision}")),
            _ => Err(NpmError::NotIt {
                url: self.settings.url.clone(),
                reason: format!("it answers {} and no version", answer.status),
            }),
        }
    }

    /// Logs in with the password in use, lists as a pass does, and asks what the user may do.
    ///
    /// # Errors
    /// The login or the list is refused.
    pub async fn log_in(&self) -> Result<Login, NpmError> {
        self.session.log_in(&self.api).await?;
        let hosts = self.rows(Kind::Proxy).await?.len();
        // A user who may not ask for that is one who may do little else; the list was answered all the same.
        let me = self.call(Method::GET, "/users/me?expand=permissions", None).await.unwrap_or_default();
        Ok(Login { hosts, may_write: may_write(&me) })
    }

    /// Whether plain HTTP is served where switches are proven.
    ///
    /// # Errors
    /// Nothing answers there; the text says why.
    pub async fn probe_answers(&self) -> Result<(), String> {
        probe::answers(&self.settings.probe).await
    }

    /// One call, logged in. A token that is refused, in whatever way the version does it, is renewed once.
    async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, NpmError> {
        self.call_within(method, path, body, api::CALL).await
    }

    /// The same with another limit on its time.
    async fn call_within(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        at_most: Duration,
    ) -> Result<Value, NpmError> {
        let token = self.session.token(&self.api).await?;
        let began = Instant::now();
        let mut answer = match self.api.ask_within(method.clone(), path, Some(&token), body, at_most).await {
            // The admin server reloads after each write, and may drop a question that comes right then. One that is
            // silent is not waited for twice.
            Err(NpmError::NoAnswer { .. }) if method == Method::GET && began.elapsed() < AT_ONCE => {
                self.api.ask_within(method.clone(), path, Some(&token), body, at_most).await?
            }
            answer => answer?,
        };
        let what = api::what(&method, path);
        if asks_for_login(&method, &answer) {
            let denied = || NpmError::Denied { email: self.settings.email.clone(), what: what.clone() };
            let token = self.session.renewed(&self.api, &token, lacks_right(&answer)).await?.ok_or_else(denied)?;
            answer = self.api.ask_within(method, path, Some(&token), body, at_most).await?;
            if is_denied(&answer) {
                self.session.denied().await;
                return Err(denied());
            }
        }
        match answer.status {
            status if status.is_success() => Ok(answer.body),
            StatusCode::NOT_FOUND => Err(NpmError::Gone { host: path.trim_start_matches("/nginx/").to_owned() }),
            _ => Err(certify::failure(path, &answer).unwrap_or_else(|| answer.refused(what))),
        }
    }
}

/// What a login gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Login {
    /// Hosts that the user sees.
    pub hosts: usize,
    /// Whether it may make and change hosts; none when the proxy does not say.
    pub may_write: Option<bool>,
}

/// An admin may do all; of the others, each has a level for proxy hosts.
fn may_write(me: &Value) -> Option<bool> {
    let is_admin = me.get("roles")?.as_array()?.iter().any(|role| role == "admin");
    let level = me.get("permissions").and_then(|all| all.get("proxy_hosts")).and_then(Value::as_str);
    if is_admin { Some(true) } else { level.map(|level| level == "manage") }
}

/// True for every way in which a version says that a token is no longer good. A plain GET has no other reason for a 500
/// than a token of another key.
fn asks_for_login(method: &Method, answer: &Answer) -> bool {
    let is_get = *method == Method::GET;
    is_denied(answer)
        || (answer.status == StatusCode::BAD_REQUEST && answer.message().contains("Token"))
        || (answer.status == StatusCode::INTERNAL_SERVER_ERROR && is_get)
}

fn is_denied(answer: &Answer) -> bool {
    answer.status == StatusCode::UNAUTHORIZED || lacks_right(answer)
}

/// A missing item is named by its number, a missing right by its path.
fn lacks_right(answer: &Answer) -> bool {
    match answer.status {
        StatusCode::FORBIDDEN => true,
        StatusCode::NOT_FOUND => answer.message().starts_with("Not Found - /"),
        _ => false,
    }
}
