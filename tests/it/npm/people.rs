//! Users and what they may do. Nothing here knows tokens; a user is found by id.

use serde_json::{Value, json};

use super::refusal::Refusal;
use super::world::{World, now};

/// A user.
#[expect(clippy::struct_excessive_bools, reason = "the columns of a user")]
#[derive(Debug, Clone)]
pub struct User {
    pub id: i64,
    pub email: String,
    pub password: String,
    pub is_admin: bool,
    pub is_disabled: bool,
    pub has_two_factor: bool,
    /// Sees what others own, too.
    pub sees_all: bool,
    /// `manage`, `view` or `hidden`.
    pub proxy_hosts: String,
    made: String,
}

/// What somebody wants to do with a kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Right {
    View,
    Manage,
}

/// Who asks, for one request.
#[derive(Debug, Clone)]
pub struct Actor {
    pub id: i64,
    pub is_admin: bool,
    pub sees_all: bool,
    proxy_hosts: String,
}

impl Actor {
    /// Refuses what the actor may not do with an object on a path.
    pub fn may(&self, right: Right, path: &str) -> Result<(), Refusal> {
        let level = if path.starts_with("/nginx/proxy-hosts") { self.proxy_hosts.as_str() } else { "manage" };
        let allowed = match right {
            Right::View => matches!(level, "view" | "manage"),
            Right::Manage => level == "manage",
        };
        if self.is_admin || allowed { Ok(()) } else { Err(Refusal::Denied) }
    }

    /// Whether objects of this owner are there for the actor.
    pub fn sees(&self, owner: i64) -> bool {
        self.sees_all || self.id == owner
    }
}

impl World {
    /// Adds a user; the first one is the admin.
    pub fn add_user(&mut self, email: &str, password: &str, sees_all: bool, proxy_hosts: &str) -> i64 {
        let id = i64::try_from(self.users.len()).expect("few users") + 1;
        self.users.push(User {
            id,
            email: email.to_lowercase(),
            password: password.to_owned(),
            is_admin: id == 1,
            is_disabled: false,
            has_two_factor: false,
            sees_all: sees_all || id == 1,
            proxy_hosts: proxy_hosts.to_owned(),
            made: now(),
        });
        id
    }

    /// The user of an id, unless disabled.
    pub fn actor(&self, id: i64) -> Option<Actor> {
        let user = self.users.iter().find(|user| user.id == id && !user.is_disabled)?;
        let User { id, is_admin, sees_all, proxy_hosts, .. } = user.clone();
        Some(Actor { id, is_admin, sees_all, proxy_hosts })
    }

    /// The user who logs in under a name, as they typed it.
    pub fn user_by_email(&self, typed: &str) -> Option<&User> {
        let email = typed.trim().to_lowercase();
        self.users.iter().find(|user| user.email == email && !user.is_disabled)
    }

    /// A user for a test to change.
    ///
    /// # Panics
    /// When there is none of this name.
    pub fn user_mut(&mut self, email: &str) -> &mut User {
        let found = self.users.iter_mut().find(|user| user.email == email.to_lowercase());
        found.unwrap_or_else(|| panic!("no user {email}"))
    }
}

impl User {
    /// As it is shown to itself, and as the owner of things.
    pub fn shown(&self) -> Value {
        let roles: &[&str] = if self.is_admin { &["admin"] } else { &[] };
        let name = self.email.split('@').next().unwrap_or_default();
        json!({
            "id": self.id, "created_on": self.made, "modified_on": self.made, "is_disabled": self.is_disabled,
            "email": self.email, "name": name, "nickname": name, "avatar": "", "roles": roles,
        })
    }

    /// Its permissions, as `expand=permissions` shows them.
    pub fn permissions(&self) -> Value {
        let visibility = if self.sees_all { "all" } else { "user" };
        json!({
            "visibility": visibility, "proxy_hosts": self.proxy_hosts, "redirection_hosts": "manage",
            "dead_hosts": "manage", "streams": "manage", "access_lists": "manage", "certificates": "manage",
        })
    }
}
