//! When to reconcile, and to what: the loop that is told of everything and does nothing itself.
//!
//! *Expected flow*: the source of the configuration, the host, timers and people each tell an event; `scheduler` (pure)
//! says what follows; a look at the source and each pass are tasks beside the loop, so that it always turns.
//!
//! *Guarantees*: a configuration that is bad, half-written or gone never takes effect; the last good one stays in
//! force and goes on being repaired (R2). A stage that failed for an outside reason is tried again, later each time
//! (R12), and keeps no other from being looked after.
//!
//! *Caveats*: after a restart with a bad configuration it is the store that says what was in force; what must be made anew
//! by then mounts files of the configuration only as they were copied before.

mod dice;
mod drift;
mod events;
mod log;
mod pass;
mod polls;
mod repeats;
mod scheduler;
mod signals;
mod source;
mod state;
mod systemd;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod told;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch as newest;
use tokio::sync::{Notify, mpsc};
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Loaded;
use crate::execute::{self, Newest};
use crate::model::{Desired, StageKey};
use crate::plan::{Selection, Verdict};
use crate::reconcile::{Beside, Noted, Places};
use crate::store::{DaemonLock, now_ms};
use dice::Dice;
use drift::Drift;
use events::{Heard, Listener};
pub use pass::Ask;
use pass::Told;
use polls::Polls;
pub use signals::{Asked, Signals};
pub use state::{Handle, State, UnderWay};
pub use systemd::Notifier;

use state::{Board, Desk};

use scheduler::{Action, Event, Looked, Outcome, Pass, Reason, Scheduler, Scope};
use source::{Glance, News, Source};
use watch::Watch;

/// So long passes may go on after SIGTERM; then they are left where they are, and the next start goes on with them. The
/// unit's `TimeoutStopSec` is longer.
const STOP_WITHIN: Duration = Duration::from_secs(30);
/// What is said beside a configuration that cannot be used.
const KEPT: &str = "the last good one stays in force";
const NONE: &str = "nothing is in force yet";

/// What the daemon is told from outside.
pub struct Calls {
    line: Line,
    desk: Desk,
}

/// Who says that it is to stop.
enum Line {
    Signals(Signals),
    Other(Pin<Box<dyn Future<Output = ()> + Send>>),
}

impl Calls {
    /// Signals, and what people ask for by the handle.
    pub fn new(signals: Signals) -> (Self, Handle) {
        let (desk, handle) = state::desk();
        (Self { line: Line::Signals(signals), desk }, handle)
    }

    /// No signals: it stops when this is over.
    pub fn until(stop: impl Future<Output = ()> + Send + 'static) -> (Self, Handle) {
        let (desk, handle) = state::desk();
        (Self { line: Line::Other(Box::pin(stop)), desk }, handle)
    }
}

impl Line {
    async fn next(&mut self) -> Asked {
        match self {
            Self::Signals(signals) => signals.next().await,
            Self::Other(stop) => {
                stop.await;
                Asked::Stop
            }
        }
    }
}

/// Watches and converges until it is told to stop; alone on its data directory.
pub async fn run(places: Places, _alone: &DaemonLock, calls: Calls) {
    tracing::info!(config = %places.config, "watching");
    let Calls { mut line, desk: Desk { mut asks, reload, board } } = calls;
    let (mut daemon, mut told) = Daemon::new(places, board);
    loop {
        daemon.notifier.watchdog(Instant::now());
        let wake_at = daemon.wake_at();
        let takes_asks = daemon.scheduler.takes_requests();
        let event = tokio::select! {
            asked = line.next() => match asked {
                Asked::Stop => break,
                Asked::Reload => daemon.reload(),
            },
            () = reload.notified() => daemon.reload(),
            Some(told) = told.recv() => daemon.told(told),
            heard = daemon.listener.next() => daemon.heard(heard),
            Some(ask) = asks.recv(), if takes_asks => daemon.asked(ask),
            looked = looked(&mut daemon.looking) => daemon.looked(looked),
            () = daemon.watch.changed() => daemon.noticed(),
            () = daemon.news.notified() => daemon.noticed(),
            () = tokio::time::sleep_until(wake_at.into()) => Event::Tick,
        };
        daemon.take(event);
        daemon.take_drifted();
        daemon.take_polls();
    }
    daemon.stop().await;
}

