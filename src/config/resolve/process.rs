//! How the process in a container is started, stopped and watched by Docker.

use crate::config::code;
use crate::config::raw::{self, Command, TestCommand, Text};
use crate::config::syntax::short;
use crate::model::Millis;
use crate::model::spec::{Healthcheck, Restart};

use super::project::Context;

/// A command as words; a line is split as a shell would, without expanding anything.
pub(super) fn words(cx: &Context<'_>, path: &str, command: Option<Command>) -> Option<Vec<String>> {
    let words = match command? {
        Command::List(words) => words.into_iter().map(|Text(word)| word).collect(),
        Command::Scalar(line) => {
            let words = split(&line);
            if words.is_none() {
                cx.site.refuse(
                    code::BAD_VALUE,
                    path,
                    "a quote or backslash does not end",
                    "close it, or write a list of words",
                );
            }
            words?
        }
    };
    no_nul(cx, path, &words);
    Some(words)
}

fn no_nul(cx: &Context<'_>, path: &str, words: &[String]) {
    if words.iter().any(|word| word.contains('\0')) {
        cx.site.refuse(code::BAD_VALUE, path, "an argument cannot hold a NUL character", "remove it");
    }
}

/// Splits a line as a POSIX shell does; none when a quote or backslash does not end.
fn split(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut chars) = (Vec::new(), None::<String>, line.chars());
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => words.extend(word.take()),
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '\'' => break,
                        c => word.push(c),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next()? {
                        '"' => break,
                        '\\' => match chars.next()? {
                            c @ ('"' | '\\' | '$' | '`') => word.push(c),
                            c => word.extend(['\\', c]),
                        },
                        c => word.push(c),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(chars.next()?),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Some(words)
}

/// Docker's restart policy.
pub(super) fn restart(cx: &Context<'_>, text: Option<&str>) -> Restart {
    let on_failure = |text: &str| match text.split_once(':') {
        None if text == "on-failure" => Some(0),
        Some(("on-failure", times)) => times.parse::<u32>().ok(),
        None | Some(_) => None,
    };
    match text {
        None | Some("unless-stopped") => Restart::UnlessStopped,
        Some("no") => Restart::No,
        Some("always") => Restart::Always,
        Some(text) => on_failure(text).map_or_else(
            || {
                let title = format!("`{}` is not a restart policy", short(text));
                cx.site.refuse(
                    code::BAD_VALUE,
                    "restart",
                    title,
                    "write `no`, `always`, `on-failure`, `on-failure:3` or `unless-stopped`",
                );
                Restart::default()
            },
            Restart::OnFailure,
        ),
    }
}

/// Docker's health check, as Compose reads it.
pub(super) fn healthcheck(cx: &Context<'_>, raw: Option<raw::Healthcheck>) -> Option<Healthcheck> {
    let raw::Healthcheck { test, interval, timeout, retries, start_period, disable } = raw?;
    let time = |path: &str, raw: Option<raw::Duration>| {
        raw.and_then(|text| cx.site.parse::<Millis>(&format!("healthcheck.{path}"), &text.0))
    };
    let test = if disable == Some(true) { vec!["NONE".to_owned()] } else { test_words(cx, test) };
    Some(Healthcheck {
        test,
        interval: time("interval", interval),
        timeout: time("timeout", timeout),
        retries,
        start_period: time("start_period", start_period),
    })
}

/// Empty: the image's own test, with other times.
fn test_words(cx: &Context<'_>, test: Option<TestCommand>) -> Vec<String> {
    let words: Vec<String> = match test {
        None => return Vec::new(),
        Some(TestCommand::Scalar(line)) => vec!["CMD-SHELL".to_owned(), line],
        Some(TestCommand::List(words)) => words.into_iter().map(|Text(word)| word).collect(),
    };
    let ok = match words.first().map(String::as_str) {
        Some("CMD") => words.len() > 1,
        Some("CMD-SHELL") => words.len() == 2,
        Some("NONE") => words.len() == 1,
        Some(_) | None => false,
    };
    if !ok {
        let help = "write a line for the shell, `[\"CMD\", \"program\", \"argument\"]`, `[\"CMD-SHELL\", \"line\"]` or `[\"NONE\"]`";
        cx.site.refuse(code::BAD_VALUE, "healthcheck.test", "this is not a test", help);
    }
    no_nul(cx, "healthcheck.test", &words);
    words
}

/// A signal by name or number.
pub(super) fn signal(cx: &Context<'_>, text: Option<String>) -> Option<String> {
    let text = text?;
    let is_signal = !text.is_empty()
        && text.len() <= 16
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'+' || b == b'-');
    if !is_signal {
        let title = format!("`{}` is not a signal", short(&text));
        cx.site.refuse(code::BAD_VALUE, "stop_signal", title, "write a name such as `SIGINT`");
    }
    Some(text)
}

/// A user, as Docker writes it: a name or number, and perhaps a group.
pub(super) fn user(cx: &Context<'_>, text: Option<Text>) -> Option<String> {
    let Text(text) = text?;
    let is_part =
        |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-$".contains(&b));
    if !(text.split(':').count() <= 2 && text.split(':').all(is_part)) {
        let title = format!("`{}` is not a user", short(&text));
        cx.site.refuse(code::BAD_VALUE, "user", title, "write `1000`, `1000:1000`, `app` or `app:app`");
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_command_line_is_split_as_a_shell_does_and_nothing_is_expanded() {
        for (line, words) in [
            ("a b  c", &["a", "b", "c"][..]),
            ("sh -c 'echo \"$X\"; exit 1'", &["sh", "-c", "echo \"$X\"; exit 1"]),
            ("\"a \\\" b\" c\\ d ''", &["a \" b", "c d", ""]),
            ("  ", &[]),
        ] {
            assert_eq!(split(line).unwrap(), words, "{line}");
        }
        for bad in ["'a", "\"a", "a\\"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }
}
