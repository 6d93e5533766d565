//! What can be done with hosts of the three kinds, step by step as the real one does it: what is refused first, what has
//! happened when a later step fails.

use serde_json::{Map, Value};

use super::Shared;
use super::api::{Asked, Outcome, lenient_id, nowhere, strict_id};
use super::certificate;
use super::fault::Fault;
use super::kind::Kind;
use super::people::{Actor, Right};
use super::refusal::Refusal;
use super::row::{Expand, Row, clean_tls};
use super::site;
use super::world::World;

/// Answers a request below a kind's path; `rest` is what follows that path.
pub async fn handle(shared: &Shared, asked: &Asked, kind: Kind, rest: &str) -> Outcome {
    let parts: Vec<&str> = rest.split('/').collect();
    match (asked.method.as_str(), &parts[..]) {
        ("GET", [""] | ["", ""]) => list(shared, asked, kind),
        ("POST", [""] | ["", ""]) => create(shared, asked, kind).await,
        (_, ["", ""]) => Err(nowhere(asked)),
        ("GET", ["", id]) => show(shared, asked, kind, id),
        ("PUT", ["", id]) => change(shared, asked, kind, id).await,
        ("DELETE", ["", id]) => delete(shared, asked, kind, id).await,
        ("POST", ["", id, "enable"]) => turn(shared, asked, kind, id, true).await,
        ("POST", ["", id, "disable"]) => turn(shared, asked, kind, id, false).await,
        _ => Err(nowhere(asked)),
    }
}

/// Hosts of a kind as the admin's list shows them.
pub fn listed(world: &World, kind: Kind) -> Vec<Value> {
    let mut rows: Vec<&Row> = world.hosts.iter().filter(|row| row.kind == kind && !row.is_deleted).collect();
    rows.sort_by_key(|row| row.fields["domain_names"].to_string());
    rows.into_iter().map(|row| world.shown(row, Expand::default())).collect()
}

fn expand(asked: &Asked) -> Result<Expand, Refusal> {
    asked.query("expand").map_or(Ok(Expand::default()), |text| Expand::parse(&text).ok_or(Refusal::Trouble))
}

fn list(shared: &Shared, asked: &Asked, kind: Kind) -> Outcome {
    let actor = asked.actor(shared)?;
    let wanted = asked.query("query");
    if wanted.as_ref().is_some_and(|text| text.is_empty() || text.len() > 255) {
        return Err(Refusal::WrongSomehow);
    }
    let actor = actor?;
    actor.may(Right::View, kind.path())?;
    let expand = expand(asked)?;
    let world = shared.lock();
    let text = |row: &Row| row.fields["domain_names"].to_string();
    let fits = |row: &&Row| {
        let found = wanted.as_ref().is_none_or(|wanted| text(row).to_lowercase().contains(&wanted.to_lowercase()));
        row.kind == kind && !row.is_deleted && actor.sees(row.owner) && found
    };
    let mut rows: Vec<&Row> = world.hosts.iter().filter(fits).collect();
    rows.sort_by_key(|row| text(row));
    Ok((200, rows.into_iter().map(|row| world.shown(row, expand)).collect()))
}

fn show(shared: &Shared, asked: &Asked, kind: Kind, id: &str) -> Outcome {
    let actor = asked.actor(shared)?;
    let id = strict_id(id)?;
    let actor = actor?;
    actor.may(Right::View, kind.path())?;
    let expand = expand(asked)?;
    let world = shared.lock();
    Ok((200, world.shown(seen(&world, &actor, kind, id)?, expand)))
}

/// A row that is there for the actor.
fn seen<'w>(world: &'w World, actor: &Actor, kind: Kind, id: i64) -> Result<&'w Row, Refusal> {
    world.row(kind, id).filter(|row| actor.sees(row.owner)).ok_or_else(|| Refusal::Missing(id.to_string()))
}

fn refuse_taken(world: &World, given: &Map<String, Value>, but: Option<(Kind, i64)>) -> Result<(), Refusal> {
    let names = given.get("domain_names").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    world.taken(names, but).map_or(Ok(()), |name| Err(Refusal::wrong(format!("{name} is already in use"))))
}

/// Takes the wish for a new certificate out of what was given.
fn wants_certificate(given: &mut Map<String, Value>) -> bool {
    let wants = given.get("certificate_id").is_some_and(|id| id == "new");
    if wants {
        given.remove("certificate_id");
    }
    wants
}