/// The end of a look at the source, with the source itself; never while nobody looks.
async fn looked(looking: &mut Option<JoinHandle<(Source, News)>>) -> Option<(Source, News)> {
    let Some(task) = looking else { return std::future::pending().await };
    let ended = task.await;
    *looking = None;
    ended.inspect_err(|error| tracing::error!("a fault of Landfall itself ended a look at the files: {error}")).ok()
}

struct Daemon {
    places: Places,
    /// None while somebody looks.
    source: Option<Source>,
    looking: Option<JoinHandle<(Source, News)>>,
    watch: Watch,
    news: Arc<Notify>,
    glance: Glance,
    in_force: Option<Arc<Loaded>>,
    /// What is there cannot be used, and is not what is in force.
    is_bad: bool,
    newest: newest::Sender<Option<Arc<Desired>>>,
    scheduler: Scheduler,
    listener: Listener,
    drift: Drift,
    polls: Polls,
    dice: Dice,
    passes: JoinSet<()>,
    tell: pass::Teller,
    board: Board,
    /// What was asked for and has not begun.
    asks: BTreeMap<u64, Waiting>,
    last_ask: u64,
    log: log::Log,
    notifier: Notifier,
}

/// What waits for its turn.
struct Waiting {
    ask: Ask,
    scope: Scope,
    /// Who asked knows what for.
    is_told: bool,
}

impl Daemon {
    fn new(places: Places, board: Board) -> (Self, mpsc::UnboundedReceiver<Told>) {
        let (events, told) = mpsc::unbounded_channel();
        let seed = || Dice::new(uuid::Uuid::new_v4().as_u64_pair().0);
        let source = Source::new(&places.config);
        let daemon = Self {
            glance: source.glance(),
            news: source.news(),
            watch: Watch::new(&source.watched()),
            source: Some(source),
            looking: None,
            in_force: None,
            is_bad: false,
            newest: newest::Sender::new(None),
            scheduler: Scheduler::new(Instant::now(), seed()),
            listener: Listener::start(&places.docker, seed()),
            drift: Drift::default(),
            polls: Polls::default(),
            dice: seed(),
            passes: JoinSet::new(),
            tell: pass::Teller { events, board: board.clone() },
            board,
            asks: BTreeMap::new(),
            last_ask: 0,
            log: log::Log::default(),
            notifier: Notifier::from_env(),
            places: Places { beside: Beside::shared(), ..places },
        };
        (daemon, told)
    }

    /// Lets the scheduler know, and does what it says.
    fn take(&mut self, event: Event) {
        let has_observed = match event {
            Event::Planned { .. } | Event::Over { outcome: Outcome::Done { .. }, .. } => true,
            // Without any configuration there is nothing that the host could be compared with.
            Event::Looked(_) => self.in_force.is_none() && self.looking.is_none(),
            _ => false,
        };
        let is_over = matches!(event, Event::Over { .. });
        let is_told = is_over || matches!(event, Event::Looked(_));
        if let Event::Over { pass, outcome } = &event {
            self.board.over(*pass);
            self.polls.over(*pass, matches!(outcome, Outcome::Done { .. }));
        }
        for action in self.scheduler.step(Instant::now(), event) {
            match action {
                Action::Look { whole } => self.look(whole),
                Action::Pass(pass) => self.begin(pass),
            }
        }
        if self.scheduler.is_idle() {
            self.places.beside.close();
        }
        self.tell_who_waits();
        if has_observed && !self.scheduler.is_reloading() {
            self.notifier.ready();
        }
        if is_over {
            while self.passes.try_join_next().is_some() {}
        }
        if is_told {
            self.tell_status();
        }
    }

    /// What Docker tells of a stage is looked at after a moment of quiet; what it may not have told at once.
    fn heard(&mut self, heard: Heard) -> Event {
        match heard {
            Heard::Stage { key, what } => {
                tracing::debug!(stage = %key, "{key}: docker tells: {what:?}");
                self.drift.heard(Instant::now(), &key);
                Event::Tick
            }
            Heard::Relist => Event::Missed,
            Heard::Lost(error) => {
                tracing::error!(hint = error.hint(), "{error}");
                self.places.beside.hears(Some(error.to_string()));
                self.note(Noted::Docker);
                Event::Tick
            }
            Heard::Back => {
                tracing::info!("docker answers again");
                self.places.beside.hears(None);
                self.note(Noted::Docker);
                Event::Tick
            }
        }
    }

