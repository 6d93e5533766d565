//! The single writes, each proven as far as the API can prove it.
//!
//! An answer of 5xx, or none, says nothing: the row may be changed and nginx not, or the other way round. A PUT or
//! DELETE is looked at and then done once more, which is harmless; a POST is only ever looked for.

use reqwest::Method;
use serde_json::Value;

use super::NginxProxyManager;
use super::error::NpmError;
use super::row::{Row, Wanted};
use crate::proxy::ProxyError;

/// Where all hosts are.
pub(super) const HOSTS: &str = "/nginx/proxy-hosts";

impl NginxProxyManager {
    /// Every proxy host that the user may see.
    pub(super) async fn rows(&self) -> Result<Vec<Row>, NpmError> {
        let list = self.call(Method::GET, HOSTS, None).await?;
        let rows = list.as_array().ok_or_else(|| unreadable("GET /nginx/proxy-hosts"))?;
        Ok(rows.iter().filter_map(Row::parse).collect())
    }

    pub(super) async fn row(&self, id: u64) -> Result<Row, NpmError> {
        let value = self.call(Method::GET, &path(id), None).await?;
        Row::parse(&value).ok_or_else(|| unreadable("GET /nginx/proxy-hosts/…"))
    }

    /// Changes a host; proven when nginx runs with it.
    pub(super) async fn put(&self, id: u64, body: &Value) -> Result<Row, NpmError> {
        let answer = match self.call(Method::PUT, &path(id), Some(body)).await {
            Err(error) if error.is_ambiguous() => {
                tracing::warn!(%error, "asking again");
                self.row(id).await?;
                self.call(Method::PUT, &path(id), Some(body)).await?
            }
            answer => answer?,
        };
        online(Row::parse(&answer).ok_or_else(|| unreadable("PUT /nginx/proxy-hosts/…"))?)
    }

    /// Makes a host and answers its number; `made` hears of it before the proof. After a lost answer it is looked for.
    pub(super) async fn post(
        &self,
        body: &Value,
        wanted: &Wanted<'_>,
        mut made: impl FnMut(u64),
    ) -> Result<Row, ProxyError> {
        match self.call(Method::POST, HOSTS, Some(body)).await {
            Ok(answer) => {
                let id =
                    answer.get("id").and_then(Value::as_u64).ok_or_else(|| unreadable("POST /nginx/proxy-hosts"))?;
                made(id);
                // The answer is from before nginx was asked.
                Ok(online(self.row(id).await?)?)
            }
            Err(error) if error.is_ambiguous() => {
                tracing::warn!(%error, "looking whether it was done");
                let is_it = |row: &Row| {
                    row.has_exactly(wanted.domains) && row.mark.as_ref().is_some_and(|(s, k)| (*s, k) == wanted.owner)
                };
                // While it cannot be looked for, the lost answer is what counts: the host may be there.
                let Ok(rows) = self.rows().await else { return Err(error.into()) };
                let Some(row) = rows.into_iter().find(is_it) else { return Err(self.not_made(error).await.into()) };
                made(row.id);
                Ok(self.put(row.id, body).await?)
            }
            Err(error) => Err(self.taken(wanted, error)),
        }
    }

    /// Why nothing was made: newer versions answer 500 to a user who may look and not make.
    async fn not_made(&self, error: NpmError) -> NpmError {
        let Ok(me) = self.call(Method::GET, "/users/me?expand=permissions", None).await else { return error };
        let is_admin =
            me.get("roles").and_then(Value::as_array).is_some_and(|roles| roles.iter().any(|r| r == "admin"));
        let level = me.get("permissions").and_then(|all| all.get("proxy_hosts")).and_then(Value::as_str);
        if is_admin || level.is_none_or(|level| level == "manage") {
            return error;
        }
        NpmError::Denied { email: self.settings.email.clone(), what: format!("POST {HOSTS}") }
    }

    /// Removes a host; one that is gone already is fine. An answer of 500 comes from a host that is gone as well.
    pub(super) async fn delete(&self, id: u64) -> Result<(), NpmError> {
        match self.call(Method::DELETE, &path(id), None).await {
            Ok(_) | Err(NpmError::Gone { .. }) => Ok(()),
            Err(error) if error.is_ambiguous() => {
                tracing::warn!(%error, "looking whether it was done");
                if self.rows().await?.iter().all(|row| row.id != id) {
                    return Ok(());
                }
                match self.call(Method::DELETE, &path(id), None).await {
                    Ok(_) | Err(NpmError::Gone { .. }) => Ok(()),
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Switches a host on, which writing `enabled` does not do; proven when nginx runs with it.
    pub(super) async fn enable(&self, id: u64) -> Result<Row, NpmError> {
        self.set_enabled(id, true).await?;
        online(self.row(id).await?)
    }

    pub(super) async fn set_enabled(&self, id: u64, on: bool) -> Result<(), NpmError> {
        let path = format!("{}/{}", path(id), if on { "enable" } else { "disable" });
        match self.call(Method::POST, &path, None).await {
            // It is as it should be.
            Err(NpmError::Refused { message, .. }) if message.contains("already") => Ok(()),
            Err(error) if error.is_ambiguous() && self.row(id).await?.enabled == on => Ok(()),
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

fn path(id: u64) -> String {
    format!("{HOSTS}/{id}")
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
        None => Err(unreadable("GET /nginx/proxy-hosts/…")),
    }
}

fn unreadable(what: &str) -> NpmError {
    NpmError::NoAnswer { what: what.to_owned(), reason: "it is not what this version should answer".to_owned() }
}
