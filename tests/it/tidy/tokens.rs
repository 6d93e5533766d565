//! Rust text as tokens with their lines: enough of the language to tell code from comments, literals and tests.
//!
//! *Must not*: grow into a parser. What it does not know it passes on as single characters.

/// A word, a `::`, or one other character; a literal is `"`, a lifetime `'`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) text: String,
    /// Counted from 1.
    pub(super) line: usize,
}

impl Token {
    pub(super) fn is_word(&self) -> bool {
        self.text.starts_with(|c: char| c.is_alphabetic() || c == '_')
    }
}

/// The tokens of a text; comments are left out.
pub(super) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, line: 1, found: Vec::new() };
    while let Some(c) = lexer.peek(0) {
        lexer.one(c);
    }
    lexer.found
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<Token>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn skip(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn push(&mut self, text: impl Into<String>, line: usize) {
        self.found.push(Token { text: text.into(), line });
    }

    fn one(&mut self, c: char) {
        let line = self.line;
        match (c, self.peek(1)) {
            ('/', Some('/')) => self.skip_until(|lexer| lexer.peek(0) == Some('\n')),
            ('/', Some('*')) => self.block_comment(),
            ('"', _) => self.string(),
            ('\'', _) => self.quote(),
            (':', Some(':')) => {
                self.at += 2;
                self.push("::", line);
            }
            _ if c.is_whitespace() => self.skip(),
            _ if c.is_alphanumeric() || c == '_' => self.word(),
            _ => {
                self.at += 1;
                self.push(c, line);
            }
        }
    }

    fn skip_until(&mut self, is_end: impl Fn(&Self) -> bool) {
        while self.peek(0).is_some() && !is_end(self) {
            self.skip();
        }
    }

    /// Block comments nest.
    fn block_comment(&mut self) {
        let mut depth = 0;
        while let Some(c) = self.peek(0) {
            let pair = (c, self.peek(1));
            if matches!(pair, ('/', Some('*')) | ('*', Some('/'))) {
                depth = if c == '/' { depth + 1 } else { depth - 1 };
                self.at += 1;
            }
            self.skip();
            if depth == 0 {
                return;
            }
        }
    }

    fn string(&mut self) {
        self.push("\"", self.line);
        self.quoted('"');
    }

    /// Skips a literal with escapes, both quotes included.
    fn quoted(&mut self, quote: char) {
        self.skip();
        while let Some(c) = self.peek(0) {
            if c == '\\' {
                self.skip();
            }
            self.skip();
            if c == quote {
                return;
            }
        }
    }

    /// A character, or a lifetime.
    fn quote(&mut self) {
        if self.peek(1) == Some('\\') || self.peek(2) == Some('\'') {
            self.push("\"", self.line);
            self.quoted('\'');
        } else {
            self.push("'", self.line);
            self.skip();
            self.skip_until(|lexer| !lexer.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_'));
        }
    }

    fn word(&mut self) {
        let (start, line) = (self.at, self.line);
        self.skip_until(|lexer| !lexer.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_'));
        let text: String = self.chars[start..self.at].iter().collect();
        let hashes = self.chars[self.at..].iter().take_while(|c| **c == '#').count();
        let opens = self.peek(hashes) == Some('"');
        match text.as_str() {
            "b" if self.peek(0) == Some('\'') => self.quote(),
            "b" | "c" if hashes == 0 && opens => self.string(),
            "r" | "br" | "cr" if opens => self.raw_string(hashes),
            "r" if hashes == 1 => self.at += 1,
            _ => self.push(text, line),
        }
    }

    fn raw_string(&mut self, hashes: usize) {
        self.push("\"", self.line);
        self.at += hashes + 1;
        let is_end =
            |lexer: &Self| lexer.peek(0) == Some('"') && (1..=hashes).all(|ahead| lexer.peek(ahead) == Some('#'));
        self.skip_until(is_end);
        self.at += hashes + 1;
    }
}

/// The place behind the bracket that closes the one at `open`.
pub(super) fn behind_group(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// The place behind the item that starts at `start`: behind its body, or its semicolon.
pub(super) fn behind_item(tokens: &[Token], start: usize) -> usize {
    let mut at = start;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            ";" => return at + 1,
            "{" => return behind_group(tokens, at),
            "(" | "[" => at = behind_group(tokens, at),
            _ => at += 1,
        }
    }
    tokens.len()
}

/// The place behind the attribute at `at`, if one is there.
pub(super) fn behind_attribute(tokens: &[Token], at: usize) -> Option<usize> {
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|t| t.text == text);
    (is(at, "#") && is(at + 1, "[")).then(|| behind_group(tokens, at + 1))
}

/// Leaves out every item under `#[cfg(test)]`.
pub(super) fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match behind_attribute(tokens, at) {
            Some(mut behind) if is_cfg_test(&tokens[at..behind]) => {
                while let Some(next) = behind_attribute(tokens, behind) {
                    behind = next;
                }
                at = behind_item(tokens, behind);
            }
            Some(_) | None => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

fn is_cfg_test(attribute: &[Token]) -> bool {
    let has = |word: &str| attribute.iter().any(|t| t.text == word);
    attribute.get(2).is_some_and(|t| t.text == "cfg") && has("test") && !has("not")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        without_tests(&tokens(text)).into_iter().filter(Token::is_word).map(|t| t.text).collect()
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        assert_eq!(words("a /* b /* c */ d */ e // f\n/// g\nh"), ["a", "e", "h"]);
        assert_eq!(words(r##"a("b \" c", r#"d " e"#, br"f", b"g", c"h", 'i', '\'', b'j', '"') + k"##), ["a", "k"]);
    }

    #[test]
    fn a_lifetime_does_not_open_a_literal() {
        assert_eq!(words("fn a<'b>(c: &'static str) { 'd: loop {} }"), ["fn", "a", "c", "str", "loop"]);
    }

    #[test]
    fn every_token_knows_its_line() {
        let lines: Vec<_> = tokens("a\n\"x\ny\"\n/* \n */ r#type").into_iter().map(|t| (t.text, t.line)).collect();
        assert_eq!(lines, [("a".into(), 1), ("\"".into(), 2), ("type".into(), 5)]);
    }

    #[test]
    fn items_under_cfg_test_are_left_out_and_nothing_else_is() {
        assert_eq!(words("#[cfg(test)]\nmod tests { fn x() { y } }\nfn a() {}"), ["fn", "a"]);
        assert_eq!(words("#[cfg(test)] mod tests;\n#[cfg(unix)] fn a() {}"), ["cfg", "unix", "fn", "a"]);
        assert_eq!(words("#[cfg(test)] #[allow(b)] fn c(d: [u8; 4]) { e } a"), ["a"]);
        assert_eq!(words("#[cfg(not(test))] a"), ["cfg", "not", "test", "a"]);
    }
}
