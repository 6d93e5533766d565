//! Hooks: commands that a deploy runs once, each in a container of its own made from the new image.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::units::Millis;

/// The hooks of a stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hooks {
    /// Before anything that serves is touched; when it fails, so does the deploy.
    pub pre_deploy: Option<Hook>,
    /// Once the new instance serves; when it fails, that is only told.
    pub post_deploy: Option<Hook>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hook {
    /// Its words, in place of the image's CMD.
    pub command: Vec<String>,
    /// At most so long.
    pub timeout: Millis,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before anything that serves is touched.
    PreDeploy,
    /// Once the new instance serves.
    PostDeploy,
}

impl Moment {
    /// Its key, as in `pre_deploy`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PreDeploy => "pre_deploy",
            Self::PostDeploy => "post_deploy",
        }
    }

    /// What the name of its container ends in: that of the instance, and this.
    pub const fn suffix(self) -> &'static str {
        match self {
            Self::PreDeploy => "pre",
            Self::PostDeploy => "post",
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.key())
    }
}
