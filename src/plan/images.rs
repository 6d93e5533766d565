//! Images that nobody needs any more (R24): housekeeping beside the plan, shown by `diff` and done at the end of a pass.
//!
//! *Guarantees*: what a container of ours was made from stays, in whatever state it is, and so do the images of a stage
//! that succeeded last, `keep_images` of them, and what the stage is to run; of a stage that is left alone all stay.
//! *Caveats*: a container that nobody labelled is not seen: Docker refuses to let go of what it uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;

use super::{Blocked, Left, Options, Plan, StagePlan, Step, Target, Verdict};
use crate::model::recorded::RecordedImage;
use crate::model::{Desired, Digest, ImageRef, Observed, Recorded, Repository, StageKey};

/// Most images of one pass. While they go no image is pulled; each takes its time, and the next pass goes on.
const MOST: usize = 20;
/// So long an image is left alone that was to go and stayed, unless somebody asks: something uses it that is not ours.
const LEFT_ALONE_MS: u64 = 3_600_000;

/// An image that goes, by the names that we gave it and, if we pulled it, by the one it was pulled as. A name that a
/// person gave it stays, and the image with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImageDrop {
    /// Which one.
    pub image: ImageRef,
    /// The stages that used it, and why none of them needs it.
    pub stages: BTreeMap<StageKey, Unneeded>,
    /// We pulled it.
    #[serde(skip)]
    pub is_pulled: bool,
}

/// Why a stage does not need an image any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unneeded {
    /// So many others succeeded after it as are kept.
    Older {
        /// That number.
        kept: u8,
    },
    /// It never succeeded.
    Unproven,
    /// The stage is gone, or goes.
    Gone,
}

impl fmt::Display for ImageDrop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ImageRef { repository, tag, digest, local: _ } = &self.image;
        let tag = tag.iter().map(|tag| format!(":{tag}")).collect::<String>();
        write!(f, "{repository}{tag}@sha256:{}… goes", digest.short())?;
        for (separator, (key, why)) in std::iter::once(": ").chain(std::iter::repeat("; ")).zip(&self.stages) {
            f.write_str(separator)?;
            match why {
                Unneeded::Older { kept } => write!(f, "not among the last {kept} of {key}")?,
                Unneeded::Unproven => write!(f, "it never succeeded in {key}")?,
                Unneeded::Gone => write!(f, "{key} is gone")?,
            }
        }
        Ok(())
    }
}

/// What is known when the images are gone through.
#[derive(Debug, Clone, Copy)]
pub struct Shelf<'a> {
    /// What the YAML says.
    pub desired: &'a Desired,
    /// What the store remembers.
    pub recorded: &'a Recorded,
    /// What Docker reports.
    pub observed: &'a Observed,
    /// The pinned image of each stage, or why there is none.
    pub images: &'a BTreeMap<StageKey, Result<ImageRef, Blocked>>,
    /// What is done before any image goes; all of it is taken to succeed.
    pub plan: &'a Plan,
    /// What the user asked for.
    pub options: &'a Options,
    /// The time, in milliseconds since 1970 UTC.
    pub now_ms: i64,
}

/// What decides that two images are the same.
type Content<'a> = (&'a Repository, &'a Digest);

fn content(image: &ImageRef) -> Content<'_> {
    (&image.repository, &image.digest)
}

/// True for a stage that will have another instance, or none.
fn moves(stage: &StagePlan) -> bool {
    stage.deploy.is_some() || stage.verdict == Verdict::Remove
}

impl<'a> Shelf<'a> {
    /// How many newer images an image has at least that some stage may not need.
    pub fn least_newer(desired: &Desired) -> u8 {
        desired.stages.values().map(|stage| stage.keep_images).min().unwrap_or(1)
    }

    /// The stages of which a plan changes what is needed: all of their images are to be gone through.
    pub fn changed(plan: &Plan) -> BTreeSet<StageKey> {
        plan.stages.iter().filter(|stage| moves(stage)).map(|stage| stage.key.clone()).collect()
    }

    /// Those that go, of some that may.
    pub fn superfluous(self, held: &[RecordedImage]) -> Vec<ImageDrop> {
        if held.is_empty() || self.plan.held.is_some() {
            return Vec::new();
        }
        let (needed, run) = (self.needed(), self.run());
        let mut by_content: BTreeMap<Content<'_>, Vec<&RecordedImage>> = BTreeMap::new();
        for row in held {
            by_content.entry(content(&row.image)).or_default().push(row);
        }
        let is_free = |content: &Content<'_>| !needed.contains(content) && !run.contains(content.1.as_str());
        let free = by_content.into_iter().filter(|(content, _)| is_free(content));
        free.filter_map(|(_, rows)| self.drop_of(&rows, held)).take(MOST).collect()
    }

