//! Words for what the decoder finds: unknown keys, wrong kinds of value, missing keys.

use super::code;
use super::diagnostic::Diagnostic;
use super::later::{Fate, fate};
use super::report::{Item, Report};
use super::suggest::nearest;
use super::syntax::{CERTIFICATES, Decoded, Span, Unknown, Wrong, WrongKind, one_of, short};

/// Reports everything that did not fit. Gives what did, and whether that is all of it: the mistakes of the rest are
/// still worth reporting.
pub(super) fn report<T>(report: &Report<'_>, item: &Item<'_>, decoded: Decoded<T>) -> Option<(T, bool)> {
    let is_whole = decoded.wrong.is_empty();
    for unknown in decoded.unknown {
        if !report.is_full() {
            report.add(unknown_key(report, item, &unknown));
        }
    }
    for wrong in decoded.wrong {
        if !report.is_full() {
            report.add(wrong_value(report, item, wrong));
        }
    }
    decoded.value.map(|value| (value, is_whole))
}

/// A key that nobody knows: from the table of those that come later or never, else with the nearest name.
pub(super) fn unknown_key(report: &Report<'_>, item: &Item<'_>, unknown: &Unknown) -> Diagnostic {
    let name = short(&unknown.key.text);
    let place = report.place(item.doc, unknown.key.span);
    let error = |code: &'static str, title: String| Diagnostic::error(code, place, title);
    let is_known = |names: &[&str]| (1..=8).contains(&names.len());
    let near = nearest(&unknown.key.text, unknown.known.iter().copied());
    let diagnostic = match (fate(unknown.within, &unknown.key.text), near) {
        (Some(fate), _) => not_supported(&name, fate, |title| error(code::NOT_SUPPORTED, title)),
        (None, Some(near)) => error(code::UNKNOWN_KEY, format!("unknown key `{name}`"))
            .help("a key with a similar name exists")
            .replacement(near),
        (None, None) => {
            let diagnostic = error(code::UNKNOWN_KEY, format!("unknown key `{name}`"));
            let help = format!("possible here: {}", one_of(&unknown.known));
            if is_known(&unknown.known) { diagnostic.help(help) } else { diagnostic }
        }
    };
    used(report, item, unknown.via, masked(diagnostic, &unknown.hide))
}

fn masked(mut diagnostic: Diagnostic, hide: &[Span]) -> Diagnostic {
    diagnostic.hidden.extend(hide.iter().map(|span| span.start as usize..span.end as usize));
    diagnostic
}

fn not_supported(name: &str, fate: Fate, error: impl FnOnce(String) -> Diagnostic) -> Diagnostic {
    match fate {
        Fate::Later(with) => error(format!("`{name}` is not supported yet"))
            .help(format!("it arrives with {with}; remove it until then")),
        Fate::Instead(what) => error(format!("`{name}` is not a key of Landfall here")).help(what),
    }
}

fn used(report: &Report<'_>, item: &Item<'_>, via: Option<Span>, diagnostic: Diagnostic) -> Diagnostic {
    diagnostic.other(via.map(|span| report.place(item.doc, span)), "used here")
}

fn wrong_value(report: &Report<'_>, item: &Item<'_>, wrong: Wrong) -> Diagnostic {
    let place = report.place(item.doc, wrong.span.unwrap_or(item.entry.span()));
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
        WrongKind::Variant { found, known, of } => wrong_variant(&short(&found), known, of, error),
        WrongKind::OneOf { known, count } => {
            let title = if count == 0 { "nothing is chosen".to_owned() } else { format!("{count} are chosen at once") };
            error(code::CONTRADICTION, title).help(format!("write exactly one of {}", one_of(known)))
        }
        WrongKind::Other(text) => error(code::BAD_VALUE, text),
    };
    used(report, item, wrong.via, masked(diagnostic, &wrong.hide))
}

fn wrong_variant(
    found: &str,
    known: &[&str],
    of: &str,
    error: impl FnOnce(&'static str, String) -> Diagnostic,
) -> Diagnostic {
    if let Some(fate) = fate(of, found) {
        return not_supported(found, fate, |title| error(code::NOT_SUPPORTED, title));
    }
    let diagnostic = error(code::BAD_VALUE, format!("expected {}, found `{found}`", one_of(known)));
    match (nearest(found, known.iter().copied()), known) {
        (Some(name), _) => diagnostic.help("a similar name exists").replacement(name),
        (None, [first, ..]) => match of {
            "Track" => diagnostic.help(format!("write a mapping with one key, as in `{{ {first}: {found} }}`")),
            "Certificate" => diagnostic.help(CERTIFICATES),
            _ => diagnostic,
        },
        (None, []) => diagnostic,
    }
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
