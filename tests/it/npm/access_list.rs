//! Access lists, as far as hosts refer to them. They are made by hand, through the server's own functions.

use serde_json::{Value, json};

use super::Shared;
use super::api::{Asked, Outcome, nowhere, strict_id};
use super::people::Right;
use super::refusal::Refusal;
use super::world::{World, now};

/// Their path below the API.
pub const PATH: &str = "/nginx/access-lists";

impl World {
    /// A new list that lets in whoever knows a name and a password.
    pub fn add_access_list(&mut self, owner: i64, name: &str, people: &[(&str, &str)]) -> i64 {
        let id = i64::try_from(self.access_lists.len()).expect("few lists") + 1;
        let items: Vec<Value> = people
            .iter()
            .enumerate()
            .map(|(at, (name, password))| json!({ "id": at + 1, "username": name, "password": password, "meta": {} }))
            .collect();
        let list = json!({
            "id": id, "created_on": now(), "modified_on": now(), "owner_user_id": owner, "name": name, "meta": {},
            "satisfy_any": false, "pass_auth": false, "items": items, "clients": [],
        });
        self.access_lists.insert(id, list);
        id
    }
}

/// Answers a request below their path. Their insides are not shown here.
pub fn handle(shared: &Shared, asked: &Asked) -> Outcome {
    let rest = &asked.route()[PATH.len()..];
    if asked.method != "GET" || !(rest.is_empty() || rest.starts_with('/')) {
        return Err(nowhere(asked));
    }
    let actor = asked.actor(shared)?;
    let id = rest.strip_prefix('/').filter(|id| !id.is_empty()).map(strict_id).transpose()?;
    let actor = actor?;
    actor.may(Right::View, PATH)?;
    let world = shared.lock();
    let seen =
        world.access_lists.values().filter(|list| actor.sees(list["owner_user_id"].as_i64().unwrap_or_default()));
    let mut shown: Vec<Value> = seen.filter(|list| id.is_none_or(|id| list["id"] == id)).cloned().collect();
    for list in &mut shown {
        let list = list.as_object_mut().expect("a list is an object");
        list.remove("items");
        list.remove("clients");
    }
    match id {
        None => Ok((200, shown.into())),
        Some(id) => Ok((200, shown.pop().ok_or_else(|| Refusal::Missing(id.to_string()))?)),
    }
}