    /// A stage that is put right is put right later the next time, unless it gets something else to run.
    fn told(&mut self, told: Told) -> Event {
        match told {
            Told::Pass(event) => event,
            Told::Noted => Event::Tick,
            Told::Begins(key, Verdict::Repair | Verdict::Held | Verdict::Blocked) => {
                self.drift.repaired(Instant::now(), &key, &mut self.dice);
                Event::Tick
            }
            Told::Begins(key, Verdict::Create | Verdict::Replace | Verdict::Remove | Verdict::Unchanged) => {
                self.drift.replaced(&key);
                Event::Tick
            }
        }
    }

    /// Stages of which enough was heard.
    fn take_drifted(&mut self) {
        for stage in self.drift.due(Instant::now()) {
            self.take(Event::Drifted(stage));
        }
    }

    /// Registries whose time has come are asked about their stages.
    fn take_polls(&mut self) {
        let due = self.polls.due(now_ms(), &mut self.dice);
        if !due.is_empty() {
            self.take(Event::Polled(due));
        }
    }

    /// Files may have changed.
    fn noticed(&self) -> Event {
        self.glance.changed();
        Event::Changed
    }

    /// Begins a look at the source; the watch is renewed first, so that no change between the two is missed.
    fn look(&mut self, whole: bool) {
        self.watch.rearm();
        let mut source = self.source.take().unwrap_or_else(|| Source::new(&self.places.config));
        self.glance = source.glance();
        self.news = source.news();
        let places = self.places.clone();
        self.looking = Some(tokio::spawn(async move {
            let news = source.look(whole).await;
            source.remember(&places).await;
            (source, news)
        }));
    }

    fn looked(&mut self, looked: Option<(Source, News)>) -> Event {
        let Some((source, news)) = looked else { return Event::Looked(Looked::Same) };
        let complaint = match &news {
            News::Bad(error) => Some(error.clone()),
            News::Same | News::Changed | News::Renamed | News::Changing => source.complaint().map(ToOwned::to_owned),
        };
        let found = match news {
            News::Same => Looked::Same,
            News::Changing => Looked::Changing,
            News::Bad(error) => {
                let kept = if source.has_good() { KEPT } else { NONE };
                tracing::error!("the configuration cannot be used, {kept}: {error}");
                Looked::Same
            }
            News::Changed => source.last_good().map_or(Looked::Same, |loaded| Looked::New(self.put_in_force(loaded))),
            News::Renamed => source.last_good().map_or(Looked::Same, |loaded| {
                self.put_in_force(loaded);
                Looked::Renamed
            }),
        };
        if found != Looked::Changing {
            self.is_bad = complaint.is_some();
            if self.places.beside.complain(complaint.as_deref()) {
                self.note(Noted::Config);
            }
        }
        // What was in force before the start is in force until something else is good (R2).
        let kept = source.last_good().filter(|_| self.in_force.is_none()).map(|kept| self.put_in_force(kept));
        self.source = Some(source);
        self.board.looked(self.in_force.as_deref());
        let Some(resync) = kept else { return Event::Looked(found) };
        self.take(Event::Looked(Looked::New(resync)));
        if found == Looked::Changing { Event::Changed } else { Event::Tick }
    }

    /// Has it in the conditions, beside all passes.
    fn note(&mut self, noted: Noted<'static>) {
        self.passes.spawn(pass::note_beside(self.places.clone(), noted, self.tell.clone()));
    }

    /// From now on every pass converges to this; whoever works on a stage that is to run something else by now is told.
    fn put_in_force(&mut self, loaded: Arc<Loaded>) -> Duration {
        let resync = loaded.desired.settings.resync.duration();
        self.newest.send_replace(Some(Arc::clone(&loaded.desired)));
        let before = self.in_force.as_ref().map(|loaded| &*loaded.desired);
        self.polls.set(before, &loaded.desired, now_ms(), &mut self.dice);
        self.in_force = Some(loaded);
        resync
    }

    /// When the loop has to turn at the latest.
    fn wake_at(&self) -> Instant {
        let wake_at = self.scheduler.wake_at();
        let wake_at = self.drift.next_at().map_or(wake_at, |at| at.min(wake_at));
        let wake_at = self.polls.wait(now_ms()).map_or(wake_at, |wait| wake_at.min(Instant::now() + wait));
        self.notifier.watchdog_at().map_or(wake_at, |at| at.min(wake_at))
    }

    /// Everything is read and tried again; it is over with the pass that follows.
    fn reload(&mut self) -> Event {
        tracing::info!("reloading");
        self.notifier.reloading();
        self.places.config.ask_now();
        self.polls.ask_all();
        Event::Reload
    }

