//! A reload: it is over when what was there when it was asked for was read, and a pass over all was planned from that.
//!
//! *Caveats*: a look that was on already may have read before, and so may the pass that follows from it; neither counts.

/// How far a reload is.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reload {
    /// None is on.
    #[default]
    Over,
    /// The look that belongs to it has not begun.
    Asked,
    /// That look is on.
    Looks,
    /// It was read. The pass over all has not begun, or could not be planned.
    Read,
    /// This pass is to be planned.
    Plans(u64),
}

impl Reload {
    pub(super) fn look_begins(&mut self) {
        if *self == Self::Asked {
            *self = Self::Looks;
        }
    }

    /// A look ended; true when a pass over all is to follow for this. What was changing was not read.
    pub(super) fn looked(&mut self, is_changing: bool, has_config: bool) -> bool {
        if *self != Self::Looks {
            return false;
        }
        *self = match (is_changing, has_config) {
            (true, _) => Self::Asked,
            (false, true) => Self::Read,
            // Without any configuration there is nothing to plan.
            (false, false) => Self::Over,
        };
        *self == Self::Read
    }

    /// A pass over all begins.
    pub(super) fn pass_begins(&mut self, pass: u64) {
        if *self == Self::Read {
            *self = Self::Plans(pass);
        }
    }

    /// A pass was planned.
    pub(super) fn planned(&mut self, pass: u64) {
        if *self == Self::Plans(pass) {
            *self = Self::Over;
        }
    }

    /// A pass could not be planned: the next one is waited for.
    pub(super) fn failed(&mut self, pass: u64) {
        if *self == Self::Plans(pass) {
            *self = Self::Read;
        }
    }
}
