//! The processes that calls of git started: a group for each call, which ends with the call, and with this process.

use std::io;
use std::process::{Child, Command};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// All there are now. A call is over within its limit, and so is its group.
static GROUPS: Mutex<Groups> = Mutex::new(Groups { all: Vec::new(), are_over: false });

struct Groups {
    all: Vec<Pid>,
    /// This process ends: whoever goes on for a moment starts no more.
    are_over: bool,
}

fn groups() -> MutexGuard<'static, Groups> {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The processes of one call, which end when this does.
pub(super) struct Group(Pid);

impl Group {
    /// Starts a command that is to be the first of its group. None is started that `end_all` would not see.
    pub(super) fn start(command: &mut Command) -> io::Result<(Child, Self)> {
        let mut groups = groups();
        if groups.are_over {
            return Err(io::Error::other("this process ends"));
        }
        let child = command.spawn()?;
        let group = Pid::from_child(&child);
        groups.all.push(group);
        Ok((child, Self(group)))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its helpers end with it, also those that it left behind.
        kill(self.0);
        groups().all.retain(|group| *group != self.0);
    }
}

/// Ends all calls that are under way, and lets none begin, for a process that ends: else they would go on alone until
/// their own limits.
pub fn end_all() {
    let mut groups = groups();
    groups.are_over = true;
    groups.all.iter().for_each(|group| kill(*group));
}

fn kill(group: Pid) {
    // Nobody left is what is wanted.
    let _ = kill_process_group(group, Signal::KILL);
}
