//! Conditions: how the host and each stage are, since when and why, in words that programs can rely on.
//!
//! *Guarantees*: `since` changes only when the status does (S2); two of them, `Ready` and `Reconciling` of the host, follow
//! from the rest; what is no longer there has none. *Caveats*: they are as of the last pass that could look; a kind that
//! is absent is not known.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::name::StageKey;
use super::status::text_enum;
use super::units::rfc3339;

/// Longest message, in characters: a cause with its remedy. The deploy log has the rest.
const MESSAGE_CHARS: usize = 400;
/// So many stages are named in one message.
const NAMED_STAGES: usize = 5;

text_enum! {
    /// What is said.
    ConditionKind {
        /// All is as the configuration says, and serves.
        Ready = "Ready",
        /// It is being worked on, or will be without anybody's word.
        Reconciling = "Reconciling",
        /// The configuration that is there is the one in force.
        ConfigLoaded = "ConfigLoaded",
        /// Docker answers.
        DockerReachable = "DockerReachable",
        /// The proxy answers.
        ProxyReachable = "ProxyReachable",
        /// Registries answer what they are asked.
        RegistriesReachable = "RegistriesReachable",
        /// The registry has a tag that the policy of the stage fits.
        TagFound = "TagFound",
        /// It was changed by hand and is not put right yet.
        Drifted = "Drifted",
        /// A change would retire too much and waits for a word (R3).
        PruneBlocked = "PruneBlocked",
        /// It does not go on without somebody's word or change.
        Stalled = "Stalled",
    }
}

text_enum! {
    /// Whether it is so.
    Truth {
        /// It is.
        True = "True",
        /// It is not.
        False = "False",
        /// Nobody can tell.
        Unknown = "Unknown",
    }
}

impl ConditionKind {
    /// True where `True` is bad news.
    pub const fn is_trouble(self) -> bool {
        match self {
            Self::Ready
            | Self::ConfigLoaded
            | Self::DockerReachable
            | Self::ProxyReachable
            | Self::RegistriesReachable
            | Self::TagFound => false,
            Self::Reconciling | Self::Drifted | Self::PruneBlocked | Self::Stalled => true,
        }
    }

    /// True for a status of it that somebody should know of.
    pub fn is_bad(self, status: Truth) -> bool {
        status == if self.is_trouble() { Truth::True } else { Truth::False }
    }
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// Whether it is so.
    pub status: Truth,
    /// Why, as one word in `CamelCase`.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// The generation of the configuration that it was found with.
    pub generation: i64,
    /// When its status became what it is, in milliseconds since 1970 UTC.
    pub since_ms: i64,
}

/// One condition as programs read it, in the JSON of every command and of the daemon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConditionRow {
    /// What is said.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// Whether it is so.
    pub status: Truth,
    /// Why, as one word in `CamelCase`.
    pub reason: String,
    /// Why, for people.
    pub message: String,
    /// The generation of the configuration that it was found with.
    pub generation: i64,
    /// When its status became what it is, in RFC 3339, UTC.
    pub since: String,
}

/// What somebody found of one condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Which.
    pub kind: ConditionKind,
    /// Whether it is so.
    pub status: Truth,
    /// Why, as one word in `CamelCase`.
    pub reason: &'static str,
    /// Why, for people.
    pub message: String,
}

impl Said {
    /// Something found.
    pub fn new(kind: ConditionKind, status: Truth, reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind, status, reason, message: message.into() }
    }
}

/// The conditions of the host, or of one stage.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions(BTreeMap<ConditionKind, Condition>);

impl Conditions {
    /// Takes in what was found; true when anything is different from before.
    pub fn set(&mut self, now_ms: i64, generation: i64, said: &Said) -> bool {
        let before = self.0.get(&said.kind);
        let since_ms = before.filter(|before| before.status == said.status).map_or(now_ms, |before| before.since_ms);
        let now = Condition {
            status: said.status,
            reason: said.reason.to_owned(),
            message: said.message.chars().take(MESSAGE_CHARS).collect(),
            generation,
            since_ms,
        };
        let is_new = before != Some(&now);
        self.0.insert(said.kind, now);
        is_new
    }

    /// Takes up a condition as it was kept.
    pub fn restore(&mut self, kind: ConditionKind, condition: Condition) {
        self.0.insert(kind, condition);
    }

    /// The condition of a kind; none where nobody knows.
    pub fn get(&self, kind: ConditionKind) -> Option<&Condition> {
        self.0.get(&kind)
    }

    /// True where it is known to be so.
    pub fn is(&self, kind: ConditionKind, status: Truth) -> bool {
        self.get(kind).is_some_and(|condition| condition.status == status)
    }

    /// All, by kind.
    pub fn iter(&self) -> impl Iterator<Item = (ConditionKind, &Condition)> {
        self.0.iter().map(|(kind, condition)| (*kind, condition))
    }

    /// All, for programs.
    pub fn rows(&self) -> Vec<ConditionRow> {
        let row = |(kind, condition): (ConditionKind, &Condition)| {
            let Condition { status, reason, message, generation, since_ms } = condition.clone();
            ConditionRow { kind, status, reason, message, generation, since: rfc3339(since_ms) }
        };
        self.iter().map(row).collect()
    }

