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
        let lines: Vec<String> = lines.iter().map(|line| harmless(line)).collect();
        for text in &lines {
            self.context.sink.tell(Event::Line { key: Some(self.key.clone()), text: text.clone() });
        }
        self.write(now, lines).await;
    }

    /// Adds a line that whoever watches is told by the end of the work.
    pub(super) async fn end(&self, text: impl Into<String>) {
        self.write(crate::store::now_ms(), vec![harmless(&text.into())]).await;
    }

    async fn write(&self, now: i64, lines: Vec<String>) {
        let Some(deploy) = self.deploy else { return };
        let rows: Vec<LogLine> = lines.into_iter().map(|text| LogLine { at_ms: now, text }).collect();
        if let Err(error) = self.context.store.append_log(deploy, rows).await {
            tracing::warn!(stage = %self.key, %error, "the deploy log could not be written");
        }
    }
}

/// One line that a terminal only shows: what an app, a registry or Docker wrote may hold what a terminal acts on.
pub(super) fn harmless(text: &str) -> String {
    let shown = |c: char| match c {
        '\t' => c,
        '\n' => ' ',
        // The pictures of the control characters, in their order.
        '\0'..='\u{1f}' => char::from_u32(0x2400 + u32::from(c)).unwrap_or(char::REPLACEMENT_CHARACTER),
        '\u{7f}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        _ => c,
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::harmless;

    #[test]
    fn what_a_terminal_would_act_on_is_only_shown() {
        assert_eq!(harmless("\u{1b}[2Jred\r\u{9b}1m\u{202e}x\ty\nä"), "␛[2Jred␍\u{fffd}1m\u{fffd}x\ty ä");
    }
}
