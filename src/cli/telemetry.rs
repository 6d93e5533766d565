//! Logs: structured, to the journal where that is what standard error leads to, else to standard error; never both,
//! which would double them. The journal notes the time itself, so that no line carries a second one.

use tracing::Level;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{LevelFilter, filter_fn};
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
    let filter = EnvFilter::builder().with_default_directive(level.into()).from_env_lossy();
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
