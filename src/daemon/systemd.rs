//! What the service manager is told: that we are ready, what we are at, and that the loop turns.
//!
//! *Expected flow*: the loop owns one [`Notifier`], calls `ready` after the first look at the host, and `watchdog` on each
//! turn, at the latest at `watchdog_at`. What is watched is the loop itself: passes run beside it, so that a long deploy
//! does not end the daemon, and a loop that stands still does.
//!
//! *Guarantees*: without `NOTIFY_SOCKET` nothing happens; a service manager that does not read cannot hold the loop up
//! for longer than a limit; what it was told already is not told again.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// So long a message may wait for room in the service manager's queue; then it is lost, as one line in the log.
const SEND_WITHIN: Duration = Duration::from_millis(500);
/// Longest status, in characters: systemd reads messages of 4 KiB, and `systemctl status` shows one line.
const STATUS_CHARS: usize = 200;

/// The line to the service manager.
#[derive(Debug)]
pub struct Notifier {
    /// None where nobody asked to be told.
    manager: Option<Manager>,
    watchdog: Option<Watchdog>,
    state: State,
    status: String,
}

#[derive(Debug)]
struct Manager {
    socket: UnixDatagram,
    address: SocketAddr,
    /// One line in the log is enough, however often it fails.
    has_complained: bool,
}

#[derive(Debug)]
struct Watchdog {
    every: Duration,
    due: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Starting,
    Ready,
    Reloading,
    Stopping,
}

