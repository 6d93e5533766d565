//! Why the daemon could not be asked, or did not answer, and what helps.

use std::io::{self, ErrorKind};
use std::path::PathBuf;

use super::Denial;

/// Why there is no answer from the daemon.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nobody answers on its socket; nothing was asked.
    #[error("the daemon does not answer at {}: {source}", socket.display())]
    Unreachable {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It said no; nothing was touched.
    #[error("{}", .0.error)]
    Denied(Denial),
    /// It did not begin with what it had accepted, or left it in the middle.
    #[error("{}", .0.error)]
    Left(Denial),
    /// It was asked, and its answer ended or stands still: what was asked for may go on.
    #[error("the daemon's answer broke off: {reason}")]
    Broken {
        /// Why.
        reason: String,
    },
}

impl HttpError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreachable { source, .. } => Some(
                match source.kind() {
                    ErrorKind::PermissionDenied => {
                        "be root, or in the group that the socket belongs to; who may use it may do what the daemon may"
                    }
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                        "it is just starting, or its socket was removed: a restart of the daemon makes it again"
                    }
                    _ => "its log says more; a restart of the daemon helps",
                }
                .into(),
            ),
            Self::Denied(denial) | Self::Left(denial) => denial.hint.clone(),
            Self::Broken { .. } => Some(
                "what was begun goes on, or is taken up when the daemon starts again: `landfall history` shows it"
                    .into(),
            ),
        }
    }
}
