//! Files that were parsed before: a reload parses only those whose text changed.
//!
//! *Guarantee*: a file out of the cache is exactly what parsing it again would give, what is wrong with it included. Only
//! the files of the tree that was loaded last are kept, whether it was good or not.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::document::Document;
use super::parallel;

/// Below so many bytes a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 64 << 10;

/// The parsed files of the tree that was loaded last; empty at first.
#[derive(Debug, Default)]
pub struct Cache {
    last: Mutex<Vec<Arc<Document>>>,
    parsed: AtomicUsize,
}

impl Cache {
    /// How many files the last load had to parse.
    pub fn parsed(&self) -> usize {
        self.parsed.load(Ordering::Relaxed)
    }

    /// The documents of these files, in their order. The bytes of each are gone once it is read.
    pub(super) fn documents(&self, files: BTreeMap<String, Vec<u8>>) -> Vec<Arc<Document>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known: BTreeMap<&str, &Arc<Document>> = last.iter().map(|doc| (doc.path.as_str(), doc)).collect();
        let same =
            |path: &String, bytes: &[u8]| known.get(path.as_str()).filter(|doc| doc.is_of(bytes)).copied().cloned();
        let found: Vec<Option<Arc<Document>>> = files.iter().map(|(path, bytes)| same(path, bytes)).collect();
        let missing: Vec<File> =
            files.into_iter().zip(&found).filter(|(_, doc)| doc.is_none()).map(|(file, _)| file).collect();
        self.parsed.store(missing.len(), Ordering::Relaxed);
        let mut parsed = parse(missing).into_iter();
        let docs: Vec<_> = found.into_iter().filter_map(|doc| doc.or_else(|| parsed.next())).collect();
        last.clone_from(&docs);
        docs
    }
}

/// Path and bytes.
type File = (String, Vec<u8>);

/// Parses files, on several threads where there is much to do.
fn parse(files: Vec<File>) -> Vec<Arc<Document>> {
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    parallel::each(files, bytes >= WORTH_A_THREAD, |(path, bytes)| Arc::new(Document::read(path, bytes)))
}
