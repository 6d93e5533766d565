//! What the compiler does not hold: directions between modules, fences around crates, the shape of files, and that
//! every rule has its test. Each check is tried on a planted violation, so that it cannot fall asleep.
//!
//! It reads the text of the sources, which is enough for what is written in good faith.

mod directions;
mod fences;
mod paths;
mod rules;
mod shape;
mod source;
mod tokens;
