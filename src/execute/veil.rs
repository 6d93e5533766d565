//! Blacks out the values of a deploy's secrets in what others wrote: an app that prints its own password, a daemon
//! that echoes it (R28).

use secrecy::{ExposeSecret as _, SecretString};

use super::run::Work;

/// Shorter texts occur by chance, and blacking them out would make a log unreadable.
const MIN_LEN: usize = 4;
/// What stands in their place, as in a diff.
const BLACK: &str = "‹secret›";

/// The values to black out; read anew, and dropped with it.
pub(super) struct Veil(Vec<SecretString>);

impl Veil {
    /// Of all secrets of the container that a deploy makes. One that cannot be read is not in the container either.
    pub(super) fn of(work: &Work<'_>) -> Self {
        let Some((_, deploy)) = work.deploy else { return Self(Vec::new()) };
        let spec = &deploy.stage.container;
        let references = spec.secret_environment.values().chain(spec.secret_files.values());
        Self(references.filter_map(|reference| work.context.secrets.read(reference).ok()).collect())
    }

    /// The text without them. Of a value of several lines, each line counts: texts come in lines.
    pub(super) fn over(&self, text: String) -> String {
        let lines = self.0.iter().flat_map(|value| value.expose_secret().lines().map(str::trim));
        let mut lines: Vec<&str> = lines.filter(|line| line.len() >= MIN_LEN).collect();
        // One may hold another.
        lines.sort_by_key(|line| std::cmp::Reverse(line.len()));
        lines.into_iter().fold(text, |text, line| text.replace(line, BLACK))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r28_values_and_their_lines_are_blacked_out_and_short_ones_left() {
        let veil = Veil(
            ["hunter2", "first line\nsecond line\n", "hunter2-two", "a"].map(|text| text.to_owned().into()).into(),
        );
        assert_eq!(veil.over("a hunter2 | second line hunter2-two.".into()), "a ‹secret› | ‹secret› ‹secret›.");
    }
}
