//! What one registry may be asked: a few questions at a time, and nothing before the moment it named. All that is sent
//! on its behalf counts, to its token service and where it redirects to as well. One budget for all clones of a client.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{Method, StatusCode, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Access, Registry, RegistryError};

/// Questions to one registry at the same time; each is one request after the other.
const CONCURRENT: usize = 4;
/// Longest wait for a turn: those in front each have a limit of their own.
const TURN: Duration = Duration::from_secs(300);
/// Most registries whose budgets are remembered; a forgotten one begins anew.
const MAX_REGISTRIES: usize = 1000;
/// Pause after "too many requests" that names none.
const UNNAMED_PAUSE: Duration = Duration::from_secs(30);
/// Longest pause that a registry may ask for; more is a mistake of its clock.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 3600);

/// The budgets of all registries, by host and port.
#[derive(Default)]
pub(super) struct Budgets(Mutex<HashMap<String, Budget>>);

#[derive(Clone)]
struct Budget {
    turns: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
}

/// A moment by both clocks: one that never jumps, and one to tell people.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Instant,
    told: DateTime<Utc>,
}

impl Moment {
    fn after(wait: Duration, now: Instant) -> Self {
        let wait = wait.min(MAX_PAUSE);
        Self { at: now + wait, told: Utc::now() + TimeDelta::from_std(wait).unwrap_or_default() }
    }

    fn is_to_come(&self, now: Instant) -> bool {
        now < self.at
    }
}

/// What a registry has said of itself.
#[derive(Debug, Default)]
struct State {
    /// Nothing is sent before.
    closed: Option<Moment>,
    /// No manifest is fetched before.
    no_pulls: Option<Moment>,
    /// Requests that are left until a moment.
    left: Option<(u64, Moment)>,
}

impl Registry {
    /// Waits for a turn to ask a registry, and lets the question end at its limit. One question is one turn, so no
    /// question may ask another.
    pub(super) async fn in_turn<T>(
        &self,
        access: &Access,
        limit: Duration,
        question: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        let timeout = |limit| RegistryError::Timeout { registry: access.host(), limit };
        let _turn = tokio::time::timeout(TURN, self.turn(access)).await.map_err(|_| timeout(TURN))?;
        tokio::time::timeout(limit, question).await.unwrap_or_else(|_| Err(timeout(limit)))
    }

    /// None only if the semaphore were closed, which nobody does.
    async fn turn(&self, access: &Access) -> Option<OwnedSemaphorePermit> {
        let turns = self.budgets().of(access).turns;
        turns.acquire_owned().await.ok()
    }

    /// Counts a request that is about to be sent.
    ///
    /// # Errors
    /// The registry asked not to be asked now.
    pub(super) fn spend(&self, access: &Access, method: &Method, url: &Url) -> Result<(), RegistryError> {
        let is_pull = method == Method::GET && url.path().contains("/manifests/");
        let until = self.budgets().of(access).lock().spend(is_pull, Instant::now());
        until.map_or(Ok(()), |until| Err(RegistryError::Paused { registry: access.host(), until: until.told }))
    }

    /// Takes in what an answer says of the requests to come.
    pub(super) fn heed(&self, access: &Access, status: StatusCode, headers: &HeaderMap) {
        self.budgets().of(access).lock().heed(status, headers, Instant::now());
    }
}

impl Budgets {
    fn of(&self, access: &Access) -> Budget {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_REGISTRIES && !all.contains_key(&access.host()) {
            all.clear();
        }
        let new = || Budget { turns: Arc::new(Semaphore::new(CONCURRENT)), state: Arc::default() };
        all.entry(access.host()).or_insert_with(new).clone()
    }
}

impl Budget {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes one request from what is left; a moment, if there is to be none before it.
    fn spend(&mut self, is_pull: bool, now: Instant) -> Option<Moment> {
        self.closed = self.closed.filter(|until| until.is_to_come(now));
        self.no_pulls = self.no_pulls.filter(|until| until.is_to_come(now));
        self.left = self.left.filter(|(_, reset)| reset.is_to_come(now));
        match &mut self.left {
            Some((0, reset)) => return self.closed.or(Some(*reset)),
            Some((left, _)) if self.closed.is_none() => *left -= 1,
            Some(_) | None => {}
        }
        self.closed.or(self.no_pulls.filter(|_| is_pull))
    }

    fn heed(&mut self, status: StatusCode, headers: &HeaderMap, now: Instant) {
        let limited = status == StatusCode::TOO_MANY_REQUESTS;
        let named = (limited || status == StatusCode::SERVICE_UNAVAILABLE).then(|| retry_after(headers)).flatten();
        if let Some(wait) = named.or(limited.then_some(UNNAMED_PAUSE)) {
            let new = Moment::after(wait, now);
            self.closed = Some(self.closed.filter(|known| known.at > new.at).unwrap_or(new));
        }
        let Some((remaining, _)) = number(headers, "ratelimit-remaining") else { return };
        match (number(headers, "ratelimit-reset"), number(headers, "ratelimit-limit")) {
            (Some((reset, _)), _) => {
                let known = self.left.filter(|(_, reset)| reset.is_to_come(now));
                // An answer may be older than what was sent after it, so the smaller number is nearer the truth.
                let left = known.map_or(remaining, |(left, _)| left.min(remaining));
                self.left = Some((left, Moment::after(Duration::from_secs(reset), now)));
            }
            // Docker Hub counts manifests that are fetched, nothing else, and names a window but no moment: one more
            // is free after its share of the window.
            (None, Some((limit, Some(window)))) if remaining == 0 => {
                self.no_pulls = Some(Moment::after(Duration::from_secs(window / limit.max(1)), now));
            }
            (None, _) => {}
        }
    }
}

