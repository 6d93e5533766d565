//! Which tags a stage of several instances runs: the newest that the registry has, when it is asked, else those that the
//! store knows.

use std::collections::BTreeMap;

use super::{Lists, Pins, Wanted};
use crate::model::policy::{Choice, choose, select};
use crate::model::recorded::Pin;
use crate::model::{Desired, DesiredStage, Recorded, StageKey, Tag};
use crate::plan::Options;

/// A stage that runs several instances, and what is known of them.
pub(super) struct Group<'a> {
    pub(super) stage: &'a DesiredStage,
    /// Instances that are in force, newest first, with what their tags stood for.
    known: Vec<(Tag, Option<&'a Pin>)>,
    /// True where the registry is asked for its tags.
    pub(super) asks: bool,
    is_selected: bool,
}

/// Every stage that runs several instances. Also of those that were not selected it has to be known which: what is not
/// named would be retired. Without options none is selected, and nothing asked.
pub(super) fn groups<'a>(desired: &'a Desired, recorded: &'a Recorded, options: Option<&Options>) -> Vec<Group<'a>> {
    if desired.several.is_empty() {
        return Vec::new();
    }
    let mut by_stage: BTreeMap<StageKey, BTreeMap<Tag, Option<&Pin>>> = BTreeMap::new();
    for (key, stage) in recorded.stages.iter().filter(|(_, stage)| !stage.is_removed) {
        if let Some(tag) = key.tag() {
            by_stage.entry(key.written()).or_default().insert(tag, stage.pin.as_ref());
        }
    }
    let group = |(key, stage): (&StageKey, &'a DesiredStage)| {
        let pins = by_stage.remove(key).unwrap_or_default();
        let newest = select(&stage.track, pins.keys().map(Tag::as_str), stage.max_instances.into()).newest;
        let known: Vec<_> = newest.into_iter().map(|tag| (tag.clone(), pins.get(&tag).copied().flatten())).collect();
        let selecting = options.filter(|options| options.selection.contains(key));
        // One that has none may get some by a push that nobody told of.
        let asks = selecting.is_some_and(|options| options.asks(key) || known.is_empty());
        Group { stage, asks, known, is_selected: selecting.is_some() }
    };
    desired.several.iter().map(group).collect()
}

impl Group<'_> {
    /// Pins each instance by what is known of its tag; what is not, is wanted.
    pub(super) fn pin(&self, lists: &Lists, pins: &mut Pins) -> Vec<Wanted> {
        let mut wanted = Vec::new();
        let tags = self.tags(lists, pins);
        for tag in &tags {
            let instance = self.stage.instance(tag, None);
            let pin = self.known.iter().find(|(known, _)| known == tag).and_then(|(_, pin)| *pin);
            match choose(&instance, pin, false) {
                Choice::Known(image) => drop(pins.images.insert(instance.key, Ok(image))),
                Choice::AskRegistry(repository, tag) if self.is_selected => {
                    wanted.push(Wanted { key: instance.key, repository, tag, pinned: None });
                }
                // A fixed tag of a registry leads to no other question.
                Choice::AskRegistry(..) | Choice::AskHost(..) | Choice::AskTags { .. } => {}
                Choice::AskMoved { .. } | Choice::AskStage => {}
            }
        }
        pins.instances.insert(self.stage.key.clone(), tags);
        wanted
    }

    /// The tags that are to run. A registry that does not answer, or has none that fits, takes none away.
    fn tags(&self, lists: &Lists, pins: &mut Pins) -> Vec<Tag> {
        let known = || self.known.iter().map(|(tag, _)| tag.clone()).collect();
        if !self.asks {
            return known();
        }
        // What is said of the stage is said of each of its instances.
        let instances = self.known.iter().map(|(tag, _)| self.stage.key.at(tag));
        pins.looked(instances, self.stage, lists).unwrap_or_else(|blocked| {
            if self.known.is_empty() {
                pins.images.insert(self.stage.key.clone(), Err(blocked));
            }
            known()
        })
    }
}

/// The configuration with the instances that the store knows, asking nobody; none where no stage runs several.
pub fn as_recorded(desired: &Desired, recorded: &Recorded) -> Option<Desired> {
    let mut pins = Pins::default();
    for group in groups(desired, recorded, None) {
        group.pin(&Lists::new(), &mut pins);
    }
    pins.expand(desired, recorded)
}

impl Pins {
    /// The configuration with the instances that are to run; none where no stage runs several. Where two would have one
    /// domain, the one that had it first keeps it, and of new ones the newest gets it.
    pub fn expand(&self, desired: &Desired, recorded: &Recorded) -> Option<Desired> {
        if desired.several.is_empty() {
            return None;
        }
        let is_new =
            |(key, tag): &(&StageKey, &Tag)| recorded.stages.get(&key.at(tag)).is_none_or(|stage| stage.live.is_none());
        let mut all: Vec<(&StageKey, &Tag)> =
            self.instances.iter().flat_map(|(key, tags)| tags.iter().map(move |tag| (key, tag))).collect();
        all.sort_by_key(is_new);
        let digest = |key: &StageKey| Some(self.images.get(key)?.as_ref().ok()?.digest.clone());
        let mut all =
            desired.expand(all.into_iter().map(|(key, tag)| (key.clone(), tag.clone(), digest(&key.at(tag)))));
        for (key, known) in &recorded.stages {
            let Some(stage) = desired.several.get(&key.written()).filter(|_| !all.stages.contains_key(key)) else {
                continue;
            };
            let digest = known.live.as_ref().map(|live| &live.image.digest);
            // What ran before there were several had no tag in its name.
            let older = key.tag().map_or_else(|| stage.clone(), |tag| stage.instance(&tag, digest));
            all.older.insert(key.clone(), older);
        }
        Some(all)
    }
}
