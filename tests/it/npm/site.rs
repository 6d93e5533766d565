//! From rows to nginx: what a host's file needs of other rows, and the steps of a change.

use std::path::Path;

use serde_json::{Value, json};

use super::Shared;
use super::fault::Fault;
use super::kind::Kind;
use super::nginx::{Site, Tls};
use super::refusal::Refusal;
use super::row::Row;
use super::world::World;

/// Brings a host into nginx: test, take the file away, write it, test, note the outcome in the row, test, reload. Its
/// new `meta` comes back. When nginx was not content before, nothing of it happens (and the row is changed all the same).
pub async fn configure(shared: &Shared, kind: Kind, id: i64, fault: Option<&Fault>) -> Result<Value, Refusal> {
    let trouble = |_| Refusal::Trouble;
    shared.web.test().await.map_err(trouble)?;
    shared.web.remove(kind, id);
    let (row, site) = {
        let world = shared.lock();
        let Some(row) = world.row(kind, id).cloned() else { return Err(Refusal::Trouble) };
        let site = (tls(&world, &row), access(&world, shared.web.dir(), &row));
        (row, site)
    };
    shared.web.write(kind, id, &Site { row: &row, tls: site.0, access: site.1 });
    let tested = match fault {
        Some(Fault::Offline(text)) => Err(text.clone()),
        Some(_) | None => shared.web.test().await,
    };
    let mut meta = row.fields["meta"].clone();
    meta["nginx_online"] = tested.is_ok().into();
    meta["nginx_err"] = tested.as_ref().err().map_or(Value::Null, |text| text.as_str().into());
    if let Some(row) = shared.lock().row_mut(kind, id) {
        row.fields.insert("meta".into(), meta.clone());
    }
    if tested.is_err() {
        shared.web.remove(kind, id);
    }
    shared.web.reload().await.map_err(trouble)?;
    Ok(meta)
}

/// Takes a host out of nginx.
pub async fn remove(shared: &Shared, kind: Kind, id: i64) -> Result<(), Refusal> {
    shared.web.remove(kind, id);
    shared.web.reload().await.map_err(|_| Refusal::Trouble)
}

/// The files of a host's certificate, if there is such a certificate. As with the real one a deleted one is not looked
/// at, and one whose files are gone makes nginx refuse everything.
fn tls(world: &World, row: &Row) -> Option<Tls> {
    let id = row.number("certificate_id");
    world.certificates.get(&id).filter(|certificate| !certificate.is_deleted)?;
    // Relative to the main file, since in a container the directory has another name.
    let place = format!("custom_ssl/npm-{id}");
    Some(Tls { certificate: format!("{place}/fullchain.pem"), key: format!("{place}/privkey.pem") })
}

/// What a host's access list says; one that does not exist says nothing, and everybody gets in.
fn access(world: &World, dir: &Path, row: &Row) -> String {
    let id = row.number("access_list_id");
    let Some(list) = world.access_lists.get(&id) else { return String::new() };
    let each = |name: &str| list[name].as_array().cloned().unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut lines = String::new();
    if !each("items").is_empty() {
        let people: String = each("items")
            .iter()
            .map(|item| format!("{}:{{PLAIN}}{}\n", text(&item["username"]), text(&item["password"])))
            .collect();
        std::fs::write(dir.join(format!("access-{id}")), people).expect("a file");
        lines += &format!("  auth_basic \"Authorization required\";\n  auth_basic_user_file access-{id};\n");
    }
    for client in each("clients") {
        lines += &format!("  {} {};\n", text(&client["directive"]), text(&client["address"]));
    }
    if !each("clients").is_empty() {
        lines += "  deny all;\n";
    }
    let satisfy = if list["satisfy_any"] == json!(true) { "any" } else { "all" };
    format!("{lines}  satisfy {satisfy};\n")
}