/// The number of a header, and its window in seconds: `100;w=21600`.
fn number(headers: &HeaderMap, name: &str) -> Option<(u64, Option<u64>)> {
    let text = headers.get(name)?.to_str().ok()?;
    let (number, rest) = text.split_once([';', ',']).unwrap_or((text, ""));
    let window = rest.split([';', ',']).find_map(|part| part.trim().strip_prefix("w=")?.parse().ok());
    Some((number.trim().parse().ok()?, window))
}

/// The pause that a registry asks for: seconds, or a date.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let seconds = text.parse::<u64>().ok();
    let until_date = || {
        let date = DateTime::parse_from_rfc2822(text).ok()?;
        u64::try_from((date.to_utc() - Utc::now()).num_seconds()).ok()
    };
    seconds.or_else(until_date).map(|seconds| Duration::from_secs(seconds).min(MAX_PAUSE))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderName;

    use super::*;

    fn headers(all: &[(&'static str, &str)]) -> HeaderMap {
        all.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    /// A state, and a clock that the test sets.
    struct Ground {
        state: State,
        now: Instant,
    }

    impl Ground {
        fn new() -> Self {
            Self { state: State::default(), now: Instant::now() }
        }

        fn heed(&mut self, status: StatusCode, all: &[(&'static str, &str)]) {
            self.state.heed(status, &headers(all), self.now);
        }

        /// Seconds of the pause, if there is one.
        fn pause(&mut self, is_pull: bool) -> Option<u64> {
            self.state.spend(is_pull, self.now).map(|until| (until.at - self.now).as_secs())
        }
    }

    #[test]
    fn the_pause_that_a_registry_asks_for_is_seconds_or_a_date() {
        let of = |text: &str| retry_after(&headers(&[("retry-after", text)]));
        assert_eq!(of("30"), Some(Duration::from_secs(30)));
        let date = (Utc::now() + TimeDelta::seconds(100)).to_rfc2822();
        assert!(of(&date).is_some_and(|wait| (90..=100).contains(&wait.as_secs())));
        assert_eq!(of("999999999"), Some(MAX_PAUSE));
        for none in ["", "soon", "-1", "Wed, 21 Oct 2015 07:28:00 GMT"] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn a_pause_holds_until_its_end_and_a_shorter_one_does_not_cut_it() {
        let mut ground = Ground::new();
        ground.heed(StatusCode::TOO_MANY_REQUESTS, &[("retry-after", "60")]);
        ground.heed(StatusCode::SERVICE_UNAVAILABLE, &[("retry-after", "5")]);
        assert_eq!(ground.pause(false), Some(60));
        ground.now += Duration::from_secs(59);
        assert_eq!(ground.pause(false), Some(1));
        ground.now += Duration::from_secs(1);
        assert_eq!(ground.pause(false), None);
    }

    #[test]
    fn too_many_requests_pauses_without_a_word_of_how_long_and_other_failures_do_not() {
        let mut ground = Ground::new();
        for status in [StatusCode::SERVICE_UNAVAILABLE, StatusCode::INTERNAL_SERVER_ERROR, StatusCode::OK] {
            ground.heed(status, &[]);
            assert_eq!(ground.pause(true), None, "{status}");
        }
        ground.heed(StatusCode::TOO_MANY_REQUESTS, &[]);
        assert_eq!(ground.pause(false), Some(30));
    }

    #[test]
    fn no_more_is_sent_than_is_left_until_the_reset() {
        let mut ground = Ground::new();
        let two = [("ratelimit-limit", "10"), ("ratelimit-remaining", "2"), ("ratelimit-reset", "20")];
        ground.heed(StatusCode::OK, &two);
        assert_eq!([ground.pause(false), ground.pause(false)], [None, None]);
        // The answer to the first of the two comes late.
        let one = [("ratelimit-remaining", "1"), ("ratelimit-reset", "20")];
        ground.heed(StatusCode::OK, &one);
        assert_eq!(ground.pause(false), Some(20));
        ground.now += Duration::from_secs(20);
        assert_eq!(ground.pause(false), None);
    }

    #[test]
    fn docker_hub_without_pulls_left_still_answers_what_is_no_pull() {
        let mut ground = Ground::new();
        let none = [("ratelimit-limit", "100;w=21600"), ("ratelimit-remaining", "0;w=21600")];
        ground.heed(StatusCode::OK, &none);
        assert_eq!([ground.pause(false), ground.pause(true)], [None, Some(216)]);
        ground.now += Duration::from_secs(216);
        assert_eq!(ground.pause(true), None);
    }
}
