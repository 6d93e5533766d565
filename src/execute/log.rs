//! The deploy log: every line goes to the store with its time, to the terminal, and to the daemon's log.

use super::{Context, Event};
use crate::model::{DeployId, StageKey};
use crate::store::LogLine;

/// Writes the log of one piece of work; without a deploy (a repair), lines are told but not kept.
pub(super) struct Log<'a> {
    context: &'a Context,
    key: StageKey,
    deploy: Option<DeployId>,
}

impl<'a> Log<'a> {
    pub(super) fn new(context: &'a Context, key: &StageKey, deploy: Option<DeployId>) -> Self {
        Self { context, key: key.clone(), deploy }
    }

    /// Adds a line. A store that cannot take it does not stop the deploy: losing a line is better than losing traffic.
    pub(super) async fn line(&self, text: impl Into<String>) {
        self.lines(vec![text.into()]).await;
    }

    /// Adds several lines in one write.
    pub(super) async fn lines(&self, lines: Vec<String>) {
        let now = crate::store::now_ms();
        for text in &lines {
            self.context.sink.tell(Event::Line { key: Some(self.key.clone()), text: text.clone() });
        }
        let Some(deploy) = self.deploy else { return };
        let rows: Vec<LogLine> = lines.into_iter().map(|text| LogLine { at_ms: now, text }).collect();
        if let Err(error) = self.context.store.append_log(deploy, rows).await {
            tracing::warn!(stage = %self.key, %error, "the deploy log could not be written");
        }
    }
}
