//! What the admin does with users over the API, and who one is.

use serde_json::{Value, json};

use super::Shared;
use super::api::{Asked, Outcome, nowhere, strict_id};
use super::people::{Actor, User};
use super::refusal::Refusal;
use super::schema::{Fields, Rule};

/// Their path below the API.
pub const PATH: &str = "/users";

/// Answers a request below their path.
pub fn handle(shared: &Shared, asked: &Asked) -> Outcome {
    let parts: Vec<&str> = asked.route()[PATH.len()..].split('/').collect();
    match (asked.method.as_str(), &parts[..]) {
        ("GET", [""] | ["", ""]) => list(shared, asked),
        ("POST", [""] | ["", ""]) => create(shared, asked),
        (_, ["", ""]) => Err(nowhere(asked)),
        ("GET", ["", id]) => show(shared, asked, id),
        ("PUT", ["", id]) => change(shared, asked, id),
        ("PUT", ["", id, "permissions"]) => permit(shared, asked, id),
        ("DELETE", ["", id]) => delete(shared, asked, id),
        _ => Err(nowhere(asked)),
    }
}

/// The admin, or nobody.
fn admin(actor: Result<Actor, Refusal>) -> Result<Actor, Refusal> {
    actor.and_then(|actor| if actor.is_admin { Ok(actor) } else { Err(Refusal::Denied) })
}

fn list(shared: &Shared, asked: &Asked) -> Outcome {
    admin(asked.actor(shared)?)?;
    Ok((200, shared.lock().users.iter().map(User::shown).collect()))
}

fn show(shared: &Shared, asked: &Asked, id: &str) -> Outcome {
    let actor = asked.actor(shared)?;
    let id = if id == "me" { actor.as_ref().map_or(1, |actor| actor.id) } else { strict_id(id)? };
    let actor = actor?;
    if id != actor.id && !actor.is_admin {
        return Err(Refusal::Denied);
    }
    let world = shared.lock();
    let user = world.users.iter().find(|user| user.id == id).ok_or_else(|| Refusal::Missing(id.to_string()))?;
    let mut shown = user.shown();
    match asked.query("expand").as_deref() {
        None => {}
        Some("permissions") => shown["permissions"] = user.permissions(),
        Some(_) => return Err(Refusal::Trouble),
    }
    Ok((200, shown))
}

fn rules(required: &'static [&'static str]) -> Fields {
    let known = vec![
        ("name", Rule::Text { min: 1, max: usize::MAX, forbidden: "" }),
        ("nickname", Rule::text()),
        ("email", Rule::Text { min: 3, max: usize::MAX, forbidden: "" }),
        ("roles", Rule::Texts),
        ("is_disabled", Rule::Switch),
        ("auth", Rule::Free),
    ];
    Fields { required, known, at_least: 0 }
}

fn create(shared: &Shared, asked: &Asked) -> Outcome {
    let actor = asked.actor(shared)?;
    let version = shared.lock().version;
    let body = rules(&["name", "nickname", "email"]).check(version, asked.json()?).map_err(Refusal::Wrong)?;
    admin(actor)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut world = shared.lock();
    let id = world.add_user(&text(&body["email"]), &text(&body["auth"]["secret"]), false, "manage");
    let user = world.users.iter_mut().find(|user| user.id == id).ok_or(Refusal::Trouble)?;
    user.is_admin = body["roles"].as_array().is_some_and(|roles| roles.iter().any(|role| role == "admin"));
    user.sees_all = user.is_admin;
    user.is_disabled = body["is_disabled"] == true;
    let mut shown = user.shown();
    shown["permissions"] = user.permissions();
    Ok((201, shown))
}

/// Finds a user for the admin, and changes it.
fn with(shared: &Shared, asked: &Asked, id: &str, rules: &Fields, change: impl FnOnce(&mut User, &Value)) -> Outcome {
    let actor = asked.actor(shared)?;
    let version = shared.lock().version;
    let body = rules.check(version, asked.json()?).map_err(Refusal::Wrong)?;
    let id = strict_id(id)?;
    admin(actor)?;
    let mut world = shared.lock();
    let user = world.users.iter_mut().find(|user| user.id == id).ok_or_else(|| Refusal::Missing(id.to_string()))?;
    change(user, &body);
    Ok((200, user.shown()))
}

fn change(shared: &Shared, asked: &Asked, id: &str) -> Outcome {
    with(shared, asked, id, &Fields { at_least: 1, ..rules(&[]) }, |user, body| {
        if let Some(off) = body["is_disabled"].as_bool() {
            user.is_disabled = off;
        }
        if let Some(email) = body["email"].as_str() {
            user.email = email.trim().to_lowercase();
        }
    })
}

fn permit(shared: &Shared, asked: &Asked, id: &str) -> Outcome {
    const LEVELS: Rule = Rule::OneOf(&["hidden", "view", "manage"]);
    let mut known = vec![("visibility", Rule::OneOf(&["all", "user"]))];
    let kinds = ["proxy_hosts", "redirection_hosts", "dead_hosts", "streams", "access_lists", "certificates"];
    known.extend(kinds.map(|kind| (kind, LEVELS)));
    let rules = Fields { required: &[], known, at_least: 1 };
    with(shared, asked, id, &rules, |user, body| {
        if let Some(visibility) = body["visibility"].as_str() {
            user.sees_all = visibility == "all";
        }
        if let Some(level) = body["proxy_hosts"].as_str() {
            level.clone_into(&mut user.proxy_hosts);
        }
    })?;
    Ok((200, json!(true)))
}

/// A deleted user is like a disabled one: gone for logins, there for what it owned.
fn delete(shared: &Shared, asked: &Asked, id: &str) -> Outcome {
    let actor = asked.actor(shared)?;
    let id = strict_id(id)?;
    let actor = admin(actor)?;
    if actor.id == id {
        return Err(Refusal::Denied);
    }
    let mut world = shared.lock();
    let user = world.users.iter_mut().find(|user| user.id == id).ok_or_else(|| Refusal::Missing(id.to_string()))?;
    user.is_disabled = true;
    Ok((200, json!(true)))
}
