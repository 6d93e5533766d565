//! Listening sockets that the service manager opened and handed over (`sd_listen_fds(3)`).
//!
//! They stay open while the proxy is exchanged for another: who connects meanwhile waits in the kernel, and is not refused.

use std::net::TcpListener;

use listenfd::ListenFd;

use super::RouterError;
use super::head::Scheme;

/// The sockets, by what is spoken on them.
#[derive(Debug, Default)]
pub struct HandedOver {
    /// Those named `http`.
    pub http: Vec<TcpListener>,
    /// Those named `https`.
    pub https: Vec<TcpListener>,
}

impl HandedOver {
    /// Takes what the environment says was handed over to this process; a second time there is nothing.
    ///
    /// # Errors
    /// A socket has neither of the two names, or is none that TCP clients connect to.
    pub fn from_env() -> Result<Self, RouterError> {
        let bad = |name: &str, reason: String| RouterError::HandedOver { name: name.to_owned(), reason };
        let unclear = |error: std::io::Error| bad("LISTEN_FDS", error.to_string());
        // None where the environment speaks of another process; then the names are that one's too.
        if sd_notify::listen_fds().map_err(unclear)?.len() == 0 {
            return Ok(Self::default());
        }
        let names: Vec<String> = sd_notify::listen_fds_with_names().map_err(unclear)?.map(|(_, name)| name).collect();
        let mut sockets = ListenFd::from_env();
        let mut handed = Self::default();
        for (at, name) in names.iter().enumerate() {
            let side = match scheme(name).ok_or_else(|| bad(name, "its name tells nothing".to_owned()))? {
                Scheme::Http => &mut handed.http,
                Scheme::Https => &mut handed.https,
            };
            let socket = sockets.take_tcp_listener(at).map_err(|error| bad(name, error.to_string()))?;
            let socket = socket.ok_or_else(|| bad(name, "it is not there".to_owned()))?;
            socket.set_nonblocking(true).map_err(|error| bad(name, error.to_string()))?;
            side.push(socket);
        }
        Ok(handed)
    }

    /// Whether nothing was handed over.
    pub fn is_empty(&self) -> bool {
        self.http.is_empty() && self.https.is_empty()
    }
}

fn scheme(name: &str) -> Option<Scheme> {
    [Scheme::Http, Scheme::Https].into_iter().find(|scheme| scheme.as_str() == name)
}
