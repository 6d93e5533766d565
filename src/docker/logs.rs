//! What a container wrote: its last lines for a deploy log, or all of it as it comes.
//!
//! Lines are bounded, and bytes that are not UTF-8 are replaced: a container can write anything.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures_util::{Stream, StreamExt as _};

use super::{Docker, DockerError, checked};

/// Longest line that is kept, in bytes; the rest of it is cut. Docker itself splits at 16 KiB.
const MAX_LINE: usize = 16 * 1024;
/// Most bytes that a tail keeps; the oldest lines go first.
const MAX_TAIL: usize = 64 * 1024;
/// Most lines that a tail may ask for.
const MAX_TAIL_LINES: usize = 10_000;

/// One of the two streams of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogStream {
    /// Standard output, or the terminal of a container that has one.
    Stdout,
    /// Standard error.
    Stderr,
}

/// A line of a container, without its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Where it was written.
    pub stream: LogStream,
    /// The text; at most 16 KiB.
    pub text: String,
}

type Chunks = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

impl Docker {
    /// The last lines of both streams, in the order they were written; at most 64 KiB of them.
    pub async fn logs_tail(&self, id: &str, lines: usize) -> Result<Vec<String>, DockerError> {
        let mut log = self.log(id, lines.min(MAX_TAIL_LINES), false)?;
        let what = format!("tell the last lines of container {id}");
        let limit = self.limits.call;
        let read = async {
            let mut tail = Tail::default();
            while let Some(line) = log.next().await {
                tail.push(line?.text);
            }
            Ok(tail.lines(lines))
        };
        tokio::time::timeout(limit, read).await.unwrap_or(Err(DockerError::Timeout { what, limit }))
    }

    /// The last `tail` lines and then every line as it is written, until the container ends.
    pub fn logs_follow(&self, id: &str, tail: usize) -> Result<LogFollower, DockerError> {
        self.log(id, tail.min(MAX_TAIL_LINES), true)
    }

    fn log(&self, id: &str, tail: usize, follow: bool) -> Result<LogFollower, DockerError> {
        let id = checked::name(id)?.to_owned();
        let options =
            LogsOptionsBuilder::new().stdout(true).stderr(true).follow(follow).tail(&tail.to_string()).build();
        let chunks = chunks(self.api.clone(), id.clone(), options);
        Ok(LogFollower {
            docker: self.clone(),
            id,
            chunks,
            stdout: Vec::new(),
            stderr: Vec::new(),
            ready: VecDeque::new(),
            ended: false,
        })
    }
}

/// Owns the client, so that the stream can outlive the borrow that started it.
fn chunks(api: bollard::Docker, id: String, options: LogsOptions) -> Chunks {
    Box::pin(futures_util::stream::once(async move { api.logs(&id, Some(options)).boxed() }).flatten())
}

/// Reads the log of one container, line by line.
pub struct LogFollower {
    docker: Docker,
    id: String,
    chunks: Chunks,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    ready: VecDeque<LogLine>,
    ended: bool,
}

impl LogFollower {
    /// The next line; none at the end of the log. An app may be silent for as long as it likes; the daemon may not,
    /// so after a silence it is asked whether it still answers.
    pub async fn next(&mut self) -> Option<Result<LogLine, DockerError>> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Some(Ok(line));
            }
            if self.ended {
                return None;
            }
            let silence = self.docker.limits.log_silence;
            match tokio::time::timeout(silence, self.chunks.next()).await {
                Ok(Some(Ok(chunk))) => self.take(chunk),
                Ok(Some(Err(error))) => return Some(Err(self.fail(silence, error))),
                Ok(None) => self.finish(),
                Err(_) => {
                    if let Err(error) = self.docker.inspect(&self.id).await {
                        self.ended = true;
                        return Some(Err(error));
                    }
                }
            }
        }
    }

    fn fail(&mut self, limit: Duration, error: bollard::errors::Error) -> DockerError {
        self.ended = true;
        DockerError::from_bollard(&format!("tell the log of container {}", self.id), &self.docker.address, limit, error)
    }

    fn take(&mut self, chunk: LogOutput) {
        let (stream, rest, message) = match chunk {
            LogOutput::StdErr { message } => (LogStream::Stderr, &mut self.stderr, message),
            LogOutput::StdOut { message } | LogOutput::StdIn { message } | LogOutput::Console { message } => {
                (LogStream::Stdout, &mut self.stdout, message)
            }
        };
        for part in message.split_inclusive(|byte| *byte == b'\n') {
            let room = (MAX_LINE + 1).saturating_sub(rest.len());
            rest.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.ready.push_back(LogLine { stream, text: text(rest) });
                rest.clear();
            }
        }
    }

    /// A last line may lack its end.
    fn finish(&mut self) {
        self.ended = true;
        for (stream, rest) in [(LogStream::Stdout, &mut self.stdout), (LogStream::Stderr, &mut self.stderr)] {
            if !rest.is_empty() {
                self.ready.push_back(LogLine { stream, text: text(rest) });
                rest.clear();
            }
        }
    }
}

/// A line as text, without its end, cut with an ellipsis.
fn text(line: &[u8]) -> String {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE)]).into_owned();
    if line.len() > MAX_LINE {
        text.push('…');
    }
    text
}

/// The newest lines within a budget of bytes.
#[derive(Default)]
struct Tail {
    lines: VecDeque<String>,
    bytes: usize,
}

impl Tail {
    fn push(&mut self, line: String) {
        self.bytes += line.len();
        self.lines.push_back(line);
        while self.bytes > MAX_TAIL {
            self.bytes -= self.lines.pop_front().map_or(0, |line| line.len());
        }
    }

    fn lines(self, wanted: usize) -> Vec<String> {
        let skip = self.lines.len().saturating_sub(wanted);
        self.lines.into_iter().skip(skip).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_and_bytes_that_are_not_text_are_replaced() {
        assert_eq!(text(b"a\xffb\r\n"), "a\u{fffd}b");
        assert_eq!(text(&vec![b'x'; MAX_LINE + 5]).len(), MAX_LINE + '…'.len_utf8());
    }

    #[test]
    fn a_tail_drops_its_oldest_lines_first() {
        let mut tail = Tail::default();
        for n in 0..100 {
            tail.push(format!("{n} {}", "x".repeat(4000)));
        }
        let lines = tail.lines(50);
        assert!(lines.len() < 20 && lines.last().unwrap().starts_with("99 "));
    }
}
