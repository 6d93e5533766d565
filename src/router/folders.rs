//! Where the proxy keeps things, and what it reads: whether it can, told when it starts, and to whoever asks how it is.
//!
//! What is amiss here stops no proxy: it serves the table that it has, and a disk that cannot be written to after a power
//! cut is no reason to serve nothing.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use serde::{Deserialize, Serialize};

use super::Options;
use super::tls::check_ca;

/// Something that is wrong with the proxy itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// What does not work where, and why.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

/// The directories of a proxy, and the file by which an authority's server is trusted.
#[derive(Debug)]
pub struct Folders(Vec<Folder>, Option<PathBuf>);

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    /// What does not work without it.
    fails: &'static str,
    /// What names another one.
    option: &'static str,
    is_written: bool,
}

impl Folders {
    /// Those that options name.
    pub fn of(options: &Options) -> Self {
        let table = options.table.parent().unwrap_or(Path::new("")).to_owned();
        let mut all = vec![
            Folder { path: table, fails: "no change of routes can be kept", option: "--table", is_written: true },
            Folder {
                path: options.acme.keep.clone(),
                fails: "no certificate that is issued can be kept",
                option: "--acme-dir",
                is_written: true,
            },
        ];
        all.extend(options.certificates.clone().map(|path| Folder {
            path,
            fails: "no certificate of files can be read",
            option: "--certificates",
            is_written: false,
        }));
        Self(all, options.acme.ca.clone())
    }

    /// What is wrong with them now.
    pub fn troubles(&self) -> Vec<Trouble> {
        let Self(folders, ca) = self;
        let distrusted = ca.as_deref().and_then(distrusted);
        folders.iter().filter_map(Folder::trouble).chain(distrusted).collect()
    }
}

fn distrusted(ca: &Path) -> Option<Trouble> {
    let reason = check_ca(ca).err()?;
    let remedy = "put the certificates there in PEM that the authority's own server is trusted by, readable by the proxy; \
                  or leave the option out";
    let what = format!("no certificate can be asked for: the file {} of --acme-ca: {reason}", ca.display());
    Some(Trouble { what, remedy: remedy.to_owned() })
}

impl Folder {
    fn trouble(&self) -> Option<Trouble> {
        let Self { path, fails, option, is_written } = self;
        let looked = if *is_written { is_writable(path) } else { may(path, Access::READ_OK | Access::EXEC_OK) };
        let error = looked.err()?;
        let does = if *is_written { "write" } else { "read" };
        Some(Trouble {
            what: format!("{fails} in {}: {error}", path.display()),
            remedy: format!("make it a directory that the proxy may {does} in, or name another one with `{option}`"),
        })
    }
}

/// Whether there can be files in it. Of one that is not there yet, the nearest above it tells.
fn is_writable(path: &Path) -> io::Result<()> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let looked = path.ancestors().map(|above| may(above, Access::WRITE_OK | Access::EXEC_OK));
    let mut looked = looked.skip_while(|looked| looked.as_ref().is_err_and(missing));
    looked.next().unwrap_or(Ok(()))
}

fn may(path: &Path, wanted: Access) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if !std::fs::metadata(path)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    Ok(access(path, wanted)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_cannot_be_written_to_is_told_with_its_option_and_one_that_is_yet_to_be_made_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "in the way").unwrap();
        let options = |table: &Path, acme: &Path, certificates: Option<&Path>| {
            let mut options = Options::new(dir.path().join("sock"), table.to_owned());
            options.acme.keep = acme.to_owned();
            options.certificates = certificates.map(Path::to_owned);
            Folders::of(&options).troubles()
        };
        let (later, within) = (dir.path().join("a/b/table"), file.join("table"));
        assert_eq!(options(&later, &dir.path().join("c/d"), None), []);
        assert_eq!(options(Path::new("table"), Path::new("acme"), Some(dir.path())), []);
        let told = options(&within, &file.join("acme"), Some(&dir.path().join("absent")));
        let of = |at: usize| format!("{}; {}", told[at].what, told[at].remedy);
        for (at, words) in [
            (0, ["no change of routes can be kept in", "file: not a directory", "write in", "`--table`"]),
            (1, ["no certificate that is issued can be kept in", "ot a directory", "write in", "`--acme-dir`"]),
            (2, ["no certificate of files can be read in", "No such file", "read in", "`--certificates`"]),
        ] {
            assert!(words.iter().all(|word| of(at).contains(word)), "{words:?}: {}", of(at));
        }
        assert_eq!(told.len(), 3);
    }
}
