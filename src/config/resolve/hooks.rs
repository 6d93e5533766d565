//! `hooks` → the commands that a deploy runs once.

use crate::config::code;
use crate::config::raw;
use crate::model::{Hook, Hooks, Millis, Moment};

use super::process;
use super::project::Context;

/// Default of `timeout`.
const TIMEOUT: Millis = Millis::secs(300);
/// Longest `timeout`.
const MAX_TIMEOUT: Millis = Millis::secs(6 * 3600);

/// The hooks of a stage.
pub(super) fn hooks(cx: &Context<'_>, raw: Option<raw::Hooks>) -> Hooks {
    let raw::Hooks { pre_deploy, post_deploy } = raw.unwrap_or_default();
    Hooks {
        pre_deploy: hook(cx, Moment::PreDeploy, pre_deploy),
        post_deploy: hook(cx, Moment::PostDeploy, post_deploy),
    }
}

fn hook(cx: &Context<'_>, moment: Moment, raw: Option<raw::Hook>) -> Option<Hook> {
    let raw::Hook { command, timeout } = raw?;
    let path = |key: &str| format!("hooks.{moment}.{key}");
    let command = process::words(cx, &path("command"), Some(command))?;
    if command.is_empty() {
        let help = "write a line or a list of words, as in `command: ./migrate up`";
        cx.site.refuse(code::BAD_VALUE, &path("command"), format!("`{moment}` has no command"), help);
    }
    let timeout = timeout.map_or(Some(TIMEOUT), |text| cx.site.parse(&path("timeout"), &text.0))?;
    if timeout == Millis(0) || timeout > MAX_TIMEOUT {
        let title = format!("`timeout` of {timeout} is not from 1ms to {MAX_TIMEOUT}");
        cx.site.refuse(code::BAD_VALUE, &path("timeout"), title, "write how long it may take, as in 5m");
    }
    Some(Hook { command, timeout })
}
