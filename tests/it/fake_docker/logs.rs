//! What containers write, in dockerd's framing.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::StreamExt as _;
use tokio::sync::mpsc;

use super::server::Asked;
use super::{Shared, answer};

/// `GET /containers/{id}/logs?tail=&follow=`
pub fn logs(world: &Shared, asked: &Asked) -> Response {
    let mut world = world.lock();
    let Some(container) = world.get(&asked.object) else { return answer::no_container(&asked.object) };
    let id = container.id.clone();
    let lines = &container.log;
    let tail = asked.query("tail").parse().unwrap_or(lines.len());
    let skip = lines.len().saturating_sub(tail);
    let past: Vec<Bytes> = lines.iter().skip(skip).map(|(stream, line)| frame(*stream, line)).collect();
    let past = futures_util::stream::iter(past);
    let running = world.running.get_mut(&id).filter(|_| asked.flag("follow"));
    let body = match running {
        Some(running) => {
            let (sender, receiver) = mpsc::unbounded_channel();
            running.followers.push(sender);
            let future =
                futures_util::stream::unfold(receiver, async |mut receiver| Some((receiver.recv().await?, receiver)));
            Body::from_stream(past.chain(future).map(Ok::<_, std::io::Error>))
        }
        None => Body::from_stream(past.map(Ok::<_, std::io::Error>)),
    };
    ([("content-type", "application/vnd.docker.raw-stream")], body).into_response()
}

impl Shared {
    /// Lets a container write a line to stream 1 or 2.
    pub fn log(&self, id: &str, stream: u8, line: &str) {
        let mut world = self.lock();
        let Some(container) = world.get(id) else { return };
        container.log.push((stream, line.to_owned()));
        let id = container.id.clone();
        if let Some(running) = world.running.get_mut(&id) {
            running.followers.retain(|follower| follower.send(frame(stream, line)).is_ok());
        }
    }
}

/// One byte of stream, three of nothing, four of length, the line.
fn frame(stream: u8, line: &str) -> Bytes {
    let length = u32::try_from(line.len() + 1).expect("a line");
    let mut frame = vec![stream, 0, 0, 0];
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(line.as_bytes());
    frame.push(b'\n');
    frame.into()
}
