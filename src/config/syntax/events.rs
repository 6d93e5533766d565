//! Places and errors of the YAML parser in our terms.

use serde_yaml::granit_parser as yaml;

use super::node::{Problem, Span};
use super::words::short;

/// What stands for a part of a name, and is a mapping to YAML where it is not in quotes.
pub(super) const PLACEHOLDERS: &[&str] = &["{tag}", "{digest}", "{project}", "{stage}"];

/// A range of the parser's as bytes.
pub(super) fn span_of(text: &str, span: &yaml::Span) -> Span {
    let start = offset(text, &span.start);
    let end = offset(text, &span.end).max(start);
    Span { start, end }
}

fn offset(text: &str, marker: &yaml::Marker) -> u32 {
    u32::try_from(marker.byte_offset().unwrap_or(0).min(text.len())).unwrap_or(u32::MAX)
}

/// Words a syntax error of the parser, with the remedy for those that people meet.
pub(super) fn scan_problem(text: &str, error: &yaml::ScanError) -> Problem {
    let at = offset(text, error.marker());
    let span = Span { start: at, end: at };
    let (title, help) = words(error.kind());
    let quoted = to_quote(text, at as usize, error.kind());
    Problem {
        span,
        title: title.map_or_else(|| error.info(), str::to_owned),
        other: None,
        help: quoted.or_else(|| help.map(str::to_owned)),
    }
}

/// Our words for the mistakes that people make; the parser's own for the rest.
fn words(kind: &yaml::ErrorKind) -> (Option<&'static str>, Option<&'static str>) {
    use yaml::ErrorKind as E;
    match kind {
        E::TabNotAllowed | E::TabInBlockIndentation | E::TabInIndentation | E::TabAtBlockScalarStart => {
            (Some("a tab is used for indentation"), Some("indent with spaces"))
        }
        E::UnknownAnchor => (
            Some("there is no anchor of this name before"),
            Some("define it with `&name` further up in this file; a text that begins with `*` stands in quotes"),
        ),
        E::UnclosedQuotedScalar => (Some("a quote is opened and never closed"), None),
        E::UnclosedFlowCollection { .. } | E::UnexpectedEofFlowSequence | E::UnexpectedEofFlowMapping => {
            (Some("a `[` or `{` is opened and never closed"), None)
        }
        E::RecursionLimitExceeded => (Some("nested too deep"), Some("no key needs that")),
        E::DirectiveDisallowed => (Some("directives (`%YAML`, `%TAG`) are not supported"), Some("remove the line")),
        E::MappingValueNotAllowed | E::InvalidColonPlacement => (
            Some("a `:` is not expected here"),
            Some("put a value that holds `: ` in quotes, and check the indentation"),
        ),
        E::InvalidIndentation | E::ExpectedBlockMappingKey => {
            (None, Some("check the indentation of this line and the one before"))
        }
        _ => (None, None),
    }
}

/// The remedy for a text that begins an alias or a mapping, and is meant to be neither: a wildcard or a placeholder.
fn to_quote(text: &str, at: usize, kind: &yaml::ErrorKind) -> Option<String> {
    let start = text.get(..at)?.rfind('\n').map_or(0, |end| end + 1);
    let line = text[start..].lines().next()?;
    if matches!(kind, yaml::ErrorKind::UnknownAnchor) {
        let star = line.get(..=at - start).or(Some(line))?.rfind('*')?;
        let word = word(line, star, 0).filter(|word| word.starts_with("*."))?;
        return Some(format!("a `*` begins an alias in YAML; write it in quotes: `\"{}\"`", short(word)));
    }
    let before = text[..start].lines().next_back().unwrap_or_default();
    let word = [line, before].into_iter().find_map(placeholder)?;
    Some(format!("a `{{` begins a mapping in YAML; write it in quotes: `\"{}\"`", short(word)))
}

/// A word without quotes that has a placeholder, and more.
fn placeholder(line: &str) -> Option<&str> {
    let mut all = PLACEHOLDERS.iter().flat_map(|name| line.match_indices(name).map(|(at, name)| (at, name.len())));
    all.find_map(|(at, long)| {
        let start = line[..at].rfind([' ', '[', ',', '\t']).map_or(0, |end| end + 1);
        word(line, start, at + long - start).filter(|word| word.len() > long && !word.contains(['"', '\'']))
    })
}

/// What stands from here up to where YAML ends a word in a list or mapping, and at least so many bytes.
fn word(line: &str, start: usize, least: usize) -> Option<&str> {
    let rest = line.get(start..)?;
    let end = rest.get(least..)?.find([' ', ',', ']', '}', '\t']).map_or(rest.len(), |end| least + end);
    rest.get(..end)
}
