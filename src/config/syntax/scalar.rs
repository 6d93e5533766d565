//! What a scalar stands for: text, or, when it is written without quotes, perhaps a number, a boolean or nothing.
//!
//! The rules are those of YAML 1.2 (core schema), the same that editors check against the JSON Schema: `no`, `on`
//! and `0755` are not booleans or octal numbers.

/// A scalar with its text exactly as written (escapes and folding resolved).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct Scalar<'a> {
    /// The text.
    pub(in crate::config) text: &'a str,
    /// Written without quotes, so that it may be more than text.
    pub(in crate::config) plain: bool,
}

/// What an unquoted scalar is to YAML.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Kind {
    /// `null`, `~` or nothing at all.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number of any notation.
    Number,
    /// Anything else, and everything in quotes.
    Text,
}

impl Scalar<'_> {
    /// What it is to YAML.
    pub(in crate::config) fn kind(&self) -> Kind {
        if !self.plain {
            return Kind::Text;
        }
        match self.text {
            "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
            "true" | "True" | "TRUE" => Kind::Bool(true),
            "false" | "False" | "FALSE" => Kind::Bool(false),
            text if is_number(text) => Kind::Number,
            _ => Kind::Text,
        }
    }

    /// The number, when it is a whole one.
    pub(in crate::config) fn whole_number(&self) -> Option<i64> {
        if self.kind() != Kind::Number {
            return None;
        }
        match (self.text.strip_prefix("0x"), self.text.strip_prefix("0o")) {
            (Some(hex), _) => i64::from_str_radix(hex, 16).ok(),
            (None, Some(octal)) => i64::from_str_radix(octal, 8).ok(),
            (None, None) => self.text.parse().ok(),
        }
    }
}

fn is_number(text: &str) -> bool {
    let digits = |t: &str, radix| !t.is_empty() && t.chars().all(|c: char| c.is_digit(radix));
    if let Some(hex) = text.strip_prefix("0x") {
        return digits(hex, 16);
    }
    if let Some(octal) = text.strip_prefix("0o") {
        return digits(octal, 8);
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if matches!(unsigned, ".inf" | ".Inf" | ".INF") || matches!(text, ".nan" | ".NaN" | ".NAN") {
        return true;
    }
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).map_or((unsigned, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let has_digit = !whole.is_empty() || fraction.is_some_and(|f| !f.is_empty());
    has_digit
        && all_digits(whole)
        && fraction.is_none_or(all_digits)
        && exponent.is_none_or(|e| digits(e.strip_prefix(['+', '-']).unwrap_or(e), 10))
}
