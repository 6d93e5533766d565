//! The only printer: data to standard output, messages to standard error, colour only on a terminal (`NO_COLOR` obeyed).

use owo_colors::OwoColorize as _;
use serde::Serialize;

use super::exit::Exit;
use super::outcome::Rendered;

/// Version of all JSON output; it grows by additions only.
pub const FORMAT_VERSION: u32 = 1;

/// Where and how to print.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    json: bool,
}

/// Data with the version of its form.
#[derive(Serialize)]
struct Versioned<T> {
    format_version: u32,
    #[serde(flatten)]
    data: T,
}

impl Out {
    /// Text or JSON.
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// A line of data.
    pub fn line(self, text: &str) {
        if !self.json {
            put(&mut anstream::stdout(), text);
        }
    }

    /// Text exactly as it is, to standard output.
    #[expect(clippy::unused_self, reason = "whoever prints holds an Out")]
    pub fn raw(self, text: &str) {
        put(&mut anstream::stdout(), text.trim_end_matches('\n'));
    }

    /// Data for programs; nothing in text form.
    pub fn data(self, data: impl Serialize) {
        if self.json {
            let text = serde_json::to_string_pretty(&Versioned { format_version: FORMAT_VERSION, data });
            put(&mut anstream::stdout(), &text.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")));
        }
    }

    /// One of many objects for programs, on a line of its own; nothing in text form.
    pub fn data_line(self, data: impl Serialize) {
        if self.json {
            let text = serde_json::to_string(&Versioned { format_version: FORMAT_VERSION, data });
            put(&mut anstream::stdout(), &text.unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}")));
        }
    }

    /// A message beside the data.
    #[expect(clippy::unused_self, reason = "whoever prints holds an Out")]
    pub fn note(self, text: &str) {
        put(&mut anstream::stderr(), text);
    }

    /// All that a command says at its end; gives its exit code.
    pub(super) fn rendered(self, rendered: &Rendered) -> Exit {
        let Rendered { exit, lines, notes, data } = rendered;
        for note in notes {
            self.note(note);
        }
        for line in lines {
            self.line(line);
        }
        self.data(data);
        *exit
    }

    /// A table with a heading; columns as wide as their widest cell, nothing cut.
    pub fn table(self, heading: &[&str], rows: &[Vec<String>]) {
        if self.json {
            return;
        }
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(heading.get(column).map(|h| h.chars().count())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heading.len()).map(width).collect();
        let heading: Vec<String> = heading.iter().map(ToString::to_string).collect();
        put(&mut anstream::stdout(), &format!("{}", aligned(&heading, &widths).bold()));
        for row in rows {
            put(&mut anstream::stdout(), &aligned(row, &widths));
        }
    }
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let padded = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
    padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
}

/// Prints a line. A reader that went away (`landfall status | head`) is no error.
fn put(stream: &mut impl std::io::Write, text: &str) {
    let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
}

/// How long ago, in words.
pub fn ago(then_ms: i64, now_ms: i64) -> String {
    format!("{} ago", crate::plan::age(then_ms, now_ms))
}

pub use crate::model::units::rfc3339 as time;

/// A number of bytes, as in `1.4 MB`.
pub fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    let mut tenths = bytes.div_ceil(100);
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < units.len() {
        tenths /= 1000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, units[unit])
}

#[cfg(test)]
mod tests {
    use super::size;

    #[test]
    fn sizes_are_told_in_the_unit_that_fits() {
        let told = [0, 1, 99_999, 135_168, 999_999, 1_449_000, 1_000_000_000, 20_000_000_000_000].map(size);
        let wanted = ["0.0 kB", "0.1 kB", "100.0 kB", "135.2 kB", "1.0 MB", "1.4 MB", "1.0 GB", "20.0 TB"];
        assert_eq!(told, wanted);
    }
}
