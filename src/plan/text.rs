//! The text of a plan: what `diff` prints and the language of the tests. The plain form holds no colour, no clock and
//! no random id, so that the same plan always reads the same.

use std::fmt::{self, Write as _};

use super::{Blocked, Effect, FieldChange, Held, Plan, StagePlan, Step, Target, Verdict};
use crate::model::desired::{Check, Ready};
use crate::model::{ChoiceKind, Domain, Hook, Millis};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.shared {
            writeln!(f, "{}", step.effect)?;
        }
        for stage in self.stages.iter().filter(|s| s.verdict != Verdict::Unchanged || !s.warnings.is_empty()) {
            stage.fmt(f)?;
        }
        if let Some(held) = &self.held {
            writeln!(f, "held: {held}")?;
        }
        Ok(())
    }
}

impl fmt::Display for StagePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.key, self.verdict)?;
        for (separator, cause) in std::iter::once(": ").chain(std::iter::repeat("; ")).zip(&self.causes) {
            write!(f, "{separator}{cause}")?;
        }
        if let Some(held) = &self.held {
            write!(f, ": {held}")?;
        }
        if let Some(blocked) = &self.blocked {
            write!(f, ": {blocked}")?;
        }
        f.write_char('\n')?;
        for after in &self.after {
            writeln!(f, "  after {after}")?;
        }
        for change in &self.changes {
            writeln!(f, "  ~ {change}")?;
        }
        for step in &self.steps {
            writeln!(f, "  {step}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "  warning: {warning}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unchanged => "unchanged",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Repair => "repair",
            Self::Remove => "remove",
            Self::Held => "held",
            Self::Blocked => "blocked",
        })
    }
}

impl fmt::Display for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed { version, reason, .. } => write!(f, "{version} failed ({reason})"),
            Self::Chosen { kind: ChoiceKind::Rollback, version, refused, .. } => {
                write!(f, "went back to {version}; {refused} is refused until the stage's configuration changes")
            }
            Self::Chosen { kind: ChoiceKind::Deploy, version, refused, .. } => {
                write!(f, "{version} was deployed by hand; {refused} waits until the stage's configuration changes")
            }
            Self::Suspended { .. } => f.write_str("suspended"),
            Self::Released { .. } => f.write_str("released"),
            Self::Rests { .. } => f.write_str("it has to be put right again and again, and is so less and less often"),
            Self::Window { .. } => f.write_str("its window is closed"),
            Self::Comes(coming) => write!(f, "{coming}"),
            Self::Clash { what } | Self::Waits { what } | Self::Prune { what } => f.write_str(what),
        }
    }
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl fmt::Display for FieldChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, old, new } = self;
        if path.starts_with("secret_") {
            return write!(f, "{path}  changed ‹secret›");
        }
        let side = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".into());
        write!(f, "{path}  {} → {}", side(old), side(new))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("(new)"),
            Self::Existing { name, .. } => f.write_str(name),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.effect.fmt(f)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CreateNetwork { name } => write!(f, "network {name}"),
            Self::Pull { image } => write!(f, "pull {}", image.by_digest()),
            Self::CreateVolume { name } => write!(f, "volume {name}"),
            Self::Hook { moment, hook: Hook { command, timeout } } => {
                write!(f, "hook {moment} within {timeout}: {}", command.join(" "))
            }
            Self::Create { beside: None } => f.write_str("create (new)"),
            Self::Create { beside: Some(old) } => write!(f, "create (new) next to {old}"),
            Self::WriteSecrets => f.write_str("write secret files"),
            Self::Connect { target, network } => write!(f, "connect {target} to {network}"),
            Self::Start { target } => write!(f, "start {target}"),
            Self::Unpause { target } => write!(f, "unpause {target}"),
            Self::Rename { target, to } => write!(f, "rename {target} to {to}"),
            Self::Gate { target, ready } => write!(f, "gate {target} {ready}"),
            Self::Certify { names } => write!(f, "certify {}", names.join(", ")),
            Self::JoinNames { target } => write!(f, "name {target}"),
            Self::Switch { domains, options: _, target } => write!(f, "switch {} to {target}", join(domains)),
            Self::Monitor { target, duration, .. } => write!(f, "monitor {target} for {duration}"),
            Self::Unroute { domains } => write!(f, "unroute {}", join(domains)),
            Self::LeaveNames { target } => write!(f, "unname {target}"),
            Self::Drain { target, at_most } => write!(f, "drain {target} within {at_most}"),
            Self::Stop { target, grace } => write!(f, "stop {target} within {grace}"),
            Self::Remove { target } => write!(f, "remove {target}"),
        }
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.check {
            Check::Http { path, .. } => write!(f, "http {path}")?,
            Check::Tcp => f.write_str("tcp")?,
            Check::Docker => f.write_str("docker")?,
            Check::Running => f.write_str("running")?,
        }
        write!(f, " within {}", self.deadline)
    }
}

fn join(domains: &[Domain]) -> String {
    domains.iter().map(Domain::as_str).collect::<Vec<_>>().join(", ")
}

/// How long ago something was, in the largest unit that fits, as in `2 h`.
pub fn age(then_ms: i64, now_ms: i64) -> String {
    let Millis(ms) = Millis(u64::try_from(now_ms.saturating_sub(then_ms)).unwrap_or(0));
    let (count, unit) = match ms / 1000 {
        secs @ 0..60 => (secs, "s"),
        secs @ 60..3600 => (secs / 60, "min"),
        secs @ 3600..172_800 => (secs / 3600, "h"),
        secs => (secs / 86_400, "d"),
    };
    format!("{count} {unit}")
}
