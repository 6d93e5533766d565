//! Holds one request or its answer back, so that whoever asked can be killed at that very moment.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::Request;

/// What is held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The request: it never arrives.
    Request,
    /// The answer: what was asked is done, and who asked does not learn it.
    Answer,
}

/// The trap of a recorder; it catches one request.
#[derive(Default)]
pub struct Trap {
    state: Mutex<State>,
    released: Condvar,
}

#[derive(Default)]
struct State {
    set: Option<(Hold, String)>,
    is_holding: bool,
}

impl Trap {
    /// Catches the next request of a method whose path holds a text, as in `POST /start`.
    pub fn set(&self, hold: Hold, what: &str) {
        *self.state() = State { set: Some((hold, what.to_owned())), is_holding: false };
    }

    /// True when it holds something.
    pub fn is_holding(&self) -> bool {
        self.state().is_holding
    }

    /// Lets go what it holds.
    pub fn release(&self) {
        *self.state() = State::default();
        self.released.notify_all();
    }

    /// What is to be held back of a request, once.
    pub fn caught(&self, request: &Request) -> Option<Hold> {
        let mut state = self.state();
        let is_it = |(_, what): &mut (Hold, String)| {
            what.split_once(' ').is_some_and(|(method, path)| request.method == method && request.path.contains(path))
        };
        state.set.take_if(is_it).map(|(hold, _)| hold)
    }

    /// Returns when it is released.
    pub fn hold(&self) {
        let mut state = self.state();
        state.is_holding = true;
        while state.is_holding {
            state = self.released.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[test]
fn a_request_or_its_answer_is_held_back_until_it_is_released() {
    use crate::recorder::Recorder;
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("up.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let arrived = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&arrived);
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut bytes = [0; 64];
            while let Ok(1..) = client.read(&mut bytes) {
                seen.store(true, Ordering::SeqCst);
                client.write_all(b"done").unwrap();
            }
        }
    });
    for (hold, arrives) in [(Hold::Request, false), (Hold::Answer, true)] {
        arrived.store(false, Ordering::SeqCst);
        let recorder = Recorder::start(&socket.display().to_string());
        recorder.hold(hold, "POST /start");
        let mut client = UnixStream::connect(recorder.path()).unwrap();
        client.write_all(b"POST /a/start HTTP/1.1\r\n\r\n").unwrap();
        while !recorder.is_holding() {
            thread::yield_now();
        }
        assert_eq!(arrived.load(Ordering::SeqCst), arrives);
        recorder.release();
        let mut answer = [0; 4];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"done");
    }
}
