//! The configuration of a remote branch, at a commit that was fetched: loaded whole, and judged where the history of the
//! branch was rewritten (R26).

use super::error::LoadError;
use super::revision::{LIMITS, load_commit, load_entries};
use super::{Cache, Loaded};
use crate::git::{CommitId, GitError, Kind, Mirror};
use crate::model::desired::OnRewrite;

/// Loads a commit of a remote branch that was fetched, and parses only the files that differ from those that were loaded
/// with the same cache before. Where the branch was rewritten, what is in force says what becomes of that;
/// `allow_rewrite` is stronger.
///
/// # Errors
/// The clone cannot be read, the rewritten branch is held, or anything in the commit is wrong.
pub fn load_fetched(
    cache: &Cache,
    mirror: &Mirror,
    commit: &CommitId,
    allow_rewrite: bool,
) -> Result<Loaded, LoadError> {
    let repository = mirror.repository();
    let note = match mirror.in_force()? {
        Some(old) if old != *commit && !repository.is_ancestor(&old, commit)? => {
            let what =
                format!("{} was rewritten: commit {old}, which is in force, is not in its history", mirror.remote());
            if !allow_rewrite && is_held(mirror, &old) {
                let why = format!("commit {commit} is held, since `settings.source.on_rewrite` is `hold`");
                return Err(GitError::new(Kind::Rewritten, what, why).into());
            }
            Some(format!("{what} any more; the branch is taken as it is now"))
        }
        Some(_) | None => None,
    };
    let folder = mirror.remote().folder.as_str();
    let entries = repository.list(commit, folder, LIMITS)?;
    let loaded = load_entries(cache, repository, commit, folder, entries)?;
    Ok(Loaded { note, ..loaded })
}

/// What is in force decides, so that a rewrite cannot let itself through. What cannot be loaded any more holds nothing.
fn is_held(mirror: &Mirror, in_force: &CommitId) -> bool {
    load_commit(mirror.repository(), in_force, mirror.remote().folder.as_str())
        .is_ok_and(|loaded| loaded.desired.settings.source.on_rewrite == OnRewrite::Hold)
}
