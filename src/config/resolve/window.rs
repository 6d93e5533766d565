//! `window` → when a stage may be deployed.

use crate::config::code;
use crate::config::raw;
use crate::model::schedule::Window;

use super::project::Context;

/// The window, in the zone of the settings unless it has one of its own.
pub(super) fn window(cx: &Context<'_>, raw: Option<raw::Window>) -> Option<Window> {
    let raw::Window { cron, timezone } = raw?;
    if cron.is_none() {
        let error = cx.site.error_at_key(code::MISSING, "window", "`window` has no `cron`");
        let help = "write the minutes in which it may be deployed, as in `cron: \"* 9-16 * * MON-FRI\"`";
        cx.site.report.add(error.help(help));
    }
    let timezone = match timezone {
        Some(text) => cx.site.parse("window.timezone", &text)?,
        None => cx.settings.value.timezone.clone(),
    };
    Some(Window { cron: cx.site.parse("window.cron", &cron?)?, timezone })
}
