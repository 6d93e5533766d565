//! Logs: structured, to the journal when systemd listens, else to standard error; never both, which would double them.

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// bollard logs request and response bodies at debug level, secrets included (R28): these stay at info, whatever
/// `RUST_LOG` says.
const CAPPED: [&str; 6] = ["bollard", "hyper", "hyper_util", "h2", "rustls", "reqwest"];

/// Sets logging up: `info` for a daemon, warnings for a command, `RUST_LOG` above both.
pub(super) fn init(is_daemon: bool) {
    let level = if is_daemon { LevelFilter::INFO } else { LevelFilter::WARN };
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
    // A layer of its own: among directives the longest name wins, and `bollard::docker=trace` is longer than ours.
    let capped = filter_fn(|about| *about.level() <= Level::INFO || !is_capped(about.target()));
    let registry = tracing_subscriber::registry().with(filter).with(capped);
    let journal = std::env::var_os("JOURNAL_STREAM").filter(|_| is_daemon);
    match journal.and_then(|_| tracing_journald::layer().ok()) {
        Some(layer) => registry.with(layer.with_field_prefix(None)).init(),
        None => registry.with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false)).init(),
    }
}

/// True for a module of the capped crates.
fn is_capped(target: &str) -> bool {
    let of = |name: &&str| target.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    CAPPED.iter().any(of)
}
