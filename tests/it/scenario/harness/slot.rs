//! A hundred ports of the ground that no other story has.
//!
//! Tests are threads of one process or processes of their own, so a lock on a file tells who has which.

use std::fs::File;
use std::path::Path;

use super::ground;

const FIRST_PORT: u16 = 20_000;
const PORTS: u16 = 100;
const SLOTS: u16 = 90;

/// The ports, for as long as it lives.
pub struct Slot {
    first: u16,
    _lock: File,
}

impl Slot {
    pub fn take() -> Self {
        let docker = ground("LANDFALL_TEST_DOCKER");
        let dir = Path::new(docker.trim_start_matches("unix://")).parent().unwrap().join("slots");
        std::fs::create_dir_all(&dir).unwrap();
        let free = |number: u16| {
            let lock = File::create(dir.join(number.to_string())).unwrap();
            lock.try_lock().ok().map(|()| Self { first: FIRST_PORT + number * PORTS, _lock: lock })
        };
        (0..SLOTS).find_map(free).expect("a free slot")
    }

    /// Its number.
    pub fn number(&self) -> u16 {
        (self.first - FIRST_PORT) / PORTS
    }

    /// The range that Landfall gives to instances.
    pub fn instance_ports(&self) -> (u16, u16) {
        (self.first, self.first + 79)
    }

    /// Where the proxy listens.
    pub fn proxy_port(&self) -> u16 {
        self.first + 80
    }

    /// For a story to publish on.
    pub fn own_port(&self) -> u16 {
        self.first + 90
    }
}
