//! The codes of diagnostics: one for each kind of mistake, so that people can search for it and tests can name it.
//! A code that was ever shipped keeps its meaning.

/// Lists the codes once, as constants and as a table for the documentation.
macro_rules! codes {
    ($($(#[doc = $doc:literal])* $name:ident = $code:literal;)*) => {
        $($(#[doc = $doc])* pub(super) const $name: &str = $code;)*
        /// Every code with what it means.
        pub const ALL: &[(&str, &str)] = &[$(($code, concat!($($doc),*))),*];
    };
}

codes! {
    /// A file or folder cannot be read.
    UNREADABLE = "C0001";
    /// A link leads out of the config directory, or nowhere.
    LINK = "C0002";
    /// Too large, too many, or not a plain file.
    NOT_A_FILE = "C0003";
    /// Not UTF-8 text.
    ENCODING = "C0004";
    /// Not YAML.
    SYNTAX = "C0101";
    /// A git conflict is not resolved.
    CONFLICT = "C0102";
    /// A name or key is defined twice.
    DUPLICATE = "C0103";
    /// A key that does not exist.
    UNKNOWN_KEY = "C0201";
    /// A key that a later version brings, or that Landfall does without.
    NOT_SUPPORTED = "C0202";
    /// A value of the wrong kind.
    WRONG_TYPE = "C0203";
    /// A key that must be there is missing, or has no value.
    MISSING = "C0204";
    /// A value that is not what its key takes.
    BAD_VALUE = "C0301";
    /// A name that cannot become a container name.
    BAD_NAME = "C0302";
    /// A file that the configuration refers to.
    BAD_FILE = "C0303";
    /// Keys that contradict each other.
    CONTRADICTION = "C0401";
    /// Two stages want the same thing.
    CLASH = "C0402";
    /// Something is referred to that does not exist.
    BAD_REFERENCE = "C0403";
    /// Refused unless the policy allows it.
    POLICY = "C0501";
    /// Allowed, and likely not meant.
    SUSPICIOUS = "C0601";
}
