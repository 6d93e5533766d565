//! All tags of a repository: page after page, each led to by the one before, up to limits.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::ask::{Question, unexpected};
use super::auth::Key;
use super::pages::Page;
use super::{Access, Registry, RegistryError, link, pages};
use crate::model::Repository;

/// Tags of one page: what registries give at most, so that most repositories are one request.
pub(super) const PAGE: usize = 1000;
/// Most tags of a repository; a build on every commit for ten years makes fewer.
const MAX_TAGS: usize = 100_000;
/// Most pages of a repository: all of its tags, where a registry gives a hundred at a time.
const MAX_PAGES: usize = 1000;
/// Largest page, in bytes: a registry may ignore what we ask for and give all tags at once, 128 bytes each at most.
const MAX_PAGE_BYTES: usize = 16 * 1024 * 1024;
/// All pages together.
const TOTAL: Duration = Duration::from_secs(120);

impl Registry {
    /// Every tag of a repository, in byte order and each once, whatever it looks like. A repository whose tags are all
    /// deleted has none.
    ///
    /// # Errors
    /// As with [`head`](Self::head); and a list that is longer than our limits or leads in a circle is
    /// [`Unexpected`](RegistryError::Unexpected).
    pub async fn tags(&self, repository: &Repository, access: &Access) -> Result<Vec<String>, RegistryError> {
        self.in_turn(access, TOTAL, self.all_pages(repository, access)).await
    }

    async fn all_pages(&self, repository: &Repository, access: &Access) -> Result<Vec<String>, RegistryError> {
        let wrong = |what: &str| Err(unexpected(access, repository.to_string(), what));
        let (mut tags, mut asked) = (Vec::new(), BTreeSet::new());
        let mut next = Some(access.tags(repository, PAGE));
        while let Some(url) = next {
            if !asked.insert(url.clone()) {
                return wrong("pages of tags that lead in a circle");
            }
            if asked.len() > MAX_PAGES {
                return wrong(&format!("more than {MAX_PAGES} pages of tags"));
            }
            let page = self.page(repository, access, url).await?;
            // A page that is not kept is nobody else's.
            match Arc::try_unwrap(page.tags) {
                Ok(own) => tags.extend(own),
                Err(kept) => tags.extend(kept.iter().cloned()),
            }
            if tags.len() > MAX_TAGS {
                return wrong(&format!("more than {MAX_TAGS} tags"));
            }
            next = page.next;
        }
        // Nearly in order already, as registries give them.
        tags.sort();
        tags.dedup();
        Ok(tags)
    }

    /// One page: as it is known, when the registry says that it is the same.
    async fn page(&self, repository: &Repository, access: &Access, url: Url) -> Result<Page, RegistryError> {
        let key = Key::new(access, repository);
        let known = self.pages().get(&key, &url);
        let mut question = Question::new(Method::GET, url.clone(), "application/json");
        question.headers.extend(known.iter().flat_map(|page| page.condition.clone()));
        let response = self.ask(question, repository, &repository.to_string(), access).await?;
        if let Some(page) = known.filter(|_| response.status() == StatusCode::NOT_MODIFIED) {
            return Ok(page);
        }
        let (next, condition) = (next_page(access, &response)?, pages::condition(response.headers()));
        let body = self.body(access, response, MAX_PAGE_BYTES).await?;
        let list: List = serde_json::from_slice(&body)
            .map_err(|_| unexpected(access, repository.to_string(), "what is no list of tags"))?;
        let page = Page { tags: Arc::new(list.tags.unwrap_or_default()), next, condition };
        self.pages().keep(&key, url, &page);
        Ok(page)
    }
}

/// `null` stands for none.
#[derive(Deserialize)]
struct List {
    tags: Option<Vec<String>>,
}

/// Where an answer says that it goes on; the same places as for a redirect may be gone to.
fn next_page(access: &Access, response: &Response) -> Result<Option<Url>, RegistryError> {
    let Some(target) = link::next(response.headers()) else { return Ok(None) };
    access.follow(response.url(), Some(&target)).map(Some)
}
