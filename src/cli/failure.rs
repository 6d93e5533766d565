//! Errors at the edge: printed as `error:`, `caused by:`, `hint:` on standard error, or as JSON where asked.

use super::exit::Exit;
use super::render::Out;

/// An error on its way to the terminal.
#[derive(Debug)]
pub struct Failure {
    /// The error with its causes.
    pub error: anyhow::Error,
    /// What the user can do about it.
    pub hint: Option<String>,
    /// How the command ends.
    pub exit: Exit,
}

impl Failure {
    /// An error with its hint; the command exits 1.
    pub fn new(error: impl Into<anyhow::Error>, hint: Option<String>) -> Self {
        Self { error: error.into(), hint, exit: Exit::Error }
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
        out.error(&self.error, self.hint.as_deref());
        self.exit
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
with_hint!(
    crate::reconcile::Error,
    crate::store::StoreError,
    crate::docker::DockerError,
    crate::config::LoadError,
    crate::router::RouterError
);
