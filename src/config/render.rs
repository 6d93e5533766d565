//! Diagnostics as text: source line, caret, help. The only code that names annotate-snippets.
//!
//! Hands over only the lines that are shown: a renderer that walks a file of a megabyte for each of a hundred
//! diagnostics would take seconds.

use std::borrow::Cow;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Patch, Renderer, Snippet};

use super::diagnostic::{Diagnostic, Diagnostics, Place, Severity};
use super::syntax::is_unsafe;

/// More than these are counted, not shown: nobody reads them, and a terminal has an end.
const MAX_SHOWN: usize = 100;
/// A longer line is shown in part, around the place.
const MAX_LINE: usize = 300;

pub(super) fn render(diagnostics: &Diagnostics, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let shown = diagnostics.list.iter().take(MAX_SHOWN);
    let mut blocks: Vec<String> = shown.map(|d| one(diagnostics, d, &renderer)).collect();
    if let Some(more) = diagnostics.list.len().checked_sub(MAX_SHOWN).filter(|n| *n > 0) {
        blocks.push(format!("… and {more} more"));
    }
    blocks.join("\n\n")
}

fn one(all: &Diagnostics, diagnostic: &Diagnostic, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.title.as_str()).id(diagnostic.code);
    let mut groups = vec![match primary(all, diagnostic) {
        Some(snippets) => title.elements(snippets),
        None => title.element(annotate_snippets::Origin::path(shown(all, &diagnostic.place))),
    }];
    if let Some(group) = help(all, diagnostic) {
        groups.push(group);
    }
    renderer.render(&groups)
}

type Source<'a> = Snippet<'a, annotate_snippets::Annotation<'a>>;

/// The place itself, and the others of the same file in one excerpt; then the other files.
fn primary<'a>(all: &'a Diagnostics, diagnostic: &'a Diagnostic) -> Option<Vec<Source<'a>>> {
    let main = &diagnostic.place;
    let is_near = |place: &Place| place.file == main.file && place.line > 0;
    let near: Vec<_> = diagnostic.others.iter().filter(|o| is_near(&o.place)).collect();
    let mut places: Vec<&Place> = near.iter().map(|o| &o.place).collect();
    places.push(main);
    let window = Window::around(all, &places)?.masked(diagnostic);
    let mut snippet = window.snippet(shown(all, main));
    let primary = AnnotationKind::Primary.span(window.range(main)).label(diagnostic.label.as_deref());
    snippet = snippet.annotation(primary);
    for other in near {
        let context = AnnotationKind::Context.span(window.range(&other.place)).label(other.text.as_str());
        snippet = snippet.annotation(context);
    }
    let mut snippets = vec![snippet];
    for other in diagnostic.others.iter().filter(|o| !is_near(&o.place)) {
        if let Some(window) = Window::around(all, &[&other.place]) {
            let context = AnnotationKind::Context.span(window.range(&other.place)).label(other.text.as_str());
            snippets.push(window.snippet(shown(all, &other.place)).annotation(context));
        }
    }
    Some(snippets)
}

fn help<'a>(all: &'a Diagnostics, diagnostic: &'a Diagnostic) -> Option<Group<'a>> {
    let window = Window::around(all, &[&diagnostic.place]);
    match (&diagnostic.replacement, window) {
        (Some(text), Some(window)) => {
            let title = diagnostic.help.as_deref().unwrap_or("this may be what was meant");
            let window = window.masked(diagnostic);
            let source = Snippet::source(window.text.clone()).line_start(window.first_line).fold(true);
            let patch = Patch::new(window.range(&diagnostic.place), text.as_str());
            Some(Level::HELP.secondary_title(title).element(source.patch(patch)))
        }
        (Some(_) | None, _) => {
            diagnostic.help.as_deref().map(|text| Group::with_title(Level::HELP.secondary_title(text)))
        }
    }
}

fn shown(all: &Diagnostics, place: &Place) -> String {
    let path = format!("{}{}", all.shown_root, place.file);
    path.chars().map(|c| if is_unsafe(c) { '\u{fffd}' } else { c }).collect()
}

/// The lines of a file that are shown.
struct Window<'a> {
    text: Cow<'a, str>,
    offset: usize,
    first_line: usize,
}

impl<'a> Window<'a> {
    fn around(all: &'a Diagnostics, places: &[&Place]) -> Option<Self> {
        let first = places.iter().filter(|p| p.line > 0).min_by_key(|p| p.start)?;
        let last = places.iter().filter(|p| p.line > 0).max_by_key(|p| p.start)?;
        let source: &str = all.sources.get(&first.file)?;
        let start = source.get(..first.start)?.rfind('\n').map_or(0, |at| at + 1);
        let end = source.get(last.start..)?.find('\n').map_or(source.len(), |at| last.start + at);
        let (start, end) = if end - start > MAX_LINE && first.line == last.line {
            (floor(source, first.start.saturating_sub(MAX_LINE / 2).max(start)), {
                floor(source, (last.start + MAX_LINE / 2).min(end))
            })
        } else {
            (start, end)
        };
        Some(Self { text: harmless(source.get(start..end)?), offset: start, first_line: first.line as usize })
    }

    /// With every range that may hold a secret overwritten.
    fn masked(mut self, diagnostic: &Diagnostic) -> Self {
        for hidden in &diagnostic.hidden {
            let inside = |at: usize| at.saturating_sub(self.offset).min(self.text.len());
            let (start, end) = (floor(&self.text, inside(hidden.start)), floor(&self.text, inside(hidden.end)));
            let mask: String = self.text[start..end].bytes().map(|b| if b == b'\n' { '\n' } else { '*' }).collect();
            self.text.to_mut().replace_range(start..end, &mask);
        }
        self
    }

    fn snippet(&self, path: String) -> Source<'a> {
        Snippet::source(self.text.clone()).line_start(self.first_line).path(path).fold(true)
    }

    /// The place within the window, on its first line only: a mapping of a hundred lines is not underlined whole.
    fn range(&self, place: &Place) -> Range<usize> {
        let start = place.start.saturating_sub(self.offset).min(self.text.len());
        let line_end = self.text[start..].find('\n').map_or(self.text.len(), |at| start + at);
        let end = place.end.saturating_sub(self.offset).clamp(start, line_end);
        let end = start + self.text[start..floor(&self.text, end)].trim_end().len();
        start..end.max(start)
    }
}

/// Text without characters that a terminal would act on, of the same length in bytes, so that places stay right. Those
/// of one byte are left to annotate-snippets, which shows them as symbols.
fn harmless(text: &str) -> Cow<'_, str> {
    let mask = |c: char| match c.len_utf8() {
        2 if is_unsafe(c) => '¿',
        3 if is_unsafe(c) => '\u{fffd}',
        _ => c,
    };
    if text.chars().any(|c| mask(c) != c) { text.chars().map(mask).collect::<String>().into() } else { text.into() }
}

/// The nearest boundary of a character at or before a byte.
fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}
