//! Live progress of `apply`, on standard error: a bar per pull and a line per event on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use owo_colors::OwoColorize as _;

use crate::execute::{Event, Sink, StageResult};
use crate::model::StageKey;

/// Shows events as they come.
#[derive(Clone)]
pub(super) struct Live {
    bars: MultiProgress,
    pulls: Arc<Mutex<BTreeMap<StageKey, ProgressBar>>>,
    is_terminal: bool,
}

impl Live {
    pub(super) fn new() -> Self {
        let is_terminal = std::io::stderr().is_terminal();
        let target = if is_terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        Self { bars: MultiProgress::with_draw_target(target), pulls: Arc::default(), is_terminal }
    }

    /// Where the executor tells its events.
    pub(super) fn sink(&self) -> Sink {
        let live = self.clone();
        Sink::new(move |event| live.show(&event))
    }

    /// Takes the bars away.
    pub(super) fn finish(&self) {
        let _ = self.bars.clear();
    }

    /// Shows one.
    pub(super) fn show(&self, event: &Event) {
        match event {
            Event::Begin { key, verdict, to } => {
                let version = to.as_ref().map(|to| format!(" {to}")).unwrap_or_default();
                self.line(&format!("{}  {verdict}{version}", key.bold()));
            }
            Event::Planned { .. } => {}
            // The lines of the log say the same, with what and where.
            Event::Phase { .. } => {}
            Event::Line { key: Some(key), text } => self.line(&format!("{key}  {text}")),
            Event::Line { key: None, text } => self.line(text),
            Event::Pull { key, current, total } => self.pull(key, *current, *total),
            Event::End { key, result } => self.end(key, result),
        }
    }

    fn line(&self, text: &str) {
        let text = text.to_owned();
        self.bars.suspend(|| anstream::eprintln!("{text}"));
    }

    fn pull(&self, key: &StageKey, current: u64, total: u64) {
        if !self.is_terminal {
            return;
        }
        let mut pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = pulls.entry(key.clone()).or_insert_with(|| {
            let bar = self.bars.add(ProgressBar::new(total));
            let style = ProgressStyle::with_template("{prefix}  {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(key.to_string());
            bar
        });
        bar.set_length(total);
        bar.set_position(current);
        if total > 0 && current >= total {
            bar.finish_and_clear();
        }
    }

    fn end(&self, key: &StageKey, result: &StageResult) {
        if let Some(bar) = self.pulls.lock().unwrap_or_else(PoisonError::into_inner).remove(key) {
            bar.finish_and_clear();
        }
        let text = match result {
            StageResult::Deployed { status, deploy, reason: None, .. } => {
                format!("{} ({deploy})", status.words().green())
            }
            StageResult::Deployed { status, deploy, reason: Some(reason), .. } => {
                format!("{}: {reason}; `landfall show {deploy}` has the log", status.words().red().bold())
            }
            StageResult::Done => "done".green().to_string(),
            StageResult::Failed { reason, hint } => {
                let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
                format!("{} {reason}{hint}", "failed:".red().bold())
            }
            StageResult::Skipped { reason } => format!("{} {reason}", "skipped:".yellow()),
        };
        self.line(&format!("{}  {text}", key.bold()));
    }
}
