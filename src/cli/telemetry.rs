//! Logs: structured, to the journal where that is what standard error leads to, else to standard error; never both,
//! which would double them. The journal notes the time itself, so that no line carries a second one.

use tracing::Level;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::{LevelFilter, Targets, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// bollard logs request and response bodies at debug level, secrets included (R28): these stay at info, whatever
/// `RUST_LOG` says.
const CAPPED: [&str; 6] = ["bollard", "hyper", "hyper_util", "h2", "rustls", "reqwest"];

/// As everybody else counts: what is only told is no notice, which would stand out.
const PRIORITIES: PriorityMappings = PriorityMappings {
    error: Priority::Error,
    warn: Priority::Warning,
    info: Priority::Informational,
    debug: Priority::Debug,
    trace: Priority::Debug,
};

/// Sets logging up: `info` for a daemon, warnings for a command, `RUST_LOG` above both.
pub(super) fn init(is_daemon: bool) {
    let level = if is_daemon { LevelFilter::INFO } else { LevelFilter::WARN };
    let filter = filter(level, &std::env::var("RUST_LOG").unwrap_or_default());
    // A layer of its own: among directives the longest name wins, and `bollard::docker=trace` is longer than ours.
    let capped = filter_fn(|about| *about.level() <= Level::INFO || !is_capped(about.target()));
    let registry = tracing_subscriber::registry().with(filter).with(capped);
    let is_journal = leads_to_journal(std::env::var("JOURNAL_STREAM").ok().as_deref());
    if let Some(journal) =
        Some(is_daemon && is_journal).filter(|to_it| *to_it).and_then(|_| tracing_journald::layer().ok())
    {
        let journal = journal.with_field_prefix(None).with_priority_mappings(PRIORITIES);
        return registry.with(journal).init();
    }
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    if is_journal { registry.with(lines.without_time()).init() } else { registry.with(lines).init() }
}

/// What is logged: from this level on, or as `RUST_LOG` says of modules and of the rest. What it says that cannot be
/// understood counts for nothing.
fn filter(level: LevelFilter, said: &str) -> Targets {
    let understood =
        said.split(',').filter(|one| !one.is_empty() && !one.starts_with('=') && one.parse::<Targets>().is_ok());
    let all: Vec<String> = std::iter::once(level.to_string()).chain(understood.map(str::to_owned)).collect();
    all.join(",").parse().unwrap_or_default()
}

/// True when standard error is the stream that systemd connected to the journal, and was not led elsewhere since: the
/// variable names its device and inode, and every child inherits it.
fn leads_to_journal(variable: Option<&str>) -> bool {
    let named = variable.and_then(|text| text.split_once(':'));
    let named = named.and_then(|(device, inode)| Some((device.parse::<u64>().ok()?, inode.parse::<u64>().ok()?)));
    let ours = rustix::fs::fstat(std::io::stderr()).ok().map(|stat| (stat.st_dev, stat.st_ino));
    named.is_some() && named == ours
}

/// True for a module of the capped crates.
fn is_capped(target: &str) -> bool {
    let of = |name: &&str| target.strip_prefix(*name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    CAPPED.iter().any(of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_speaks_of_modules_and_of_the_rest_and_what_cannot_be_understood_counts_for_nothing() {
        let is_logged = |said: &str, target: &str, level| filter(LevelFilter::INFO, said).would_enable(target, &level);
        assert!(is_logged("", "landfall", Level::INFO) && !is_logged("", "landfall", Level::DEBUG));
        assert!(is_logged("landfall::daemon=debug", "landfall::daemon::watch", Level::DEBUG));
        assert!(is_logged("landfall::daemon=debug", "landfall::store", Level::INFO));
        assert!(!is_logged("landfall::daemon=debug", "landfall::store", Level::DEBUG));
        assert!(is_logged("debug", "landfall", Level::DEBUG) && !is_logged("error", "landfall", Level::INFO));
        assert!(is_logged("=,a=loud,,debug", "landfall", Level::DEBUG));
    }
}
