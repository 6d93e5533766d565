//! A project → its stages. The project's own keys are checked once, here; each stage is decoded on its own.

use std::cell::Cell;

use crate::config::code;
use crate::config::collect;
use crate::config::raw::{Layer, ProjectKeys, StageKeys};
use crate::config::report::{Item, Report, Site};
use crate::config::shape;
use crate::config::syntax::{self, Node};
use crate::model::{DesiredStage, Name, Repository, StageKey};

use super::cross::Claims;
use super::settings::Known;
use super::sources::Sources;
use super::{environment, merge, stage};

/// What a project gives all of its stages.
pub(super) struct Project {
    pub(super) repository: Option<Repository>,
    pub(super) port: Option<u16>,
    pub(super) layer: Layer,
}

/// What resolving one stage needs.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) site: Site<'a>,
    pub(super) key: &'a StageKey,
    pub(super) settings: &'a Known,
    pub(super) sources: &'a Sources,
}

/// Resolves all stages of a project; those with errors are left out.
pub(super) fn stages(
    name: &str,
    item: &Item,
    settings: &Known,
    sources: &Sources,
    claims: &mut Claims,
    report: &Report<'_>,
) -> Vec<(StageKey, DesiredStage)> {
    let project_name = super::name(item, report);
    let decoded = syntax::decode_top::<ProjectKeys, Layer>(item.node(), "Project", &["stages"]);
    let failed = Cell::new(false);
    let site = Site { report, own: item, base: None, failed: &failed };
    let project = shape::report(report, item, decoded).map(|(keys, layer)| project(&site, keys, layer));
    let is_sound = !failed.get();
    let mut resolved = Vec::new();
    for stage_item in stage_items(&site, name) {
        let stage_name = super::name(&stage_item, report);
        let decoded = syntax::decode_top::<StageKeys, Layer>(stage_item.node(), "Stage", &[]);
        let raw = shape::report(report, &stage_item, decoded);
        let key = project_name.clone().zip(stage_name).map(|(p, s): (Name, Name)| StageKey::new(p, s));
        if let Some(key) = &key {
            claims.stage(key, stage_item.place(report));
        }
        let (Some(key), Some((keys, own)), Some(project)) = (key, raw, &project) else { continue };
        let failed = Cell::new(false);
        let site = Site { report, own: &stage_item, base: Some(item), failed: &failed };
        environment::check_layer(&site, &own, true);
        let layer = merge::over(own, project.layer.clone());
        let cx = Context { site, key: &key, settings, sources };
        let stage = stage::stage(&cx, keys, layer, project, claims);
        if let Some(stage) = stage.filter(|_| is_sound && !failed.get()) {
            resolved.push((key, stage));
        }
    }
    resolved
}

fn project(site: &Site<'_>, keys: ProjectKeys, layer: Layer) -> Project {
    let ProjectKeys { image, port } = keys;
    let repository = match image {
        Some(text) => site.parse("image", &text),
        None => {
            let title = format!("project `{}` has no `image`", syntax::short(site.own.name()));
            site.refuse(code::MISSING, "", title, "write it like `image: ghcr.io/acme/shop`, without a tag");
            None
        }
    };
    if port == Some(0) {
        site.refuse(code::BAD_VALUE, "port", "0 is not a port", "write the port that the app listens on");
    }
    environment::check_layer(site, &layer, false);
    Project { repository, port: port.filter(|p| *p > 0), layer }
}

fn stage_items(site: &Site<'_>, name: &str) -> Vec<Item> {
    let node: &Node = site.own.node();
    let Some(entry) = node.get("stages") else {
        if matches!(node.value, syntax::Value::Map(_)) {
            let title = format!("project `{}` has no `stages`", syntax::short(name));
            site.refuse(
                code::MISSING,
                "",
                title,
                "write at least one, as in `stages: { prod: { track: { tag: \"1.0\" } } }`",
            );
        }
        return Vec::new();
    };
    let group = Item { doc: site.own.doc, entry: entry.clone() };
    let stages = collect::named(&group, site.report);
    if stages.is_empty() && matches!(entry.value.value, syntax::Value::Map(_)) {
        let title = format!("project `{}` has no stages", syntax::short(name));
        site.refuse(code::MISSING, "stages", title, "write at least one, or remove the project");
    }
    stages.into_iter().map(|entry| Item { doc: site.own.doc, entry }).collect()
}
