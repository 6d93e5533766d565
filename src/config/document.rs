//! One YAML file: its text, its tree, and what is wrong with either before anyone asks what it means.

use std::sync::{Arc, OnceLock};

use super::code;
use super::diagnostic::{Diagnostic, Place};
use super::syntax::{self, Node, Nodes, Problem, Span};

/// A file that was read.
#[derive(Debug)]
pub(super) struct Document {
    /// Path relative to the config directory.
    pub(super) path: String,
    /// Its text, without a byte order mark.
    pub(super) text: Arc<str>,
    /// Its tree, unless it is not YAML.
    pub(super) nodes: Option<Nodes>,
    /// What is wrong with it.
    pub(super) problems: Vec<Diagnostic>,
    /// Where its lines begin; made when the first place is asked for.
    lines: OnceLock<Vec<usize>>,
}

/// In a longer line columns are counted in bytes: nobody counts there, and a hostile file must not cost time.
const MAX_COUNTED: usize = 4096;

impl Document {
    /// Reads a file.
    pub(super) fn read(path: String, bytes: Vec<u8>) -> Self {
        let (text, fault) = text_of(without_mark(&bytes));
        drop(bytes);
        let problems = Vec::new();
        let mut document = Self { path, text, nodes: None, problems, lines: OnceLock::new() };
        let fault = fault.or_else(|| conflict(&document.text)).or_else(|| nul(&document.text));
        if let Some((code, span, title, help)) = fault {
            document.problems.push(Diagnostic::error(code, document.place(span), title).help(help));
            return document;
        }
        let (nodes, problems) = syntax::compose(&document.text);
        document.problems = problems.into_iter().map(|problem| document.problem(problem)).collect();
        document.nodes = nodes;
        document
    }

    /// What it holds, unless it is not YAML.
    pub(super) fn root(&self) -> Option<Node<'_>> {
        self.nodes.as_ref().map(Nodes::root)
    }

    /// True when these are the bytes that it was read from.
    pub(super) fn is_of(&self, bytes: &[u8]) -> bool {
        without_mark(bytes) == self.text.as_bytes()
    }

    /// A range of bytes as a place with line and column.
    pub(super) fn place(&self, span: Span) -> Place {
        let (start, end) = (span.start as usize, span.end as usize);
        let lines = self.lines.get_or_init(|| {
            let after_breaks = self.text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1);
            std::iter::once(0).chain(after_breaks).collect()
        });
        let line = lines.partition_point(|first| *first <= start).saturating_sub(1);
        let first = lines.get(line).copied().unwrap_or(0);
        let columns = match self.text.get(first..start) {
            Some(before) if before.len() <= MAX_COUNTED => before.chars().count(),
            Some(_) | None => start.saturating_sub(first),
        };
        Place { file: self.path.clone(), line: count(line), column: count(columns), start, end: end.max(start) }
    }

    fn problem(&self, problem: Problem) -> Diagnostic {
        let Problem { span, title, other, help } = problem;
        let code = if other.is_some() { code::DUPLICATE } else { code::SYNTAX };
        let mut diagnostic = Diagnostic::error(code, self.place(span), title);
        diagnostic.help = help;
        match other {
            Some((span, text)) => diagnostic.other(Some(self.place(span)), text),
            None => diagnostic,
        }
    }
}

/// From 0 to 1, since people count lines and columns from 1.
fn count(n: usize) -> u32 {
    u32::try_from(n).map_or(u32::MAX, |n| n.saturating_add(1))
}

/// Without a byte order mark.
fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

type Fault = (&'static str, Span, &'static str, &'static str);

fn text_of(bytes: &[u8]) -> (Arc<str>, Option<Fault>) {
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return (text.into(), None),
        Err(error) => error,
    };
    let (title, help) = if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        ("the file is UTF-16, not UTF-8", "save it as UTF-8, for example with `iconv -f UTF-16 -t UTF-8`")
    } else {
        ("this is not UTF-8 text", "save the file as UTF-8")
    };
    let span = point(error.valid_up_to());
    (String::from_utf8_lossy(bytes).into(), Some((code::ENCODING, span, title, help)))
}

fn conflict(text: &str) -> Option<Fault> {
    let at = if text.starts_with("<<<<<<< ") { Some(0) } else { text.find("\n<<<<<<< ").map(|at| at + 1) }?;
    let help = "resolve the conflict, remove the lines `<<<<<<<`, `=======` and `>>>>>>>`, and commit";
    Some((code::CONFLICT, Span { end: point(at).end + 7, ..point(at) }, "a git conflict is not resolved", help))
}

fn nul(text: &str) -> Option<Fault> {
    let at = text.find('\0')?;
    Some((code::ENCODING, point(at), "a NUL byte: the file is not text", "check what wrote the file"))
}

fn point(at: usize) -> Span {
    let at = u32::try_from(at).unwrap_or(u32::MAX);
    Span { start: at, end: at }
}
