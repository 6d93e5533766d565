//! Places and errors of the YAML parser in our terms.

use serde_yaml::granit_parser as yaml;

use super::node::{Problem, Span};

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
    Problem {
        span,
        title: title.map_or_else(|| error.info(), str::to_owned),
        other: None,
        help: help.map(str::to_owned),
    }
}

/// Our words for the mistakes that people make; the parser's own for the rest.
fn words(kind: &yaml::ErrorKind) -> (Option<&'static str>, Option<&'static str>) {
    use yaml::ErrorKind as E;
    match kind {
        E::TabNotAllowed | E::TabInBlockIndentation | E::TabInIndentation | E::TabAtBlockScalarStart => {
            (Some("a tab is used for indentation"), Some("indent with spaces"))
        }
        E::UnknownAnchor => {
            (Some("there is no anchor of this name before"), Some("define it with `&name` further up in this file"))
        }
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
