//! What was heard and not yet taken: one place for each stage, so that it cannot grow.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::Notify;

use super::{Heard, lock};
use crate::docker::{DockerError, Happened};
use crate::model::StageKey;

/// More stages than this at once are looked at together.
const STAGES_MAX: usize = 256;

/// What waits for one reader.
#[derive(Debug, Default)]
pub(super) struct Mailbox {
    inside: Mutex<Inside>,
    flag: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    /// What the reader was told last of the connection, and what is true by now.
    is_lost_told: bool,
    lost: Option<DockerError>,
    relist: bool,
    stages: BTreeMap<StageKey, Happened>,
}

impl Mailbox {
    /// Something happened to a stage.
    pub(super) fn stage(&self, key: StageKey, what: Happened) {
        self.put(|inside| {
            if !inside.relist {
                inside.stages.insert(key, what);
            }
            if inside.stages.len() > STAGES_MAX {
                inside.relist();
            }
        });
    }

    /// Anything may have happened.
    pub(super) fn relist(&self) {
        self.put(Inside::relist);
    }

    /// Docker does not answer.
    pub(super) fn lost(&self, why: DockerError) {
        self.put(|inside| {
            inside.lost.get_or_insert(why);
        });
    }

    /// Docker answers, and anything may have happened before.
    pub(super) fn back(&self) {
        self.put(|inside| {
            inside.lost = None;
            inside.relist();
        });
    }

    fn put(&self, change: impl FnOnce(&mut Inside)) {
        change(&mut lock(&self.inside));
        self.flag.notify_one();
    }

    /// The next thing, as soon as there is one.
    pub(super) async fn next(&self) -> Heard {
        loop {
            if let Some(heard) = lock(&self.inside).take() {
                return heard;
            }
            self.flag.notified().await;
        }
    }
}

impl Inside {
    fn relist(&mut self) {
        self.relist = true;
        self.stages.clear();
    }

    fn take(&mut self) -> Option<Heard> {
        match (&self.lost, self.is_lost_told) {
            (Some(why), false) => {
                let why = why.clone();
                self.is_lost_told = true;
                return Some(Heard::Lost(why));
            }
            (None, true) => {
                self.is_lost_told = false;
                return Some(Heard::Back);
            }
            (Some(_), true) | (None, false) => {}
        }
        if std::mem::take(&mut self.relist) {
            return Some(Heard::Relist);
        }
        self.stages.pop_first().map(|(key, what)| Heard::Stage { key, what })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: usize) -> StageKey {
        format!("shop/n{number}").parse().unwrap()
    }

    fn all(mailbox: &Mailbox) -> Vec<Heard> {
        std::iter::from_fn(|| lock(&mailbox.inside).take()).collect()
    }

    fn why() -> DockerError {
        DockerError::Unreachable { address: "unix:///a".into(), reason: "gone".into() }
    }

    #[test]
    fn a_stage_is_told_once_however_often_it_was_heard_and_everything_covers_it() {
        let mailbox = Mailbox::default();
        mailbox.stage(key(1), Happened::Paused);
        mailbox.stage(key(1), Happened::Died);
        mailbox.stage(key(0), Happened::Renamed);
        let told = |key, what| Heard::Stage { key, what };
        assert_eq!(all(&mailbox), [told(key(0), Happened::Renamed), told(key(1), Happened::Died)]);
        mailbox.stage(key(1), Happened::Died);
        mailbox.relist();
        mailbox.stage(key(2), Happened::Died);
        assert_eq!(all(&mailbox), [Heard::Relist]);
    }

    #[test]
    fn r31_more_than_it_holds_becomes_a_look_at_everything() {
        let mailbox = Mailbox::default();
        (0..STAGES_MAX).for_each(|number| mailbox.stage(key(number), Happened::Died));
        assert_eq!(lock(&mailbox.inside).stages.len(), STAGES_MAX);
        mailbox.stage(key(STAGES_MAX), Happened::Died);
        assert_eq!(all(&mailbox), [Heard::Relist]);
    }

    #[test]
    fn a_loss_and_its_end_are_told_once_each_and_one_that_nobody_saw_not_at_all() {
        let mailbox = Mailbox::default();
        mailbox.back();
        assert_eq!(all(&mailbox), [Heard::Relist], "it was never lost");
        mailbox.lost(why());
        mailbox.lost(why());
        assert_eq!(all(&mailbox), [Heard::Lost(why())]);
        mailbox.lost(why());
        assert_eq!(all(&mailbox), []);
        mailbox.back();
        assert_eq!(all(&mailbox), [Heard::Back, Heard::Relist]);
        mailbox.lost(why());
        mailbox.back();
        assert_eq!(all(&mailbox), [Heard::Relist]);
    }
}
