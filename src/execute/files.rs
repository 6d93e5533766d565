//! Files of the config tree that containers mount: copied once by content, read-only, and bound from the copy (R34).

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::config::{TreeFile, TreeFiles, hash_files};
use crate::store::Store;

/// The directory can be passed through by an app of any user, and listed by none.
const THROUGH: u32 = 0o711;

/// Copies a file or folder of the tree to `<files_dir>/<hash>` unless it is there, and says where it is.
///
/// The copy is made beside and renamed, so that a crash leaves either all of it or nothing under that name.
pub(super) fn keep(files: &TreeFiles, files_dir: &Path, path: &str, hash: &str) -> Result<PathBuf, String> {
    let target = files_dir.join(hash);
    if target.exists() {
        return Ok(target);
    }
    let content = files.content(path).map_err(|error| format!("{path}: {error}"))?;
    if hash_files(&content) != hash {
        return Err(format!("{path} changed since the configuration was read; the next pass reads it again"));
    }
    let fail = |error: io::Error| format!("{path} could not be copied to {}: {error}", files_dir.display());
    let staging = files_dir.join(format!(".{hash}.{}", uuid::Uuid::now_v7().simple()));
    fs::create_dir_all(files_dir).and_then(|()| mode(files_dir, THROUGH)).map_err(fail)?;
    write(&content, &staging).map_err(fail)?;
    match fs::rename(&staging, &target) {
        Ok(()) => Ok(target),
        // Another stage that mounts the same content was faster.
        Err(_) if target.exists() => remove(&staging).map(|()| target).map_err(fail),
        Err(error) => Err(fail(error)),
    }
}

/// Removes copies that no deploy in the store refers to, and what an interrupted copy left (R34). A copy that cannot be
/// removed is litter, not an error.
pub(super) async fn collect(store: &Store, files_dir: &Path) {
    let Ok(entries) = fs::read_dir(files_dir) else { return };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let names: BTreeSet<String> = names.collect();
    let Ok(unused) = store.unused_files(names).await else { return };
    for name in unused {
        let path = files_dir.join(&name);
        if let Err(error) = remove(&path) {
            tracing::debug!(path = %path.display(), %error, "a copy that nobody refers to could not be removed");
        }
    }
}

fn write(content: &[TreeFile], to: &Path) -> io::Result<()> {
    for TreeFile { path, executable, bytes } in content {
        let file = if path.is_empty() { to.to_owned() } else { to.join(path) };
        if let Some(parent) = file.parent().filter(|parent| parent.starts_with(to)) {
            fs::create_dir_all(parent)?;
            for dir in parent.ancestors().take_while(|dir| dir.starts_with(to)) {
                mode(dir, 0o755)?;
            }
        }
        // On disk before the rename that makes it count: the name alone says what is in it.
        let mut handle = fs::File::create(&file)?;
        handle.write_all(bytes)?;
        handle.sync_all()?;
        mode(&file, if *executable { 0o555 } else { 0o444 })?;
    }
    Ok(())
}

/// Modes are set one by one, since the process runs with umask 077 and apps run as other users.
fn mode(path: &Path, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

fn remove(path: &Path) -> io::Result<()> {
    if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}
