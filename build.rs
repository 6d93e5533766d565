//! How the binary is linked. A program that may lie anywhere in memory tells the loader of every address in it, and that
//! list, a megabyte, is read at every start and stays resident; packed (`RELR`) it takes some pages.

use std::process::Command;

/// The first glibc whose loader understands it. A binary for another one is linked as ever.
const UNDERSTANDS: (u32, u32) = (2, 36);

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is_native = std::env::var("HOST").ok() == std::env::var("TARGET").ok();
    if is_native && glibc().is_some_and(|version| version >= UNDERSTANDS) {
        println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The C library of this host, as in `glibc 2.36`; none where it is another one.
fn glibc() -> Option<(u32, u32)> {
    let output = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (major, minor) = text.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