    /// The drop of an image, where each stage that has it can do without.
    fn drop_of(self, rows: &[&RecordedImage], held: &[RecordedImage]) -> Option<ImageDrop> {
        let was_left = |row: &&RecordedImage| row.left_at_ms.is_some_and(|at| at.abs_diff(self.now_ms) < LEFT_ALONE_MS);
        if !self.options.retry && rows.iter().any(was_left) {
            return None;
        }
        let stages = rows.iter().map(|row| Some((row.key.clone(), self.unneeded(row, held)?)));
        Some(ImageDrop {
            image: rows.iter().find(|row| row.image.tag.is_some()).or(rows.first())?.image.clone(),
            stages: stages.collect::<Option<_>>()?,
            is_pulled: rows.iter().any(|row| row.is_pulled),
        })
    }

    /// Why a stage does not need an image that nothing runs; none where it does, or where that is not for this pass to say.
    fn unneeded(self, row: &RecordedImage, held: &[RecordedImage]) -> Option<Unneeded> {
        let Options { selection, busy, .. } = self.options;
        let recorded = self.recorded.stages.get(&row.key);
        let is_left_alone = recorded.is_some_and(|stage| stage.paused(self.now_ms).is_some());
        if !selection.contains(&row.key) || busy.contains(&row.key) || is_left_alone {
            return None;
        }
        let Some(stage) = self.desired.stages.get(&row.key) else {
            return (recorded.is_none() || self.goes(&row.key)).then_some(Unneeded::Gone);
        };
        match self.newer(row, held) {
            None => Some(Unneeded::Unproven),
            Some(newer) => {
                (newer >= u32::from(stage.keep_images)).then_some(Unneeded::Older { kept: stage.keep_images })
            }
        }
    }

    fn goes(self, key: &StageKey) -> bool {
        self.plan.stages.iter().any(|stage| stage.key == *key && stage.verdict == Verdict::Remove)
    }

    /// How many others of its stage will have succeeded after it.
    fn newer(self, row: &RecordedImage, held: &[RecordedImage]) -> Option<u32> {
        let newer = row.newer?;
        let comes =
            self.plan.stages.iter().filter(|stage| stage.key == row.key).find_map(|stage| stage.deploy.as_ref());
        let Some(image) = comes.map(|deploy| &deploy.image).filter(|image| !image.local) else { return Some(newer) };
        let known = held.iter().find(|other| other.key == row.key && content(&other.image) == content(image));
        let overtakes = known.and_then(|known| known.newer).is_none_or(|age| age > newer);
        Some(if overtakes { newer.saturating_add(1) } else { newer })
    }

    /// What stages are to run, may go back to by a word, or are being brought.
    fn needed(self) -> BTreeSet<Content<'a>> {
        let Self { recorded, images, plan, .. } = self;
        let wanted = images.values().filter_map(|image| image.as_ref().ok()).map(content);
        let planned = plan.stages.iter().filter_map(|stage| stage.deploy.as_ref()).map(|deploy| content(&deploy.image));
        // Of a stage that is deployed or goes, what it has now does not count once that is done.
        let moves: BTreeSet<&StageKey> =
            plan.stages.iter().filter(|stage| moves(stage)).map(|stage| &stage.key).collect();
        let stays = recorded.stages.iter().filter(|(key, _)| !moves.contains(key)).map(|(_, stage)| stage);
        let kept = stays.flat_map(|stage| {
            let pin = stage.pin.as_ref().map(|pin| (&pin.repository, &pin.digest));
            let live = stage.live.as_ref().map(|live| content(&live.image));
            let chosen = stage.choice.as_ref().map(|choice| content(&choice.image));
            let in_flight = stage.in_flight.as_ref().map(|open| content(&open.deploy.image));
            [pin, live, chosen, in_flight].into_iter().flatten()
        });
        wanted.chain(planned).chain(kept).collect()
    }

    /// Digests of what containers were made from that are there, and stay.
    fn run(self) -> BTreeSet<&'a str> {
        let removed = |step: &'a Step| match step.effect.removes() {
            Some(Target::Existing { id, .. }) => Some(id.as_str()),
            Some(Target::New) | None => None,
        };
        let steps = self.plan.stages.iter().flat_map(|stage| &stage.steps).filter_map(removed);
        let closed = self.plan.endings.iter().filter_map(|ending| match &ending.container {
            Left::Removed { id, .. } => Some(id.as_str()),
            Left::Nothing | Left::Serves { .. } | Left::MayServe { .. } | Left::Stays { .. } => None,
        });
        let gone: BTreeSet<&str> = steps.chain(closed).collect();
        let stay = self.observed.containers.iter().filter(|container| !gone.contains(container.id.as_str()));
        stay.filter_map(|container| container.labels.as_ref()).map(|labels| labels.digest.as_str()).collect()
    }
}
