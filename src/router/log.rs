//! The access log: one JSON line per request, written by a thread of its own.
//!
//! Invariant: no request ever waits for it. What the writer is behind with is bounded; beyond that lines are dropped,
//! counted, and the count is written once there is room. The query of a request is left out, since queries carry secrets.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant, SystemTime};

use chrono::{DateTime, SecondsFormat, Utc};
use http::header::{HOST, HeaderValue};
use http::{Method, Request, StatusCode, Uri, Version};
use serde::Serialize;

use super::head::Peer;
use super::throttle::Throttle;
use super::upstream::Upstream;

/// Lines that wait for the writer: some seconds of a busy proxy while a disk stalls; with [`MAX_PATH`] about 12 MB.
const MAX_WAITING: usize = 8192;
/// Most characters of a path, a host or a method in a line.
const MAX_PATH: usize = 1024;
/// Bytes collected before they are written, where more lines wait already.
const BUFFER: usize = 64 * 1024;
/// How long the end of the proxy waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(2);

/// Where the log goes.
#[derive(Debug, Clone)]
pub enum LogTo {
    /// This file, appended to and opened again on request.
    File(PathBuf),
    /// This stream, as it is.
    Stream(Arc<File>),
}

impl fmt::Display for LogTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Stream(_) => f.write_str("on the output"),
        }
    }
}

impl LogTo {
    fn open(&self) -> io::Result<Arc<File>> {
        match self {
            // Addresses of clients are nobody's business but the owner's group's.
            Self::File(path) => OpenOptions::new().append(true).create(true).mode(0o640).open(path).map(Arc::new),
            Self::Stream(stream) => Ok(Arc::clone(stream)),
        }
    }
}

/// A log that is being written.
pub struct Log {
    lines: SyncSender<Vec<u8>>,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    dropped: AtomicU64,
    reopen: AtomicBool,
}

/// Waits for the last lines.
pub struct LastLines(Receiver<()>);

impl LastLines {
    /// Waits, once nobody writes any more, but not for ever.
    pub fn wait(self) {
        if matches!(self.0.recv_timeout(LAST_LINES), Err(RecvTimeoutError::Timeout)) {
            tracing::warn!("the last lines of the access log could not be written in time");
        }
    }
}