    /// Those that somebody should know of, without what only follows from them.
    pub fn bad(&self) -> Vec<(ConditionKind, &Condition)> {
        let all: Vec<_> = self.iter().filter(|(kind, condition)| kind.is_bad(condition.status)).collect();
        let has_cause = all.iter().any(|(kind, _)| *kind != ConditionKind::Ready);
        all.into_iter().filter(|(kind, _)| *kind != ConditionKind::Ready || !has_cause).collect()
    }
}

/// The conditions of the host and of its stages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllConditions {
    /// Of the host.
    pub host: Conditions,
    /// Of each stage.
    pub stages: BTreeMap<StageKey, Conditions>,
}

/// What one pass, or its failure, has to say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    /// The generation of the configuration in force; none leaves each condition's as it was.
    pub generation: Option<i64>,
    /// Of the host.
    pub host: Vec<Said>,
    /// Of stages.
    pub stages: BTreeMap<StageKey, Vec<Said>>,
    /// The stages that there are; none where that is not known.
    pub known: Option<BTreeSet<StageKey>>,
}

impl AllConditions {
    /// Takes findings in, lets what is gone go, and sums up.
    pub fn take(&mut self, now_ms: i64, findings: &Findings) {
        let Findings { generation, host, stages, known } = findings;
        let before = self.host.get(ConditionKind::Ready).map(|ready| ready.generation);
        let generation = generation.or(before).unwrap_or_default();
        if let Some(known) = known {
            self.stages.retain(|key, _| known.contains(key));
        }
        for said in host {
            self.host.set(now_ms, generation, said);
        }
        for (key, said) in stages {
            let of_stage = self.stages.entry(key.clone()).or_default();
            for said in said {
                of_stage.set(now_ms, generation, said);
            }
        }
        for said in [self.reconciling(), self.ready()] {
            self.host.set(now_ms, generation, &said);
        }
    }

    /// The host is at work while one of its stages is.
    fn reconciling(&self) -> Said {
        let at_work = self.stages.iter().filter(|(_, own)| own.is(ConditionKind::Reconciling, Truth::True));
        let at_work: Vec<&StageKey> = at_work.map(|(key, _)| key).collect();
        if at_work.is_empty() {
            return Said::new(ConditionKind::Reconciling, Truth::False, "Idle", "");
        }
        Said::new(ConditionKind::Reconciling, Truth::True, "StagesAtWork", named(&at_work))
    }

    /// The host is ready when it can be worked on, nothing is held back, and every stage is ready.
    fn ready(&self) -> Said {
        let not_ready = |reason, message| Said::new(ConditionKind::Ready, Truth::False, reason, message);
        let causes = [
            (ConditionKind::DockerReachable, "DockerNotReachable"),
            (ConditionKind::ConfigLoaded, "ConfigNotLoaded"),
            (ConditionKind::PruneBlocked, "PruneBlocked"),
            (ConditionKind::ProxyReachable, "ProxyNotReachable"),
        ];
        for (kind, reason) in causes {
            if let Some(bad) = self.host.get(kind).filter(|condition| kind.is_bad(condition.status)) {
                return not_ready(reason, bad.message.clone());
            }
        }
        let waiting = self.stages.iter().filter(|(_, own)| !own.is(ConditionKind::Ready, Truth::True));
        let waiting: Vec<&StageKey> = waiting.map(|(key, _)| key).collect();
        if !waiting.is_empty() {
            return not_ready("StagesNotReady", named(&waiting));
        }
        if self.host.is(ConditionKind::DockerReachable, Truth::True) {
            return Said::new(ConditionKind::Ready, Truth::True, "Converged", "");
        }
        Said::new(ConditionKind::Ready, Truth::Unknown, "NotLookedAt", "no pass has seen the host yet")
    }
}

