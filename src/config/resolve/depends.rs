//! `depends_on` → the stages that must be healthy first (R23): each one there, none twice, and no circle.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::code;
use crate::config::collect::Entries;
use crate::config::diagnostic::{Diagnostic, Place};
use crate::config::report::{Part, Report};
use crate::config::suggest::nearest;
use crate::model::DesiredStage;
use crate::model::circle::circle;
use crate::model::{Name, StageKey};

use super::cross::{Claims, Dependencies};
use super::project::Context;

/// So many places of a circle are shown.
const MAX_SHOWN: usize = 12;

/// The stages, sorted; each is claimed, so that those that are not there and circles are found once all are known.
pub(super) fn depends_on(cx: &Context<'_>, raw: Option<Vec<String>>, claims: &mut Claims) -> Vec<StageKey> {
    let mut found: BTreeMap<StageKey, Place> = BTreeMap::new();
    for (i, text) in raw.unwrap_or_default().iter().enumerate() {
        let path = format!("depends_on.{i}");
        let Some(on) = target(cx, &path, text) else { continue };
        if on == *cx.key {
            let help = "take it out; what holds only for the project's other stages is written there";
            cx.site.refuse(code::CONTRADICTION, &path, format!("`{on}` depends on itself"), help);
            continue;
        }
        let place = cx.site.at(Part::Value, &path);
        match found.get(&on) {
            Some(first) => {
                let error = cx.site.error(code::CLASH, &path, format!("`{on}` is written twice"));
                cx.site.report.add(error.other(Some(first.clone()), "first written here").help("remove one of them"));
            }
            None => drop(found.insert(on, place)),
        }
    }
    for (on, place) in &found {
        claims.dependency(cx.key, on.clone(), place.clone());
    }
    found.into_keys().collect()
}

/// A project alone means its stage of the same name.
fn target(cx: &Context<'_>, path: &str, text: &str) -> Option<StageKey> {
    if text.contains('/') {
        return cx.site.parse(path, text);
    }
    let project: Name = cx.site.parse(path, text)?;
    Some(StageKey::new(project, cx.key.stage.clone()))
}

/// Reports what is not there, and circles.
pub(super) fn check(claims: &Claims, entries: &Entries<'_>, report: &Report<'_>) {
    let dependencies = claims.dependencies();
    // In a file that could not be read there may be more stages.
    if entries.complete {
        let targets = dependencies.values().flatten().filter(|(on, _)| !claims.knows(on));
        targets.take_while(|_| !report.is_full()).for_each(|(on, place)| missing(on, place, claims, entries, report));
    }
    circles(dependencies, report);
}

fn missing(on: &StageKey, place: &Place, claims: &Claims, entries: &Entries<'_>, report: &Report<'_>) {
    let known: Vec<String> = claims.stages().map(ToString::to_string).collect();
    let of_project: Vec<String> =
        claims.stages().filter(|key| key.project == on.project).map(|key| format!("`{key}`")).collect();
    // What is wrong with the project is said there.
    if of_project.is_empty() && entries.projects.contains_key(on.project.as_str()) {
        return;
    }
    let error = Diagnostic::error(code::BAD_REFERENCE, place.clone(), format!("there is no stage `{on}`"));
    report.add(match nearest(&on.to_string(), known.iter().map(String::as_str)) {
        Some(name) => error.help("a stage with a similar name exists").replacement(name),
        None if of_project.is_empty() => error.help("write a stage of this configuration, as `project/stage`"),
        None => {
            let stages = of_project.join(" and ");
            error
                .help(format!("there is {stages}: write which, since a project alone means its stage of the same name"))
        }
    });
}

/// Reports who depends on a stage that runs several instances: nobody could say which of them is meant.
pub(super) fn check_single(claims: &Claims, several: &BTreeMap<StageKey, DesiredStage>, report: &Report<'_>) {
    let all = claims.dependencies().values().flatten().filter(|(on, _)| several.contains_key(on));
    for (on, place) in all.take_while(|_| !report.is_full()) {
        let title = format!("`{on}` runs several instances, and none of them can be depended on");
        let help = "depend on a stage that runs one";
        report.add(Diagnostic::error(code::CONTRADICTION, place.clone(), title).help(help));
    }
}

/// Every stage is on one circle at most of those that are shown.
fn circles(dependencies: &Dependencies, report: &Report<'_>) {
    let mut waits: BTreeMap<&StageKey, BTreeSet<&StageKey>> =
        dependencies.iter().map(|(key, on)| (key, on.keys().collect())).collect();
    while let Some(found) = circle(&waits).filter(|_| !report.is_full()) {
        let found: Vec<&StageKey> = found.into_iter().copied().collect();
        let next = found.iter().cycle().skip(1);
        let edges = found.iter().zip(next).map(|(key, on)| (*key, *on, &dependencies[*key][*on]));
        report.add(of_circle(edges.collect()));
        waits.retain(|key, _| !found.contains(key));
    }
}

fn of_circle(edges: Vec<(&StageKey, &StageKey, &Place)>) -> Diagnostic {
    let mut way: Vec<String> = edges.iter().map(|(key, _, _)| format!("`{key}`")).collect();
    way.extend(way.first().cloned());
    let title = format!("stages wait for each other: {}", way.join(" → "));
    let place = edges.first().map_or_else(|| Place::file(""), |(_, _, place)| (*place).clone());
    let error = Diagnostic::error(code::CONTRADICTION, place, title)
        .help("take one of them out: a stage is made once all that it depends on is healthy");
    let mut words = edges.into_iter().map(|(key, on, place)| (place, format!("`{key}` waits for `{on}`")));
    let Some((_, label)) = words.next() else { return error };
    words.take(MAX_SHOWN).fold(error.label(label), |error, (place, text)| error.other(Some(place.clone()), text))
}
