//! Everything it remembers, as its database would. Rows are changed here and in the handlers, nginx is elsewhere.

use std::collections::{BTreeMap, VecDeque};

use chrono::Local;
use serde_json::Value;

use super::call::Call;
use super::certificate::Authority;
use super::fault::{Fault, Matcher};
use super::kind::Kind;
use super::people::User;
use super::row::Row;
use super::token::Mint;
use super::version::Version;

/// A certificate.
#[derive(Debug, Clone)]
pub struct Certificate {
    pub owner: i64,
    /// As the API shows it, the key in `meta` included.
    pub shown: Value,
    pub is_deleted: bool,
}

/// The database.
pub struct World {
    pub version: Version,
    pub users: Vec<User>,
    pub mint: Mint,
    /// What a token lives when nothing else is asked for.
    pub token_life: String,
    pub hosts: Vec<Row>,
    pub certificates: BTreeMap<i64, Certificate>,
    /// Let's Encrypt, and certbot before it.
    pub authority: Authority,
    /// By id; with their passwords, as the API shows them where it should not.
    pub access_lists: BTreeMap<i64, Value>,
    pub calls: Vec<Call>,
    pub faults: VecDeque<(Matcher, Fault)>,
}

impl World {
    /// An installation with its admin.
    pub fn new(version: Version) -> Self {
        Self {
            version,
            users: Vec::new(),
            mint: Mint::new(),
            token_life: "1d".to_owned(),
            hosts: Vec::new(),
            certificates: BTreeMap::new(),
            authority: Authority::default(),
            access_lists: BTreeMap::new(),
            calls: Vec::new(),
            faults: VecDeque::new(),
        }
    }

    /// The id that the next row of a kind gets; those of deleted rows are not used again.
    pub fn next_id(&self, kind: Kind) -> i64 {
        self.hosts.iter().filter(|row| row.kind == kind).map(|row| row.id).max().unwrap_or(0) + 1
    }

    /// A row that is not deleted.
    pub fn row(&self, kind: Kind, id: i64) -> Option<&Row> {
        self.hosts.iter().find(|row| row.kind == kind && row.id == id && !row.is_deleted)
    }

    /// The same, to be changed.
    pub fn row_mut(&mut self, kind: Kind, id: i64) -> Option<&mut Row> {
        self.hosts.iter_mut().find(|row| row.kind == kind && row.id == id && !row.is_deleted)
    }

    /// The first of some names that another host has, of whatever kind and whoever owns it.
    pub fn taken<'n>(&self, names: &'n [Value], but: Option<(Kind, i64)>) -> Option<&'n str> {
        let others: Vec<String> = self
            .hosts
            .iter()
            .filter(|row| !row.is_deleted && Some((row.kind, row.id)) != but)
            .flat_map(Row::names)
            .map(str::to_lowercase)
            .collect();
        names.iter().filter_map(Value::as_str).find(|name| others.contains(&name.to_lowercase()))
    }

    /// Hosts that are switched on and have one of these names.
    pub fn in_use(&self, names: &[String]) -> Vec<(Kind, i64)> {
        let has = |row: &&Row| {
            !row.is_deleted
                && row.is("enabled")
                && row.names().any(|own| names.iter().any(|name| name.eq_ignore_ascii_case(own)))
        };
        self.hosts.iter().filter(has).map(|row| (row.kind, row.id)).collect()
    }

    /// The fault that waits for a request, taken out of the queue.
    pub fn take_fault(&mut self, method: &str, path: &str) -> Option<Fault> {
        let at = self.faults.iter().position(|(matcher, _)| matcher.fits(method, path))?;
        self.faults.remove(at).map(|(_, fault)| fault)
    }

    /// A certificate, as others see it: there, but without its insides.
    pub fn certificate_expanded(&self, id: i64) -> Value {
        let found = self.certificates.get(&id).filter(|certificate| !certificate.is_deleted);
        found.map_or(Value::Null, |certificate| {
            let mut shown = certificate.shown.clone();
            shown["meta"] = Value::Object(serde_json::Map::new());
            shown
        })
    }

    /// A user as the owner of something.
    pub fn owner_expanded(&self, id: i64) -> Value {
        self.users.iter().find(|user| user.id == id).map_or(Value::Null, User::shown)
    }
}

/// The time in the form that the API shows: local, to the second, without a zone.
pub fn now() -> String {
    Local::now().format("%Y-%m-%d %H:%M:%S").to_string()
}
