//! Errors at the edge: printed as `error:`, `caused by:`, `hint:` on standard error, or as JSON where asked.

use owo_colors::OwoColorize as _;

use super::exit::Exit;
use super::outcome::Rendered;
use super::render::Out;
use crate::config::LoadError;
use crate::reconcile;

/// An error on its way to the terminal.
#[derive(Debug)]
pub struct Failure {
    /// The error with its causes.
    pub error: anyhow::Error,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// How the command ends.
    pub exit: Exit,
    /// Printed before the error: diagnostics with their source lines.
    pub detail: Option<String>,
}

impl Failure {
    /// An error with its hint; the command exits 1.
    pub fn new(error: impl Into<anyhow::Error>, hint: Option<String>) -> Self {
        Self { error: error.into(), hint, exit: Exit::Error, detail: None }
    }

    /// The same, refused before anything was touched.
    pub fn refused(mut self) -> Self {
        self.exit = Exit::Refused;
        self
    }

    /// A sentence of our own.
    pub fn text(text: impl Into<String>, hint: impl Into<Option<String>>) -> Self {
        Self::new(anyhow::anyhow!(text.into()), hint.into())
    }

    /// Prints it and gives the exit code.
    pub fn report(&self, out: Out) -> Exit {
        out.rendered(&self.rendered())
    }

    /// What is printed of it.
    pub(super) fn rendered(&self) -> Rendered {
        let detail = self.detail.iter().map(|detail| format!("{}\n", detail.trim_end()));
        let notes = detail.chain([self.text_of()]).collect();
        let causes: Vec<String> = self.error.chain().skip(1).map(ToString::to_string).collect();
        let data = serde_json::json!({ "error": self.error.to_string(), "causes": causes, "hint": self.hint });
        Rendered { exit: self.exit, lines: Vec::new(), notes, data }
    }

    /// The error with its causes and what to do.
    fn text_of(&self) -> String {
        let mut text = format!("{} {}", "error:".red().bold(), self.error);
        let mut said = self.error.to_string();
        for cause in self.error.chain().skip(1).map(ToString::to_string) {
            // Some errors already quote their source.
            if !said.contains(&cause) {
                text.push_str(&format!("\n{} {cause}", "caused by:".red()));
                said = cause;
            }
        }
        if let Some(hint) = &self.hint {
            text.push_str(&format!("\n{} {hint}", "hint:".cyan().bold()));
        }
        text
    }
}

/// Implements the conversion of the errors that know their own hint.
macro_rules! with_hint {
    ($($type:ty),*) => {$(
        impl From<$type> for Failure {
            fn from(error: $type) -> Self {
                let hint = error.hint();
                Self::new(error, hint)
            }
        }
    )*};
}
with_hint!(crate::store::StoreError, crate::docker::DockerError, crate::router::RouterError, crate::http::HttpError);

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let Some(diagnostics) = error.diagnostics() else {
            let hint = error.hint();
            return Self::new(error, hint);
        };
        // Whoever prints it drops the colour where it must.
        let detail = Some(diagnostics.render(true));
        let count = diagnostics.errors();
        let what = if count == 1 { "an error".to_owned() } else { format!("{count} errors") };
        let hint = "the lines above say where; `landfall validate` checks again without touching anything";
        Self { detail, ..Self::text(format!("the configuration has {what}"), hint.to_owned()) }
    }
}

impl From<reconcile::Error> for Failure {
    fn from(error: reconcile::Error) -> Self {
        match error {
            reconcile::Error::Load(error) => error.into(),
            other => {
                let hint = other.hint();
                Self::new(other, hint)
            }
        }
    }
}
