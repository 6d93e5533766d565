//! Cron schedules: five fields, Unix rules, in a time zone. The only place that names the cron crate.

use std::str::FromStr;

use cron::Cron;

use super::name::InvalidName;

/// Checks a schedule at load time, since an impossible date costs over half a second each time it is asked.
///
/// # Errors
/// The text is not five fields of Unix cron, or never matches.
pub fn check(text: &str) -> Result<(), InvalidName> {
    if text.split_whitespace().count() != 5 {
        return Err(InvalidName(format!("`{text}` is not a schedule: five fields are needed, as in `*/5 * * * *`")));
    }
    let cron = Cron::from_str(text).map_err(|e| InvalidName(format!("`{text}` is not a schedule: {e}")))?;
    let start = chrono::DateTime::UNIX_EPOCH;
    cron.find_next_occurrence(&start, false)
        .map(|_| ())
        .map_err(|_| InvalidName(format!("`{text}` is a schedule that never comes round")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_five_fields_that_come_round() {
        for good in ["*/5 * * * *", "0 0 * * 1", "* 9-16 * * MON-FRI", "0 0 29 2 *"] {
            assert!(check(good).is_ok(), "{good}");
        }
        for bad in ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@reboot"] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
