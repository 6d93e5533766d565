//! A project → its stages. The project's own keys are checked once, here; each stage is decoded on its own.

use std::cell::Cell;

use crate::config::code;
use crate::config::collect;
use crate::config::raw::{Layer, ProjectKeys, StageKeys};
use crate::config::report::{Item, Report, Site};
use crate::config::shape;
use crate::config::syntax;
use crate::model::{DesiredStage, Name, Repository, StageKey};

use super::cross::Claims;
use super::settings::Known;
use super::sources::Sources;
use super::{environment, merge, stage};

/// What a project gives all of its stages.
pub(super) struct Project {
    /// False when wrong values were left out of it.
    pub(super) is_whole: bool,
    /// False when anything of its own was wrong.
    pub(super) is_sound: bool,
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

/// Most values that all stages may hold together, each with what it takes from its project. A hundred thousand
/// variables for each of ten thousand stages fit into one file, and not into memory.
const MAX_VALUES: u64 = 3_000_000;

/// What resolving some projects shares.
pub(super) struct Shared<'a> {
    pub(super) settings: &'a Known,
    pub(super) sources: &'a Sources,
    pub(super) report: &'a Report<'a>,
    pub(super) claims: Claims,
}

/// How many of the projects, from the first on, hold no more values together than all may.
pub(super) fn fitting<'a>(items: impl Iterator<Item = &'a Item<'a>>) -> usize {
    let sums = items.scan(0_u64, |values, item| {
        let stages = item.node().get("stages").map(|entry| entry.value().entries());
        let (count, inner) = stages.map_or((0, 0), |stages| {
            (stages.len() as u64, stages.map(|stage| u64::from(stage.value().weight())).sum::<u64>())
        });
        let own = u64::from(item.node().weight()).saturating_sub(inner);
        *values = values.saturating_add(inner).saturating_add(own.saturating_mul(count));
        Some(*values)
    });
    sums.take_while(|values| *values <= MAX_VALUES).count()
}

/// Resolves all stages of a project; those with errors are left out. Where it does not `fit`, that is the error.
pub(super) fn stages(shared: &mut Shared<'_>, item: &Item<'_>, fits: bool) -> Vec<(StageKey, DesiredStage)> {
    let report = shared.report;
    let name = super::name(item, report);
    let failed = Cell::new(false);
    let site = Site { report, own: item, base: None, failed: &failed };
    let decoded = syntax::decode_top::<ProjectKeys, Layer>(item.node(), "Project", &["stages"]);
    let decoded = shape::report(report, item, decoded);
    let project =
        decoded.map(|((keys, layer), is_whole)| report.on(is_whole, || project(&site, is_whole, keys, layer)));
    let stages = stage_items(&site);
    if !fits {
        let title = format!("all stages together hold more than {MAX_VALUES} values");
        site.refuse(code::BAD_VALUE, "", title, "what a project says counts for each of its stages: split the host");
        return Vec::new();
    }
    let project = project.map(|project| Project { is_sound: project.is_sound && !failed.get(), ..project });
    let stages = stages.iter().take_while(|_| !report.is_full());
    stages.filter_map(|stage| one(shared, item, name.as_ref(), project.as_ref(), stage)).collect()
}

fn one(
    shared: &mut Shared<'_>,
    item: &Item<'_>,
    project_name: Option<&Name>,
    project: Option<&Project>,
    stage_item: &Item<'_>,
) -> Option<(StageKey, DesiredStage)> {
    let Shared { settings, sources, report, claims } = shared;
    let stage_name = super::name(stage_item, report);
    let decoded = syntax::decode_top::<StageKeys, Layer>(stage_item.node(), "Stage", &[]);
    let raw = shape::report(report, stage_item, decoded);
    let key = StageKey::new(project_name?.clone(), stage_name?.into());
    claims.stage(&key, stage_item);
    let (((keys, own), is_whole), project) = (raw?, project?);
    let failed = Cell::new(false);
    let site = Site { report, own: stage_item, base: Some(item), failed: &failed };
    let cx = Context { site, key: &key, settings, sources };
    let stage = report.on(is_whole && project.is_whole, || {
        environment::check_layer(&site, &own, true);
        stage::stage(&cx, keys, merge::over(own, project.layer.clone()), project, claims)
    });
    let is_sound = is_whole && project.is_whole && project.is_sound && !failed.get();
    stage.filter(|_| is_sound).map(|stage| (key, stage))
}

fn project(site: &Site<'_>, is_whole: bool, keys: ProjectKeys, layer: Layer) -> Project {
    let ProjectKeys { image, port } = keys;
    if image.is_none() {
        let title = format!("project `{}` has no `image`", syntax::short(site.own.name()));
        site.refuse(code::MISSING, "", title, "write it like `image: ghcr.io/acme/shop`, without a tag");
    }
    let repository = image.and_then(|text| site.parse("image", &text));
    if port == Some(0) {
        site.refuse(code::BAD_VALUE, "port", "0 is not a port", "write the port that the app listens on");
    }
    environment::check_layer(site, &layer, false);
    Project { is_whole, is_sound: true, repository, port: port.filter(|p| *p > 0), layer }
}

fn stage_items<'a>(site: &Site<'a>) -> Vec<Item<'a>> {
    let name = site.own.name();
    let node = site.own.node();
    let Some(entry) = node.get("stages") else {
        if matches!(node.value(), syntax::Value::Map(_)) {
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
    let group = Item { doc: site.own.doc, entry };
    let stages = collect::named(&group, site.report);
    if stages.is_empty() && matches!(entry.value().value(), syntax::Value::Map(_)) {
        let title = format!("project `{}` has no stages", syntax::short(name));
        site.refuse(code::MISSING, "stages", title, "write at least one, or remove the project");
    }
    stages.into_iter().map(|entry| Item { doc: site.own.doc, entry }).collect()
}
