//! Environment variables, plain and secret, and labels: names checked, both forms made one, files merged in below.

use std::collections::BTreeMap;

use crate::config::code;
use crate::config::raw::{Hosts, Layer, OneOrMany, Pairs, Secret, Text};
use crate::config::report::{Part, Site};
use crate::config::syntax::short;
use crate::model::{Texts, labels};

use super::project::Context;

/// True for the name of a variable: not empty, and without `=`, spaces or control characters.
pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('$')
        && !name.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control())
}

/// Checks what only makes sense of one layer alone: items of lists, values that are missing, and variables that are
/// plain and secret at once.
pub(super) fn check_layer(site: &Site<'_>, layer: &Layer, is_stage: bool) {
    let host =
        "variables of the host are not passed on: write the value, or `secret_environment: { NAME: { env: NAME } }`";
    pairs(site, "environment", layer.environment.as_ref(), is_stage, host);
    pairs(site, "labels", layer.labels.as_ref(), is_stage, "write `name=value`");
    if let Some(Hosts::List(items)) = &layer.extra_hosts {
        list(site, "extra_hosts", items, ['=', ':'], "write `name:address`");
    }
    let secret = layer.secret_environment.as_ref();
    let plain = secret.and(layer.environment.as_ref()).map(Pairs::names).unwrap_or_default();
    for name in secret.into_iter().flat_map(BTreeMap::keys).filter(|name| plain.contains(name.as_str())) {
        let path = format!("secret_environment.{name}");
        let error =
            site.error_at_key(code::CONTRADICTION, &path, format!("`{}` is plain and secret at once", short(name)));
        let other = site.at(Part::Key, &format!("environment.{name}"));
        site.report.add(error.other(Some(other), "also here").help("keep one of the two"));
    }
    if is_stage {
        return;
    }
    no_nulls(site, "secret_environment", layer.secret_environment.as_ref());
    no_nulls(site, "secret_files", layer.secret_files.as_ref());
    no_nulls(site, "ulimits", layer.ulimits.as_ref());
    if let Some(Hosts::Map(map)) = &layer.extra_hosts {
        no_nulls(site, "extra_hosts", Some(map));
    }
}

fn no_nulls<V>(site: &Site<'_>, key: &str, map: Option<&BTreeMap<String, Option<V>>>) {
    for (name, _) in map.into_iter().flatten().filter(|(_, value)| value.is_none()) {
        let path = format!("{key}.{name}");
        let error = site.error_at_key(code::MISSING, &path, format!("`{}` has no value", short(name)));
        site.report.add(error.help("write one, or remove the key"));
    }
}

fn pairs(site: &Site<'_>, key: &str, pairs: Option<&Pairs>, is_stage: bool, no_value: &str) {
    match pairs {
        None => {}
        Some(Pairs::List(items)) => list(site, key, items, ['=', '='], no_value),
        Some(Pairs::Map(map)) => {
            for (name, _) in map.iter().filter(|(_, value)| value.is_none() && !is_stage) {
                let error = site.error_at_key(
                    code::MISSING,
                    &format!("{key}.{name}"),
                    format!("`{}` has no value", short(name)),
                );
                site.report.add(error.help("write `\"\"` for an empty text, or remove the key"));
            }
        }
    }
}

fn list(site: &Site<'_>, key: &str, items: &[String], separators: [char; 2], no_value: &str) {
    let mut seen = BTreeMap::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{key}.{i}");
        match item.split_once(separators) {
            None => site.refuse(code::MISSING, &path, format!("`{}` has no value", short(item)), no_value),
            Some((name, _)) => {
                if let Some(first) = seen.insert(name, i) {
                    let error = site.error(code::DUPLICATE, &path, format!("`{}` is defined twice", short(name)));
                    let place = site.at(Part::Value, &format!("{key}.{first}"));
                    site.report.add(error.other(Some(place), "first defined here").help("keep one of the two"));
                }
            }
        }
    }
}

/// The plain environment: lines of files, below the keys of project and stage.
pub(super) fn plain(
    cx: &Context<'_>,
    pairs: Option<Pairs>,
    files: Option<OneOrMany>,
    secret: Option<&BTreeMap<String, Option<Secret>>>,
) -> Texts {
    let mut all = from_files(cx, files);
    for (name, value) in pairs.map(Pairs::into_map).unwrap_or_default() {
        check_name(&cx.site, "environment", &name);
        match value {
            Some(Text(value)) => {
                if value.contains('\0') {
                    cx.site.refuse(
                        code::BAD_VALUE,
                        &format!("environment.{name}"),
                        "a variable cannot hold a NUL character",
                        "remove it",
                    );
                }
                all.insert(name, value);
            }
            None => drop(all.remove(&name)),
        }
    }
    for name in secret.into_iter().flat_map(BTreeMap::keys) {
        check_name(&cx.site, "secret_environment", name);
        all.remove(name);
    }
    all.into_iter().collect()
}

fn check_name(site: &Site<'_>, key: &str, name: &str) {
    if !is_name(name) {
        let error = site.error_at_key(
            code::BAD_VALUE,
            &format!("{key}.{name}"),
            format!("`{}` is not the name of a variable", short(name)),
        );
        site.report.add(error.help("a name is not empty and holds no spaces, `=` or `$` at its start"));
    }
}

fn from_files(cx: &Context<'_>, files: Option<OneOrMany>) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    let (is_list, files) = match files {
        None => return all,
        Some(OneOrMany::Scalar(file)) => (false, vec![file]),
        Some(OneOrMany::List(files)) => (true, files),
    };
    for (i, file) in files.iter().enumerate() {
        let at = if is_list { format!("env_file.{i}") } else { "env_file".to_owned() };
        match cx.sources.variables(file) {
            Ok(lines) => all.extend(lines),
            Err((title, help)) => cx.site.refuse(code::BAD_FILE, &at, title, help),
        }
    }
    all
}

/// The user's own labels.
pub(super) fn labels(cx: &Context<'_>, pairs: Option<Pairs>) -> Texts {
    let mut all = Vec::new();
    for (name, value) in pairs.map(Pairs::into_map).unwrap_or_default() {
        let path = format!("labels.{name}");
        if name.starts_with(labels::PREFIX) {
            let error = cx.site.error_at_key(
                code::BAD_VALUE,
                &path,
                format!("labels beginning with `{}` are Landfall's own", labels::PREFIX),
            );
            cx.site.report.add(error.help("choose another name"));
        } else if name.is_empty() {
            cx.site.refuse(code::BAD_VALUE, &path, "a label has no name", "write `name: value`");
        }
        all.extend(value.map(|Text(value)| (name, value)));
    }
    all.into_iter().collect()
}
