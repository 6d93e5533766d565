//! What happens at which point: asked for by the environment, or by whoever watches a data directory.
//!
//! `LANDFALL_FAULTS=store.finish.before=kill,store=fail:7` kills the process at the first passage of one point, and lets
//! the seventh passage of any point of the store fail. A name stands for all points that begin with it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::process::{Signal, getpid, kill_process};

use super::{Injected, When};

/// The variable that asks for faults.
pub const VARIABLE: &str = "LANDFALL_FAULTS";

/// What happens to whoever passes a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Pass,
    /// An error.
    Fail,
    /// It stands still until it is dropped, as if the process had ended there.
    Stop,
    /// SIGKILL to the own process.
    Kill,
}

type Watch = Arc<dyn Fn(&str, When) -> Act + Send + Sync>;

/// Who watches which data directory.
static WATCHES: Mutex<BTreeMap<PathBuf, Watch>> = Mutex::new(BTreeMap::new());

/// The watch over a data directory; it ends when this is dropped.
#[derive(Debug)]
pub struct Watched(PathBuf);

/// Lets a function say what happens at every point of a data directory, in place of the environment. Tests side by side
/// in one process do not meet, since each has a directory of its own.
pub fn watch(of: &Path, watch: impl Fn(&str, When) -> Act + Send + Sync + 'static) -> Watched {
    locked(&WATCHES).insert(of.to_owned(), Arc::new(watch));
    Watched(of.to_owned())
}

impl Drop for Watched {
    fn drop(&mut self) {
        locked(&WATCHES).remove(&self.0);
    }
}

/// Passes a point of what belongs to a data directory.
///
/// # Errors
/// A fault was asked for here.
pub async fn point(name: &'static str, when: When, of: &Path) -> Result<(), Injected> {
    let watch = locked(&WATCHES).get(of).cloned();
    let full = format!("{name}.{when}");
    match watch.map_or_else(|| asked(&full), |watch| watch(name, when)) {
        Act::Pass => Ok(()),
        Act::Fail => Err(Injected(full)),
        Act::Stop => std::future::pending().await,
        Act::Kill => {
            // The signal comes before the call returns; should it not, nothing may happen after this point either.
            let _ = kill_process(getpid(), Signal::KILL);
            std::process::abort()
        }
    }
}

/// What the environment asks for at this passage. A text that asks for nothing that can be understood ends the process:
/// a test that injects nothing would pass.
fn asked(full: &str) -> Act {
    static ASKED: OnceLock<Mutex<Vec<Asked>>> = OnceLock::new();
    let asked = ASKED.get_or_init(|| {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        let Some(asked) = parse(&text) else {
            tracing::error!(text, "{VARIABLE} is not NAME=kill, NAME=fail or NAME=stop, each with :N or without");
            std::process::abort()
        };
        Mutex::new(asked)
    });
    locked(asked).iter_mut().map(|one| one.passes(full)).find(|act| *act != Act::Pass).unwrap_or(Act::Pass)
}

/// One fault that is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    name: String,
    act: Act,
    /// Passages to go; at 1 it happens, and at 0 it has.
    left: u32,
}

impl Asked {
    fn passes(&mut self, full: &str) -> Act {
        let is_meant = full.strip_prefix(&self.name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if !is_meant || self.left == 0 {
            return Act::Pass;
        }
        self.left -= 1;
        if self.left == 0 { self.act } else { Act::Pass }
    }
}

fn parse(text: &str) -> Option<Vec<Asked>> {
    text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(one).collect()
}

fn one(text: &str) -> Option<Asked> {
    let (name, act) = text.split_once('=')?;
    let (act, left) = act.split_once(':').unwrap_or((act, "1"));
    let act = match act {
        "kill" => Act::Kill,
        "fail" => Act::Fail,
        "stop" => Act::Stop,
        _ => return None,
    };
    let left = left.parse().ok().filter(|left| *left > 0)?;
    (!name.is_empty()).then(|| Asked { name: name.to_owned(), act, left })
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_happens_once_at_its_passage_and_at_no_other_point() {
        let mut asked = parse("store.finish.before=kill, store=fail:3").unwrap();
        let mut pass = |full| asked.iter_mut().map(|one| one.passes(full)).collect::<Vec<_>>();
        assert_eq!(pass("stores.finish.before"), [Act::Pass, Act::Pass]);
        assert_eq!(pass("store.open.after"), [Act::Pass, Act::Pass]);
        assert_eq!(pass("store.finish.before"), [Act::Kill, Act::Pass]);
        assert_eq!(pass("store.finish.before"), [Act::Pass, Act::Fail]);
        assert_eq!(pass("store.finish.before"), [Act::Pass, Act::Pass]);
    }

    #[test]
    fn a_text_that_cannot_be_understood_is_refused() {
        for bad in ["store", "store=", "=kill", "store=kill:0", "store=kill:x", "store=pass", "a=kill,b"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert_eq!(parse("").unwrap(), []);
    }

    #[tokio::test]
    async fn only_the_directory_that_is_watched_fails() {
        let (one, other) = (Path::new("/nowhere/one"), Path::new("/nowhere/other"));
        let watched = watch(one, |name, when| match (name, when) {
            ("a.b", When::After) => Act::Fail,
            _ => Act::Pass,
        });
        assert_eq!(point("a.b", When::Before, one).await, Ok(()));
        assert_eq!(point("a.b", When::After, one).await, Err(Injected("a.b.after".into())));
        assert_eq!(point("a.b", When::After, other).await, Ok(()));
        drop(watched);
        assert_eq!(point("a.b", When::After, one).await, Ok(()));
    }
}
