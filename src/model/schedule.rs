//! Cron schedules: five fields, Unix rules, in a time zone. The only place that names the cron crate.
//!
//! *Guarantees*: what is due at an hour that the clocks jump over comes right after, and what is due in an hour that they
//! repeat comes once; what comes every so many minutes comes in both (as Debian's cron does).

use std::fmt;
use std::str::FromStr;

use cron::Cron;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use super::name::{InvalidName, text_conversions};

const MINUTE_MS: i64 = 60_000;

/// When something is due: five fields of Unix cron.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Schedule {
    text: String,
    cron: Cron,
}

/// A time zone, by its name in the IANA database: that of this version of Landfall, not the host's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone(TimeZone);

impl Schedule {
    /// The first time after another one, both in milliseconds since 1970 UTC; none when it never comes round again.
    pub fn after(&self, at_ms: i64, zone: &Zone) -> Option<i64> {
        let next = self.cron.find_next_occurrence(&zone.at(at_ms)?, false).ok()?;
        Some(next.timestamp().as_millisecond())
    }

    /// True in a minute that it names.
    pub fn matches(&self, at_ms: i64, zone: &Zone) -> bool {
        let minute = at_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
        zone.at(minute).is_some_and(|at| self.cron.is_time_matching(&at).unwrap_or(false))
    }
}

impl Zone {
    fn at(&self, ms: i64) -> Option<Zoned> {
        Some(Timestamp::from_millisecond(ms).ok()?.to_zoned(self.0.clone()))
    }
}

/// When a stage may be deployed: in the minutes that a schedule names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// These minutes.
    pub cron: Schedule,
    /// Their zone.
    pub timezone: Zone,
}

impl Window {
    /// When it opens next, in milliseconds since 1970 UTC; none while it is open.
    pub fn opens(&self, now_ms: i64) -> Option<i64> {
        let is_open = self.cron.matches(now_ms, &self.timezone);
        (!is_open).then(|| self.cron.after(now_ms, &self.timezone).unwrap_or(i64::MAX))
    }
}

impl FromStr for Schedule {
    type Err = InvalidName;

    /// Checked here, since an impossible date costs over half a second each time it is asked.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let bad = |why: &str| InvalidName(format!("`{text}` is not a schedule: {why}"));
        if text.split_whitespace().count() != 5 {
            return Err(bad("five fields are needed, as in `*/5 * * * *`"));
        }
        let cron = Cron::from_str(text).map_err(|error| bad(&error.to_string()))?;
        let comes = cron.find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), false).is_ok();
        let never = || InvalidName(format!("`{text}` is a schedule that never comes round"));
        if comes { Ok(Self { text: text.to_owned(), cron }) } else { Err(never()) }
    }
}

/// The same text; the zone is not part of it.
impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Schedule {}

impl FromStr for Zone {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let found = TimeZone::get(text).ok().filter(|zone| zone.iana_name() == Some(text) && !zone.is_unknown());
        let unknown = || InvalidName(format!("`{text}` is not a time zone: write it like `Europe/Berlin`, or `UTC`"));
        found.map(Self).ok_or_else(unknown)
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::UTC)
    }
}

text_conversions!(Schedule, Zone);

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.iana_name().unwrap_or("UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    /// The next times, in UTC.
    fn times(schedule: &str, zone: &str, from: &str, count: usize) -> Vec<String> {
        let (schedule, zone): (Schedule, Zone) = (schedule.parse().unwrap(), zone.parse().unwrap());
        let next = |at: &i64| schedule.after(*at, &zone);
        let all = std::iter::successors(next(&ms(from)), next).take(count);
        all.map(|at| Timestamp::from_millisecond(at).unwrap().strftime("%m-%d %H:%M").to_string()).collect()
    }

    #[test]
    fn a_schedule_is_five_fields_that_come_round() {
        for good in ["*/5 * * * *", "0 0 * * 1", "* 9-16 * * MON-FRI", "0 0 29 2 *"] {
            assert_eq!(good.parse::<Schedule>().expect(good).to_string(), good);
        }
        for bad in ["", "* * * *", "* * * * * *", "61 * * * *", "0 0 30 2 *", "@reboot"] {
            assert!(bad.parse::<Schedule>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_window_is_open_in_its_minutes_of_its_zone_and_says_when_it_opens_next() {
        let (cron, timezone) = ("* 9-16 * * MON-FRI".parse().unwrap(), "Europe/Berlin".parse().unwrap());
        let window = Window { cron, timezone };
        for open in ["2026-03-27T08:00:00Z", "2026-03-27T15:59:59.999Z", "2026-03-30T07:00:00Z"] {
            assert_eq!(window.opens(ms(open)), None, "{open}");
        }
        // The clocks go forward in between.
        for (closed, opens) in [
            ("2026-03-27T07:59:59.999Z", "2026-03-27T08:00:00Z"),
            ("2026-03-27T16:00:00Z", "2026-03-30T07:00:00Z"),
            ("2026-03-28T12:00:00Z", "2026-03-30T07:00:00Z"),
        ] {
            assert_eq!(window.opens(ms(closed)), Some(ms(opens)), "{closed}");
        }
    }

    #[test]
    fn a_zone_is_a_name_of_the_database() {
        assert_eq!("Europe/Berlin".parse::<Zone>().unwrap().to_string(), "Europe/Berlin");
        assert_eq!(Zone::default().to_string(), "UTC");
        for bad in ["", "CEST+2", "Europe/Atlantis", "berlin"] {
            assert!(bad.parse::<Zone>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_those_of_the_zone() {
        assert_eq!(times("0 9 * * *", "Europe/Berlin", "2026-07-01T00:00:00Z", 2), ["07-01 07:00", "07-02 07:00"]);
        assert_eq!(times("0 9 * * *", "UTC", "2026-07-01T09:00:00Z", 1), ["07-02 09:00"]);
    }

    /// On 29 March 2026 Berlin's clocks jump from 02:00 to 03:00, which is 01:00 UTC.
    #[test]
    fn what_is_due_in_the_hour_that_is_jumped_over_is_not_skipped() {
        let night = |schedule| times(schedule, "Europe/Berlin", "2026-03-28T12:00:00Z", 2);
        assert_eq!(night("30 2 * * *").len(), 2);
        assert_eq!(night("30 2 * * *")[0][..5], *"03-29", "{:?}", night("30 2 * * *"));
        let all = times("*/30 * * * *", "Europe/Berlin", "2026-03-29T00:00:00Z", 4);
        assert_eq!(all, ["03-29 00:30", "03-29 01:00", "03-29 01:30", "03-29 02:00"]);
    }

    /// On 25 October 2026 Berlin's clocks go back from 03:00 to 02:00, which is 01:00 UTC.
    #[test]
    fn what_is_due_in_the_hour_that_is_repeated_comes_once_and_what_comes_all_the_time_goes_on() {
        let night = times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00Z", 2);
        assert_eq!(night.iter().map(|time| &time[..5]).collect::<Vec<_>>(), ["10-25", "10-26"], "{night:?}");
        let all = times("*/30 * * * *", "Europe/Berlin", "2026-10-24T23:30:00Z", 5);
        assert_eq!(all, ["10-25 00:00", "10-25 00:30", "10-25 01:00", "10-25 01:30", "10-25 02:00"]);
    }
}
