//! What the systemd unit sets for the daemon.

/// What the unit gives the daemon, so that what is measured is what runs.
pub fn environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = include_str!("../../deploy/landfall.service").lines();
    let given = lines.filter_map(|line| line.strip_prefix("Environment=")).flat_map(str::split_whitespace);
    given.filter_map(|variable| variable.split_once('='))
}