    fn asked(&mut self, ask: Ask) -> Event {
        self.last_ask += 1;
        let scope = ask.want.stage().map_or(Scope::All, |key| Scope::Stages([key.clone()].into()));
        self.asks.insert(self.last_ask, Waiting { ask, scope: scope.clone(), is_told: false });
        Event::Asked { request: self.last_ask, scope }
    }

    fn begin(&mut self, pass: Pass) {
        let Pass { id, scope, reason, request, busy } = pass;
        tracing::debug!(id, ?scope, ?reason, "a pass begins");
        let is_in = |stage: &StageKey| scope.has(stage) && !busy.contains(stage);
        let ask = if request.is_none() { self.polls.begin(id, is_in) } else { BTreeSet::new() };
        let places = Places { beside: self.places.beside.while_busy(busy), ..self.places.clone() };
        if let Some(Waiting { ask, .. }) = request.and_then(|request| self.asks.remove(&request)) {
            self.passes.spawn(pass::carry_out(id, ask, places, self.log.clone(), self.tell.clone()));
            return;
        }
        // The scheduler asks for none before there is a configuration.
        let Some(loaded) = self.in_force.clone() else { return };
        let selection = pass::selection(&scope, &loaded.desired);
        let rests = self.rests(reason, &selection);
        let newest = Newest::of(self.newest.subscribe());
        let job = pass::Job { places, loaded, selection, ask, rests, newest, known: self.listener.known() };
        self.passes.spawn(pass::converge(id, job, self.log.clone(), self.tell.clone()));
    }

    /// What rests in a pass: a look at everything is not what ends a rest, unless somebody asks for it.
    fn rests(&mut self, reason: Reason, selection: &Selection) -> BTreeMap<StageKey, i64> {
        match reason {
            Reason::Drift | Reason::Retry | Reason::Resync if selection.0.is_empty() => self.resting(),
            Reason::Registry => self.resting(),
            Reason::Drift | Reason::Retry | Reason::Resync | Reason::Config | Reason::Manual => BTreeMap::new(),
        }
    }

    /// The stages that are not to be put right now, with the time of the clock until which they are not.
    fn resting(&mut self) -> BTreeMap<StageKey, i64> {
        let (now, now_ms) = (Instant::now(), now_ms());
        let left = |until: Instant| i64::try_from((until - now).as_millis()).unwrap_or(i64::MAX);
        self.drift.resting(now).into_iter().map(|(key, until)| (key, now_ms.saturating_add(left(until)))).collect()
    }

    /// Whoever asked for something that cannot begin yet is told once what it waits for.
    fn tell_who_waits(&mut self) {
        if self.asks.is_empty() {
            return;
        }
        let busy = self.scheduler.busy();
        for waiting in self.asks.values_mut().filter(|waiting| !waiting.is_told) {
            let Some(key) = busy.iter().find(|key| waiting.scope.has(key)) else { continue };
            waiting.ask.sink.tell(execute::Event::Line { key: None, text: self.board.waiting_for(key) });
            waiting.is_told = true;
        }
    }

    /// What the service manager shows: how far it is with what is in force, and whether that is what is there.
    fn tell_status(&mut self) {
        let in_force = self.in_force.as_ref().map(|loaded| {
            let revision: String = loaded.desired.revision.chars().take(12).collect();
            let state = match (self.scheduler.is_well(), self.scheduler.is_idle()) {
                (false, _) => "not converged; see the log",
                (true, false) => "converging",
                (true, true) => "converged",
            };
            format!("{state}, configuration {revision}")
        });
        let text = match (self.is_bad, in_force) {
            (false, Some(state)) => state,
            (false, None) => NONE.to_owned(),
            (true, Some(state)) => format!("configuration cannot be used; {KEPT}: {state}"),
            (true, None) => format!("configuration cannot be used; {NONE}"),
        };
        self.notifier.status(&text);
    }

    /// Takes no more work, and waits for what is under way (R31).
    async fn stop(mut self) {
        self.notifier.stopping();
        if !self.scheduler.is_idle() {
            tracing::info!("stopping after the running pass");
        }
        let all = async { while self.passes.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_WITHIN, all).await.is_err() {
            tracing::warn!("a pass took too long and was left; the next start goes on with its deploys");
        }
        self.places.beside.close();
        tracing::info!("stopped");
    }
}
