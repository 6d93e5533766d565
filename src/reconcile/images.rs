//! Images that nobody needs any more (R24): what a plan says of them, and what is done about it at the end of a pass.

use std::collections::BTreeSet;

use super::{Error, View, kept};
use crate::execute::{self, Context};
use crate::model::recorded::RecordedImage;
use crate::model::{Observed, Recorded, StageKey};
use crate::observe;
use crate::plan::{ImageDrop, Options, Plan, Shelf};
use crate::store::{DataDir, now_ms};

/// What the store is asked for: from which age on, and of which stages all.
pub(super) fn question(view: &View) -> (u8, BTreeSet<StageKey>) {
    (Shelf::least_newer(&view.desired), Shelf::changed(&view.plan))
}

/// The same asked of the store of a data directory, by who only looks.
pub(super) async fn read(data: &DataDir, view: &View) -> Result<Vec<RecordedImage>, Error> {
    let (newer, whole) = question(view);
    Ok(kept::read(data.clone(), move |reader| reader.spare_images(newer, &whole)).await?.unwrap_or_default())
}

/// Which images go once all of the plan is done.
pub(super) fn planned(view: &View, options: &Options, held: &[RecordedImage]) -> Vec<ImageDrop> {
    superfluous(view, options, (&view.recorded, &view.observed, &view.plan), held)
}

fn superfluous(
    view: &View,
    options: &Options,
    (recorded, observed, plan): (&Recorded, &Observed, &Plan),
    held: &[RecordedImage],
) -> Vec<ImageDrop> {
    let desired = &view.desired;
    let shelf = Shelf { desired, recorded, observed, images: &view.images, plan, options, now_ms: now_ms() };
    shelf.superfluous(held)
}

/// Lets go what was planned to, where that still holds: the stages did not all come out as they were to, and passes beside
/// this one may have begun what nobody knew of. While an image is fetched nothing goes; the next pass plans it again.
pub(super) async fn tidy(context: &Context, view: &View, options: &Options) {
    if view.plan.images.is_empty() {
        return;
    }
    let Some(_alone) = context.pulls.letting_go() else {
        tracing::debug!("images stay for now, since one is being fetched");
        return;
    };
    match still_superfluous(context, view, options).await {
        Ok(drops) => execute::drop_images(context, &drops).await,
        Err(error) => tracing::warn!(%error, "images that are not needed any more stay for now"),
    }
}

/// Looks again, at the store and at Docker.
async fn still_superfluous(context: &Context, view: &View, options: &Options) -> Result<Vec<ImageDrop>, Error> {
    let recorded = context.store.recorded().await?;
    let (newer, whole) = question(view);
    let held = context.store.spare_images(newer, whole).await?;
    let host = observe::with_adopted(&context.docker, observe::host(&context.docker).await?, &recorded).await?;
    let observed = observe::without_proxy(host);
    let mut drops = superfluous(view, options, (&recorded, &observed, &Plan::default()), &held);
    drops.retain(|drop| view.plan.images.iter().any(|planned| planned.image == drop.image));
    Ok(drops)
}
