//! A server that a test starts as a process of this machine. It is ended by its id when this is dropped, and by the
//! kernel when the test dies first.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Ports are chosen free, and may be taken a moment later: then others are tried.
pub const TRIES: usize = 20;
/// For a hung machine; nothing depends on how long it takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// One that was started.
pub struct Process {
    child: Child,
    /// Holds the thread that started it: the kernel ends the process with that thread, not with the test.
    _keeper: mpsc::Sender<()>,
}

impl Process {
    /// A command that runs a program until its parent dies; arguments and variables are still to come.
    pub fn command(program: &Path) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--"]).arg(program);
        command
    }

    /// Starts it, with what it says in a file, and waits until it is ready: false when it ended before that, mostly
    /// because a port of its was taken.
    pub fn start(mut command: Command, says: &Path, mut is_ready: impl FnMut() -> bool) -> Option<Self> {
        let output = std::fs::File::create(says).expect("a file");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(output);
        let (child, keeper) = spawn_kept(command);
        let mut process = Self { child, _keeper: keeper };
        let begin = Instant::now();
        while !is_ready() {
            if process.is_ended() {
                return None;
            }
            let said = || std::fs::read_to_string(says).unwrap_or_default();
            assert!(begin.elapsed() < PATIENCE, "it does not begin: {}", said());
            std::thread::sleep(Duration::from_millis(2));
        }
        Some(process)
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Stops it where it is: the kernel still takes connections, and nobody answers. Or lets it go on.
    pub fn set_silent(&self, is_silent: bool) {
        let signal = if is_silent { Signal::STOP } else { Signal::CONT };
        kill_process(self.pid(), signal).expect("a signal");
    }

    fn is_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that was made silent hears the first only after the second.
        for signal in [Signal::TERM, Signal::CONT] {
            let _ = kill_process(self.pid(), signal);
        }
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if self.is_ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a command on a thread of its own, which stays until what is returned beside it is dropped.
fn spawn_kept(mut command: Command) -> (Child, mpsc::Sender<()>) {
    let (started, child) = mpsc::channel();
    let (keeper, end) = mpsc::channel();
    std::thread::spawn(move || {
        let _ = started.send(command.spawn());
        // Ends with an error when nobody holds the other side any more.
        let _ = end.recv();
    });
    (child.recv().expect("a thread").expect("setpriv runs"), keeper)
}

/// Where a server's program is: a plain user's PATH lacks its directory on Debian.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = places.find_map(|place| Some(place.join(name)).filter(|file| file.is_file()));
    found.unwrap_or_else(|| panic!("no {name} found: run this through tests/run.sh, which installs it"))
}

/// Ports of the machine that no other test takes, also while nobody listens there: whoever holds the first one of them on
/// an address that is theirs has them all.
pub struct Claim(TcpListener);

impl Claim {
    /// So many ports, of so many times as many from the first one on; all of them below those that the kernel gives away.
    pub fn take(on: Ipv4Addr, first: u16, ports: u16, claims: u16) -> Self {
        let start = u16::try_from(std::process::id() % u32::from(claims)).expect("less than the claims");
        let mut bases = (0..claims).map(|step| first + ports * ((start + step) % claims));
        let claimed = bases.find_map(|base| TcpListener::bind((on, base)).ok());
        Self(claimed.expect("no more of them on one machine than there are claims"))
    }

    pub fn first(&self) -> u16 {
        self.0.local_addr().expect("a bound socket").port()
    }
}

/// A port that is free as long as its listener is held.
pub fn free_port() -> (u16, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    (listener.local_addr().expect("an address").port(), listener)
}
