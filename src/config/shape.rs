//! Words for what the decoder finds: unknown keys, wrong kinds of value, missing keys.

use super::code;
use super::diagnostic::Diagnostic;
use super::later::{Fate, fate};
use super::report::{Item, Report};
use super::suggest::nearest;
use super::syntax::{Decoded, Span, Unknown, Wrong, WrongKind, one_of, short};

/// Reports everything that did not fit; gives the value only when all of it did. Unknown keys do not spoil a value:
/// its own mistakes are still worth reporting.
pub(super) fn report<T>(report: &Report<'_>, item: &Item, decoded: Decoded<T>) -> Option<T> {
    let is_whole = decoded.wrong.is_empty();
    for unknown in decoded.unknown {
        report.add(unknown_key(report, item, &unknown));
    }
    for wrong in decoded.wrong {
        report.add(wrong_value(report, item, wrong));
    }
    decoded.value.filter(|_| is_whole)
}

/// A key that nobody knows: from the table of those that come later or never, else with the nearest name.
pub(super) fn unknown_key(report: &Report<'_>, item: &Item, unknown: &Unknown) -> Diagnostic {
    let name = short(&unknown.key.text);
    let place = report.place(item.doc, unknown.key.span);
    let diagnostic = match fate(unknown.within, &unknown.key.text) {
        Some(fate) => not_supported(&name, fate, |title| Diagnostic::error(code::NOT_SUPPORTED, place, title)),
        None => {
            let diagnostic = Diagnostic::error(code::UNKNOWN_KEY, place, format!("unknown key `{name}`"));
            match nearest(&unknown.key.text, unknown.known.iter().copied()) {
                Some(known) => diagnostic.help("a key with a similar name exists").replacement(known),
                None if unknown.known.len() <= 8 && !unknown.known.is_empty() => {
                    diagnostic.help(format!("possible here: {}", one_of(&unknown.known)))
                }
                None => diagnostic,
            }
        }
    };
    used(report, item, unknown.via, diagnostic)
}

fn not_supported(name: &str, fate: Fate, error: impl FnOnce(String) -> Diagnostic) -> Diagnostic {
    match fate {
        Fate::Later(with) => error(format!("`{name}` is not supported yet"))
            .help(format!("it arrives with {with}; remove it until then")),
        Fate::Instead(what) => error(format!("`{name}` is not a key of Landfall here")).help(what),
    }
}

fn used(report: &Report<'_>, item: &Item, via: Option<Span>, diagnostic: Diagnostic) -> Diagnostic {
    diagnostic.other(via.map(|span| report.place(item.doc, span)), "used here")
}

fn wrong_value(report: &Report<'_>, item: &Item, wrong: Wrong) -> Diagnostic {
    let place = report.place(item.doc, wrong.span.unwrap_or(item.entry.key.span));
    let error = |code: &'static str, title: String| Diagnostic::error(code, place, title);
    let diagnostic = match wrong.kind {
        WrongKind::Type { found, expected, help } => {
            let diagnostic = error(code::WRONG_TYPE, format!("expected {}, found {found}", in_words(&expected)));
            match help {
                Some(help) => diagnostic.help(help),
                None => diagnostic,
            }
        }
        WrongKind::NoValue => {
            error(code::MISSING, "this key has no value".to_owned()).help("write one, or remove the key")
        }
        WrongKind::Missing(key) => error(code::MISSING, format!("the key `{key}` is missing")),
        WrongKind::Variant { found, known, of } => match fate(of, &found) {
            Some(fate) => not_supported(&short(&found), fate, |title| error(code::NOT_SUPPORTED, title)),
            None => {
                let found = short(&found);
                let diagnostic = error(code::BAD_VALUE, format!("expected {}, found `{found}`", one_of(known)));
                match nearest(&found, known.iter().copied()) {
                    Some(name) => diagnostic.help("a similar name exists").replacement(name),
                    None => diagnostic,
                }
            }
        },
        WrongKind::OneOf { known, count } => {
            let title = if count == 0 { "nothing is chosen".to_owned() } else { format!("{count} are chosen at once") };
            error(code::CONTRADICTION, title).help(format!("write exactly one of {}", one_of(known)))
        }
        WrongKind::Other(text) => error(code::BAD_VALUE, text),
    };
    used(report, item, wrong.via, diagnostic)
}

/// Serde's names of types, for people.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "i64" => "a whole number",
        "a string" => "text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "a map" => "a mapping",
        other => other,
    }
}