impl Notifier {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`, once.
    pub fn from_env() -> Self {
        let socket = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty());
        Self::new(socket.as_deref(), sd_notify::watchdog_enabled(), Instant::now())
    }

    pub(super) fn new(socket: Option<&OsStr>, watchdog: Option<Duration>, now: Instant) -> Self {
        let manager = socket.and_then(|name| match Manager::new(name) {
            Ok(manager) => Some(manager),
            Err(error) => {
                tracing::warn!("the service manager cannot be told anything at {}: {error}", name.display());
                None
            }
        });
        let watchdog = watchdog.filter(|limit| !limit.is_zero() && manager.is_some());
        let watchdog = watchdog.map(|limit| Watchdog { every: limit / 2, due: now });
        Self { manager, watchdog, state: State::Starting, status: String::new() }
    }

    /// The host was seen, or a reload is over. Told once for each.
    pub fn ready(&mut self) {
        if matches!(self.state, State::Starting | State::Reloading) {
            self.state = State::Ready;
            self.send(&[NotifyState::Ready]);
        }
    }

    /// A reload begins; [`ready`](Self::ready) ends it. Before the first `ready` there is nothing to reload.
    pub fn reloading(&mut self) {
        if self.state != State::Ready {
            return;
        }
        self.state = State::Reloading;
        // `Type=notify-reload` wants the time with it, `Type=notify` does not mind.
        match NotifyState::monotonic_usec_now() {
            Ok(time) => self.send(&[NotifyState::Reloading, time]),
            Err(_) => self.send(&[NotifyState::Reloading]),
        }
    }

    /// The end begins. Nothing is told after that but the status and that we are alive.
    pub fn stopping(&mut self) {
        if self.state != State::Stopping {
            self.state = State::Stopping;
            self.send(&[NotifyState::Stopping]);
        }
    }

    /// What we are at, in one line; the same again is not sent.
    pub fn status(&mut self, text: &str) {
        let text = one_line(text);
        if self.status != text {
            self.send(&[NotifyState::Status(&text)]);
            self.status = text;
        }
    }

    /// The loop turns: tells so when half of the limit has passed since it last did.
    pub fn watchdog(&mut self, now: Instant) {
        let Some(watchdog) = self.watchdog.as_mut().filter(|watchdog| now >= watchdog.due) else { return };
        watchdog.due = now + watchdog.every;
        self.send(&[NotifyState::Watchdog]);
    }

    /// When to call [`watchdog`](Self::watchdog) at the latest; none where nobody watches.
    pub fn watchdog_at(&self) -> Option<Instant> {
        self.watchdog.as_ref().map(|watchdog| watchdog.due)
    }

    fn send(&mut self, states: &[NotifyState<'_>]) {
        let Some(manager) = &mut self.manager else { return };
        let text: String = states.iter().map(|state| format!("{state}\n")).collect();
        if let Err(error) = manager.socket.send_to_addr(text.as_bytes(), &manager.address)
            && !std::mem::replace(&mut manager.has_complained, true)
        {
            tracing::warn!("the service manager was not told {:?}: {error}", text.trim_end());
        }
    }
}

impl Manager {
    fn new(name: &OsStr) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(SEND_WITHIN))?;
        Ok(Self { socket, address: address(name)?, has_complained: false })
    }
}

/// `@name` is a socket without a file, which only Linux has.
fn address(name: &OsStr) -> io::Result<SocketAddr> {
    match name.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name),
        None => SocketAddr::from_pathname(name),
    }
}

fn one_line(text: &str) -> String {
    text.chars().take(STATUS_CHARS).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A service manager of ours, and the line to it.
    fn pair(watchdog: Option<Duration>, now: Instant) -> (tempfile::TempDir, UnixDatagram, Notifier) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        (dir, manager, Notifier::new(Some(path.as_os_str()), watchdog, now))
    }

    /// Everything told so far, a message each.
    fn told(manager: &UnixDatagram) -> Vec<String> {
        let mut buffer = [0; 4096];
        let next =
            || manager.recv(&mut buffer).ok().map(|length| String::from_utf8_lossy(&buffer[..length]).into_owned());
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn each_state_is_told_once_and_a_reload_ends_with_another_ready() {
        let (_dir, manager, mut notifier) = pair(None, Instant::now());
        notifier.reloading();
        assert_eq!(told(&manager), Vec::<String>::new(), "nothing to reload before it is ready");
        notifier.ready();
        notifier.ready();
        assert_eq!(told(&manager), ["READY=1\n"]);
        notifier.reloading();
        notifier.reloading();
        let reloading = told(&manager);
        let time = reloading[0].strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().trim_end();
        assert!(reloading.len() == 1 && time.parse::<u64>().unwrap() > 0, "{reloading:?}");
        notifier.ready();
        notifier.stopping();
        notifier.stopping();
        notifier.ready();
        notifier.reloading();
        assert_eq!(told(&manager), ["READY=1\n", "STOPPING=1\n"]);
    }

    #[test]
    fn a_status_is_one_short_line_and_the_same_again_is_not_sent() {
        let (_dir, manager, mut notifier) = pair(None, Instant::now());
        notifier.status("waiting for\nDocker");
        notifier.status("waiting for\nDocker");
        notifier.status("converged");
        notifier.status("waiting for\nDocker");
        assert_eq!(
            told(&manager),
            ["STATUS=waiting for Docker\n", "STATUS=converged\n", "STATUS=waiting for Docker\n"]
        );
        notifier.status(&"ü".repeat(4000));
        let long = told(&manager).remove(0);
        assert_eq!(long, format!("STATUS={}\n", "ü".repeat(STATUS_CHARS)));
    }

    #[test]
    fn the_watchdog_is_told_each_half_of_its_limit_and_not_on_every_turn() {
        let start = Instant::now();
        let (_dir, manager, mut notifier) = pair(Some(Duration::from_secs(10)), start);
        let turns = (0..=100).map(|tenth| start + Duration::from_millis(tenth * 100));
        turns.for_each(|now| notifier.watchdog(now));
        assert_eq!(told(&manager), ["WATCHDOG=1\n"; 3], "at 0, 5 and 10 s");
        assert_eq!(notifier.watchdog_at(), Some(start + Duration::from_secs(15)));
        let (_dir, _manager, unwatched) = pair(Some(Duration::ZERO), start);
        assert_eq!(unwatched.watchdog_at(), None, "a limit of 0 is none");
    }

    #[test]
    fn a_socket_without_a_file_is_told_too() {
        let name = format!("landfall-test-{}", std::process::id());
        let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        manager.set_nonblocking(true).unwrap();
        Notifier::new(Some(OsStr::new(&format!("@{name}"))), None, Instant::now()).ready();
        assert_eq!(told(&manager), ["READY=1\n"]);
    }

    #[test]
    fn a_manager_that_does_not_read_or_is_gone_does_not_hold_the_loop_up() {
        let (dir, manager, mut notifier) = pair(None, Instant::now());
        let lost = (0..10_000).position(|number| {
            notifier.status(&number.to_string());
            notifier.manager.as_ref().unwrap().has_complained
        });
        assert!(lost.is_some(), "its queue has an end");
        drop((manager, dir));
        notifier.ready();
        assert_eq!(notifier.state, State::Ready);
        let mut nobody = Notifier::new(None, Some(Duration::from_secs(1)), Instant::now());
        nobody.ready();
        assert_eq!(nobody.watchdog_at(), None);
    }
}
