//! Paths in code, as in `std::fs::read`: those of `use` trees, each written out, and those in the middle of code.

use super::tokens::{Token, behind_group};

/// One path; a word alone is one too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) segments: Vec<String>,
    pub(super) line: usize,
    /// It stands in a `use`.
    pub(super) is_use: bool,
    /// A dot stands before it.
    pub(super) is_member: bool,
    /// The token behind it.
    pub(super) next: String,
}

impl Path {
    pub(super) fn text(&self) -> String {
        self.segments.join("::")
    }
}

/// All paths of some code, in order.
pub(super) fn paths(tokens: &[Token]) -> Vec<Path> {
    let mut reader = Reader { tokens, at: 0, found: Vec::new(), is_use: false };
    while reader.at < tokens.len() {
        match reader.text(0) {
            "use" => {
                reader.is_use = true;
                reader.at += 1;
            }
            ";" => {
                reader.is_use = false;
                reader.at += 1;
            }
            _ if tokens[reader.at].is_word() => reader.tree(&[]),
            _ => reader.at += 1,
        }
    }
    reader.found
}

struct Reader<'a> {
    tokens: &'a [Token],
    at: usize,
    found: Vec<Path>,
    is_use: bool,
}

impl Reader<'_> {
    fn text(&self, ahead: usize) -> &str {
        self.tokens.get(self.at + ahead).map_or("", |t| &t.text)
    }

    /// Reads `a::b`, `a::*` or `a::{b, c::d}`, with what stands before it.
    fn tree(&mut self, before: &[String]) {
        let is_member = self.at > 0 && self.tokens[self.at - 1].text == ".";
        let line = self.tokens[self.at].line;
        let mut segments = before.to_vec();
        loop {
            segments.push(self.text(0).to_owned());
            self.at += 1;
            let goes_on = self.text(0) == "::";
            if goes_on && self.text(1) == "{" {
                self.at += 1;
                return self.group(&segments);
            }
            let is_segment = self.text(1) == "*" || self.tokens.get(self.at + 1).is_some_and(Token::is_word);
            if !goes_on || !is_segment {
                break;
            }
            self.at += 1;
        }
        let next = self.text(0).to_owned();
        self.found.push(Path { segments, line, is_use: self.is_use, is_member, next });
    }

    fn group(&mut self, before: &[String]) {
        let behind = behind_group(self.tokens, self.at);
        self.at += 1;
        while self.at + 1 < behind {
            match self.text(0) {
                "as" => self.at += 2,
                "*" => self.tree(before),
                _ if self.tokens[self.at].is_word() => self.tree(before),
                _ => self.at += 1,
            }
        }
        self.at = behind;
    }
}

#[cfg(test)]
mod tests {
    use super::super::tokens::tokens;
    use super::*;

    fn texts(text: &str) -> Vec<String> {
        paths(&tokens(text)).iter().map(Path::text).collect()
    }

    #[test]
    fn a_use_tree_is_written_out() {
        assert_eq!(
            texts("use crate::{a::{self, B as C, d::*}, e};\nuse ::f;"),
            ["crate::a::self", "crate::a::B", "crate::a::d::*", "crate::e", "f"]
        );
    }

    #[test]
    fn paths_in_the_middle_of_code_are_found_too() {
        assert_eq!(texts("x(crate::a::b::<crate::C>(1)?.d)"), ["x", "crate::a::b", "crate::C", "d"]);
        assert_eq!(texts("a * b::c"), ["a", "b::c"]);
    }

    #[test]
    fn a_path_knows_what_stands_around_it() {
        let found = paths(&tokens("use a::b; c!(); d.e()"));
        let around: Vec<_> = found.iter().map(|p| (p.is_use, p.is_member, p.next.as_str())).collect();
        assert_eq!(around, [(true, false, ";"), (false, false, "!"), (false, false, "."), (false, true, "(")]);
    }
}