async fn create(shared: &Shared, asked: &Asked, kind: Kind) -> Outcome {
    let actor = asked.actor(shared)?;
    let version = shared.lock().version;
    let body = kind.new_rules(version).check(version, asked.json()?).map_err(Refusal::Wrong)?;
    let Value::Object(mut given) = body else { return Err(Refusal::Trouble) };
    let allowed = actor.and_then(|actor| actor.may(Right::Manage, kind.path()).map(|()| actor));
    let actor = allowed.map_err(|_| if kind == Kind::Proxy { Refusal::DeniedBadly } else { Refusal::Denied })?;
    let wants_certificate = wants_certificate(&mut given);
    let (id, stale) = {
        let mut world = shared.lock();
        refuse_taken(&world, &given, None)?;
        clean_tls(None, &mut given);
        let row = Row::new(kind, world.next_id(kind), actor.id, given);
        let (id, names) = (row.id, row.fields["domain_names"].clone());
        world.hosts.push(row);
        (id, names)
    };
    if matches!(asked.fault, Some(Fault::RowThen(_))) {
        return Err(Refusal::Trouble);
    }
    if wants_certificate {
        let certificate = certificate::issue(shared, actor.id, &stale, None).await?;
        let mut given = Map::new();
        given.insert("certificate_id".to_owned(), certificate.to_string().into());
        put(shared, asked, kind, id, given).await?;
    }
    // Read before nginx is asked, and answered after it: the answer does not know what came out.
    let stale = {
        let world = shared.lock();
        let row = world.row(kind, id).ok_or(Refusal::Trouble)?;
        world.shown(row, Expand::ALL)
    };
    site::configure(shared, kind, id, asked.fault.as_ref()).await?;
    Ok((201, stale))
}

async fn change(shared: &Shared, asked: &Asked, kind: Kind, id: &str) -> Outcome {
    let actor = asked.actor(shared)?;
    let version = shared.lock().version;
    let body = kind.change_rules(version).check(version, asked.json()?).map_err(Refusal::Wrong)?;
    let Value::Object(mut given) = body else { return Err(Refusal::Trouble) };
    let id = lenient_id(id)?;
    let actor = actor?;
    actor.may(Right::Manage, kind.path())?;
    let wants_certificate = wants_certificate(&mut given);
    let names = {
        let world = shared.lock();
        refuse_taken(&world, &given, Some((kind, id)))?;
        let row = seen(&world, &actor, kind, id)?;
        given.get("domain_names").unwrap_or(&row.fields["domain_names"]).clone()
    };
    if wants_certificate {
        let certificate = certificate::issue(shared, actor.id, &names, None).await?;
        given.insert("certificate_id".to_owned(), certificate.to_string().into());
    }
    put(shared, asked, kind, id, given).await
}

/// The part of a change that comes after all refusals.
async fn put(shared: &Shared, asked: &Asked, kind: Kind, id: i64, mut given: Map<String, Value>) -> Outcome {
    let is_enabled = {
        let mut world = shared.lock();
        let row = world.row_mut(kind, id).ok_or(Refusal::Trouble)?;
        clean_tls(Some(row), &mut given);
        row.change(given);
        row.is("enabled")
    };
    if matches!(asked.fault, Some(Fault::RowThen(_))) {
        return Err(Refusal::Trouble);
    }
    let meta = if is_enabled { Some(site::configure(shared, kind, id, asked.fault.as_ref()).await?) } else { None };
    let world = shared.lock();
    let mut shown = world.shown(world.row(kind, id).ok_or(Refusal::Trouble)?, Expand::ALL);
    if let Some(meta) = meta {
        shown["meta"] = meta;
    }
    Ok((200, shown))
}

async fn delete(shared: &Shared, asked: &Asked, kind: Kind, id: &str) -> Outcome {
    let actor = asked.actor(shared)?;
    let id = lenient_id(id)?;
    let actor = actor?;
    actor.may(Right::Manage, kind.path())?;
    {
        let mut world = shared.lock();
        seen(&world, &actor, kind, id)?;
        world.row_mut(kind, id).ok_or(Refusal::Trouble)?.is_deleted = true;
    }
    if !matches!(asked.fault, Some(Fault::RowThen(_))) {
        site::remove(shared, kind, id).await?;
    }
    Ok((200, true.into()))
}

async fn turn(shared: &Shared, asked: &Asked, kind: Kind, id: &str, on: bool) -> Outcome {
    let actor = asked.actor(shared)?;
    let id = lenient_id(id)?;
    let actor = actor?;
    actor.may(Right::Manage, kind.path())?;
    {
        let mut world = shared.lock();
        if seen(&world, &actor, kind, id)?.is("enabled") == on {
            let state = if on { "enabled" } else { "disabled" };
            return Err(Refusal::wrong(format!("Host is already {state}")));
        }
        let mut given = Map::new();
        given.insert("enabled".to_owned(), on.into());
        world.row_mut(kind, id).ok_or(Refusal::Trouble)?.change(given);
    }
    match (&asked.fault, on) {
        (Some(Fault::RowThen(_)), _) => {}
        (_, true) => drop(site::configure(shared, kind, id, asked.fault.as_ref()).await?),
        (_, false) => site::remove(shared, kind, id).await?,
    }
    Ok((200, true.into()))
}
