//! Pages of tags that were read before, kept where the registry gives a mark to ask again by: as long as a page is the
//! same, its tags do not travel again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reqwest::Url;
use reqwest::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};

use super::auth::Key;

/// Most tags that are kept, of all repositories together; 100 bytes each.
const MAX_KEPT: usize = 100_000;

/// A page as it was read.
#[derive(Clone)]
pub(super) struct Page {
    pub tags: Arc<Vec<String>>,
    pub next: Option<Url>,
    /// What the next question for it says: `If-None-Match`, `If-Modified-Since`.
    pub condition: HeaderMap,
}

/// The pages that are known, by who asked and the address. Another login may be shown others.
#[derive(Default)]
pub(super) struct Pages(Mutex<HashMap<(Key, Url), Page>>);

impl Pages {
    pub(super) fn get(&self, key: &Key, url: &Url) -> Option<Page> {
        self.lock().get(&(key.clone(), url.clone())).cloned()
    }

    /// Keeps a page that can be asked for by a condition; one of before that cannot any more is forgotten.
    pub(super) fn keep(&self, key: &Key, url: Url, page: &Page) {
        let mut all = self.lock();
        let at = (key.clone(), url);
        all.remove(&at);
        if page.condition.is_empty() {
            return;
        }
        // An empty page counts as well, since its address takes room.
        let kept: usize = all.values().map(|page| page.tags.len() + 1).sum();
        if kept + page.tags.len() >= MAX_KEPT {
            all.clear();
        }
        all.insert(at, page.clone());
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(Key, Url), Page>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How to ask again for what came with these headers; empty when the registry gave no mark.
pub(super) fn condition(headers: &HeaderMap) -> HeaderMap {
    let taken = |from: HeaderName, to: HeaderName| Some((to, headers.get(from)?.clone()));
    let marks: [Option<(HeaderName, HeaderValue)>; 2] =
        [taken(ETAG, IF_NONE_MATCH), taken(LAST_MODIFIED, IF_MODIFIED_SINCE)];
    marks.into_iter().flatten().collect()
}
