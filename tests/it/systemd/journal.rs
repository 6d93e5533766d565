//! Where the log goes: to the journal with its fields where standard error leads there, else as lines, each with one time.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::daemon::{Daemon, daemon, stopped};
use crate::execute::ground::{Host, image, web};
use crate::own_disk;
use crate::router_support::soon;

/// The fields of an entry, as journald reads them: `NAME=value`, or a name, a length and so many bytes.
fn fields(entry: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut rest = entry;
    while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
        let (line, behind) = (text(&rest[..end]), &rest[end + 1..]);
        if let Some((name, value)) = line.split_once('=') {
            fields.insert(name.to_owned(), value.to_owned());
            rest = behind;
        } else {
            let length = usize::try_from(u64::from_le_bytes(behind[..8].try_into().unwrap())).unwrap();
            fields.insert(line, text(&behind[8..8 + length]));
            rest = &behind[8 + length + 1..];
        }
    }
    fields
}

/// A journal of ours in the place of journald's; only in a mount namespace of our own.
fn journal() -> UnixDatagram {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "tmpfs", "/run"]).status().unwrap();
    assert!(mounted.success());
    std::fs::create_dir_all("/run/systemd/journal").unwrap();
    let journal = UnixDatagram::bind("/run/systemd/journal/socket").unwrap();
    journal.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    journal
}

/// Every entry up to the one that is looked for.
fn entries_until(
    journal: &UnixDatagram,
    is_last: impl Fn(&BTreeMap<String, String>) -> bool,
) -> Vec<BTreeMap<String, String>> {
    let mut buffer = vec![0; 65_536];
    let mut entries = Vec::new();
    while !entries.last().is_some_and(&is_last) {
        let length = journal.recv(&mut buffer).unwrap_or_else(|error| panic!("{error} after {entries:#?}"));
        entries.push(fields(&buffer[..length]));
    }
    entries
}

/// A stream as systemd makes one, and how it names it.
fn stream() -> (UnixStream, OwnedFd, String) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let theirs = OwnedFd::from(theirs);
    let stat = rustix::fs::fstat(&theirs).unwrap();
    (ours, theirs, format!("{}:{}", stat.st_dev, stat.st_ino))
}

fn read_all(mut stream: UnixStream) -> String {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut stream, &mut text).unwrap();
    text
}

#[test]
fn where_stderr_is_the_journal_entries_have_fields_and_stderr_stays_empty() {
    own_disk::run("systemd::journal::meets_a_journal");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above in a mount namespace"]
async fn meets_a_journal() {
    if !own_disk::is_there() {
        return;
    }
    let journal = journal();
    let host = Host::with(&[&image("v1")]).await;
    host.write(&web("v1", ""));
    let (ours, theirs, name) = stream();
    let mut command = daemon(&host);
    command.env("JOURNAL_STREAM", name).stderr(Stdio::from(theirs));
    let running = Daemon::start(command, &host);
    let live = |entry: &BTreeMap<String, String>| entry.get("MESSAGE").is_some_and(|text| text == "web/prod: success");
    let (entries, journal) = soon(
        "the deploy is in the journal",
        tokio::task::spawn_blocking(move || (entries_until(&journal, live), journal)),
    )
    .await
    .unwrap();
    let entry = entries.last().unwrap();
    let deploy = host.last().id.short();
    for (name, value) in
        [("STAGE", "web/prod"), ("PRIORITY", "6"), ("SYSLOG_IDENTIFIER", "landfall"), ("DEPLOY", &deploy)]
    {
        assert_eq!(entry.get(name).map(String::as_str), Some(value), "{name} in {entry:#?}");
    }
    assert_eq!(stopped(running).await, 0);
    assert_eq!(read_all(ours), "", "nothing is told twice");
    drop(journal);
}

#[test]
fn where_the_journal_does_not_answer_its_stream_gets_lines_without_a_time() {
    own_disk::run("systemd::journal::meets_a_stream_alone");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by the test above in a mount namespace"]
async fn meets_a_stream_alone() {
    if !own_disk::is_there() {
        return;
    }
    drop(journal());
    std::fs::remove_file("/run/systemd/journal/socket").unwrap();
    let host = Host::with(&[]).await;
    let (ours, theirs, name) = stream();
    let mut command = daemon(&host);
    command.env("JOURNAL_STREAM", name).stderr(Stdio::from(theirs));
    let running = Daemon::start(command, &host);
    running.told("READY=1").await;
    assert_eq!(stopped(running).await, 0);
    let said = read_all(ours);
    assert!(!said.is_empty() && said.lines().all(|line| times(line) == 0), "{said}");
}

/// How many times of day stand in a line.
fn times(line: &str) -> usize {
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    line.split(|c: char| !c.is_ascii_digit() && c != ':')
        .filter(|word| word.split(':').filter(|part| digits(part)).count() == 3)
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_pipe_every_line_has_one_time_even_where_a_parent_had_the_journal() {
    assert_eq!((times("2026-01-02T03:04:05.6Z  INFO a"), times("INFO a: [::1]:80 12:30")), (1, 0));
    let (_ours, _theirs, parents) = stream();
    for inherited in [None, Some(parents.as_str()), Some("nonsense"), Some("")] {
        let host = Host::with(&[]).await;
        let mut command = daemon(&host);
        if let Some(name) = inherited {
            command.env("JOURNAL_STREAM", name);
        }
        let running = Daemon::start(command, &host);
        running.told("READY=1").await;
        let log = running.log();
        assert_eq!(stopped(running).await, 0);
        let said = std::fs::read_to_string(Path::new(&log)).unwrap();
        assert!(!said.is_empty() && said.lines().all(|line| times(line) == 1), "{inherited:?}: {said}");
    }
}
