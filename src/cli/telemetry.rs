//! Logs: structured, to the journal when systemd listens, else to standard error; never both, which would double them.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// bollard logs request and response bodies at debug level, secrets included (R28): these stay at info, whatever
/// `RUST_LOG` says.
const CAPPED: [&str; 6] = ["bollard=info", "hyper=info", "hyper_util=info", "h2=info", "rustls=info", "reqwest=info"];

/// Sets logging up: `info` for a daemon, warnings for a command, `RUST_LOG` above both.
pub(super) fn init(is_daemon: bool) {
    let level = if is_daemon { LevelFilter::INFO } else { LevelFilter::WARN };
    let mut filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    for directive in CAPPED {
        if let Ok(directive) = directive.parse() {
            filter = filter.add_directive(directive);
        }
    }
    let registry = tracing_subscriber::registry().with(filter);
    let journal = std::env::var_os("JOURNAL_STREAM").filter(|_| is_daemon);
    match journal.and_then(|_| tracing_journald::layer().ok()) {
        Some(layer) => registry.with(layer.with_field_prefix(None)).init(),
        None => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false)).init(),
    }
}
