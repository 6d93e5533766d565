//! The configuration: YAML files in, a checked `Desired` out, or everything that is wrong with them at once.
//!
//! # Expected flow
//! `load` = `read_dir` (bytes) → `load_tree`: text → tree of nodes → each entry (settings, every registry, project and
//! stage) decoded on its own into plain types → merged, checked, defaults filled in → `Desired`.
//!
//! # Guarantees
//! A `Desired` from here has passed every check: names, policy (R30, R32), references, clashes. No input makes it panic,
//! or take long. Everything wrong is reported together, in the order of files and places. Secrets are never read (R28).
//!
//! # Caveats
//! Nothing here looks at Docker, the store, or files outside of the config directory, but for the repository it lies in.

mod cache;
pub mod code;
mod collect;
mod diagnostic;
mod document;
mod error;
mod files;
mod head;
mod later;
mod parallel;
mod raw;
mod remote;
mod render;
mod report;
mod resolve;
mod revision;
mod scan;
mod schema;
mod shape;
mod suggest;
mod syntax;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use crate::git::CommitId;
use crate::model::hash::hex;
use crate::model::{Desired, Origin, StageKey};

pub use cache::Cache;
pub use diagnostic::{Diagnostic, Diagnostics, Label, Place, Severity};
pub use error::LoadError;
pub use files::{MAX_MOUNTED_BYTES, MAX_MOUNTED_FILES, TreeError, TreeFile, TreeFiles, hash as hash_files};
pub use head::{AtHead, load_head, read_head};
pub use remote::load_fetched;
pub use resolve::is_loopback;
pub use revision::{load_commit, load_revision};
pub use scan::{Scan, Uses};
pub use schema::json_schema;
pub use tree::{MAX_ENTRIES, MAX_FILE_BYTES, Tree, read_dir};

use collect::Index;
use document::Document;
use report::Report;

/// A configuration that passed all checks.
pub struct Loaded {
    /// What it says.
    pub desired: Arc<Desired>,
    /// What is allowed and likely not meant.
    pub warnings: Diagnostics,
    /// Hash of all files that counted: the YAML, files mounted, files of variables. 64 hex digits.
    pub hash: String,
    /// The commit it was read from, where it was one.
    pub commit: Option<CommitId>,
    /// What whoever reads this should know of where it was read, in one line.
    pub note: Option<String>,
    /// The other files of the directory, for copying what is mounted.
    pub files: TreeFiles,
    /// Which of them it mounts or reads.
    pub uses: Uses,
    docs: Vec<Arc<Document>>,
    index: Index,
}

/// Reads a config directory and checks all of it.
///
/// # Errors
/// The directory is missing, empty, unreadable, or anything in it is wrong.
pub fn load(dir: &Path) -> Result<Loaded, LoadError> {
    load_with(&Cache::default(), dir)
}

/// As [`load`]; parses only the files that differ from those that were loaded with the same cache before.
///
/// # Errors
/// As [`load`].
pub fn load_with(cache: &Cache, dir: &Path) -> Result<Loaded, LoadError> {
    load_read(cache, dir, read_dir(dir)?)
}

/// As [`load_with`] for a directory that was scanned; none if the bytes that are read now are not those that the scan
/// saw.
pub fn load_scanned(cache: &Cache, dir: &Path, scan: &Scan) -> Option<Result<Loaded, LoadError>> {
    match read_dir(dir) {
        Ok(tree) if scan.is_of(&tree) => Some(load_read(cache, dir, tree)),
        Err(error) if scan.is_empty() => Some(Err(error)),
        Ok(_) | Err(_) => None,
    }
}

fn load_read(cache: &Cache, dir: &Path, tree: Tree) -> Result<Loaded, LoadError> {
    let shown_root = format!("{}/", dir.display().to_string().trim_end_matches('/'));
    match load_tree_with(cache, tree) {
        Ok(loaded) => Ok(Loaded { warnings: Diagnostics { shown_root, ..loaded.warnings }, ..loaded }),
        Err(LoadError::Invalid(found)) => Err(LoadError::Invalid(Diagnostics { shown_root, ..found })),
        Err(other) => Err(other),
    }
}

