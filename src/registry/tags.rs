//! All tags of a repository: page after page, each led to by the one before, up to limits.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Method, Response, Url};
use serde::Deserialize;

use super::ask::{Question, unexpected};
use super::{Access, Registry, RegistryError, link};
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
        let wrong = |what: &str| unexpected(access, repository.to_string(), what);
        let (mut tags, mut asked) = (BTreeSet::new(), BTreeSet::new());
        let mut next = Some(access.tags(repository, PAGE));
        while let Some(url) = next {
            if !asked.insert(url.to_string()) {
                return Err(wrong("pages of tags that lead in a circle"));
            }
            if asked.len() > MAX_PAGES {
                return Err(wrong(&format!("more than {MAX_PAGES} pages of tags")));
            }
            let question = Question::new(Method::GET, url, "application/json");
            let response = self.ask(question, repository, &repository.to_string(), access).await?;
            next = next_page(access, &response)?;
            let body = self.body(access, response, MAX_PAGE_BYTES).await?;
            let page: Page = serde_json::from_slice(&body).map_err(|_| wrong("what is no list of tags"))?;
            tags.extend(page.tags.unwrap_or_default());
            if tags.len() > MAX_TAGS {
                return Err(wrong(&format!("more than {MAX_TAGS} tags")));
            }
        }
        Ok(tags.into_iter().collect())
    }
}

/// `null` stands for none.
#[derive(Deserialize)]
struct Page {
    tags: Option<Vec<String>>,
}

/// Where an answer says that it goes on; the same places as for a redirect may be gone to.
fn next_page(access: &Access, response: &Response) -> Result<Option<Url>, RegistryError> {
    let Some(target) = link::next(response.headers()) else { return Ok(None) };
    access.follow(response.url(), Some(&target)).map(Some)
}