impl Log {
    /// Opens a log and starts its writer.
    pub fn start(to: LogTo) -> io::Result<(Self, LastLines)> {
        let file = to.open()?;
        let (lines, waiting) = sync_channel(MAX_WAITING);
        let (done, last) = sync_channel(0);
        let state = Arc::new(State::default());
        let writer = Writer {
            to,
            out: BufWriter::with_capacity(BUFFER, file),
            state: Arc::clone(&state),
            warnings: Throttle::default(),
        };
        std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            writer.run(&waiting);
            drop(done);
        })?;
        Ok((Self { lines, state }, LastLines(last)))
    }

    /// Has the file opened again before the next line: the old one has been moved away.
    pub fn reopen(&self) {
        self.state.reopen.store(true, Ordering::Relaxed);
        // An empty line, to wake the writer; if there is no room for it, it is awake.
        drop(self.lines.try_send(Vec::new()));
    }

    fn write(&self, line: Vec<u8>) {
        if self.lines.try_send(line).is_err() {
            self.state.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

struct Writer {
    to: LogTo,
    out: BufWriter<Arc<File>>,
    state: Arc<State>,
    warnings: Throttle,
}

impl Writer {
    fn run(mut self, waiting: &Receiver<Vec<u8>>) {
        while let Ok(line) = waiting.recv() {
            let mut lines = 1;
            let mut written = self.reopened().and_then(|()| self.out.write_all(&line));
            while let (Ok(()), Ok(line)) = (&written, waiting.try_recv()) {
                lines += 1;
                written = self.out.write_all(&line);
            }
            if let Err(error) = written.and_then(|()| self.told()).and_then(|()| self.out.flush()) {
                self.lost(lines, &error);
            }
        }
    }

    fn reopened(&mut self) -> io::Result<()> {
        if self.state.reopen.swap(false, Ordering::Relaxed) {
            // Until that works the old file is written to, and the new one is tried for again.
            let file = self.to.open().inspect_err(|_| self.state.reopen.store(true, Ordering::Relaxed))?;
            self.out = BufWriter::with_capacity(BUFFER, file);
        }
        Ok(())
    }

    /// Writes how many lines are missing.
    fn told(&mut self) -> io::Result<()> {
        match self.state.dropped.swap(0, Ordering::Relaxed) {
            0 => Ok(()),
            dropped => writeln!(self.out, r#"{{"time":"{}","dropped":{dropped}}}"#, time(SystemTime::now())),
        }
    }

    /// What could not be written is given up: kept, it would stand in the way of what comes next.
    fn lost(&mut self, lines: u64, error: &io::Error) {
        self.state.dropped.fetch_add(lines, Ordering::Relaxed);
        let file = Arc::clone(self.out.get_ref());
        drop(std::mem::replace(&mut self.out, BufWriter::with_capacity(BUFFER, file)).into_parts());
        if let Some(hidden) = self.warnings.pass() {
            tracing::warn!(to = ?self.to, %error, hidden, "the access log cannot be written: lines are lost");
        }
    }
}

/// A request that will be a line.
pub struct Entry {
    log: Arc<Log>,
    time: SystemTime,
    began: Instant,
    client: IpAddr,
    scheme: &'static str,
    host: Option<HeaderValue>,
    method: Method,
    target: Uri,
    protocol: Version,
    /// How it was answered.
    pub status: StatusCode,
    /// Bytes of the answer's body that the client was given.
    pub bytes: u64,
    /// Who answered it; none: a page or a redirect of ours.
    pub upstream: Option<Arc<Upstream>>,
}

/// Until there is an answer; written of a client that went before it, as nginx does.
const UNANSWERED: StatusCode = match StatusCode::from_u16(499) {
    Ok(status) => status,
    Err(_) => StatusCode::BAD_REQUEST,
};

impl Entry {
    /// A request that has just come.
    pub fn new<B>(log: &Arc<Log>, request: &Request<B>, from: Peer) -> Self {
        Self {
            log: Arc::clone(log),
            time: SystemTime::now(),
            began: Instant::now(),
            client: from.ip.to_canonical(),
            scheme: from.scheme.as_str(),
            host: request.headers().get(HOST).cloned(),
            method: request.method().clone(),
            target: request.uri().clone(),
            protocol: request.version(),
            status: UNANSWERED,
            bytes: 0,
            upstream: None,
        }
    }

    /// The same, answered so.
    pub fn answered(self, status: StatusCode) -> Self {
        let mut answered = self;
        answered.status = status;
        answered
    }

    fn line(&self) -> Vec<u8> {
        // What stands before the `@` may be a password.
        let host = self.target.authority().and_then(|authority| authority.as_str().rsplit('@').next());
        let line = Line {
            time: &time(self.time),
            client: self.client,
            scheme: self.scheme,
            host: host.or_else(|| self.host.as_ref()?.to_str().ok()).map(cut),
            method: cut(self.method.as_str()),
            path: cut(self.target.path()),
            protocol: &format!("{:?}", self.protocol),
            status: self.status.as_u16(),
            bytes: self.bytes,
            ms: self.began.elapsed().as_secs_f64() * 1000.0,
            upstream: self.upstream.as_ref().map(|upstream| upstream.addr().as_str()),
        };
        let mut text = serde_json::to_vec(&line).unwrap_or_default();
        text.push(b'\n');
        text
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.log.write(self.line());
    }
}

/// As it is written.
#[derive(Serialize)]
struct Line<'a> {
    time: &'a str,
    client: IpAddr,
    scheme: &'a str,
    host: Option<&'a str>,
    method: &'a str,
    path: &'a str,
    protocol: &'a str,
    status: u16,
    bytes: u64,
    ms: f64,
    upstream: Option<&'a str>,
}

fn time(at: SystemTime) -> String {
    DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The beginning of a text that may be long.
fn cut(text: &str) -> &str {
    text.char_indices().nth(MAX_PATH).map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::router::head::Scheme;

    /// A request that became a line.
    fn one(log: &Arc<Log>, target: &str) {
        let request = Request::builder().uri(target).header(HOST, "a.test").body(()).unwrap();
        drop(Entry::new(log, &request, Peer { ip: "192.0.2.1".parse().unwrap(), scheme: Scheme::Https }));
    }

    #[test]
    fn r28_a_line_tells_the_path_and_not_the_query() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let (log, last) = Log::start(LogTo::File(path.clone())).unwrap();
        let log = Arc::new(log);
        one(&log, "/reset?token=hunter2");
        one(&log, &format!("/{}", "x".repeat(5000)));
        drop(log);
        last.wait();
        let text = std::fs::read_to_string(path).unwrap();
        let lines: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(lines.len(), 2);
        assert!(!text.contains("hunter2") && lines[1]["path"].as_str().unwrap().len() == MAX_PATH);
        let shown =
            ["client", "scheme", "host", "method", "path", "protocol"].map(|key| lines[0][key].as_str().unwrap());
        assert_eq!(shown, ["192.0.2.1", "https", "a.test", "GET", "/reset", "HTTP/1.1"]);
        assert!(lines[0]["ms"].is_number() && lines[0]["upstream"].is_null());
    }

    #[test]
    fn r31_lines_that_nobody_takes_are_dropped_and_counted_and_no_request_waits() {
        let (mut reader, writer) = UnixStream::pair().unwrap();
        let stream = Arc::new(File::from(std::os::fd::OwnedFd::from(writer)));
        let (log, last) = Log::start(LogTo::Stream(Arc::clone(&stream))).unwrap();
        drop(stream);
        let log = Arc::new(log);
        // More than waits, is collected and fits into the stream.
        let sent = u64::try_from(4 * MAX_WAITING).unwrap();
        (0..sent).for_each(|_| one(&log, "/"));
        drop(log);
        let reading = std::thread::spawn(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            text
        });
        last.wait();
        let text = reading.join().unwrap();
        let (mut lines, mut dropped) = (0, 0);
        for line in text.lines() {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            match line["dropped"].as_u64() {
                Some(count) => dropped += count,
                None => lines += 1,
            }
        }
        assert!(dropped > 0, "{lines} of {sent} lines were written");
        assert_eq!(lines + dropped, sent);
    }
}
