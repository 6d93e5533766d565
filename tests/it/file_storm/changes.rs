//! The ways in which files are changed.

use std::fs::{self, OpenOptions, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::scene::{COMMITS, FILES, Files, Scene, put};

/// Longest pause within a change, in milliseconds. It may well be longer than the quiet time.
const LONG: u64 = 150;
/// And where it usually is not.
const SHORT: u64 = 60;

/// One random change, with a pause after it.
pub fn change(scene: &mut Scene) {
    let ways: [fn(&mut Scene); 14] = [
        saves_in_place,
        saves_by_rename,
        saves_as_vim_does,
        saves_in_two_parts,
        saves_without_a_pause,
        checks_out,
        swaps_the_directory,
        turns_a_link,
        makes_the_directory_again,
        works_under_a_lock,
        leaves_a_file_out,
        breaks_a_file,
        changes_permissions,
        writes_what_does_not_count,
    ];
    let way = scene.random.one_of(&ways);
    way(scene);
    let most = scene.random.one_of(&[1, 1, 10, LONG]);
    scene.pause(most);
}

fn saves_in_place(scene: &mut Scene) {
    let state = scene.next();
    for (path, bytes) in scene.files(state) {
        scene.write(&path, &bytes);
        scene.pause(10);
    }
}

fn saves_by_rename(scene: &mut Scene) {
    let state = scene.next();
    for (path, bytes) in scene.files(state) {
        replace(scene, &path, &bytes);
    }
}

fn replace(scene: &mut Scene, path: &str, bytes: &[u8]) {
    put(&scene.config, ".new", bytes);
    let mut after = scene.now();
    after.insert(path.to_owned(), bytes.to_vec());
    scene.touch(Some(after), |config| {
        fs::create_dir_all(config.join(path).parent().expect("a folder")).expect("a folder");
        fs::rename(config.join(".new"), config.join(path)).expect("a file");
    });
}

/// The file moves away, a new one is written, the old one goes.
fn saves_as_vim_does(scene: &mut Scene) {
    let state = scene.next();
    for path in FILES {
        let Some(bytes) = scene.files(state).remove(path) else { continue };
        if scene.now().contains_key(path) {
            let mut after = scene.now();
            after.remove(path);
            scene.touch(Some(after), |config| fs::rename(config.join(path), config.join("old~")).expect("a file"));
            scene.pause(SHORT);
        }
        scene.write(path, &bytes);
    }
}

fn saves_in_two_parts(scene: &mut Scene) {
    let state = scene.next();
    for path in FILES {
        let Some(bytes) = scene.files(state).remove(path) else { continue };
        let cut = usize::try_from(scene.random.next()).unwrap_or(usize::MAX) % bytes.len();
        scene.write(path, &bytes[..cut]);
        scene.pause(LONG);
        let mut after = scene.now();
        after.insert(path.to_owned(), bytes.clone());
        scene.touch(Some(after), |config| {
            let mut file = OpenOptions::new().append(true).open(config.join(path)).expect("a file");
            file.write_all(&bytes[cut..]).expect("a file");
        });
    }
}

fn saves_without_a_pause(scene: &mut Scene) {
    for _ in 0..10 {
        let state = scene.next();
        let path = scene.random.one_of(&FILES);
        let bytes = scene.files(state).remove(path).expect("a file of every state");
        scene.write(path, &bytes);
    }
}

fn checks_out(scene: &mut Scene) {
    for _ in 0..=scene.random.next() % 3 {
        let commit = u32::try_from(scene.random.next() % u64::from(COMMITS)).expect("a small number") + 1;
        scene.checkout(commit);
    }
}

/// A whole directory with a new state, made beside the configuration.
fn ready(scene: &mut Scene) -> (PathBuf, Files) {
    let (state, dir) = (scene.next(), scene.beside());
    let files = scene.files(state);
    for (path, bytes) in &files {
        put(&dir, path, bytes);
    }
    (dir, files)
}

fn swaps_the_directory(scene: &mut Scene) {
    let (next, files) = ready(scene);
    let old = scene.beside();
    scene.touch(None, |config| fs::rename(config, &old).expect("a directory"));
    scene.pause(SHORT);
    scene.touch(Some(files), |config| fs::rename(&next, config).expect("a directory"));
    remove(&old);
}

fn turns_a_link(scene: &mut Scene) {
    let ((next, files), link, old) = (ready(scene), scene.beside(), scene.beside());
    symlink(&next, &link).expect("a link");
    if scene.config.is_symlink() {
        let target = fs::read_link(&scene.config).expect("a link");
        scene.touch(Some(files), |config| fs::rename(&link, config).expect("a link"));
        scene.pause(SHORT);
        remove(&target);
    } else {
        scene.touch(None, |config| fs::rename(config, &old).expect("a directory"));
        scene.touch(Some(files), |config| fs::rename(&link, config).expect("a link"));
        remove(&old);
    }
}

fn makes_the_directory_again(scene: &mut Scene) {
    scene.touch(None, |config| {
        let target = fs::read_link(config).ok();
        remove(config);
        if let Some(target) = target {
            remove(&target);
        }
    });
    scene.pause(SHORT);
    scene.touch(Some(Files::new()), |config| fs::create_dir(config).expect("a directory"));
    saves_in_place(scene);
}

/// A directory with all in it, or a link.
fn remove(path: &Path) {
    if path.is_symlink() { fs::remove_file(path) } else { fs::remove_dir_all(path) }.expect("something to remove");
}

/// What git does, and as slowly as it can: half of a commit stands for longer than what stands still has to.
fn works_under_a_lock(scene: &mut Scene) {
    scene.lock(true);
    let state = scene.next();
    if scene.random.next().is_multiple_of(2) {
        let mut after = scene.now();
        for path in FILES {
            if after.remove(path).is_some() {
                scene.touch(Some(after.clone()), |config| fs::remove_file(config.join(path)).expect("a file"));
            }
        }
        scene.pause(2 * LONG);
    }
    for (path, bytes) in scene.files(state) {
        scene.write(&path, &bytes);
        if path == FILES[0] {
            std::thread::sleep(Duration::from_millis(LONG));
        }
    }
    scene.lock(false);
}

fn leaves_a_file_out(scene: &mut Scene) {
    let path = scene.random.one_of(&FILES);
    let mut after = scene.now();
    let Some(bytes) = after.remove(path) else { return };
    scene.touch(Some(after), |config| fs::remove_file(config.join(path)).expect("a file"));
    scene.pause(2 * LONG);
    scene.write(path, &bytes);
}

fn breaks_a_file(scene: &mut Scene) {
    let path = scene.random.one_of(&FILES);
    let state = scene.next();
    let bytes = scene.files(state).remove(path).expect("a file of every state");
    let bad = scene.random.one_of(&["projects: [", "<<<<<<< HEAD\n", "projects: { x: { imagee: y } }\n", "\u{0}"]);
    scene.write(path, bad.as_bytes());
    scene.pause(2 * LONG);
    scene.write(path, &bytes);
}

fn changes_permissions(scene: &mut Scene) {
    let path = scene.random.one_of(&FILES);
    for mode in [0o000, 0o755, 0o644] {
        let file = scene.config.join(path);
        if file.exists() {
            fs::set_permissions(file, Permissions::from_mode(mode)).expect("a file");
        }
        scene.pause(10);
    }
}

fn writes_what_does_not_count(scene: &mut Scene) {
    for (name, text) in [("app.log", "a line\n"), (".a.yaml.swp", "b0VIM"), ("4913", ""), ("notes.txt", "text")] {
        put(&scene.config, name, text.as_bytes());
    }
    fs::remove_file(scene.config.join("4913")).expect("a file");
}
