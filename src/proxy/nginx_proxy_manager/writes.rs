//! The single writes, each proven as far as the API can prove it.
//!
//! An answer of 5xx, or none, says nothing: the row may be changed and nginx not, or the other way round. A PUT or
//! DELETE is looked at and then done once more, which is harmless; a POST is only ever looked for.

use reqwest::Method;
use serde_json::Value;

use super::NginxProxyManager;
use super::error::NpmError;
use super::host::{Host, Kind};
use super::row::{Row, Wanted};
use crate::proxy::ProxyError;

impl NginxProxyManager {
    /// Every host of a kind that the user may see.
    pub(super) async fn rows(&self, kind: Kind) -> Result<Vec<Row>, NpmError> {
        let list = self.call(Method::GET, kind.path(), None).await?;
        let rows = list.as_array().ok_or_else(|| unreadable(&format!("GET {}", kind.path())))?;
        Ok(rows.iter().filter_map(|row| Row::parse(kind, row)).collect())
    }

    pub(super) async fn row(&self, host: Host) -> Result<Row, NpmError> {
        let value = self.call(Method::GET, &host.path(), None).await?;
        Row::parse(host.kind, &value).ok_or_else(|| unreadable(&format!("GET {}", host.path())))
    }

    /// Changes a host; proven when nginx runs with it.
    pub(super) async fn put(&self, host: Host, body: &Value) -> Result<Row, NpmError> {
        let answer = match self.call(Method::PUT, &host.path(), Some(body)).await {
            Err(error) if error.is_ambiguous() => {
                tracing::warn!(%error, "asking again");
                self.row(host).await?;
                self.call(Method::PUT, &host.path(), Some(body)).await?
            }
            answer => answer?,
        };
        online(Row::parse(host.kind, &answer).ok_or_else(|| unreadable(&format!("PUT {}", host.path())))?)
    }

    /// Makes a host and answers its number; `made` hears of it before the proof. After a lost answer it is looked for.
    pub(super) async fn post(
        &self,
        body: &Value,
        wanted: &Wanted<'_>,
        mut made: impl FnMut(Host),
    ) -> Result<Row, ProxyError> {
        let kind = wanted.kind();
        match self.call(Method::POST, kind.path(), Some(body)).await {
            Ok(answer) => {
                let id = answer.get("id").and_then(Value::as_u64);
                let host = Host { kind, id: id.ok_or_else(|| unreadable(&format!("POST {}", kind.path())))? };
                made(host);
                // The answer is from before nginx was asked.
                Ok(online(self.row(host).await?)?)
            }
            Err(error) if error.is_ambiguous() => {
                tracing::warn!(%error, "looking whether it was done");
                let is_it = |row: &Row| {
                    row.has_exactly(wanted.domains) && row.mark.as_ref().is_some_and(|(s, k)| (*s, k) == wanted.owner)
                };
                // While it cannot be looked for, the lost answer is what counts: the host may be there.
                let Ok(rows) = self.rows(kind).await else { return Err(error.into()) };
                let Some(row) = rows.into_iter().find(is_it) else {
                    return Err(self.not_made(kind, error).await.into());
                };
                made(row.host);
                Ok(self.put(row.host, body).await?)
            }
            Err(error) => Err(self.taken(wanted, error)),
        }
    }

    /// Why nothing was made: newer versions answer 500 to a user who may look and not make.
    async fn not_made(&self, kind: Kind, error: NpmError) -> NpmError {
        let Ok(me) = self.call(Method::GET, "/users/me?expand=permissions", None).await else { return error };
        let is_admin =
            me.get("roles").and_then(Value::as_array).is_some_and(|roles| roles.iter().any(|r| r == "admin"));
        let permission = match kind {
            Kind::Proxy => "proxy_hosts",
            Kind::Redirection => "redirection_hosts",
        };
        let level = me.get("permissions").and_then(|all| all.get(permission)).and_then(Value::as_str);
        if is_admin || level.is_none_or(|level| level == "manage") {
            return error;
        }
        NpmError::Denied { email: self.settings.email.clone(), what: format!("POST {}", kind.path()) }
    }

    /// Removes a host; one that is gone already is fine. An answer of 500 comes from a host that is gone as well.
    pub(super) async fn delete(&self, host: Host) -> Result<(), NpmError> {
        match self.call(Method::DELETE, &host.path(), None).await {
            Ok(_) | Err(NpmError::Gone { .. }) => Ok(()),
            Err(error) if error.is_ambiguous() => {
                tracing::warn!(%error, "looking whether it was done");
                if self.rows(host.kind).await?.iter().all(|row| row.host != host) {
                    return Ok(());
                }
                match self.call(Method::DELETE, &host.path(), None).await {
                    Ok(_) | Err(NpmError::Gone { .. }) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Switches a host on, which writing `enabled` does not do; proven when nginx runs with it.
    pub(super) async fn enable(&self, host: Host) -> Result<Row, NpmError> {
        self.set_enabled(host, true).await?;
        online(self.row(host).await?)
    }

    pub(super) async fn set_enabled(&self, host: Host, on: bool) -> Result<(), NpmError> {
        let path = format!("{}/{}", host.path(), if on { "enable" } else { "disable" });
        match self.call(Method::POST, &path, None).await {
            // It is as it should be.
            Err(NpmError::Refused { message, .. }) if message.contains("already") => Ok(()),
            Err(error) if error.is_ambiguous() && self.row(host).await?.enabled == on => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// A refusal because a domain is taken, by a host that we do not see.
    fn taken(&self, wanted: &Wanted<'_>, error: NpmError) -> ProxyError {
        let NpmError::Refused { message, .. } = &error else { return error.into() };
        let is_named = |domain: &&crate::model::Domain| message.to_ascii_lowercase().contains(domain.as_str());
        match wanted.domains.iter().find(is_named).filter(|_| message.contains("already in use")) {
            Some(domain) => ProxyError::Conflict {
                domain: domain.clone(),
                owner: format!("a host of nginx proxy manager that {} may not see", self.settings.email),
            },
            None => error.into(),
        }
    }
}

fn online(row: Row) -> Result<Row, NpmError> {
    match row.online {
        Some(true) => Ok(row),
        // Switched off: nginx is not asked, and the caller switches it on.
        None | Some(false) if !row.enabled => Ok(row),
        Some(false) => {
            let reason = row.error.clone().unwrap_or_else(|| "it does not say why".into());
            Err(NpmError::Offline { host: row.what(), reason })
        }
        None => Err(unreadable(&format!("GET {}", row.host.path()))),
    }
}

fn unreadable(what: &str) -> NpmError {
    NpmError::NoAnswer { what: what.to_owned(), reason: "it is not what this version should answer".to_owned() }
}
