//! Where the configuration comes from: what is new, what was last good (R2), and what cannot be used, said once.
//!
//! Each kind of source answers a look with a [`Read`]; what is in force is decided here, the same way for all of them.

mod directory;
mod eye;
mod head;
mod remote;
mod trouble;

use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::Notify;

use crate::config::{LoadError, Loaded};
use crate::reconcile::{self, ConfigPlace, Places};
use directory::Patience;
pub(super) use eye::Glance;
use head::Head;
use remote::Remote;

/// What a look found.
#[derive(Debug)]
pub(super) enum News {
    /// The same as before.
    Same,
    /// A new configuration that is good.
    Changed,
    /// The same configuration under a new name: a commit that changes nothing of it.
    Renamed,
    /// One that cannot be used; the text says why.
    Bad(String),
    /// The files are changing right now.
    Changing,
}

/// What reading gave.
#[derive(Debug)]
enum Read {
    /// Nothing is new since the last time.
    Same,
    /// It is changing right now.
    Changing,
    /// A whole tree of one moment.
    Loaded(Box<Result<Loaded, LoadError>>),
}

/// The kinds of source.
#[derive(Debug)]
enum Kind {
    Head(Box<Head>),
    Remote(Remote),
}

/// A source, and what was read from it.
#[derive(Debug)]
pub(super) struct Source {
    kind: Kind,
    good: Option<Arc<Loaded>>,
    complaint: Option<String>,
    /// The store was asked what was in force before.
    has_asked: bool,
}

impl Source {
    pub(super) fn new(place: &ConfigPlace) -> Self {
        Self::patient(place, Patience::default())
    }

    fn patient(place: &ConfigPlace, patience: Patience) -> Self {
        let kind = match place {
            ConfigPlace::Directory { dir, worktree } => Kind::Head(Box::new(Head::new(dir, *worktree, patience))),
            ConfigPlace::Remote { mirror, fresh: _, interval } => Kind::Remote(Remote::new(mirror, *interval)),
        };
        Self { kind, good: None, complaint: None, has_asked: false }
    }

    /// The paths in which something happens when there is something new.
    pub(super) fn watched(&self) -> Vec<PathBuf> {
        match &self.kind {
            Kind::Head(head) => head.watched(),
            Kind::Remote(_) => Vec::new(),
        }
    }

    /// Told when there may be something new that no path tells of.
    pub(super) fn news(&self) -> Arc<Notify> {
        match &self.kind {
            Kind::Head(_) => Arc::default(),
            Kind::Remote(remote) => remote.news(),
        }
    }

    /// What is in force.
    pub(super) fn last_good(&self) -> Option<Arc<Loaded>> {
        self.good.clone()
    }

    pub(super) fn has_good(&self) -> bool {
        self.good.is_some()
    }

    /// Why what is there now cannot be used; none when it can.
    pub(super) fn complaint(&self) -> Option<&str> {
        self.complaint.as_deref()
    }

    /// A short name of what is in force.
    pub(super) fn name(&self) -> String {
        self.good.as_ref().map(|l| l.desired.revision.chars().take(12).collect()).unwrap_or_default()
    }

    /// What is to be told of events while somebody may be looking.
    pub(super) fn glance(&self) -> Glance {
        match &self.kind {
            Kind::Head(head) => head.glance(),
            Kind::Remote(_) => Glance::default(),
        }
    }

    /// Reads the source; only a whole and good configuration replaces the last one. With `whole` it is read even if it
    /// looks the same.
    pub(super) async fn look(&mut self, whole: bool) -> News {
        let read = match &mut self.kind {
            Kind::Head(head) => head.read(whole).await,
            Kind::Remote(remote) => remote.read().await,
        };
        match read {
            Ok(Read::Same) => News::Same,
            Ok(Read::Changing) => News::Changing,
            Ok(Read::Loaded(loaded)) => self.take(*loaded),
            // The reading itself failed: nothing is known of the files.
            Err(error) => News::Bad(error.to_string()),
        }
    }

    /// Where a look found nothing that can be used, and none did before, what was in force when the last daemon ended is
    /// good: the store is asked for it once.
    pub(super) async fn remember(&mut self, places: &Places) {
        if self.has_good() || std::mem::replace(&mut self.has_asked, true) {
            return;
        }
        match reconcile::in_force(places).await {
            Ok(kept) => self.good = kept.map(Arc::new),
            Err(error) => tracing::error!(hint = error.hint(), "what was in force before is not known: {error}"),
        }
    }

    fn take(&mut self, loaded: Result<Loaded, LoadError>) -> News {
        match loaded {
            Ok(loaded) if self.good.as_ref().is_some_and(|good| good.hash == loaded.hash) => {
                if self.complaint.take().is_some() {
                    tracing::info!("the configuration can be used again, and is the one in force");
                }
                if self.good.as_ref().is_some_and(|good| good.desired.revision == loaded.desired.revision) {
                    return News::Same;
                }
                self.good = Some(Arc::new(loaded));
                tracing::info!("configuration {} read; it says the same as before", self.name());
                News::Renamed
            }
            Ok(loaded) => {
                self.good = Some(Arc::new(loaded));
                self.complaint = None;
                tracing::info!("configuration {} read", self.name());
                News::Changed
            }
            Err(error) => self.bad(error.render(false)),
        }
    }

    /// The same complaint again is no news.
    fn bad(&mut self, error: String) -> News {
        if self.complaint.as_ref() == Some(&error) {
            return News::Same;
        }
        self.complaint = Some(error.clone());
        News::Bad(error)
    }
}

#[cfg(test)]
mod tests;