/// Checks a tree that was read already.
///
/// # Errors
/// Anything in it is wrong.
pub fn load_tree(tree: Tree) -> Result<Loaded, LoadError> {
    load_tree_with(&Cache::default(), tree)
}

/// As [`load_tree`]; parses only the files that differ from those that were loaded with the same cache before.
///
/// # Errors
/// As [`load_tree`].
pub fn load_tree_with(cache: &Cache, tree: Tree) -> Result<Loaded, LoadError> {
    let files = tree.others();
    let Tree { files: yaml, problems, .. } = tree;
    let hasher = hasher_of(&yaml);
    let docs = cache.documents(yaml);
    let is_readable = problems.is_empty();
    let found = problems.into_iter().chain(docs.iter().flat_map(|doc| doc.problems.iter().cloned())).collect();
    let report = Report::new(&docs, found);
    let mut entries = collect::collect(&docs, &report);
    entries.complete &= is_readable;
    let (mut desired, sources) = resolve::resolve(&entries, &files, &report);
    let texts = || docs.iter().map(|doc| (doc.path.clone(), doc.text.clone())).collect();
    let list = report.into_list();
    let sources_of = if list.is_empty() { BTreeMap::new() } else { texts() };
    let warnings = Diagnostics::new(list, sources_of);
    if warnings.errors() > 0 {
        return Err(LoadError::Invalid(warnings));
    }
    let index = Index::of(&entries);
    let hash = hash_of(hasher, &sources.used());
    desired.revision.clone_from(&hash);
    let desired = Arc::new(desired);
    Ok(Loaded { desired, warnings, hash, commit: None, note: None, files, uses: sources.paths(), index, docs })
}

/// What the files that are read as configuration add to the hash of all.
fn hasher_of(files: &BTreeMap<String, Vec<u8>>) -> Sha256 {
    let mut hasher = Sha256::new();
    for (path, bytes) in files {
        hasher.update(format!("{} {}\n{path}", path.len(), bytes.len()));
        hasher.update(bytes);
    }
    hasher
}

fn hash_of(mut hasher: Sha256, used: &BTreeMap<String, String>) -> String {
    for (path, hash) in used {
        hasher.update(format!("{} {hash}\n{path}", path.len()));
    }
    hex(&hasher.finalize())
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded").field("hash", &self.hash).finish_non_exhaustive()
    }
}

impl Loaded {
    /// What was in force once, without the files that said it: nothing in it has a place, and what it mounts is there as
    /// far as it was copied then. It counts as another one than any that is read.
    pub fn recorded(desired: Desired, commit: Option<&str>) -> Self {
        Self {
            desired: Arc::new(desired),
            warnings: Diagnostics::default(),
            hash: String::new(),
            commit: commit.and_then(CommitId::parse),
            note: None,
            files: Tree::from_memory([]).others(),
            uses: Uses::new(),
            docs: Vec::new(),
            index: Index::default(),
        }
    }

    /// Where something about a stage is written, by its key path: `track.tag`, `environment.LOG_LEVEL`, `volumes.0`;
    /// `""` is the stage itself. In the stage if it is there, else in its project; none for a default.
    pub fn origin(&self, key: &StageKey, path: &str) -> Option<Origin> {
        let project = self.index.project(&self.docs, key.project.as_str())?;
        let stage = project.node().get("stages")?.value().get(key.stage.written())?;
        let doc = self.docs.get(project.doc)?;
        if path.is_empty() {
            return Some(origin_of(doc, stage.span()));
        }
        let hit = stage.value().find(path).or_else(|| project.node().find(path))?;
        Some(origin_of(doc, hit.key.unwrap_or(hit.value)))
    }

    /// Where a key of `settings` is written, by its path below; none for a default.
    pub fn setting_origin(&self, path: &str) -> Option<Origin> {
        let settings = self.index.settings(&self.docs)?;
        let hit = settings.node().find(path)?;
        Some(origin_of(self.docs.get(settings.doc)?, hit.key.unwrap_or(hit.value)))
    }
}

fn origin_of(doc: &Document, span: syntax::Span) -> Origin {
    let place = doc.place(span);
    Origin { file: place.file, line: place.line }
}
