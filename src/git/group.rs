//! The processes that calls of git started: a group for each call, which ends with the call, and with this process.

use std::process::Child;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process_group};

/// All there are now. A call is over within its limit, and so is its group.
static GROUPS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// The processes of one call, which end when this does.
pub(super) struct Group(Pid);

impl Group {
    /// Of a child that was started as the first of its group.
    pub(super) fn of(child: &Child) -> Self {
        let group = Pid::from_child(child);
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).push(group);
        Self(group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its helpers end with it, also those that it left behind.
        kill(self.0);
        GROUPS.lock().unwrap_or_else(PoisonError::into_inner).retain(|group| *group != self.0);
    }
}

/// Ends all calls that are under way, for a process that ends: else they would go on alone until their own limits.
pub fn end_all() {
    GROUPS.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|group| kill(*group));
}

fn kill(group: Pid) {
    // Nobody left is what is wanted.
    let _ = kill_process_group(group, Signal::KILL);
}
