//! Files that were parsed before: a reload parses only those whose text changed.
//!
//! *Guarantee*: a file out of the cache is exactly what parsing it again would give, what is wrong with it included. Only
//! the files of the tree that was loaded last are kept, whether it was good or not.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::document::Document;

/// Below so many bytes a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 64 << 10;
/// Most threads that parse: a host has other work than its configuration.
const MAX_THREADS: usize = 4;

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

    /// The documents of these files, in their order.
    pub(super) fn documents(&self, files: &BTreeMap<String, Vec<u8>>) -> Vec<Arc<Document>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let known: BTreeMap<&str, &Arc<Document>> = last.iter().map(|doc| (doc.path.as_str(), doc)).collect();
        let same =
            |path: &String, bytes: &[u8]| known.get(path.as_str()).filter(|doc| doc.is_of(bytes)).copied().cloned();
        let found: Vec<Option<Arc<Document>>> = files.iter().map(|(path, bytes)| same(path, bytes)).collect();
        let missing: Vec<File<'_>> =
            files.iter().zip(&found).filter(|(_, doc)| doc.is_none()).map(|(file, _)| file).collect();
        self.parsed.store(missing.len(), Ordering::Relaxed);
        let mut parsed = parse(&missing).into_iter();
        let docs: Vec<_> = found.into_iter().filter_map(|doc| doc.or_else(|| parsed.next())).collect();
        last.clone_from(&docs);
        docs
    }
}

/// Path and bytes.
type File<'a> = (&'a String, &'a Vec<u8>);

/// Parses files, on several threads where there is much to do.
fn parse(files: &[File<'_>]) -> Vec<Arc<Document>> {
    let read = |(path, bytes): &File<'_>| Arc::new(Document::read(path, bytes));
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS).min(files.len());
    if threads < 2 || bytes < WORTH_A_THREAD {
        return files.iter().map(read).collect();
    }
    let next = AtomicUsize::new(0);
    // Each takes the next file that nobody took: files differ in size.
    let work = || {
        let mut done = Vec::new();
        while let Some((at, file)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, files.get(at)?)))
        {
            done.push((at, read(file)));
        }
        done
    };
    let mut done: Vec<(usize, Arc<Document>)> = thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let own = work();
        let joined =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        joined.flatten().chain(own).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, doc)| doc).collect()
}
