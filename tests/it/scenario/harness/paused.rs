//! A registry that can be paused: the ground's own, behind a relay that holds requests for blobs back.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;

use super::{eventually, ground};

/// The relay; it accepts until the process ends.
pub struct PausedRegistry {
    port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    now: Mutex<Now>,
    changed: Condvar,
}

#[derive(Default)]
struct Now {
    is_paused: bool,
    held: usize,
}

impl PausedRegistry {
    /// Listens on a port of its own, and lets everything through.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&shared);
                thread::spawn(move || forward(client, &shared));
            }
        });
        Self { port, state }
    }

    /// As `<images>` of the ground.
    pub fn images(&self) -> String {
        format!("127.0.0.1:{}/demo", self.port)
    }

    /// From now on, who asks for a blob waits.
    pub fn pause(&self) {
        self.state.now.lock().unwrap().is_paused = true;
    }

    /// Returns when somebody waits.
    #[track_caller]
    pub fn is_holding(&self) {
        eventually("a blob is asked for", || (self.state.now.lock().unwrap().held > 0).then_some(()));
    }

    /// Lets everything through again.
    pub fn go_on(&self) {
        self.state.now.lock().unwrap().is_paused = false;
        self.state.changed.notify_all();
    }
}

/// Answers are copied on a thread of their own, requests on this one.
fn forward(mut client: TcpStream, state: &State) {
    let Ok(mut registry) = TcpStream::connect(ground("LANDFALL_TEST_REGISTRY")) else { return };
    let (Ok(mut answers), Ok(mut back)) = (registry.try_clone(), client.try_clone()) else { return };
    thread::spawn(move || {
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut buffer = [0; 8192];
    while let Ok(count @ 1..) = client.read(&mut buffer) {
        if buffer[..count].windows(7).any(|part| part == b"/blobs/") {
            state.passes();
        }
        if registry.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = registry.shutdown(Shutdown::Both);
}

impl State {
    fn passes(&self) {
        let mut now = self.now.lock().unwrap();
        now.held += usize::from(now.is_paused);
        drop(self.changed.wait_while(now, |now| now.is_paused).unwrap());
    }
}