fn named(keys: &[&StageKey]) -> String {
    let names: Vec<String> = keys.iter().take(NAMED_STAGES).map(ToString::to_string).collect();
    let more = keys.len().saturating_sub(NAMED_STAGES);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    format!("{}{more}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> StageKey {
        text.parse().unwrap()
    }

    fn stage_is(ready: Truth) -> Vec<Said> {
        vec![Said::new(ConditionKind::Ready, ready, "Because", "")]
    }

    /// What is said of the host and of stages, and what follows.
    type Row<'a> = (&'a [(ConditionKind, Truth)], &'a [(&'a str, Truth)], Truth, &'a str);

    /// A host where Docker answers and everything is well, but for what is given.
    fn with(host: &[(ConditionKind, Truth)], stages: &[(&str, Truth)]) -> AllConditions {
        let mut all = AllConditions::default();
        let answers = [(ConditionKind::DockerReachable, Truth::True)];
        let host = answers.iter().chain(host).map(|(kind, status)| Said::new(*kind, *status, "Because", "so it is"));
        let stages = stages.iter().map(|(name, ready)| (key(name), stage_is(*ready)));
        all.take(5, &Findings { host: host.collect(), stages: stages.collect(), ..Findings::default() });
        all
    }

    #[test]
    fn since_changes_with_the_status_alone_and_nothing_new_is_no_change() {
        let mut own = Conditions::default();
        let said = |status, reason, message| Said::new(ConditionKind::Stalled, status, reason, message);
        assert!(own.set(1, 1, &said(Truth::True, "Clash", "a")));
        assert!(!own.set(2, 1, &said(Truth::True, "Clash", "a")));
        for (now, generation, reason, message) in [(3, 2, "Clash", "a"), (4, 2, "Refused", "a"), (5, 2, "Refused", "b")]
        {
            assert!(own.set(now, generation, &said(Truth::True, reason, message)), "{now}");
            assert_eq!(own.get(ConditionKind::Stalled).map(|c| (c.since_ms, c.generation)), Some((1, 2)));
        }
        assert!(own.set(6, 2, &said(Truth::False, "Refused", "b")));
        assert_eq!(own.get(ConditionKind::Stalled).unwrap().since_ms, 6);
        own.set(7, 2, &said(Truth::False, "Long", &"x".repeat(5000)));
        assert_eq!(own.get(ConditionKind::Stalled).unwrap().message.len(), MESSAGE_CHARS);
    }

    #[test]
    fn the_host_is_ready_only_when_it_is_known_that_nothing_is_wrong() {
        use ConditionKind::{ConfigLoaded, DockerReachable, ProxyReachable, PruneBlocked};
        let fine = [("a/prod", Truth::True), ("b/prod", Truth::True)];
        let table: [Row<'_>; 10] = [
            (&[], &fine, Truth::True, "Converged"),
            (&[], &[], Truth::True, "Converged"),
            (&[(ProxyReachable, Truth::Unknown)], &fine, Truth::True, "Converged"),
            (&[(ConfigLoaded, Truth::False)], &fine, Truth::False, "ConfigNotLoaded"),
            (&[(ProxyReachable, Truth::False)], &fine, Truth::False, "ProxyNotReachable"),
            (&[(PruneBlocked, Truth::True)], &fine, Truth::False, "PruneBlocked"),
            (
                &[(PruneBlocked, Truth::True), (DockerReachable, Truth::False)],
                &fine,
                Truth::False,
                "DockerNotReachable",
            ),
            (&[], &[("a/prod", Truth::True), ("b/prod", Truth::False)], Truth::False, "StagesNotReady"),
            (&[], &[("a/prod", Truth::Unknown)], Truth::False, "StagesNotReady"),
            (&[(DockerReachable, Truth::Unknown)], &fine, Truth::Unknown, "NotLookedAt"),
        ];
        for (host, stages, status, reason) in table {
            let all = with(host, stages);
            let ready = all.host.get(ConditionKind::Ready).unwrap();
            assert_eq!((ready.status, ready.reason.as_str()), (status, reason), "{host:?} {stages:?}");
        }
        let many: Vec<String> = (0..9).map(|n| format!("p{n}/prod")).collect();
        let many: Vec<(&str, Truth)> = many.iter().map(|name| (name.as_str(), Truth::False)).collect();
        let message = with(&[], &many).host.get(ConditionKind::Ready).unwrap().message.clone();
        assert_eq!(message, "p0/prod, p1/prod, p2/prod, p3/prod, p4/prod and 4 more");
    }

    #[test]
    fn the_host_is_at_work_while_a_stage_is_and_what_is_gone_has_no_conditions() {
        let mut all = with(&[], &[("a/prod", Truth::True), ("b/prod", Truth::False)]);
        let at_work = vec![Said::new(ConditionKind::Reconciling, Truth::True, "AtWork", "")];
        all.take(6, &Findings { stages: [(key("b/prod"), at_work)].into(), ..Findings::default() });
        assert!(all.host.is(ConditionKind::Reconciling, Truth::True));
        let known = Some([key("a/prod")].into());
        all.take(7, &Findings { known, generation: Some(4), ..Findings::default() });
        assert_eq!(all.stages.keys().collect::<Vec<_>>(), [&key("a/prod")]);
        assert!(
            all.host.is(ConditionKind::Reconciling, Truth::False) && all.host.is(ConditionKind::Ready, Truth::True)
        );
        let (ready, same) = (all.host.get(ConditionKind::Ready).unwrap().clone(), all.clone());
        assert_eq!((ready.since_ms, ready.generation), (7, 4));
        all.take(9, &Findings { host: Vec::new(), ..Findings::default() });
        assert_eq!(all, same, "nothing new, and the generation stays");
    }

    #[test]
    fn what_only_follows_from_another_is_not_shown_beside_it() {
        let mut own = Conditions::default();
        own.set(1, 1, &Said::new(ConditionKind::Ready, Truth::False, "DeployFailed", ""));
        assert_eq!(own.bad().len(), 1);
        own.set(1, 1, &Said::new(ConditionKind::Stalled, Truth::True, "DeployFailed", ""));
        own.set(1, 1, &Said::new(ConditionKind::Drifted, Truth::False, "AsApplied", ""));
        assert_eq!(own.bad().iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [ConditionKind::Stalled]);
    }
}
